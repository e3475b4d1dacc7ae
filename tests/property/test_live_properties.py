# SPDX-License-Identifier: Apache-2.0
"""Live totals are those of plain arithmetic, the same for all, and never go down."""

from __future__ import annotations

import itertools
import math
import tempfile
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.exact import ExactSums
from tidegauge.live.exponential import ExponentialCounts
from tidegauge.live.families import Histograms, Numbers, Reading
from tidegauge.live.live import Live
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Combine, Kind, MetricSpec
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.statistics.histogram import ExponentialHistogram
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

BOUNDS = (-1.0, 0.0, 0.5, 1.0, 1e6)
CATALOG = Catalog(
    [
        MetricSpec(name="custom:jobs", description="A total", kind=Kind.COUNTER),
        MetricSpec(
            name="custom:spread", description="A spread", kind=Kind.DISTRIBUTION, buckets=BOUNDS
        ),
        MetricSpec(name="custom:level", description="A level"),
        MetricSpec(name="custom:most", description="A peak", combine=Combine.MAX),
        MetricSpec(name="custom:few", description="Few", kind=Kind.COUNTER, series_cap=2),
    ]
)
METRICS = ("custom:jobs", "custom:spread", "custom:level", "custom:most")
BEGIN_NS = 1_700_000_000 * 10**9
SMALLEST = Fraction(2) ** -97

finite = st.floats(allow_nan=False, allow_infinity=False)
usual = st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 0.1, 0.5, 1.0, 1e6, 5e-324, 1e-30])
cells_and_values = st.lists(st.tuples(st.integers(0, 5), finite | usual), max_size=60)


