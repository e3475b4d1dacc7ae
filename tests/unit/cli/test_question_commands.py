# SPDX-License-Identifier: Apache-2.0
"""`tidegauge stats`, `history`, `compare` and `sql`."""

from __future__ import annotations

from typing import Any

import pytest

NOON = "2026-01-01T12:00:00Z"


@pytest.fixture
def filled(cli: Any) -> Any:
    """Latencies of two versions, and an accuracy for each."""
    cli.record("model:latency_ms", *range(1, 101), at=NOON, model="m", model_version="1")
    cli.record("model:latency_ms", *range(101, 201), at=NOON, model="m", model_version="2")
    cli.record("model:accuracy", 0.9, at=NOON, model_version="1")
    cli.record("model:accuracy", 0.95, at="2026-01-01T12:00:01Z", model_version="2")
    return cli


def test_stats_by_version(filled: Any) -> None:
    """A table for people, with the metric above it."""
    done = filled("stats", "model:latency_ms", "--by", "model_version")
    assert done.code == 0
    assert done.lines[0] == "model:latency_ms"
    assert [" ".join(line.split()) for line in done.lines[1:] if "─" not in line] == [
        "model_version count mean std min p50 p95 p99 max first last",
        "1 100 50.5 29.011 1 50.5 95.05 99.01 100 1 100",
        "2 100 150.5 29.011 101 150.5 195.05 199.01 200 101 200",
    ]


def test_stats_in_json_has_every_column(filled: Any) -> None:
    """Numbers are not rounded for programs."""
    [row] = filled("stats", "model:latency_ms", "--where", "model_version=2", "--json").json
    assert (row["count"], row["mean"], row["p50"]) == (100, 150.5, 150.5)
    assert row["percentiles"] == "exact"


def test_a_range_of_time_is_half_open(filled: Any) -> None:
    """--start is in it, --end is not."""
    arguments = ["--start", "2026-01-01T12:00:10Z", "--end", "2026-01-01T12:00:20Z"]
    rows = filled("history", "latency_ms", "-w", "model_version=1", *arguments, "--json").json
    assert [row["value"] for row in rows] == [float(value) for value in range(11, 21)]


def test_stats_without_a_fact_ends_with_1(filled: Any) -> None:
    """A metric that is declared and was never recorded has the count 0."""
    done = filled("stats", "usage:reply_rate", "--json")
    assert (done.code, done.json[0]["count"]) == (1, 0)


def test_an_unknown_metric_is_a_usage_error_with_a_hint(filled: Any) -> None:
    """The name is neither declared nor recorded; a similar one is named."""
    done = filled("stats", "model:latncy_ms")
    assert done.code == 2
    assert "model:latency_ms" in done.err


def test_a_time_range_given_twice_is_a_usage_error(filled: Any) -> None:
    """The query's own error ends with 2, too."""
    done = filled("stats", "latency_ms", "--hours", "1", "--days", "1")
    assert done.code == 2
    assert done.err.startswith("Error: Time range is given twice.")


def test_stats_over_intervals_say_how_far_off_they_may_be(cli: Any) -> None:
    """Percentiles from histograms are marked."""
    cli.record_interval("model:latency_ms", *range(1, 1001), at=NOON)
    done = cli("stats", "latency_ms")
    assert "Percentiles from histograms are exact to within 1.1 %." in done.out


def test_history_shows_what_there_is_to_show(filled: Any) -> None:
    """Columns without any content are left out of the table; --limit takes the newest."""
    done = filled("history", "accuracy", "--limit", "1")
    assert done.lines[0].split() == ["time", "metric", "value", "model_version"]
    assert done.lines[2].split() == ["2026-01-01", "12:00:01", "model:accuracy", "0.95", "2"]
    assert "The newest 1; --limit 0 shows all." in done.err


def test_compare_says_which_is_better(filled: Any) -> None:
    """Direction comes from the catalogue; a mean has an interval, a last value has none."""
    done = filled("compare", "1", "2", "--by", "model_version", "--json")
    by_metric = {row["metric"]: row for row in done.json}
    assert by_metric["model:accuracy"]["verdict"] == "better"
    assert by_metric["model:latency_ms"]["difference"] == 100.0
    assert done.code == 0
    text = filled("compare", "1", "2", "--by", "model_version")
    assert text.lines[0].split()[:2] == ["metric", "of"]
    accuracy = next(line for line in text.lines if line.startswith(" model:accuracy"))
    assert " ".join(accuracy.split()) == "model:accuracy last 1 1 0.9 0.95 5.556 % +0.05 better"


def test_compare_check_fails_when_something_is_worse(cli: Any) -> None:
    """For a gate in CI: exit code 1 if the new version is worse in any metric."""
    cli.record("model:accuracy", 0.9, at=NOON, run_id="old")
    cli.record("model:accuracy", 0.8, at=NOON, run_id="new")
    assert cli("compare", "old", "new", "--check").code == 1
    assert cli("compare", "new", "old", "--check").code == 0
    assert cli("compare", "old", "new").code == 0


