# SPDX-License-Identifier: Apache-2.0
"""A store with a clock of its own, a writer into its journal, and ways to drain and to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import TimeLike, TimeRange, parse_time_ns
from tidegauge.store.drain import DrainFollower
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import Status, status_of
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock


class Bench:
    """A store and everything around it.

    Attributes:
        root: Where the store is.
        clock: The clock of the store and of the writer; noon of 2026-01-01.
        store: The store.
        writer: Writes into slot 000, 64 points to a segment.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock(parse_time_ns("2026-01-01T12:00:00Z"))
        self.store = Store(root, clock=self.clock)
        self.writer = self.new_writer()

    def new_writer(self) -> JournalWriter:
        """Another writer, which takes the next free slot with its first fact."""
        return JournalWriter(self.root / "journal", segment_slots=64, clock=self.clock)

    def record(
        self,
        *values: float,
        metric: str = "model:latency_ms",
        at: TimeLike = "2026-01-01T11:00:00Z",
        step: int | None = None,
        writer: JournalWriter | None = None,
        **labels: str,
    ) -> None:
        """Write points a second apart, the first at `at`."""
        key, start_ns = SeriesKey.of(metric, labels), parse_time_ns(at)
        for index, value in enumerate(values):
            time_ns = start_ns + index * 10**9
            (writer or self.writer).put_point(key, value, time_ns=time_ns, step=step)

    def record_event(
        self,
        table: str = "points",
        metric: str = "model:latency_ms",
        at: TimeLike = "2026-01-01T11:00:00Z",
        **columns: Any,
    ) -> None:
        """Write one event without labels."""
        key = SeriesKey.of(metric, {})
        self.writer.put_event(table, key, parse_time_ns(at), columns)

    def record_row(self, table: str, at: TimeLike, /, **columns: Any) -> None:
        """Write one row of a typed table; `labels` holds its labels and dimensions."""
        key = SeriesKey.of("", columns.pop("labels", {}))
        self.writer.put_event(table, key, parse_time_ns(at), columns)

    def record_interval(self, *, count: int) -> None:
        """Write one event of the table of intervals."""
        self.record_event("intervals", **INTERVAL | {"count": count})

    def drain(self, **settings: Any) -> None:
        """Store all that can be stored."""
        follower = DrainFollower(self.store, **settings)
        while follower.advance(force=True):
            pass

    def ask(
        self, sql: str, *, table: str = "points", time_range: TimeRange | None = None
    ) -> list[tuple[Any, ...]]:
        """Ask a snapshot, through an object of the store that knows nothing yet."""
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        snapshot(Store(self.root), table, time_range).register(connection, table)
        return connection.execute(sql).fetchall()

    def values(self, table: str = "points") -> list[float]:
        """All values of a snapshot, sorted."""
        column = "value" if table == "points" else "count"
        return [
            value for (value,) in self.ask(f"SELECT {column} FROM {table} ORDER BY 1", table=table)
        ]

    def stored(self, table: str = "points") -> int:
        """Rows in a table, without what is in the journal."""
        stored = Store(self.root).tables.open(table)
        return 0 if stored is None else int(stored.view().files.rows.sum())

    def status(self) -> Status:
        """The status, through an object of the store that knows nothing yet."""
        return status_of(Store(self.root))


#: An interval of one value, 1.0.
INTERVAL: dict[str, Any] = {
    "interval_s": 10.0,
    "count": 1,
    "sum": 1.0,
    "sum_squares": 1.0,
    "min": 1.0,
    "max": 1.0,
    "first": 1.0,
    "last": 1.0,
    "scale": 5,
    "zero_count": 0,
    "positive_offset": -1,
    "positive_counts": [1],
    "negative_offset": 0,
    "negative_counts": [],
}


@pytest.fixture
def bench(store_dir: Path) -> Bench:
    """A store that does not exist yet."""
    return Bench(store_dir)
