# SPDX-License-Identifier: Apache-2.0
"""Rows that are retired leave their sums behind, each counted once, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from tidegauge.amend.amender import Amender
from tidegauge.model.tables import TABLES
from tidegauge.model.times import TimeRange
from tidegauge.record.recorder import Recorder
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import Retention, compact, retire
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, drop_files, rewrite_files
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.rollup import RolledUp, leaving, roll_up
from tidegauge.store.store import Store

DAY = "2025-12-30"
OTHER = "2025-12-31"


class Crash(Exception):
    """Stands for the end of a process."""


def fill(bench: Any, *values: float, day: str = DAY, metric: str = "custom:auc") -> None:
    """A file of points."""
    bench.record(*values, at=f"{day}T10:00:00Z", metric=metric)
    bench.drain()


def view(bench: Any, name: str = "points") -> Any:
    """The newest version of a table."""
    return Store(bench.root).tables.open(name).view((MAINTENANCE, RETIRED))


def files_of(bench: Any, day: str = DAY) -> Any:
    """The files of points of one day."""
    files = view(bench).files
    return files.chosen(np.array([day in path for path in files.paths], bool))


def drop(bench: Any, day: str = DAY, *, crash: str = "") -> None:
    """Retire a day of points; perhaps end early, at some place."""
    with bench.store.maintain(), contextlib.suppress(Crash):
        files = files_of(bench, day)
        with leaving(bench.store, "points", files):
            if crash == "before":
                raise Crash
            drop_files(bench.store.tables.open("points"), view(bench), files)
            if crash == "after":
                raise Crash


def drop_metric(bench: Any, metric: str, *, crash: str = "") -> None:
    """Retire a metric of a day; perhaps end early, at some place."""
    with bench.store.maintain(), contextlib.suppress(Crash):
        files = files_of(bench)
        with leaving(bench.store, "points", files, [metric]):
            if crash == "before":
                raise Crash
            for at in range(len(files)):
                one, stored = files.chosen(np.arange(len(files)) == at), TABLES["points"]
                table = bench.store.tables.open("points")
                rewrite_files(table, stored, view(bench), one, without_metrics=[metric])
                if crash == "between":
                    raise Crash


def sums(bench: Any, interval_s: int = 86400, columns: str = "metric") -> list[tuple[Any, ...]]:
    """Count, sum, extremes by metric, and how many rollups of it are final."""
    rows: list[tuple[Any, ...]] = bench.ask(
        f"SELECT {columns}, sum(count)::BIGINT, sum(sum), min(min), max(max), "
        "count_if(is_final)::BIGINT FROM rollups "
        f"WHERE interval_s = {interval_s} GROUP BY ALL ORDER BY ALL",
        table="rollups",
    )
    return rows


def covers(bench: Any) -> dict[str, Any]:
    """What the rollups of points stand for, by day."""
    stored = Store(bench.root).tables.open("rollups")
    found = RolledFiles().covers(stored, stored.view().files)
    days = {str(np.datetime64(day, "D")): cover for (name, day), cover in found.items()}
    return dict(sorted(days.items()))


def correct(bench: Any, **asked: Any) -> int:
    """Correct the points of one metric; how many."""
    recorder, follower = Recorder(bench.root / "journal"), DrainFollower(bench.store)
    asked = {"changes": None, "retract": False} | asked
    where = {"metric": "custom:auc"}
    done = Amender(bench.store, recorder, follower).correct("points", where, TimeRange(), **asked)
    recorder.writer.close()
    return done.rows


def test_sums_of_a_retired_day_stay(bench: Any) -> None:
    """They are final, the rows are gone, and other days are as they were."""
    fill(bench, 1.0, 2.0, 3.0)
    fill(bench, 10.0)
    fill(bench, 5.0, day=OTHER)
    drop(bench)
    assert bench.stored() == 1
    assert sums(bench, columns="date::VARCHAR") == [(DAY, 4, 16.0, 1.0, 10.0, 1)]
    assert covers(bench)[DAY].n_final == 2
    assert covers(bench)[DAY].leaving == ()
    assert roll_up(bench.store).days == 1
    expected = [(DAY, 4, 16.0, 1.0, 10.0, 1), (OTHER, 1, 5.0, 5.0, 5.0, 0)]
    assert sums(bench, columns="date::VARCHAR") == expected
    assert roll_up(bench.store) == RolledUp()


def test_it_makes_no_difference_whether_the_day_was_rolled_up(bench: Any) -> None:
    """What was rolled up before is replaced by what is final."""
    fill(bench, 1.0, 2.0, 3.0)
    roll_up(bench.store)
    before = sums(bench)
    drop(bench)
    assert sums(bench) == [(*before[0][:-1], 1)]


def test_facts_that_come_late_to_a_retired_day(bench: Any) -> None:
    """Are rolled up beside what is final; retired as well, they are final, too."""
    total = 0.0
    for number in range(1, 4):
        fill(bench, 1.0 * number, 2.0 * number)
        total += 3.0 * number
        roll_up(bench.store)
        expected = ("custom:auc", 2 * number, total, 1.0, 2.0 * number)
        assert sums(bench) == [(*expected, number - 1)]
        drop(bench)
        assert sums(bench) == sums(bench, 3600) == [(*expected, number)]
        assert roll_up(bench.store) == RolledUp()
    assert covers(bench)[DAY].n_final == 6


def test_files_that_stay_are_rolled_up_beside(bench: Any) -> None:
    """Only some files of a day may leave, as where room is short."""
    fill(bench, 1.0)
    fill(bench, 2.0)
    with bench.store.maintain():
        files = files_of(bench)
        one = files.chosen(np.array([True, False]))
        with leaving(bench.store, "points", one):
            drop_files(bench.store.tables.open("points"), view(bench), one)
    assert sums(bench) == [("custom:auc", 2, 3.0, 1.0, 2.0, 1)]
    assert roll_up(bench.store) == RolledUp()


def test_single_metrics(bench: Any) -> None:
    """Sums of the metric are final; those of others are of the rows that stay."""
    for _ in range(2):
        bench.record(1.0, 2.0, at=f"{DAY}T10:00:00Z", metric="custom:auc")
        bench.record(7.0, at=f"{DAY}T10:00:00Z", metric="model:debug")
        bench.drain()
    drop_metric(bench, "model:debug")
    assert bench.stored() == 4
    roll_up(bench.store)
    expected = [("custom:auc", 4, 6.0, 1.0, 2.0, 0), ("model:debug", 2, 14.0, 7.0, 7.0, 1)]
    assert sums(bench) == expected
    drop_metric(bench, "model:debug")
    roll_up(bench.store)
    assert sums(bench) == expected


def test_retention_leaves_sums(bench: Any) -> None:
    """`retire` keeps them, for the table and for single metrics, and again for late facts."""
    fill(bench, 1.0, 2.0)
    fill(bench, 7.0, metric="model:debug")
    fill(bench, 3.0, day="2026-01-01")
    retention = Retention(days=1.4, metrics={"model:debug": 0.1})
    assert retire(bench.store, "points", retention).rows_retired == 3
    fill(bench, 4.0)
    assert retire(bench.store, "points", retention).rows_retired == 1
    roll_up(bench.store)
    expected = [("custom:auc", 4, 10.0, 1.0, 4.0, 2), ("model:debug", 1, 7.0, 7.0, 7.0, 1)]
    assert sums(bench) == expected
    found = [each for each in examine(Store(bench.root), deep=True) if each.severity != "info"]
    assert found == []
    assert bench.status().is_balanced


def test_a_table_of_which_nothing_is_rolled_up(bench: Any) -> None:
    """Leaves nothing behind, and nothing is looked at."""
    bench.record_row("ground_truths", f"{DAY}T12:00:00Z", prediction_id="a", truth=1.0)
    bench.drain()
    with leaving(bench.store, "ground_truths", view(bench, "ground_truths").files):
        pass
    assert bench.store.tables.open("rollups") is None


def test_no_files_leave_nothing(bench: Any) -> None:
    """A retirement that finds nothing writes nothing."""
    fill(bench, 1.0)
    files = files_of(bench)
    with leaving(bench.store, "points", files.chosen(np.array([False]))):
        pass
    assert bench.store.tables.open("rollups") is None


@pytest.mark.parametrize("crash", ["before", "after"])
@pytest.mark.parametrize("then", ["roll up", "compact", "retire", "correct", "drop again"])
def test_whoever_comes_next_finishes(bench: Any, crash: str, then: str) -> None:
    """Cut short before or after the rows went, each counts once; nothing else is touched."""
    for number in range(4):
        fill(bench, float(number))
    fill(bench, 50.0, day=OTHER)
    drop(bench, crash=crash)
    assert covers(bench)[DAY].leaving != ()
    if then == "compact":
        compact(bench.store, "points")
    elif then == "retire":
        retire(bench.store, "points", Retention(days=365))
    elif then == "correct":
        assert correct(bench, changes={"value": 60.0}) == 1
    elif then == "drop again":
        drop(bench, OTHER)
    roll_up(bench.store)
    last = 60.0 if then == "correct" else 50.0
    day = (DAY, 4, 6.0, 0.0, 3.0, 1)
    other = (OTHER, 1, last, last, last, int(then == "drop again"))
    assert sums(bench, columns="date::VARCHAR") == [day, other]
    assert bench.stored() == (0 if then == "drop again" else 1)
    assert covers(bench)[DAY].leaving == ()


@pytest.mark.parametrize("crash", ["before", "between"])
def test_a_metric_whose_retirement_is_cut_short(bench: Any, crash: str) -> None:
    """Of several files each loses the metric's rows, once, and keeps the others."""
    for _ in range(3):
        bench.record(1.0, at=f"{DAY}T10:00:00Z", metric="custom:auc")
        bench.record(7.0, at=f"{DAY}T11:00:00Z", metric="model:debug")
        bench.drain()
    drop_metric(bench, "model:debug", crash=crash)
    assert covers(bench)[DAY].leaving_metrics == ("model:debug",)
    roll_up(bench.store)
    assert bench.stored() == 3
    expected = [("custom:auc", 3, 3.0, 1.0, 1.0, 0), ("model:debug", 3, 21.0, 7.0, 7.0, 1)]
    assert sums(bench) == expected


