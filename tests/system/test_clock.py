# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set back while a program records: nothing is lost, doubled or mixed up."""

from __future__ import annotations

import itertools
from pathlib import Path

from tidegauge.catalog import builtin_catalog
from tidegauge.query.query import Query
from tidegauge.record.recorder import Recorder
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

DAY_NS = 86_400 * 10**9
NOON_NS = 1_700_049_600 * 10**9  # 2023-11-15, 12:00 UTC


def test_a_clock_that_is_set_back_between_drains(store_dir: Path) -> None:
    """Each fact has the time that the clock told: in the journal, in the tables, in the answers."""
    clock = FakeClock(NOON_NS)
    store = Store(store_dir)
    recorder = Recorder(store_dir / "journal", clock=clock, segment_slots=3)
    drain = DrainFollower(store)
    query = Query(store, builtin_catalog(), clock)
    numbers = itertools.count()
    expected: dict[int, float] = {}
    # Forward a minute, back an hour, back over midnight, and on from there.
    for shift_ns in (0, 60 * 10**9, -3600 * 10**9, -DAY_NS, 10**9, 2 * DAY_NS):
        clock.set_wall(clock.wall_ns() + shift_ns)
        for _ in range(5):
            clock.advance(0.001)
            value = float(next(numbers))
            recorder.hot.log_metric("model:latency_ms", value)
            expected[clock.wall_ns()] = value
        recorder.writer.tick()
        answer = query.history(
            "model:latency_ms"
        ).to_arrow_table()  # stored and waiting facts together
        assert [value for _, value in sorted(expected.items())] == answer["value"].to_pylist()
        drain.advance(force=True)
    stored = query.history("model:latency_ms").to_arrow_table()
    assert [value for _, value in sorted(expected.items())] == stored["value"].to_pylist()
    newest = expected[max(expected)]
    statistics = query.stats("model:latency_ms", start=NOON_NS / 1e9 - 3 * 86_400)
    assert statistics["count"].to_pylist() == [len(expected)]
    assert statistics["last"].to_pylist() == [newest]
    assert statistics["first"].to_pylist() == [expected[min(expected)]]
    recorder.writer.close()
