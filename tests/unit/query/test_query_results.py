# SPDX-License-Identifier: Apache-2.0
"""What answers are: relations and tables that other libraries take, of one moment each."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.model.errors import QueryError
from tidegauge.query.errors import did_you_mean, readable_errors
from tidegauge.query.query import Query
from tidegauge.store.maintenance import compact

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


# DuckDB 2.0 calls pandas 3.1 in a way that pandas has deprecated.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop is deprecated")
def test_a_relation_turns_into_every_kind_of_table(facts: Any) -> None:
    """Arrow, pandas, polars and tuples show the same moment, in UTC."""
    facts.record("model:accuracy", 0.5, at=NOON, model="fraud", fold="1")
    facts.drain()
    relation = facts.query.sql("SELECT time, value, model, labels FROM points")
    assert relation.fetchall() == [(NOON, 0.5, "fraud", {"fold": "1"})]
    assert relation.fetchall()[0][0].utcoffset() == dt.timedelta()
    assert relation.to_arrow_table()["time"].type == pa.timestamp("us", "UTC")
    frame = relation.df()
    assert frame["time"][0].to_pydatetime() == NOON
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    assert relation.pl()["time"][0] == NOON
    assert relation.arrow().read_all().num_rows == 1


def test_times_are_utc_wherever_the_machine_is(run_program: Any, facts: Any) -> None:
    """A program in New York gets the hours and days of UTC."""
    facts.record("model:accuracy", 0.5, at="2026-01-01T02:30:00Z")
    program = (
        "from tidegauge.catalog import builtin_catalog\n"
        "from tidegauge.query.query import Query\n"
        "from tidegauge.store.store import Store\n"
        f"query = Query(Store({str(facts.store.root)!r}), builtin_catalog())\n"
        "relation = query.sql(\"SELECT time, date_trunc('day', time) FROM points\")\n"
        "print(*relation.fetchall()[0])\n"
        "print(query.stats('accuracy', by=['hour', 'day']).to_pylist()[0]['hour'])\n"
    )
    done = run_program(program, facts.store.root.parent, TZ="America/New_York")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2026-01-01 02:30:00+00:00 2026-01-01 00:00:00+00:00",
        "2026-01-01 02:00:00+00:00",
    ]


def test_a_table_turns_into_pandas_and_polars(facts: Any) -> None:
    """`stats`, `search` and `compare` give Arrow tables."""
    polars = pytest.importorskip("polars")
    facts.record("model:accuracy", 0.5, 0.75)
    table = facts.query.stats("model:accuracy")
    assert isinstance(table, pa.Table)
    assert table.to_pandas()["mean"][0] == 0.625
    assert polars.from_arrow(table)["mean"][0] == 0.625


@pytest.mark.parametrize("lazy", [False, True])
def test_an_answer_is_of_the_moment_it_was_asked_in(lazy: bool, facts: Any) -> None:
    """Neither new facts, nor draining, nor compaction, nor later questions change it."""
    facts.record("model:accuracy", 0.5)
    facts.drain()
    facts.record("model:accuracy", 0.6, at=NOON)
    answer = facts.query.sql("SELECT value FROM points ORDER BY value", lazy=lazy)
    history = facts.query.history("model:accuracy", lazy=lazy)
    facts.record("model:accuracy", 0.7)
    facts.drain()
    later = facts.query.sql("SELECT value FROM points ORDER BY value", lazy=lazy)
    assert answer.fetchall() == [(0.5,), (0.6,)]
    assert [row[2] for row in history.fetchall()] == [0.5, 0.6]
    assert later.fetchall() == [(0.5,), (0.6,), (0.7,)]
    assert answer.fetchall() == [(0.5,), (0.6,)]


def test_a_lazy_relation_says_later_what_went_wrong(facts: Any) -> None:
    """Its rows are computed when they are asked for; the block makes the error ours."""
    facts.record("model:accuracy", 0.5)
    relation = facts.query.sql("SELECT error('too bad') FROM points", lazy=True)
    with (
        pytest.raises(QueryError, match="too bad"),
        readable_errors("SELECT error('too bad') FROM points"),
    ):
        relation.fetchall()
    with pytest.raises(QueryError, match="too bad"):
        facts.query.sql("SELECT error('too bad') FROM points")


def test_a_deadline_ends_a_query(facts: Any) -> None:
    """The error says how long it was allowed to take; the next question is answered."""
    endless = "SELECT count(*) FROM range(1_000_000_000_000) t(i) WHERE i % 7 = -1"
    with pytest.raises(QueryError, match=r"took longer than 0\.05 s"):
        facts.query.sql(endless, timeout_s=0.05)
    assert facts.query.sql("SELECT 1", timeout_s=60).fetchall() == [(1,)]
    with pytest.raises(QueryError, match="a lazy query has no time limit"):
        facts.query.sql(endless, timeout_s=1, lazy=True)
    with pytest.raises(QueryError, match="duration cannot be used"):
        facts.query.sql(endless, timeout_s=0)


def test_threads_share_a_query(facts: Any) -> None:
    """Every thread has a connection of its own."""
    facts.record("model:accuracy", *(0.01 * number for number in range(100)))
    counts: list[int] = []

    def ask() -> None:
        for _ in range(5):
            counts.extend(facts.query.stats("model:accuracy")["count"].to_pylist())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [100] * 20


def test_memory_is_limited_as_asked(facts: Any, store_dir: Path) -> None:
    """What needs more says so."""
    query = Query(facts.store, builtin_catalog(), memory_limit="64MB", threads=1)
    with pytest.raises(QueryError, match="the query needs more memory than it may use"):
        query.sql("SELECT list(i) FROM range(100_000_000) t(i)")
    setting = query.sql("SELECT current_setting('memory_limit'), current_setting('threads')")
    assert setting.fetchall() == [("61.0 MiB", 1)]


def test_closing_gives_back_and_opens_again(facts: Any) -> None:
    """A relation made before stays usable."""
    facts.record("model:accuracy", 0.5)
    before = facts.query.sql("SELECT value FROM points")
    facts.query.close()
    assert facts.query.sql("SELECT value FROM points").fetchall() == [(0.5,)]
    assert before.fetchall() == [(0.5,)]


@pytest.mark.parametrize("drained", [False, True])
def test_values_of_one_microsecond_keep_their_order(drained: bool, facts: Any) -> None:
    """A loop records faster than the clock of the tables ticks; its last value is the last."""
    values = [float(number * 7 % 100) for number in range(100)]
    facts.record("model:accuracy", *values, every_s=1e-7, model="a")
    facts.record("model:accuracy", *values[:95], every_s=1e-7)
    facts.record("model:f1_score", *values)
    if drained:
        facts.drain()
    rows = facts.query.stats("model:accuracy", by="model").to_pylist()
    assert [(row["first"], row["last"]) for row in rows] == [(0.0, 93.0), (0.0, 58.0)]
    assert [row[2] for row in facts.query.history("model:accuracy", model="a").fetchall()] == values
    newest = facts.query.history("model:accuracy", model="a", limit=3)
    assert [row[2] for row in newest.fetchall()] == [79.0, 86.0, 93.0]
    assert facts.query.latest(model="a") == {"model:accuracy": 93.0}


def test_steps_order_what_has_the_same_time(facts: Any) -> None:
    """Facts that were imported together have their steps."""
    for step in (3, 1, 2):
        facts.record("model:accuracy", float(step), step=step)
    history = facts.query.history("model:accuracy")
    assert [row[3] for row in history.fetchall()] == [1, 2, 3]
    assert facts.query.history("model:accuracy", limit=1).fetchall()[0][3] == 3


def test_names_with_quotes_are_only_names(facts: Any) -> None:
    """Nothing that a caller passes becomes SQL."""
    facts.record("model:accuracy", 0.5, model="it's", fold="a'b")
    hostile = "' OR true; --"
    assert facts.query.stats("model:accuracy", model="it's")["count"].to_pylist() == [1]
    assert facts.query.stats("model:accuracy", fold="a'b")["count"].to_pylist() == [1]
    assert facts.query.stats("model:accuracy", model=hostile)["count"].to_pylist() == [0]
    assert facts.query.stats("model:accuracy", fold=[hostile, "\\"])["count"].to_pylist() == [0]
    assert facts.query.stats(f"{hostile}*").num_rows == 0
    assert facts.query.search(hostile).num_rows == 0
    with pytest.raises(QueryError, match="label name does not fit the grammar"):
        facts.query.stats("model:accuracy", labels={hostile: "x"})
    with pytest.raises(QueryError, match="no fact that was chosen has this model"):
        facts.query.compare("it's", hostile, by="model")


def test_search_reads_files_once(facts: Any) -> None:
    """Counts stay right over new files, new facts and compaction."""
    for number in range(3):
        facts.record("model:accuracy", 0.5, model=f"m{number}")
        facts.record("model:accuracy", 0.5, at=NOON - dt.timedelta(days=number))
        facts.drain()
        found = facts.query.search("accuracy", prefix="model:accuracy").to_pylist()[0]
        assert found["count"] == 2 * (number + 1)
    compact(facts.store, "points")
    facts.record("model:accuracy", 0.5, model="m3")
    found = facts.query.search("accuracy", prefix="model:accuracy").to_pylist()[0]
    assert (found["count"], found["models"]) == (7, ["m0", "m1", "m2", "m3"])


def test_sums_beyond_the_largest_float_are_null(facts: Any) -> None:
    """An overflow is no number, and no error."""
    facts.record("custom:huge", 1.7e308, 1.7e308, -1.7e308)
    row = facts.query.stats("custom:huge").to_pylist()[0]
    assert (row["count"], row["mean"], row["std"]) == (3, None, None)
    assert (row["min"], row["max"], row["p50"]) == (-1.7e308, 1.7e308, 1.7e308)
    facts.interval("custom:huge", 1.7e308, 1.7e308)
    row = facts.query.stats("custom:huge").to_pylist()[0]
    assert (row["count"], row["mean"], row["std"]) == (5, None, None)


def test_a_label_may_have_the_name_of_something_else(facts: Any) -> None:
    """`label.` and `labels=` tell it apart."""
    facts.record("custom:score", 1.0, hour="rush", limit="low")
    table = facts.query.stats("custom:score", by="label.hour", labels={"limit": "low"})
    assert table["label.hour"].to_pylist() == ["rush"]
    assert facts.query.history("custom:score", labels={"limit": "low"}, limit=5).shape[0] == 1


def test_similar_names_are_found_behind_the_category() -> None:
    """What follows the colon is compared, so that all names of a category are not similar."""
    names = ["model:accuracy", "model:latency_ms", "usage:reply_rate"]
    assert did_you_mean("model:acuracy", names) == "Did you mean 'model:accuracy'?"
    assert did_you_mean("usage:acuracy", names) == "Did you mean 'model:accuracy'?"
    assert did_you_mean("zebra", names[:2]) == "There is only 'model:accuracy', 'model:latency_ms'."
    assert did_you_mean("zebra", names, few=0) == ""
    assert did_you_mean("zebra", []) == ""


@pytest.mark.parametrize(
    ("question", "given", "named"),
    [
        ("stats", [5], {}),
        ("stats", [["model:accuracy", 5]], {}),
        ("stats", ["accuracy"], {"by": 5}),
        ("stats", ["accuracy"], {"by": [5]}),
        ("stats", ["accuracy"], {"labels": 5}),
        ("stats", ["accuracy"], {"hours": "24"}),
        ("stats", ["accuracy"], {"hours": True}),
        ("stats", ["accuracy"], {"days": -1}),
        ("stats", ["accuracy"], {"days": 10**400}),
        ("history", ["accuracy"], {"limit": "x"}),
        ("history", ["accuracy"], {"limit": True}),
        ("history", ["accuracy"], {"limit": 1.5}),
        ("search", [5], {}),
        ("search", [], {"prefix": 5}),
        ("compare", ["a", "b"], {"by": ["model"]}),
        ("compare", [1.5, 2], {"by": "model_version"}),
    ],
)
def test_what_is_of_another_type_is_refused(
    facts: Any, question: str, given: list[object], named: dict[str, object]
) -> None:
    """With the package's own error, whatever is given for a parameter."""
    facts.record("model:accuracy", 0.5)
    with pytest.raises(QueryError):
        getattr(facts.query, question)(*given, **named)