def test_compare_with_nobody_names_what_there_is(filled: Any) -> None:
    """A side without facts is an error that helps."""
    done = filled("compare", "1", "3", "--by", "model_version")
    assert done.code == 2
    assert "no fact that was chosen has this model_version" in done.err.lower()


def test_sql_answers_as_table_json_and_csv(filled: Any) -> None:
    """The same rows in three forms."""
    question = "select metric, count(*) as n from points group by all order by n desc"
    table = filled("sql", question)
    assert [line.split() for line in table.lines if "─" not in line] == [
        ["metric", "n"],
        ["model:latency_ms", "200"],
        ["model:accuracy", "2"],
    ]
    rows = [{"metric": "model:latency_ms", "n": 200}, {"metric": "model:accuracy", "n": 2}]
    assert filled("sql", question, "--json").json == rows
    assert filled("sql", question, "--format", "json").json == rows
    csv = filled("sql", question, "-f", "csv")
    assert csv.out == "metric,n\nmodel:latency_ms,200\nmodel:accuracy,2\n"


def test_sql_reads_standard_input(filled: Any) -> None:
    """Without an argument, or with -, the statement comes from there."""
    assert filled("sql", "-f", "csv", stdin="select 1 as one").out == "one\n1\n"
    assert filled("sql", "-", "-f", "csv", stdin="select 1 as one").out == "one\n1\n"
    assert filled("sql", stdin="  ").code == 2


def test_sql_values_of_every_kind_become_json(filled: Any) -> None:
    """Times, maps, lists, decimals and what JSON lacks."""
    question = (
        "select timestamptz '2026-01-01 00:00:00+00' as t, map {'a': 1} as m, [1, 2] as l, "
        "1.5::decimal(4, 2) as d, 'nan'::double as n, null as z, true as b, date '2026-01-02' as y"
    )
    assert filled("sql", question, "--json").json == [
        {
            "t": "2026-01-01T00:00:00+00:00",
            "m": {"a": 1},
            "l": [1, 2],
            "d": 1.5,
            "n": None,
            "z": None,
            "b": True,
            "y": "2026-01-02",
        }
    ]


def test_sql_without_rows_is_an_empty_answer(filled: Any) -> None:
    """Not an error: the question was answered."""
    question = "select * from points where value < 0"
    assert filled("sql", question, "--json").json == []
    assert (filled("sql", question).code, filled("sql", question).out) == (0, "No rows.\n")


def test_sql_table_is_limited_and_says_so(filled: Any) -> None:
    """CSV and JSON have all rows; a table has --limit of them."""
    done = filled("sql", "select value from points", "--limit", "5")
    assert len(done.lines) == 2 + 5
    assert done.err == "The first 5 rows; --limit 0 shows all.\n"
    assert len(filled("sql", "select value from points", "--limit", "5", "--json").json) == 202


@pytest.mark.parametrize(
    "statement",
    ["selekt 1", "select nothing from points", "drop table points", "copy points to 'x.csv'"],
)
def test_sql_that_is_wrong_or_writes_is_a_usage_error(filled: Any, statement: str) -> None:
    """Exit code 2, the reason on standard error, a document with --json."""
    done = filled("sql", statement, "--json")
    assert done.code == 2
    assert done.json["error"]["kind"] == "QueryError"


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats", "f1"],
        ["history", "f1"],
        ["compare", "a", "b"],
        ["sql", "select 1"],
        ["status"],
        ["drain"],
        ["compact"],
        ["doctor"],
        ["export", "x.csv"],
    ],
)
def test_a_store_that_is_not_there_is_an_error(cli: Any, arguments: list[str]) -> None:
    """A mistyped path must not look like an empty store, nor become one."""
    done = cli(*arguments)
    assert done.code == 1
    assert done.err.startswith("Error: There is no store here.")
    assert not cli.store.exists()


def test_history_of_what_is_kept_in_intervals_points_to_stats(cli: Any) -> None:
    """There are no single values, but there are values."""
    cli.record_interval("model:latency_ms", 1.0, 2.0, at=NOON)
    done = cli("history", "latency_ms", "--json")
    assert (done.code, done.json) == (1, [])
    assert done.err == "2 values are kept in intervals, not singly: see tidegauge stats.\n"


def test_lengths_of_time_and_very_large_numbers_are_not_bent(filled: Any) -> None:
    """An interval as DuckDB writes it; whole numbers with all digits, beyond 64 bits as text."""
    question = (
        "select interval '1 day 2 seconds' as i, sum(9007199254740993::bigint) as s, "
        "99999999999999999999::hugeint as h from range(1)"
    )
    row = {"i": "1 day 00:00:02", "s": 9007199254740993, "h": "99999999999999999999"}
    assert filled("sql", question, "--json").json == [row]
    assert filled("sql", question, "-f", "csv").lines[1] == ",".join(map(str, row.values()))
    assert "1 day 00:00:02" in filled("sql", question).out