def test_files_without_the_metric(bench: Any) -> None:
    """Asked to leave a metric that is not there, they keep all their rows."""
    fill(bench, 1.0, 2.0)
    drop_metric(bench, "model:debug")
    roll_up(bench.store)
    assert sums(bench) == [("custom:auc", 2, 3.0, 1.0, 2.0, 0)]
    assert bench.stored() == 2


def test_corrected_facts(bench: Any) -> None:
    """A day is rolled up anew once its rows have changed, and has none once all are taken back."""
    fill(bench, 1.0, 2.0)
    fill(bench, 5.0, day=OTHER)
    roll_up(bench.store)
    assert correct(bench, changes={"value": 9.0}) == 3
    assert roll_up(bench.store).days == 2
    expected = [(DAY, 2, 18.0, 9.0, 9.0, 0), (OTHER, 1, 9.0, 9.0, 9.0, 0)]
    assert sums(bench, columns="date::VARCHAR") == expected
    assert correct(bench, retract=True) == 3
    assert roll_up(bench.store) == RolledUp(days=2)
    assert sums(bench) == []
    assert roll_up(bench.store) == RolledUp()


def test_facts_that_are_taken_back_beside_final_sums(bench: Any) -> None:
    """What is final stays: it is of rows that were retired, and not taken back."""
    fill(bench, 1.0, 2.0)
    drop(bench)
    fill(bench, 4.0)
    roll_up(bench.store)
    assert correct(bench, retract=True) == 1
    roll_up(bench.store)
    assert sums(bench) == [("custom:auc", 2, 3.0, 1.0, 2.0, 1)]
