# SPDX-License-Identifier: Apache-2.0
"""Rollups: what the rows of an hour and of a day come to, made anew when files change."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import pytest

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import INTERVALS, TABLES
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.doctor import examine
from tidegauge.store.maintenance import compact, tidy
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.rollup import RolledUp, roll_up
from tidegauge.store.store import Store

DAY = "2025-12-30"
SUMS = "count, sum, sum_squares, min, max, first, last, scale, zero_count, positive_offset"


def rollups(bench: Any, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
    """Rows of the table, without the notes of what they were made of."""
    rows: list[tuple[Any, ...]] = bench.ask(
        f"SELECT {columns} FROM rollups WHERE interval_s > 0 AND {where} ORDER BY ALL",
        table="rollups",
    )
    return rows


def files(bench: Any, table: str = "rollups") -> list[str]:
    """The data files of a table."""
    stored = Store(bench.root).tables.open(table)
    return [] if stored is None else stored.view().files.paths


def accumulated(values: list[float]) -> tuple[Any, ...]:
    """The columns `SUMS` of some values."""
    accumulator = Accumulator()
    accumulator.add_many(values)
    columns = accumulator.columns(0.0)
    return tuple(columns[name] for name in SUMS.split(", "))


def fill(bench: Any, n: int = 200, *, drain_every: int = 0) -> None:
    """Points of three series and rows of a typed table, on two days."""
    for at in range(n):
        day, hour = f"2025-12-{30 + at % 2}", at % 24
        time = f"{day}T{hour:02}:{at % 60:02}:{at % 59:02}Z"
        bench.record((at * 37 % 101) / 8 - 3, at=time, region=f"r{at % 3}")
        usage = {"feature": f"f{at % 2}", "action": "find", "duration_ms": at / 4}
        usage |= {"success": at % 5 > 0, "user_id": f"u{at % 17}"}
        bench.record_row("feature_usage", time, **usage, labels={"service": f"s{at % 2}"})
        if drain_every and at % drain_every == 0:
            bench.drain()
    bench.drain()


def test_points_by_hour_and_by_day(bench: Any) -> None:
    """One row for each series and hour, one for each series and day, as accumulated."""
    expected: dict[tuple[float, dt.datetime, str], list[float]] = defaultdict(list)
    for at in range(100):
        hour, region, value = at * 5 // 60 + 7, f"r{at % 3}", (at * 37 % 101) / 8 - 3
        bench.record(value, at=f"{DAY}T{hour:02}:{at * 5 % 60:02}:00Z", region=region)
        midnight = dt.datetime.fromisoformat(f"{DAY}T00:00:00+00:00")
        expected[3600.0, midnight + dt.timedelta(hours=hour), region].append(value)
        expected[86400.0, midnight, region].append(value)
    bench.drain()
    done = roll_up(bench.store)
    assert done == RolledUp(days=1, facts=100, rows=len(expected))
    found = rollups(bench, f"interval_s, time, labels['region'], {SUMS}")
    assert {row[:3]: row[3:] for row in found} == {
        key: accumulated(values) for key, values in expected.items()
    }
    about = "source, metric, feature, keys, measure, is_final, slot, metadata, date::VARCHAR"
    assert set(map(repr, rollups(bench, about))) == {
        repr(("points", "model:latency_ms", None, {}, "", False, "", None, DAY))
    }


def test_a_typed_table_by_its_keys(bench: Any) -> None:
    """Dimensions, labels and the columns that tell series apart do; each measure has its rows."""
    for at in range(12):
        row: dict[str, Any] = {"feature": "find", "action": "run", "user_id": f"u{at % 4}"}
        if at % 2:
            row |= {"duration_ms": at * 1.5, "success": at > 5}
        labels = {"service": "web", "product": f"p{at % 2}"}
        bench.record_row("feature_usage", f"{DAY}T10:00:{at:02}Z", **row, labels=labels)
    bench.drain()
    roll_up(bench.store)
    columns = "labels['product'], measure, feature, keys, service, count, sum, len(users)"
    found = rollups(bench, columns, "interval_s = 86400")
    run = ("find", {"action": "run"}, "web")
    assert found == [
        ("p0", "uses", *run, 6, 6.0, 2),
        ("p1", "duration_ms", *run, 6, 54.0, 0),
        ("p1", "success", *run, 6, 3.0, 0),
        ("p1", "uses", *run, 6, 6.0, 2),
    ]


def test_every_table_that_is_rolled_up(bench: Any) -> None:
    """Its numbers add up to those of its rows, hour by hour and day by day."""
    rolled = [table for table in TABLES.values() if table.rolled and table is not INTERVALS]
    for number, table in enumerate(rolled):
        for at in range(30):
            row: dict[str, Any] = {}
            for column in table.columns:
                text = column.values[0] if column.values else f"{column.name}{at % 3}"
                kinds = {"str": text, "bool": at % 2 == 0, "f64": at / 64, "i64": at % 7}
                row[column.name] = kinds[column.kind]
            if table.name == "points":
                bench.record(at / 64, at=f"{DAY}T{at % 24:02}:10:00Z")
            else:
                bench.record_row(table.name, f"{DAY}T{(at + number) % 24:02}:10:00Z", **row)
    bench.drain()
    done = roll_up(bench.store)
    assert (done.days, done.facts) == (1, 30 * len(rolled))
    for table in rolled:
        assert table.rolled is not None
        for measure in table.rolled.measures:
            number_sql = f"{measure.column}::DOUBLE" if measure.column else "1.0"
            sql = f"SELECT count(n), sum(n), min(n), max(n) FROM (SELECT {number_sql} AS n FROM f)"
            (plain,) = bench.ask(sql.replace("FROM f)", f"FROM {table.name})"), table=table.name)
            sums = "sum(count)::BIGINT, sum(sum), min(min), max(max)"
            about = f"source = '{table.name}' AND measure = '{measure.name}' AND interval_s"
            for length in (3600, 86400):
                sql = f"SELECT {sums} FROM rollups WHERE {about} = {length}"
                assert bench.ask(sql, table="rollups") == [plain]


def test_intervals_are_summed_up(bench: Any) -> None:
    """Counts, sums and buckets of the summaries are added, by hour and by day."""
    for count in (3, 4):
        bench.record_interval(count=count)
    bench.drain()
    assert roll_up(bench.store).facts == 2
    (plain,) = bench.ask(
        "SELECT sum(count)::BIGINT, sum(sum), min(min), max(max), "
        "list_sum(flatten(list(positive_counts)))::BIGINT FROM intervals",
        table="intervals",
    )
    sums = "count, sum, min, max, list_sum(positive_counts)::BIGINT"
    for length in (3600, 86400):
        about = f"source = 'intervals' AND interval_s = {length}"
        assert bench.ask(f"SELECT {sums} FROM rollups WHERE {about}", table="rollups") == [plain]


def test_nothing_is_done_twice(bench: Any) -> None:
    """Without a change the same files stay, and no version is added."""
    fill(bench)
    assert roll_up(bench.store).days == 2
    before, version = files(bench), bench.store.tables.open("rollups").view().version
    assert roll_up(bench.store) == RolledUp()
    assert roll_up(Store(bench.root)) == RolledUp()
    assert files(bench) == before
    assert bench.store.tables.open("rollups").view().version == version


def test_a_store_without_facts(bench: Any) -> None:
    """There is nothing to roll up, and no table is made."""
    assert roll_up(bench.store) == RolledUp()
    assert bench.store.tables.open("rollups") is None


def test_facts_in_journals_only_are_not_in(bench: Any) -> None:
    """They are, once they are stored."""
    bench.record(1.0, 2.0, at=f"{DAY}T10:00:00Z")
    assert roll_up(bench.store) == RolledUp()
    bench.drain()
    bench.record(3.0, at=f"{DAY}T10:00:00Z")
    assert roll_up(bench.store).facts == 2
    assert rollups(bench, "count", "interval_s = 86400") == [(2,)]
    bench.drain()
    assert roll_up(bench.store).facts == 3
    assert rollups(bench, "count", "interval_s = 86400") == [(3,)]


def test_how_facts_lie_in_files_is_of_no_account(bench: Any, store_dir: Any) -> None:
    """One file or ten, merged or not: the rows are the same, to the last bit."""
    fill(bench)
    roll_up(bench.store)
    many = type(bench)(store_dir.with_name("many"))
    fill(many, drain_every=17)
    assert len(files(many, "points")) > 10
    roll_up(many.store)
    as_text = [list(map(repr, rollups(each))) for each in (bench, many)]
    assert as_text[0] == as_text[1]
    before = files(many)
    for name in ("points", "feature_usage"):
        assert compact(many.store, name).files_before > 10
    assert roll_up(many.store).days == 2
    assert list(map(repr, rollups(many))) == as_text[0]
    assert not set(files(many)) & set(before)


def test_late_facts_roll_up_their_days_only(bench: Any) -> None:
    """Of another day the file stays, and of another table the rows."""
    fill(bench)
    roll_up(bench.store)
    before = files(bench)
    bench.record(1000.0, at=f"{DAY}T03:00:00Z", region="r0")
    bench.drain()
    done = roll_up(bench.store)
    assert (done.days, done.facts) == (1, 101)
    (kept,) = set(files(bench)) & set(before)
    assert kept.startswith("date=2025-12-31")
    largest = f"time < '{DAY}T12:00:00Z' AND interval_s = 86400 AND source = 'points'"
    assert max(rollups(bench, "max", largest)) == (1000.0,)


def test_merged_files_of_rollups(bench: Any) -> None:
    """Compaction leaves each day of rollups its one file; they stay up to date."""
    for hour in range(10):
        for day in (28, 29, 30, 31):
            bench.record(1.0, at=f"2025-12-{day}T{hour:02}:00:00Z")
        bench.record(1.0, at=f"2026-01-01T{hour:02}:00:00Z")
        bench.drain()
        roll_up(bench.store)
    before = files(bench)
    assert len(before) == 5
    assert compact(bench.store, "rollups").files_before == 0
    tidy(bench.store, "rollups", keep_files_h=0)
    assert files(bench) == before
    assert roll_up(bench.store) == RolledUp()
    assert rollups(bench, "count", "interval_s = 86400") == [(10,)] * 5


def test_doctor_and_status_of_a_store_with_rollups(bench: Any) -> None:
    """Computed rows belong to no slot: nothing is missing, nothing is too many."""
    fill(bench)
    roll_up(bench.store)
    found = [each for each in examine(Store(bench.root), deep=True) if each.severity != "info"]
    assert found == []
    assert bench.status().is_balanced


def test_one_maintains_at_a_time(bench: Any) -> None:
    """Another is told, and does not wait."""
    fill(bench, 2)
    with bench.store.maintain():
        assert roll_up(bench.store) is None


@pytest.mark.parametrize("damage", ["missing", "cut", "no Parquet"])
def test_a_damaged_file_of_rollups(bench: Any, damage: str) -> None:
    """Is told with its place; taken out, its day is rolled up anew."""
    fill(bench)
    roll_up(bench.store)
    sound = rollups(bench)
    path = bench.root / "tables/rollups" / files(bench)[0]
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"x" * 1000)
    with pytest.raises(StoreError) as caught:
        roll_up(Store(bench.root))
    kind = "FileNotFoundError" if damage == "missing" else "ArrowInvalid"
    assert str(caught.value) == (
        f"a file of the table 'rollups' cannot be read ({kind}); got '{path}'. Restore it from a "
        "backup. If there is none, `tidegauge doctor --repair --drop-missing` takes it out: "
        "rollups of facts that are still there are made anew."
    )
    from tidegauge.store.repair import repair

    repair(Store(bench.root), drop_missing=True)
    assert roll_up(Store(bench.root)).days == 1
    assert rollups(bench) == sound


def test_files_are_read_once(bench: Any) -> None:
    """They never change, so what was read of one is kept."""
    fill(bench)
    roll_up(bench.store)
    stored = bench.store.tables.open("rollups")
    found = stored.view().files
    rolled = RolledFiles()
    covers = rolled.covers(stored, found)
    assert {name for name, _ in covers} == {"points", "feature_usage"}
    part = rolled.rows(stored, found.paths[0], "points", 3600)
    rows = part.rows
    assert set(rows["source"].to_pylist()) == {"points"}
    assert set(rows["interval_s"].to_pylist()) == {3600.0}
    for path in found.paths:
        (bench.root / "tables/rollups" / path).unlink()
    assert rolled.covers(stored, found) == covers
    assert rolled.rows(stored, found.paths[0], "points", 3600) is part
