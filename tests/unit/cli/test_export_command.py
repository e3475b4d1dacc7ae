# SPDX-License-Identifier: Apache-2.0
"""`tidegauge export`: CSV, Parquet and SQLite."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegauge.model.tables import TABLES

DAY_1, DAY_2 = "2026-01-01T12:00:00.123456Z", "2026-01-02T12:00:00Z"
HEADER = (
    '"time","metric","value","step","service","model","model_version","experiment","run_id",'
    '"environment","labels","metadata"\n'
)


@pytest.fixture
def filled(cli: Any) -> Any:
    """Three points on two days, the last one in the journal only, and an interval."""
    cli.record("model:latency_ms", 0.1, 1 / 3, at=DAY_1, model="m", region="eu, west")
    cli("drain")
    cli.record("model:accuracy", 0.9, at=DAY_2)
    cli.record_interval("model:latency_ms", 1.0, 2.0, at=DAY_2)
    return cli


def test_csv_has_every_fact_in_the_order_of_time(filled: Any) -> None:
    """Values in full precision, times in UTC, labels as JSON; the journal's facts among them."""
    done = filled("export", "out.csv")
    assert (done.code, done.out) == (0, "Wrote 3 rows of points to out.csv (384 B).\n")
    assert Path("out.csv").read_text() == HEADER + (
        '"2026-01-01T12:00:00.123456Z","model:latency_ms",0.1,,,"m",,,,,'
        '"{""region"":""eu, west""}",\n'
        '"2026-01-01T12:00:01.123456Z","model:latency_ms",0.3333333333333333,,,"m",,,,,'
        '"{""region"":""eu, west""}",\n'
        '"2026-01-02T12:00:00.000000Z","model:accuracy",0.9,,,,,,,,"{}",\n'
    )


def test_parquet_keeps_the_types(filled: Any) -> None:
    """Timestamps, and labels as a map."""
    assert filled("export", "out.parquet", "--json").json["rows"] == 3
    table = pq.read_table("out.parquet")
    assert table.schema.field("time").type == pa.timestamp("us", "UTC")
    assert table["value"].to_pylist() == [0.1, 1 / 3, 0.9]
    assert table["labels"].to_pylist()[0] == [("region", "eu, west")]


def test_sqlite_is_a_table_that_can_be_asked(filled: Any) -> None:
    """With an index, for whoever has no DuckDB at hand."""
    filled("export", "out.sqlite")
    connection = sqlite3.connect("out.sqlite")
    rows = connection.execute(
        "select metric, count(*), max(value) from points group by 1"
    ).fetchall()
    connection.close()
    assert rows == [("model:accuracy", 1, 0.9), ("model:latency_ms", 2, 1 / 3)]


def test_csv_can_be_compressed(filled: Any) -> None:
    """By its name."""
    filled("export", "out.csv.gz")
    assert gzip.decompress(Path("out.csv.gz").read_bytes()).decode().startswith(HEADER)


def test_csv_goes_to_standard_output(filled: Any) -> None:
    """And nothing else does."""
    assert filled("export", "-", "--metric", "accuracy").out == (
        f'{HEADER}"2026-01-02T12:00:00.000000Z","model:accuracy",0.9,,,,,,,,"{{}}",\n'
    )
    assert filled("export", "-", "--json").code == 2
    assert filled("export", "-", "--format", "parquet").code == 2


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--metric", "latency_ms"], [0.1, 1 / 3]),
        (["--metric", "model:acc*", "--metric", "latency_ms"], [0.1, 1 / 3, 0.9]),
        (["--where", "model=m"], [0.1, 1 / 3]),
        (["--where", "region=eu, west", "--end", "2026-01-01T12:00:01Z"], [0.1]),
        (["--start", "2026-01-01T12:00:01Z"], [1 / 3, 0.9]),
        (["--start", "2026-01-03"], []),
    ],
)
def test_facts_are_chosen_by_metric_label_and_time(
    filled: Any, arguments: list[str], values: list[float]
) -> None:
    """As by the questions; a range is half-open."""
    assert filled("export", "out.parquet", *arguments).code == 0
    assert pq.read_table("out.parquet")["value"].to_pylist() == values


