# SPDX-License-Identifier: Apache-2.0
"""Rollups stand for every fact exactly once, whatever happens to the facts and when."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import compact, retire
from tidegauge.store.retention import Retention
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, drop_files
from tidegauge.store.rollup import leaving, roll_up
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

# Without shrinking: a history that fails is short, and each try makes a store.
SLOW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)

DAY_S = 86_400
FIRST_DAY = 20_000
METRICS = ("custom:a", "custom:b")
#: Multiples of 1/64, so that sums are exact in whatever order; and zeros, and a wide span.
VALUES = st.one_of(
    st.integers(-(2**20), 2**20).map(lambda n: n / 64), st.sampled_from([0.0, 2.0**30, -(2.0**30)])
)
DAYS = st.integers(0, 2)
FACT = st.tuples(DAYS, st.integers(0, DAY_S - 1), st.sampled_from(METRICS), VALUES)
STEP = st.one_of(
    st.tuples(st.just("facts"), st.lists(FACT, min_size=1, max_size=12)),
    st.tuples(st.just("roll up"), st.none()),
    st.tuples(st.just("compact"), st.none()),
    st.tuples(st.just("retire"), DAYS),
    st.tuples(st.just("retire but crash"), DAYS),
    st.tuples(st.just("retire metric"), st.tuples(DAYS, st.sampled_from(METRICS))),
)


class Crash(Exception):
    """Stands for the end of a process."""


@pytest.mark.repeat
@SLOW
@given(st.lists(STEP, min_size=2, max_size=12))
def test_every_fact_counts_once(steps: list[tuple[str, Any]]) -> None:
    """Sums, counts, extremes and buckets are those of all that was ever recorded."""
    recorded: dict[tuple[int, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        clock = FakeClock((FIRST_DAY + 4) * DAY_S * 10**9)
        store = Store(Path(directory), clock=clock)
        writer = JournalWriter(store.root / "journal", clock=clock)
        for name, argument in steps:
            if name == "facts":
                for day, second, metric, value in argument:
                    time_ns = ((FIRST_DAY + day) * DAY_S + second) * 10**9
                    writer.put_point(SeriesKey.of(metric, {}), value, time_ns=time_ns)
                    recorded[day, metric].append(value)
                DrainFollower(store).advance(force=True)
            elif name == "roll up":
                roll_up(store)
            elif name == "compact":
                compact(store, "points")
            elif name == "retire metric":
                day, metric = argument
                # The days before it go with it, as retention has it.
                retire(store, "points", Retention(metrics={metric: 3.0 - day}))
            else:
                retire_day(store, argument, crash=name == "retire but crash")
        roll_up(store)
        for length_s in (3600, DAY_S):
            assert rolled(store, length_s) == expected(recorded)
        writer.close()
        store.close()


def retire_day(store: Store, day: int, *, crash: bool) -> None:
    """Retire the points of one day; or crash after their sums are final."""
    with store.maintain():
        stored = store.tables.open("points")
        if stored is None:
            return
        view = stored.view((MAINTENANCE, RETIRED))
        files = view.files.chosen(view.files.dates == FIRST_DAY + day)
        if not len(files):
            return
        try:
            with leaving(store, "points", files):
                if crash:
                    raise Crash
                view = stored.view((MAINTENANCE, RETIRED))
                present = np.isin(np.array(view.files.paths), files.paths)
                drop_files(stored, view, view.files.chosen(present))
        except Crash:
            return


def expected(recorded: dict[tuple[int, str], list[float]]) -> dict[tuple[int, str], Any]:
    """The columns of a summary of the facts of each day and metric."""
    found = {}
    for key, values in recorded.items():
        accumulator = Accumulator()
        accumulator.add_many(values)
        found[key] = summary(accumulator)
    return found


def rolled(store: Store, length_s: int) -> dict[tuple[int, str], Any]:
    """The same from rollups of hours or days."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        snapshot(store, "rollups").register(connection, "rollups")
        rows = connection.sql(
            f"SELECT * FROM rollups WHERE interval_s = {length_s}"
        ).to_arrow_table()
    merged: dict[tuple[int, str], Accumulator] = defaultdict(Accumulator)
    for row in rows.to_pylist():
        day = int(row["time"].timestamp()) // DAY_S - FIRST_DAY
        merged[day, row["metric"]].merge(Accumulator.from_columns(row))
    return {key: summary(accumulator) for key, accumulator in merged.items()}


def summary(accumulator: Accumulator) -> dict[str, object]:
    """What does not depend on the order, all of it exact."""
    columns = accumulator.columns(0.0)
    # Squares of such values are beyond 53 bits; the ends are of order.
    return {
        name: value
        for name, value in columns.items()
        if name not in ("sum_squares", "first", "last")
    }
