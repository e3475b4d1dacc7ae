# SPDX-License-Identifier: Apache-2.0
"""A store with live metrics: writers with a clock of their own, and readers that are processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.collectors import Collectors
from tidegauge.live.families import Histograms, Labels, Numbers, Reading, Samples
from tidegauge.live.live import Live
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Combine, Kind, MetricSpec
from tidegauge.model.tables import TABLES
from tidegauge.model.times import parse_time_ns
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

NOON_NS = parse_time_ns("2026-01-01T12:00:00Z")

SPECS = (
    MetricSpec(name="custom:jobs", description="Jobs", kind=Kind.COUNTER, unit="{job}"),
    MetricSpec(name="custom:level", description="A level"),
    MetricSpec(name="custom:workers", description="Workers", combine=Combine.SUM),
    MetricSpec(name="custom:share", description="A share", combine=Combine.MEAN),
    MetricSpec(name="custom:peak", description="A peak", combine=Combine.MAX),
    MetricSpec(
        name="custom:wait",
        description="A wait",
        kind=Kind.DISTRIBUTION,
        unit="s",
        buckets=(0.1, 1.0, 10.0),
    ),
    MetricSpec(name="custom:few", description="Few", kind=Kind.COUNTER, series_cap=3),
)


class Bench:
    """A store, writers into its journal, and readers that know nothing of each other.

    Attributes:
        root: Where the store is.
        clock: The clock of everything here; noon of 2026-01-01.
        catalog: The metrics of `SPECS`.
        store: The store, as the writers' process sees it.
        writer: Writes into slot 000, 64 points to a segment.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock(NOON_NS)
        self.catalog = Catalog(SPECS)
        self.store = Store(root, clock=self.clock)
        self.writer = self.new_writer()
        self._stores = [self.store]

    def new_writer(self) -> JournalWriter:
        """Another writer, which takes the next free slot with its first fact."""
        return JournalWriter(self.root / "journal", segment_slots=64, clock=self.clock)

    def record(
        self,
        metric: str,
        *values: float,
        writer: JournalWriter | None = None,
        time_ns: int | None = None,
        **labels: str,
    ) -> None:
        """Write points, now unless a time is given."""
        for value in values:
            (writer or self.writer).put_point(SeriesKey.of(metric, labels), value, time_ns=time_ns)

    def record_event(
        self,
        table: str,
        columns: dict[str, Any],
        metric: str = "",
        writer: JournalWriter | None = None,
        time_ns: int | None = None,
        **labels: str,
    ) -> None:
        """Write one event, now unless a time is given."""
        assert table in TABLES
        at_ns = self.clock.wall_ns() if time_ns is None else time_ns
        (writer or self.writer).put_event(table, SeriesKey.of(metric, labels), at_ns, columns)

    def reader(
        self,
        catalog: Catalog | None = None,
        series_ttl_s: float | None = None,
        collectors: Collectors | None = None,
    ) -> Live:
        """The live metrics of the store, as another process sees them."""
        store = Store(self.root, clock=self.clock)
        self._stores.append(store)
        return Live(
            store, catalog or self.catalog, series_ttl_s=series_ttl_s, collectors=collectors
        )

    def drain(self) -> None:
        """Store all that can be stored."""
        follower = DrainFollower(self.store)
        while follower.advance(force=True):
            pass

    def close(self) -> None:
        """Close what is open."""
        self.writer.close()
        for store in self._stores:
            store.close()


class Shown:
    """What a reading shows.

    Attributes:
        reading: The reading.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def family(self, name: str) -> Any:
        """The family of a name in Prometheus; fails if there is none."""
        return self.families()[name]

    def families(self) -> dict[str, Numbers | Histograms | Samples]:
        """All families but those about the store itself."""
        return {
            each.name: each
            for each in self.reading.families
            if not each.name.startswith("tidegauge_")
        }

    def values(self, name: str) -> dict[Labels, float]:
        """The values of counters or gauges; none if there is no such family."""
        found = {each.name: each for each in self.reading.families}.get(name)
        if found is None:
            return {}
        assert isinstance(found, Numbers)
        return dict(zip(found.labels, found.values, strict=True))

    def value(self, name: str) -> float:
        """The value of the one series of a family."""
        (value,) = self.values(name).values()
        return value

    def everything(self) -> dict[str, Any]:
        """All numbers, in a form that can be compared bit by bit and number by number."""
        found: dict[str, Any] = {}
        for name, family in self.families().items():
            if isinstance(family, Numbers):
                for labels, value in zip(family.labels, family.values, strict=True):
                    found[f"{family.kind} {name}{labels}"] = value
            elif isinstance(family, Histograms):
                for at, labels in enumerate(family.labels):
                    found[f"histogram {name}{labels}"] = (
                        list(family.counts[at]),
                        family.sums[at],
                        family.exponential(at).columns(),
                    )
        return found


@pytest.fixture
def bench(store_dir: Path) -> Iterator[Bench]:
    """A store that does not exist yet."""
    bench = Bench(store_dir)
    yield bench
    bench.close()


@pytest.fixture
def show() -> Callable[[Live], Shown]:
    """Reads, and makes the reading easy to ask."""
    return lambda live: Shown(live.read())


@pytest.fixture
def never_less() -> Callable[[Shown, Shown], None]:
    """Checks that no number that only grows is smaller in a later reading, or gone."""

    def check(before: Shown, after: Shown) -> None:
        later = after.everything()
        for name, value in before.everything().items():
            if name.startswith("counter"):
                assert later[name] >= value, name
            elif name.startswith("histogram"):
                counts, _, _ = later[name]
                assert all(a >= b for a, b in zip(counts, value[0], strict=True)), name

    return check