def test_an_error_about_hours_shows_what_was_given(facts: Any) -> None:
    """Not what became of it."""
    with pytest.raises(QueryError) as caught:
        facts.query.stats("model:accuracy", hours=-1)
    assert str(caught.value) == "hours cannot be used; got -1; allowed: a number greater than 0."


def test_sides_of_a_comparison_may_be_whole_numbers(facts: Any) -> None:
    """As the values of labels may everywhere."""
    facts.record("model:accuracy", 0.5, model_version="1")
    facts.record("model:accuracy", 0.75, model_version="2")
    [row] = facts.query.compare(1, 2, by="model_version").to_pylist()
    assert row["difference"] == 0.25


def test_the_last_hours_end_now(facts: Any) -> None:
    """Facts of the future are not in them, what happens at this microsecond is."""
    facts.record("model:accuracy", 0.25, at="2026-01-01T12:00:00Z")
    facts.record("model:accuracy", 0.5, at="2026-01-01T12:00:00.000001Z")
    assert facts.query.stats("accuracy", hours=24)["max"].to_pylist() == [0.25]
    assert facts.query.history("accuracy", days=1).fetchall()[0][2] == 0.25
    assert facts.query.stats("accuracy")["max"].to_pylist() == [0.5]


def test_a_range_may_begin_before_all_times(facts: Any) -> None:
    """More hours than there were since 1970 are all of them."""
    facts.record("model:accuracy", 0.5)
    assert facts.query.stats("accuracy", hours=1e30)["count"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("question", "given", "named"),
    [
        ("stats", [["model:accuracy", "nope"]], {}),
        ("stats", [["model:accuracy", "nope"]], {"by": "day"}),
        ("history", [["model:accuracy", "nope"]], {}),
        ("compare", ["a", "b"], {"metrics": ["model:accuracy", "nope"]}),
    ],
)
def test_an_unknown_name_among_known_ones_is_refused(
    facts: Any, question: str, given: list[object], named: dict[str, object]
) -> None:
    """As it is alone."""
    facts.record("model:accuracy", 0.5, run_id="a")
    facts.record("model:accuracy", 0.5, run_id="b")
    with pytest.raises(QueryError, match="custom:nope"):
        getattr(facts.query, question)(*given, **named)


def test_a_declared_name_without_facts_is_not_unknown(facts: Any) -> None:
    """It has a row with the count 0."""
    facts.record("model:accuracy", 0.5)
    rows = facts.query.stats(["model:accuracy", "usage:reply_rate"]).to_pylist()
    assert [row["count"] for row in rows] == [1, 0]


def test_the_last_value_of_an_interval_counts_as_of_its_end(facts: Any) -> None:
    """When within the interval it was recorded is not kept."""
    facts.interval("model:latency_ms", 1.0, 3.0, at="2026-01-01T11:00:00Z")
    facts.record("model:latency_ms", 2.0, at="2026-01-01T11:00:05Z")
    [row] = facts.query.stats("latency_ms").to_pylist()
    assert (row["first"], row["last"]) == (1.0, 3.0)
    facts.record("model:latency_ms", 4.0, at="2026-01-01T11:00:11Z")
    [row] = facts.query.stats("latency_ms").to_pylist()
    assert row["last"] == 4.0
