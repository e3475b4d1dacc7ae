# SPDX-License-Identifier: Apache-2.0
"""Merging, retiring and clearing away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tidegauge.model.jobs import Postponed
from tidegauge.model.tables import POINTS
from tidegauge.store.maintenance import Retention, compact, retire, tidy
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, rewrite_files
from tidegauge.store.rounds import compact_tables, retire_tables
from tidegauge.store.store import Store
from tidegauge.store.stored_table import Overtaken


def fill(bench: Any, files: int, *, day: str = "2026-01-01", metric: str = "model:auc") -> None:
    """Make files of three rows each; values count up."""
    for number in range(files):
        values = [float(3 * number + each) for each in range(3)]
        bench.record(*values, metric=metric, at=f"{day}T10:00:00Z", region=f"r{number}")
        bench.drain()


def file_rows(bench: Any) -> list[int]:
    """Rows of each file of points, sorted."""
    return sorted(Store(bench.root).tables.open("points").view().files.rows.tolist())


def days_of(bench: Any) -> list[str]:
    """The days that rows of points are of."""
    return [str(day) for (day,) in bench.ask("SELECT DISTINCT date FROM points ORDER BY 1")]


def test_small_files_of_a_day_become_one(bench: Any) -> None:
    """Every row is there afterwards, with its labels, as other readers of Delta see it."""
    fill(bench, 8)
    done = compact(bench.store, "points")
    assert (done.files_before, done.files_after, done.rows_retired) == (8, 1, 0)
    assert file_rows(bench) == [24]
    assert bench.values() == [float(value) for value in range(24)]
    assert bench.ask("SELECT labels['region'], count(*) FROM points GROUP BY 1 ORDER BY 1") == [
        (f"r{number}", 3) for number in range(8)
    ]
    table = DeltaTable(bench.root / "tables/points").to_pyarrow_table()
    assert sum(table["value"].to_pylist()) == sum(range(24))


def test_a_merged_file_is_ordered_by_series_and_time(bench: Any) -> None:
    """As the files are that the drain writes."""
    import pyarrow.parquet as pq

    for value in (3.0, 1.0):
        for metric in ("model:b", "model:a"):
            at = f"2025-12-31T0{value:.0f}:00:00Z"
            bench.record(value, metric=metric, at=at)
            bench.drain()
    compact(bench.store, "points")
    (file,) = Store(bench.root).tables.open("points").view().files.paths
    rows = pq.read_table(bench.root / "tables/points" / file)
    assert rows["metric"].to_pylist() == ["model:a", "model:a", "model:b", "model:b"]
    assert rows["value"].to_pylist() == [1.0, 3.0, 1.0, 3.0]


def test_a_few_files_are_left_alone(bench: Any) -> None:
    """Today seven are few, and so are three of a day that is over."""
    fill(bench, 7)
    fill(bench, 3, day="2025-12-31")
    assert compact(bench.store, "points").files_before == 0
    fill(bench, 1, day="2025-12-31")
    assert compact(bench.store, "points").files_before == 4
    assert len(file_rows(bench)) == 8


def test_files_of_unlike_size_are_not_merged_today(bench: Any) -> None:
    """A row is rewritten a few times only, however often small files come."""
    bench.record(*range(500))
    bench.drain()
    fill(bench, 8)
    compact(bench.store, "points")
    assert file_rows(bench) == [24, 500]


def test_full_files_are_left_alone(bench: Any) -> None:
    """And no merged file has more rows than a full one."""
    fill(bench, 12, day="2025-12-31")
    compact(bench.store, "points", full_rows=10)
    assert file_rows(bench) == [9, 9, 9, 9]
    assert compact(bench.store, "points", full_rows=10).files_before == 0


def test_days_are_not_mixed(bench: Any) -> None:
    """Each day has its own file afterwards."""
    fill(bench, 4, day="2025-12-30")
    fill(bench, 4, day="2025-12-31")
    compact(bench.store, "points")
    days = bench.ask("SELECT date, count(*) FROM points GROUP BY 1 ORDER BY 1")
    assert [(str(day), count) for day, count in days] == [("2025-12-30", 12), ("2025-12-31", 12)]
    assert file_rows(bench) == [12, 12]


def test_old_days_are_retired_as_a_whole(bench: Any) -> None:
    """A day goes once all of it is older; the clock says noon of 2026-01-01."""
    for day in ("2025-12-29", "2025-12-30", "2025-12-31", "2026-01-01"):
        fill(bench, 1, day=day)
    assert retire(bench.store, "points", Retention(days=2.5)).rows_retired == 3
    days = bench.ask("SELECT DISTINCT date FROM points ORDER BY 1")
    assert [str(day) for (day,) in days] == ["2025-12-30", "2025-12-31", "2026-01-01"]
    assert retire(bench.store, "points", Retention(days=2.5)).rows_retired == 0


def test_one_metric_is_retired_earlier(bench: Any) -> None:
    """Its rows go, others in the same file stay, and files without it are not touched."""
    bench.record(1.0, 2.0, metric="model:debug", at="2025-12-20T10:00:00Z")
    bench.record(3.0, metric="model:auc", at="2025-12-20T10:00:00Z")
    bench.drain()
    bench.record(4.0, metric="model:debug", at="2025-12-31T10:00:00Z")
    bench.drain()
    fill(bench, 1, day="2025-12-20")
    done = retire(bench.store, "points", Retention(metrics={"model:debug": 7}))
    assert (done.rows_retired, done.files_before) == (2, 1)
    found = bench.ask("SELECT metric, count(*) FROM points GROUP BY 1 ORDER BY 1")
    assert found == [("model:auc", 4), ("model:debug", 1)]


def test_nothing_is_retired_unless_asked(bench: Any) -> None:
    """The default keeps everything."""
    fill(bench, 1, day="1990-01-01")
    assert retire(bench.store, "points", Retention()).rows_retired == 0
    assert bench.stored() == 3


def test_retired_facts_count_as_stored(bench: Any) -> None:
    """The balance is about what was recorded, not about what is kept."""
    fill(bench, 1, day="1990-01-01")
    retire(bench.store, "points", Retention(days=1))
    status = bench.status()
    assert (status.balance.recorded, status.balance.stored, bench.stored()) == (3, 3, 0)
    assert status.is_balanced


def test_readers_keep_their_files_for_a_day(bench: Any) -> None:
    """What was replaced is deleted only when it has been replaced for so long."""
    fill(bench, 8)
    compact(bench.store, "points")
    files = bench.root / "tables/points"
    assert tidy(bench.store, "points") == 0
    assert len(list(files.glob("date=*/*.parquet"))) == 9
    assert tidy(bench.store, "points", keep_files_h=0) == 8
    assert len(list(files.glob("date=*/*.parquet"))) == 1
    assert bench.values() == [float(value) for value in range(24)]


def test_files_that_were_never_committed_are_deleted_too(bench: Any) -> None:
    """A drain that was killed after writing and before committing leaves one."""
    fill(bench, 1)
    (file,) = (bench.root / "tables/points").glob("date=*/*.parquet")
    orphan = file.with_name("part-orphan.zstd.parquet")
    orphan.write_bytes(file.read_bytes())
    assert bench.stored() == 3
    assert tidy(bench.store, "points", keep_files_h=0) == 1
    assert not orphan.exists()
    assert bench.stored() == 3


def test_a_tidied_table_opens_from_a_checkpoint(bench: Any) -> None:
    """Cursors included."""
    fill(bench, 3)
    tidy(bench.store, "points")
    assert (bench.root / "tables/points/_delta_log/_last_checkpoint").exists()
    bench.record(9.0)
    bench.drain()
    assert bench.values() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert bench.status().is_balanced


def test_one_maintains_at_a_time(bench: Any) -> None:
    """The other is told, and does not wait."""
    fill(bench, 8)
    with bench.store.maintain():
        assert compact(bench.store, "points") is None
        assert retire(bench.store, "points", Retention(days=1)) is None
        assert tidy(bench.store, "points") is None


def test_tables_that_do_not_exist_need_nothing(bench: Any) -> None:
    """Neither an error nor a table."""
    assert compact(bench.store, "points").files_before == 0
    assert retire(bench.store, "intervals", Retention(days=1)).rows_retired == 0
    assert tidy(bench.store, "nonsense") == 0
    assert not (bench.root / "tables").exists()


def test_of_two_hosts_that_merge_the_same_files_one_fails(bench: Any) -> None:
    """The Delta library would let both pass, and double the rows."""
    fill(bench, 4)
    first, second = Store(bench.root), Store(bench.root)
    views = []
    for store in (first, second):
        stored = store.tables.open("points")
        views.append((stored, stored.view((MAINTENANCE, RETIRED))))
    (one, view_one), (two, view_two) = views
    rewrite_files(one, POINTS, view_one, view_one.files)
    with pytest.raises(Overtaken, match="another process has changed the table 'points'"):
        rewrite_files(two, POINTS, view_two, view_two.files)
    assert bench.values() == [float(value) for value in range(12)]
    assert len(list((bench.root / "tables/points").glob("date=*/*.parquet"))) == 5


def test_a_drain_and_a_merge_pass_each_other(bench: Any) -> None:
    """Neither waits for the other, whichever began first."""
    fill(bench, 4)
    store = Store(bench.root)
    stored = store.tables.open("points")
    view = stored.view((MAINTENANCE, RETIRED))
    fill(bench, 1)
    rewrite_files(stored, POINTS, view, view.files)
    assert file_rows(bench) == [3, 12]
    fill(bench, 1)
    assert file_rows(bench) == [3, 3, 12]


def test_the_oldest_days_go_when_a_table_is_too_large(bench: Any) -> None:
    """As few of them as make the rest fit; today stays, however large it is."""
    for day in ("2025-12-29", "2025-12-30", "2025-12-31", "2026-01-01"):
        fill(bench, 1, day=day)
    sizes = Store(bench.root).tables.open("points").view().files.sizes_bytes
    budget = int(sizes.sum()) - 1
    assert retire(bench.store, "points", Retention(budget_bytes=budget)).rows_retired == 3
    assert retire(bench.store, "points", Retention(budget_bytes=budget)).rows_retired == 0
    assert days_of(bench) == ["2025-12-30", "2025-12-31", "2026-01-01"]
    assert retire(bench.store, "points", Retention(budget_bytes=0)).rows_retired == 6
    assert days_of(bench) == ["2026-01-01"]
    assert bench.status().is_balanced


def test_a_budget_counts_what_age_has_left(bench: Any) -> None:
    """What goes by age makes room; nothing younger goes that fits then."""
    for day in ("2025-12-01", "2025-12-31", "2026-01-01"):
        fill(bench, 1, day=day)
    sizes = Store(bench.root).tables.open("points").view().files.sizes_bytes
    kept = Retention(days=7, budget_bytes=int(sizes.sum()) - 1)
    assert retire(bench.store, "points", kept).rows_retired == 3
    assert days_of(bench) == ["2025-12-31", "2026-01-01"]


def test_days_to_come_outlive_today(bench: Any) -> None:
    """Facts of a clock that is ahead are the newest, and never go for lack of room."""
    for day in ("2025-12-31", "2026-01-01", "2026-01-05"):
        fill(bench, 1, day=day)
    retire(bench.store, "points", Retention(budget_bytes=0))
    assert days_of(bench) == ["2026-01-01", "2026-01-05"]


def test_a_round_goes_through_all_tables(bench: Any) -> None:
    """Each says what was done, or nothing; retention is by table."""
    fill(bench, 8)
    fill(bench, 1, day="2025-12-01")
    assert compact_tables(bench.store) == "8 files merged into 1, 0 old ones deleted"
    assert compact_tables(bench.store) is None
    kept = {"points": Retention(days=7)}
    assert retire_tables(bench.store, {"intervals": Retention(days=7)}) is None
    assert retire_tables(bench.store, kept) == "rows removed: 3 of points"
    assert retire_tables(bench.store, kept) is None


def test_a_round_is_postponed_while_another_process_maintains(bench: Any) -> None:
    """That is no failure; it is tried again soon."""
    fill(bench, 1)
    with bench.store.maintain():
        with pytest.raises(Postponed, match="another process is maintaining the tables"):
            compact_tables(bench.store)
        with pytest.raises(Postponed):
            retire_tables(bench.store, {})


def test_permissions_follow_the_store(bench: Any, tmp_path: Path) -> None:
    """In a store of a group everything made by draining, merging and tidying is the group's."""
    import os

    root = tmp_path / "shared"
    root.mkdir()
    root.chmod(0o2770)
    before = os.umask(0o077)
    try:
        shared = type(bench)(root)
        fill(shared, 25)
        compact(shared.store, "points")
        tidy(shared.store, "points")
    finally:
        os.umask(before)
    for path in root.rglob("*"):
        wanted = 0o2770 if path.is_dir() else 0o660
        assert path.stat().st_mode & wanted == wanted, path