def summed(pairs: list[tuple[int, float]], parts: int) -> ExactSums:
    """Add in so many parts."""
    sums = ExactSums()
    size = max(1, -(-len(pairs) // parts))
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        sums.grow(1 + max(cell for cell, _ in part))
        sums.add(np.array([cell for cell, _ in part]), np.array([value for _, value in part]))
    sums.grow(6)
    return sums


def rounded(number: Fraction) -> float:
    """The nearest float."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


@settings(deadline=None, max_examples=200)
@given(pairs=cells_and_values, parts=st.integers(1, 9), order=st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_order(
    pairs: list[tuple[int, float]], parts: int, order: Any
) -> None:
    """Any order and grouping give the same bits, through files too, and they are right."""
    sums = summed(pairs, 1)
    shuffled = list(pairs)
    order.shuffle(shuffled)
    others = summed(shuffled, parts)
    assert sums.totals().tobytes() == others.totals().tobytes()
    loaded = ExactSums.load(*others.dump())
    assert loaded.totals().tobytes() == sums.totals().tobytes()
    assert loaded.dump() == sums.dump() == others.dump()
    wanted: defaultdict[int, Fraction] = defaultdict(Fraction)
    counts: defaultdict[int, int] = defaultdict(int)
    for cell, value in pairs:
        wanted[cell] += Fraction(value)
        counts[cell] += 1
    for cell, total in enumerate(sums.totals().tolist()):
        nearest = rounded(wanted[cell])
        lost = float(SMALLEST * counts[cell])
        assert total == nearest or abs(total - nearest) <= lost + 2 * math.ulp(nearest)


@settings(deadline=None, max_examples=200)
@given(values=st.lists(st.floats(min_value=0, allow_infinity=False) | usual.map(abs), max_size=30))
def test_growing_sums_never_come_out_smaller(values: list[float]) -> None:
    """After each value that is not negative the rounded total is at least what it was."""
    sums = ExactSums()
    sums.grow(1)
    before = 0.0
    for value in values:
        sums.add(np.array([0]), np.array([value]))
        (after,) = sums.totals().tolist()
        assert after >= before
        before = after


@settings(deadline=None, max_examples=100)
@given(pairs=cells_and_values, chosen=st.lists(st.integers(0, 5), unique=True, max_size=6))
def test_chosen_sums(pairs: list[tuple[int, float]], chosen: list[int]) -> None:
    """The sums of some cells alone go on as if the others had never been."""
    sums = summed(pairs, 2)
    taken = sums.taken(np.array(chosen, np.int64))
    assert taken.totals().tobytes() == sums.totals()[chosen].tobytes()
    taken.grow(len(chosen) + 1)
    taken.add(np.array([len(chosen)]), np.array([0.5]))
    assert taken.totals()[: len(chosen)].tobytes() == sums.totals()[chosen].tobytes()
    assert taken.totals()[len(chosen)] == 0.5


def test_digits_carry() -> None:
    """A sum grows past what one digit holds, up and down, and back to nothing."""
    sums = ExactSums()
    sums.grow(1)
    cells, values = np.zeros(1000, np.int64), np.full(1000, 2.0**31 - 1)
    for _ in range(3):
        sums.add(cells, values)
    assert sums.totals().tolist() == [3000 * (2.0**31 - 1)]
    for _ in range(6):
        sums.add(cells, -values)
    assert sums.totals().tolist() == [-3000 * (2.0**31 - 1)]
    for _ in range(3):
        sums.add(cells, values)
    assert sums.totals().tolist() == [0.0]


@pytest.mark.parametrize(
    ("digits", "huge"), [(b"123", {}), (b"", {0: "0x1"}), (b"\0" * 64, {0: "x"})]
)
def test_bytes_that_are_no_sums(digits: bytes, huge: dict[int, str]) -> None:
    """What does not fit is an error and no sum."""
    with pytest.raises(ValueError):
        ExactSums.load(digits, huge)


@settings(deadline=None, max_examples=200)
@given(pairs=cells_and_values, parts=st.integers(1, 5), cell=st.integers(0, 5))
def test_exponential_buckets(pairs: list[tuple[int, float]], parts: int, cell: int) -> None:
    """The counts are those of the histogram that intervals are made of."""
    counts = ExponentialCounts()
    size = max(1, -(-len(pairs) // parts))
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        counts.add(np.array([at for at, _ in part]), np.array([value for _, value in part]))
        counts.frozen()
    histogram = ExponentialHistogram()
    histogram.add_many([value for at, value in pairs if at == cell])
    found = ExponentialCounts.load(*counts.dump()).histogram(cell)
    assert counts.histogram(cell).columns() == found.columns() == histogram.columns()
    if found.count:
        assert found.min <= histogram.min
        assert found.max >= histogram.max


def test_frozen_counts_stay() -> None:
    """Who holds a copy sees nothing of what is added later."""
    counts = ExponentialCounts()
    counts.add(np.array([0]), np.array([1.0]))
    frozen = counts.frozen()
    counts.add(np.array([0, 1]), np.array([1.0, 2.0]))
    counts.merge()
    assert frozen.histogram(0).count == 1
    assert counts.histogram(0).count == 2


class Service:
    """Three writers, readers that come and go, and what plain arithmetic makes of the facts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock(BEGIN_NS)
        self.store = Store(root, clock=self.clock)
        self.writers = [
            JournalWriter(root / "journal", segment_slots=5, clock=self.clock) for _ in range(3)
        ]
        for writer in self.writers:
            writer.open()
        self.readers: list[Live] = []
        self.stores = [self.store]
        for _ in range(2):
            self.start()
        self.facts: list[tuple[str, str, float]] = []
        self.recorded = 0
        self.levels: dict[str, tuple[int, float]] = {}
        self.mosts: dict[tuple[str, int], float] = {}
        self.before: dict[Any, Any] = {}

    def start(self) -> None:
        """A process that looks at the store begins."""
        store = Store(self.root, clock=self.clock)
        self.stores.append(store)
        self.readers.append(Live(store, CATALOG))

    def record(self, how: str, who: int, facts: list[tuple[str, str, float]]) -> None:
        """Record facts in one of three ways."""
        self.clock.advance(1)
        now_ns, writer = self.clock.wall_ns(), self.writers[who]
        keys = [SeriesKey.of(metric, {"x": label}) for metric, label, _ in facts]
        if how == "batch":
            vector = writer.vector_id(keys)
            values = [value for *_, value in facts]
            assert writer.put_batch(vector, writer.generation, values, now_ns, None)
        for key, (*_, value) in zip(keys, facts, strict=True):
            if how == "point":
                writer.put_point(key, value)
            elif how == "event":
                writer.put_event("points", key, now_ns, {"value": value})
            elif how == "interval":
                accumulator = Accumulator()
                accumulator.add(value)
                writer.put_event("intervals", key, now_ns, accumulator.columns(1.0))
        for metric, label, value in facts:
            self.recorded += 1
            self.facts.append((metric, label, value))
            if metric == "custom:level":
                self.levels[label] = now_ns, value
            elif metric == "custom:most":
                self.mosts[label, who] = value

    def expected(self) -> dict[Any, Any]:
        """What is to be shown."""
        found: dict[Any, Any] = {}
        by_series: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for metric, label, value in self.facts:
            by_series[metric, label].append(value)
        for (metric, label), values in by_series.items():
            if metric == "custom:jobs":
                found[metric, label] = math.fsum(value for value in values if value >= 0)
            elif metric == "custom:spread":
                counts = [0] * (len(BOUNDS) + 1)
                for value in values:
                    counts[bisect_left(BOUNDS, value)] += 1
                histogram = ExponentialHistogram()
                histogram.add_many(values)
                found[metric, label] = counts, math.fsum(values), histogram.columns()
            elif metric == "custom:level":
                found[metric, label] = self.levels[label][1]
            else:
                found[metric, label] = max(
                    value for (at, _), value in self.mosts.items() if at == label
                )
        return found

    def check(self, reader: Live) -> None:
        """A reading is what arithmetic says, and no less than any before."""
        reading = reader.read()
        shown, expected = shown_in(reading), self.expected()
        assert shown.keys() == expected.keys()
        for (metric, label), wanted in expected.items():
            found = shown[metric, label]
            if metric == "custom:jobs":
                assert found == pytest.approx(wanted, rel=1e-15, abs=1e-25)
                assert found >= self.before.get((metric, label), 0.0)
                self.before[metric, label] = found
            elif metric == "custom:spread":
                assert found[0] == wanted[0]
                assert found[1] == pytest.approx(wanted[1], rel=1e-13, abs=1e-6)
                assert found[2] == wanted[2]
            else:
                assert found == wanted
        (recorded,) = (each for each in reading.families if each.name == "tidegauge_recorded_total")
        assert isinstance(recorded, Numbers)
        assert recorded.values == [self.recorded]

    def close(self) -> None:
        """Close what is open."""
        for writer in self.writers:
            writer.close()
        for store in self.stores:
            store.close()


def shown_in(reading: Reading) -> dict[Any, Any]:
    """What a reading shows, by metric and label."""
    found: dict[Any, Any] = {}
    for family in reading.families:
        metric = family.name.removesuffix("_total").replace("_", ":", 1)
        if metric not in METRICS:
            continue
        for at, labels in enumerate(family.labels):  # type: ignore[union-attr]
            if isinstance(family, Histograms):
                exponential = family.exponential(at).columns()
                found[metric, labels[0][1]] = list(family.counts[at]), family.sums[at], exponential
            else:
                found[metric, labels[0][1]] = family.values[at]  # type: ignore[union-attr]
    return found


labels = st.sampled_from(["a", "b", "ü"])
facts = st.tuples(st.sampled_from(METRICS), labels, st.floats(-1e6, 1e6) | usual)
who = st.integers(0, 2)
several = st.lists(facts, min_size=1, max_size=6)
# A single fact in an interval has known explicit buckets only if no bound is near its value.
apart = st.sampled_from([-3.0, 0.3, 0.7, 30.0, 3e6])
lone = st.tuples(st.sampled_from(METRICS), labels, apart).map(lambda fact: [fact])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from(["point", "event", "batch"]), who, several),
        st.tuples(st.just("record"), st.just("interval"), who, lone),
        st.tuples(st.just("read"), st.integers(0, 9)),
        st.tuples(st.just("save"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["start", "drain", "lose"])),
    ),
    max_size=14,
)


