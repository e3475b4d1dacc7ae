# SPDX-License-Identifier: Apache-2.0
"""Gauges that are looked at instead of being recorded with every change."""

from __future__ import annotations

import gc
from pathlib import Path

from tidegauge.journal.reader import Journal
from tidegauge.record.front import recorder
from tidegauge.record.recorder import Recorder
from tidegauge.record.sampling import SampledGauge, sample_gauges
from tidegauge.testing import FakeClock, capture


def test_a_change_is_recorded_once(store_dir: Path) -> None:
    """A value is recorded when it is another than before, and else once a minute."""
    clock = FakeClock()
    mine = Recorder(store_dir / "journal", strict=True, clock=clock)
    value = 1.0
    kept = SampledGauge(mine, "api:active_requests", {}, lambda: value)
    for next_value in (1.0, 1.0, 2.0, 2.0, 1.0):
        value = next_value
        kept.sample()
    clock.advance(60)
    kept.sample()
    kept.sample()
    (slot,) = Journal(store_dir / "journal").slots()
    assert slot.points(0, 10).value.tolist() == [1.0, 2.0, 1.0, 1.0]
    mine.writer.close()


def test_a_new_store_gets_the_value_again() -> None:
    """A slot knows nothing of the one before."""
    kept = SampledGauge(recorder, "api:active_requests", {"zone": "a"}, lambda: 3.0)
    for _ in range(2):
        with capture() as captured:
            kept.sample()
        assert [fact.labels for fact in captured.facts] == [{"zone": "a"}]


def test_a_gauge_that_fails_hurts_nobody() -> None:
    """The error is counted, and the next gauge is sampled."""

    def fail() -> float:
        raise ZeroDivisionError

    with capture(strict=False) as captured:
        kept = [
            SampledGauge(recorder, "custom:broken", {}, fail),
            SampledGauge(recorder, "custom:whole", {}, lambda: 1.0),
        ]
        sample_gauges()
    assert captured.values("custom:whole") == [1.0]
    assert captured.dropped == {"internal": 1}
    del kept


def test_nobody_samples_what_nobody_holds() -> None:
    """It is sampled for as long as somebody holds it."""
    with capture() as captured:
        kept = SampledGauge(recorder, "custom:held", {}, lambda: 1.0)
        sample_gauges()
        del kept
        gc.collect()
        sample_gauges()
    assert captured.values("custom:held") == [1.0]
