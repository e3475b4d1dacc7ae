# SPDX-License-Identifier: Apache-2.0
"""Tables and journals as one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidegauge.model.errors import QueryError, StoreError
from tidegauge.model.times import TimeRange, parse_time_ns
from tidegauge.store.drain import DrainFollower
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store


def day(text: str) -> int:
    """The start of a day in nanoseconds."""
    return parse_time_ns(f"{text}T00:00:00Z")


def test_an_empty_store_is_an_empty_table_with_all_columns(bench: Any) -> None:
    """Asking creates nothing."""
    assert bench.ask("SELECT count(*) FROM points") == [(0,)]
    assert bench.ask("SELECT column_name, column_type FROM (DESCRIBE points)") == [
        ("time", "TIMESTAMP WITH TIME ZONE"),
        ("date", "DATE"),
        ("slot", "VARCHAR"),
        ("service", "VARCHAR"),
        ("model", "VARCHAR"),
        ("model_version", "VARCHAR"),
        ("experiment", "VARCHAR"),
        ("run_id", "VARCHAR"),
        ("environment", "VARCHAR"),
        ("labels", "MAP(VARCHAR, VARCHAR)"),
        ("metadata", "VARCHAR"),
        ("metric", "VARCHAR"),
        ("value", "DOUBLE"),
        ("step", "BIGINT"),
    ]
    assert bench.ask("SELECT * FROM intervals", table="intervals") == []
    assert not bench.root.exists()


def test_rows_look_the_same_wherever_they_are(bench: Any) -> None:
    """A fact in the journal, in a table, and in both tables of one view."""
    sql = "SELECT * EXCLUDE slot FROM points ORDER BY value"
    bench.record(1.0, step=3, model="fraud", region="eu")
    bench.record_event(value=2.0, metadata="{}")
    before = bench.ask(sql)
    bench.drain()
    assert bench.ask(sql) == before
    time, date = dt.datetime(2026, 1, 1, 11, tzinfo=dt.UTC), dt.date(2026, 1, 1)
    empty = (None,) * 4
    assert before == [
        (time, date, None, "fraud", *empty, {"region": "eu"}, None, "model:latency_ms", 1.0, 3),
        (time, date, None, None, *empty, {}, "{}", "model:latency_ms", 2.0, None),
    ]


def test_the_newest_facts_are_there_at_once(bench: Any) -> None:
    """Before, between and after drains, of several slots, each fact once."""
    other = bench.new_writer()
    for value in range(5):
        bench.record(float(value))
        bench.record(value + 0.5, writer=other)
        assert len(bench.values()) == 2 * value + 2
        if value % 2:
            bench.drain()
    assert bench.values() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]


def test_intervals_are_there_at_once_too(bench: Any) -> None:
    """Also when other events came before and after them."""
    bench.record_interval(count=1)
    bench.drain()
    bench.record_event(value=1.0)
    bench.drain()
    bench.record_interval(count=2)
    assert bench.values("intervals") == [1, 2]


def test_files_are_chosen_by_time(bench: Any) -> None:
    """By the statistics of each file, half-open, and none that might hold a row is left out."""
    for text in ("2026-01-01", "2026-01-02", "2026-01-03"):
        bench.record(1.0, 2.0, at=f"{text}T10:00:00Z")
        bench.drain()
    store = Store(bench.root)

    def chosen(start_ns: int | None, end_ns: int | None) -> list[str]:
        files = snapshot(store, "points", TimeRange(start_ns, end_ns)).files
        return sorted(path.partition("/")[0] for path in files.paths)

    first = parse_time_ns("2026-01-02T10:00:00Z")
    assert chosen(None, None) == ["date=2026-01-01", "date=2026-01-02", "date=2026-01-03"]
    assert chosen(day("2026-01-02"), day("2026-01-03")) == ["date=2026-01-02"]
    assert chosen(first, first + 1) == ["date=2026-01-02"]
    assert chosen(first - 10**9, first) == []
    assert chosen(first + 2 * 10**9, None) == ["date=2026-01-03"]
    assert chosen(None, first) == ["date=2026-01-01"]


def test_the_tail_is_cut_to_the_range(bench: Any) -> None:
    """Half-open, to the nanosecond of the recorded time."""
    bench.record(1.0, 2.0, 3.0, at="2026-01-01T10:00:00Z")
    start_ns = parse_time_ns("2026-01-01T10:00:01Z")
    found = snapshot(bench.store, "points", TimeRange(start_ns, start_ns + 10**9))
    assert found.tail["value"].to_pylist() == [2.0]


def test_a_view_sees_one_moment(bench: Any) -> None:
    """What is recorded, drained and compacted afterwards does not change it."""
    bench.record(1.0)
    bench.drain()
    bench.record(2.0)
    connection = duckdb.connect()
    snapshot(bench.store, "points").register(connection, "points")
    bench.record(3.0)
    bench.drain()
    assert connection.execute("SELECT sum(value) FROM points").fetchall() == [(3.0,)]


def test_a_segment_that_vanishes_meanwhile_starts_it_again(bench: Any) -> None:
    """Cursors are read, then a drain stores and deletes, then the journal is read."""
    bench.record(*range(100))
    store = Store(bench.root)
    assert snapshot(store, "points").tail.num_rows == 100
    slots = store.journal.slots
    drained = []

    def slots_after_a_drain() -> Any:
        found = slots()
        if not drained:
            load = store.tables.open

            def drain_then(name: str) -> Any:
                stored = load(name)
                if not drained:
                    drained.append(name)
                    bench.drain()
                return stored

            store.tables.open = drain_then  # type: ignore[method-assign]
        return found

    store.journal.slots = slots_after_a_drain  # type: ignore[method-assign]
    found = snapshot(store, "points")
    assert drained == ["points"]
    assert found.tail.num_rows + int(found.files.rows.sum()) == 100


def test_what_was_deleted_undrained_does_not_stop_readers(bench: Any) -> None:
    """A gap that no drain explains is a loss, which the status shows; the rest is read."""
    bench.record(*range(200))
    bench.writer.close()
    segments = sorted((bench.root / "journal/000").glob("points-*.seg"))
    segments[0].unlink()
    assert len(bench.values()) == 136
    assert bench.status().balance.dropped == {"damaged": 64}


def test_a_table_that_is_not_there_is_an_error_that_lists_the_others(bench: Any) -> None:
    """The error says which tables there are."""
    with pytest.raises(QueryError, match="no such table; got 'point'; allowed: points, intervals"):
        snapshot(bench.store, "point")


def test_a_table_without_its_log_is_not_taken_for_an_empty_one(bench: Any) -> None:
    """Data without a log is an error, and no reason to begin a table in its place."""
    bench.record(1.0)
    bench.drain()
    for entry in (bench.root / "tables/points/_delta_log").iterdir():
        entry.unlink()
    bench.record(2.0)
    for attempt in (
        lambda: snapshot(bench.store, "points"),
        lambda: snapshot(Store(bench.root), "points"),
        lambda: DrainFollower(bench.store).advance(force=True),
    ):
        with pytest.raises(StoreError, match="log of the table 'points' is gone"):
            attempt()


def test_a_deleted_table_is_begun_anew(bench: Any) -> None:
    """With what the journal still holds; objects that had it open notice."""
    bench.record(1.0)
    bench.drain()
    assert snapshot(bench.store, "points").files.rows.tolist() == [1]
    (bench.root / "tables/points").rename(bench.root / "elsewhere")
    assert snapshot(bench.store, "points").version == -1
    bench.drain()
    assert bench.values() == [1.0]


@pytest.mark.parametrize("name", ["with space", "a=b", "date=1", "star*", "it's", "ünï", "50%"])
def test_the_store_may_be_anywhere(tmp_path: Path, name: str, bench: Any) -> None:
    """Names that mean something to DuckDB, SQL, Hive or an address included."""
    elsewhere = type(bench)(tmp_path / name / "store")
    elsewhere.record(1.0)
    elsewhere.drain()
    elsewhere.record(2.0)
    assert elsewhere.ask("SELECT value, date FROM points ORDER BY value") == [
        (1.0, duckdb.execute("SELECT DATE '2026-01-01'").fetchone()[0]),
        (2.0, duckdb.execute("SELECT DATE '2026-01-01'").fetchone()[0]),
    ]
    assert len(elsewhere.ask("SELECT column_name FROM (DESCRIBE points)")) == 14


def test_tables_may_be_elsewhere_than_the_journal(bench: Any, tmp_path: Path) -> None:
    """By an address, as for an object store."""
    store = Store(bench.root, tables_uri=f"file://{tmp_path}/shared tables/prod/")
    bench.record(1.0)
    DrainFollower(store).advance(force=True)
    assert (tmp_path / "shared tables/prod/points/_delta_log").is_dir()
    assert not (bench.root / "tables").exists()
    assert snapshot(store, "points").files.rows.tolist() == [1]


def test_two_stores_share_tables(bench: Any, tmp_path: Path) -> None:
    """Each with a journal of its own, as hosts do; rows of both are there, each once."""
    tables = str(tmp_path / "shared")
    stores = [Store(tmp_path / name, tables_uri=tables) for name in ("host1", "host2")]
    for number, store in enumerate(stores):
        host = type(bench)(store.root)
        for value in range(3):
            host.record(float(10 * number + value))
            DrainFollower(store).advance(force=True)
    connection = duckdb.connect()
    snapshot(stores[0], "points").register(connection, "points")
    found = connection.execute("SELECT value FROM points ORDER BY value").fetchall()
    assert found == [(0.0,), (1.0,), (2.0,), (10.0,), (11.0,), (12.0,)]