def test_intervals_are_exported_with_their_histograms(filled: Any) -> None:
    """Lists are JSON where a format has none."""
    filled("export", "out.csv", "--table", "intervals")
    header, row = Path("out.csv").read_text().splitlines()
    columns = dict(zip(header.split(","), row.split(","), strict=False))
    assert (columns['"count"'], columns['"sum"']) == ("2", "3")
    filled("export", "out.parquet", "--table", "intervals")
    assert sum(pq.read_table("out.parquet")["positive_counts"].to_pylist()[0]) == 2


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_exported(filled: Any, table: str) -> None:
    """Whatever its columns are, and also if nothing is in it."""
    for file in ("out.csv", "out.parquet"):
        done = filled("export", file, "--table", table, "--json")
        assert done.code == 0, done.err
        assert done.json["rows"] == {"points": 3, "intervals": 1}.get(table, 0)


@pytest.mark.parametrize("drained", [True, False])
def test_bools_are_what_each_format_has_for_them(filled: Any, *, drained: bool) -> None:
    """From the journal and from the tables; empty is empty."""
    for success in (True, False, None):
        row = {"feature": "f", "action": "a", "duration_ms": 1.5, "success": success}
        filled.record_row("feature_usage", row, at=DAY_2)
    if drained:
        filled("drain")
    for file in ("out.csv", "out.parquet", "out.sqlite"):
        assert filled("export", file, "--table", "feature_usage").code == 0
    header, *rows = Path("out.csv").read_text().splitlines()
    at = header.split(",").index('"success"')
    assert [row.split(",")[at] for row in rows] == ["true", "false", ""]
    column = pq.read_table("out.parquet")["success"]
    assert (column.type, column.to_pylist()) == (pa.bool_(), [True, False, None])
    connection = sqlite3.connect("out.sqlite")
    found = connection.execute("select success from feature_usage").fetchall()
    connection.close()
    assert found == [(1,), (0,), (None,)]


def test_a_table_that_does_not_exist_is_a_usage_error(filled: Any) -> None:
    """With the names of those that do."""
    done = filled("export", "out.csv", "--table", "tables")
    assert done.code == 2
    assert "daily_aggregates" in done.err


def test_a_file_that_is_there_is_replaced_only_by_force(filled: Any) -> None:
    """Exit code 2, and the file is as it was."""
    Path("out.csv").write_text("mine")
    done = filled("export", "out.csv")
    assert (done.code, Path("out.csv").read_text()) == (2, "mine")
    assert filled("export", "out.csv", "--force").code == 0
    assert Path("out.csv").read_text().startswith('"time"')


def test_the_format_is_told_by_the_name_or_by_option(filled: Any) -> None:
    """A name that does not tell is a usage error."""
    assert filled("export", "out.txt").code == 2
    assert filled("export", "out.txt", "--format", "csv").code == 0


def test_a_place_that_cannot_be_written_is_an_error(filled: Any) -> None:
    """Not a traceback, and nothing is left behind."""
    done = filled("export", "no/such/directory/out.csv")
    assert done.code == 1
    assert "no/such/directory" in done.err


def test_what_is_exported_can_be_imported(filled: Any, tmp_path: Path) -> None:
    """Both ways, through CSV and through Parquet, and every fact is the same."""
    filled("export", "first.csv")
    filled("export", "first.parquet")
    for file in ("first.csv", "first.parquet"):
        other = tmp_path / f"store-of-{file}"
        assert filled("import", file, "--store", other).code == 0
        filled("export", f"second-{file}.csv", "--store", other)
        assert Path(f"second-{file}.csv").read_text() == Path("first.csv").read_text()