def in_a_service(check: Callable[[Service], None]) -> None:
    """Run something with a service of its own."""
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory) / "store")
        try:
            check(service)
        finally:
            service.close()


@settings(deadline=None, max_examples=40)
@given(steps=steps)
def test_readings_are_what_arithmetic_says(steps: list[Any]) -> None:
    """Through reads, saves, drains and a lost file, in every process, old and new."""

    def run(service: Service) -> None:
        for kind, *details in steps:
            if kind == "record":
                service.record(*details)
            elif kind == "read":
                service.check(service.readers[details[0] % len(service.readers)])
            elif kind == "save":
                service.readers[details[0] % len(service.readers)].save()
            elif kind == "start":
                service.start()
            elif kind == "drain":
                while DrainFollower(service.store).advance(force=True):
                    pass
            else:
                (service.root / "live.state").unlink(missing_ok=True)
        service.start()
        for reader in service.readers:
            service.check(reader)
        readings = [shown_in(reader.read()) for reader in service.readers]
        assert all(each == readings[0] for each in readings)

    in_a_service(run)


@settings(deadline=None, max_examples=15)
@given(
    turns=st.lists(st.tuples(who, st.integers(0, 5), st.integers(0, 1)), min_size=3, max_size=12)
)
def test_all_processes_keep_the_same_label_sets(turns: list[tuple[int, int, int]]) -> None:
    """Whatever order they saw the facts in, and no fact is lost to the cap."""

    def run(service: Service) -> None:
        for writer, label, reader in turns:
            key = SeriesKey.of("custom:few", {"x": str(label)})
            service.writers[writer].put_point(key, 1.0)
            service.readers[reader].read()
        service.start()
        # The one that agrees last may do so with what another one has settled before.
        for reader in itertools.chain(service.readers, service.readers):
            reader.read()
        found = [few_of(reader.read()) for reader in service.readers]
        assert all(each == found[0] for each in found)
        assert sum(found[0].values()) == len(turns)
        assert len(found[0]) <= 3

    in_a_service(run)


def few_of(reading: Reading) -> dict[Any, float]:
    """The series of the family with a cap."""
    (family,) = (each for each in reading.families if each.name == "custom_few_total")
    assert isinstance(family, Numbers)
    return dict(zip(family.labels, family.values, strict=True))
