# SPDX-License-Identifier: Apache-2.0
"""A store to put facts into and to ask, without the recording front and its threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import TimeLike, parse_time_ns
from tidegauge.query.query import Query
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock


class Facts:
    """Writes facts, stores them and asks.

    Attributes:
        store: The store.
        clock: What `hours` counts back from: noon of 2026-01-01.
        query: Asks the store, with the built-in catalogue.
        writer: Writes what is not of a metric.
    """

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.clock = FakeClock(parse_time_ns("2026-01-01T12:00:00Z"))
        self.query = Query(self.store, builtin_catalog(), self.clock)
        self.writer = JournalWriter(self.store.root / "journal")

    def record(
        self,
        metric: str,
        *values: float,
        at: TimeLike = "2026-01-01T11:00:00Z",
        every_s: float = 1.0,
        step: int | None = None,
        **labels: str,
    ) -> None:
        """Write values, the first at `at`."""
        key = SeriesKey.of(metric, labels)
        start_ns = parse_time_ns(at)
        for index, value in enumerate(values):
            time_ns = start_ns + round(index * every_s * 1e9)
            self.writer.put_point(key, value, time_ns=time_ns, step=step)

    def interval(
        self, metric: str, *values: float, at: TimeLike = "2026-01-01T11:00:00Z", **labels: str
    ) -> None:
        """Write the summary of ten seconds."""
        total = Accumulator()
        total.add_many(values)
        self.writer.put_event(
            "intervals", SeriesKey.of(metric, labels), parse_time_ns(at), total.columns(10.0)
        )

    def drain(self) -> None:
        """Move everything to the tables."""
        while DrainFollower(self.store).advance(force=True):
            pass


@pytest.fixture
def facts(store_dir: Path) -> Facts:
    """An empty store."""
    return Facts(store_dir)
