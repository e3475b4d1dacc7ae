# SPDX-License-Identifier: Apache-2.0
"""Differences of readings: what is new, what went down, what is damaged, what is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from tidegauge.export.deltas import Deltas, middles
from tidegauge.live.families import Exemplar, Histograms, Labels, Numbers, Reading, counter, gauge
from tidegauge.statistics.histogram import ExponentialHistogram

A: Labels = (("model", "a"),)
B: Labels = (("model", "b"),)


@dataclass
class Memory:
    """Where totals are kept: as durable as a test needs."""

    data: bytes | None = None
    deltas: Deltas = field(init=False)

    def __post_init__(self) -> None:
        self.deltas = Deltas(lambda: self.data, self.save)

    def save(self, data: bytes) -> None:
        """Keep the totals."""
        self.data = data


@pytest.fixture
def memory() -> Memory:
    """A memory in which nothing has arrived."""
    return Memory()


@pytest.fixture
def requests_reading() -> Callable[..., Reading]:
    """Makes a reading of one counter."""

    def make(values: dict[Labels, float], *, time_ns: int = 200, start_ns: int = 100) -> Reading:
        return Reading([counter("requests_total", "", values)], time_ns, start_ns)

    return make


@pytest.fixture
def seconds_reading() -> Callable[..., Reading]:
    """Makes a reading of one histogram of one series."""

    def make(
        values: Sequence[float],
        *,
        time_ns: int = 200,
        start_ns: int = 100,
        bounds: Sequence[float] = (0.1, 1.0),
        max_buckets: int = 640,
    ) -> Reading:
        exponential = ExponentialHistogram(max_buckets=max_buckets)
        exponential.add_many(values)
        counts = [0] * (len(bounds) + 1)
        for value in values:
            counts[sum(value > bound for bound in bounds)] += 1
        family = Histograms(
            name="seconds",
            otlp_name="seconds",
            otlp_unit="s",
            labels=[A],
            bounds=bounds,
            counts=[counts],
            sums=[sum(values)],
            exponential=lambda _: exponential,
        )
        return Reading([family], time_ns, start_ns)

    return make


def _values(reading: Reading) -> dict[Labels, float]:
    family = (
        reading.families[0]
        if reading.families
        else Numbers(name="", kind="counter", labels=[], values=[])
    )
    assert isinstance(family, Numbers)
    return dict(zip(family.labels, family.values, strict=True))


def _histogram(reading: Reading) -> Histograms:
    (family,) = reading.families
    assert isinstance(family, Histograms)
    return family


def test_the_first_difference_counts_from_the_beginning_of_the_store(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """Nothing has arrived yet, so everything since `start_ns` is new."""
    delta = memory.deltas.difference(requests_reading({A: 5.0}))
    assert _values(delta) == {A: 5.0}
    assert (delta.start_ns, delta.time_ns) == (100, 200)


def test_only_what_came_since_the_acknowledged_reading_is_in_a_difference(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """It begins at that reading; a new series counts from 0, an idle one is left out."""
    memory.deltas.difference(requests_reading({A: 5.0, B: 1.0}))
    memory.deltas.acknowledge()
    new = (("model", "new"),)
    delta = memory.deltas.difference(requests_reading({A: 7.0, B: 1.0, new: 3.0}, time_ns=300))
    assert _values(delta) == {A: 2.0, new: 3.0}
    assert (delta.start_ns, delta.time_ns) == (200, 300)


def test_what_was_not_acknowledged_is_in_the_next_difference(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """A process killed before the acknowledgement leaves it to the next one."""
    memory.deltas.difference(requests_reading({A: 5.0}))
    next_process = Memory(memory.data)
    delta = next_process.deltas.difference(requests_reading({A: 7.0}, time_ns=300))
    assert _values(delta) == {A: 7.0}


def test_what_another_process_delivered_is_not_sent_again(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """The saved totals are read for each difference."""
    memory.deltas.difference(requests_reading({A: 5.0}))
    memory.deltas.acknowledge()
    other = Memory(memory.data)
    other.deltas.difference(requests_reading({A: 6.0}, time_ns=300))
    other.deltas.acknowledge()
    memory.data = other.data
    assert _values(memory.deltas.difference(requests_reading({A: 6.5}, time_ns=400))) == {A: 0.5}


def test_a_total_that_went_down_counts_from_zero(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """It was begun anew, so all of it is new."""
    memory.deltas.difference(requests_reading({A: 5.0}))
    memory.deltas.acknowledge()
    assert _values(memory.deltas.difference(requests_reading({A: 2.0}, time_ns=300))) == {A: 2.0}


def test_all_totals_of_a_store_begun_anew_count_from_zero(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """Even those that are already greater than before; the difference begins with the store."""
    memory.deltas.difference(requests_reading({A: 5.0}))
    memory.deltas.acknowledge()
    delta = memory.deltas.difference(requests_reading({A: 8.0}, start_ns=250, time_ns=300))
    assert _values(delta) == {A: 8.0}
    assert delta.start_ns == 250


def test_a_series_that_comes_back_is_not_counted_again(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """A reading without a series does not make it forgotten."""
    for values in ({A: 5.0, B: 1.0}, {B: 2.0}):
        memory.deltas.difference(requests_reading(values))
        memory.deltas.acknowledge()
    assert _values(memory.deltas.difference(requests_reading({A: 6.0, B: 2.0}))) == {A: 1.0}


def test_some_series_can_be_acknowledged(
    memory: Memory, requests_reading: Callable[..., Reading]
) -> None:
    """Those are not sent again; the others are, and the interval begins where it did."""
    memory.deltas.difference(requests_reading({A: 5.0, B: 1.0}))
    memory.deltas.acknowledge([("requests_total", A)])
    delta = memory.deltas.difference(requests_reading({A: 6.0, B: 1.0}, time_ns=300))
    assert _values(delta) == {A: 1.0, B: 1.0}
    assert delta.start_ns == 100


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data[:20] + b"\x00" + data[21:], id="changed"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda data: data[4:], id="no checksum"),
        pytest.param(lambda _: b"\x95\x88\xb7\x39\x91\xcc\xfa", id="another version"),
    ],
)
def test_after_damage_all_counts_from_now(
    memory: Memory,
    requests_reading: Callable[..., Reading],
    damage: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is sent twice: the present totals are taken for arrived, and the log says so."""
    memory.deltas.difference(requests_reading({A: 5.0}))
    memory.deltas.acknowledge()
    assert memory.data is not None
    memory.data = damage(memory.data)
    assert memory.deltas.difference(requests_reading({A: 7.0}, time_ns=300)).families == []
    assert "what was sent last cannot be read" in caplog.text
    assert _values(memory.deltas.difference(requests_reading({A: 8.0}, time_ns=400))) == {A: 1.0}


def test_gauges_pass_and_what_is_for_prometheus_alone_does_not(memory: Memory) -> None:
    """A gauge has no difference, and Prometheus is not sent anything."""
    hidden = replace(counter("b_total", "", 1.0), only="prometheus")
    only_otlp = replace(counter("c_total", "", 1.0), only="otlp")
    reading = Reading([gauge("a", "", 3.0), hidden, only_otlp], 200, 100)
    for _ in range(2):
        delta = memory.deltas.difference(reading)
        memory.deltas.acknowledge()
        assert delta.families[0] is reading.families[0]
    assert [family.name for family in delta.families] == ["a"]


def test_labels_may_be_any_text(memory: Memory, requests_reading: Callable[..., Reading]) -> None:
    """Labels that are not UTF-8 are told apart like others."""
    odd = (("path", "\udcff"),), (("path", "\udcfe"),)
    memory.deltas.difference(requests_reading({odd[0]: 5.0, odd[1]: 6.0}))
    memory.deltas.acknowledge()
    delta = memory.deltas.difference(requests_reading({odd[0]: 5.0, odd[1]: 7.0}))
    assert _values(delta) == {odd[1]: 1.0}


def test_histograms_are_subtracted_bucket_by_bucket(
    memory: Memory, seconds_reading: Callable[..., Reading]
) -> None:
    """Explicit counts, the sum and the exponential buckets are those of the new values."""
    memory.deltas.difference(seconds_reading([0.05, 0.5]))
    memory.deltas.acknowledge()
    family = _histogram(memory.deltas.difference(seconds_reading([0.05, 0.5, 0.5, 3.0])))
    expected = ExponentialHistogram()
    expected.add_many([0.5, 3.0])
    assert family.counts == [[0, 1, 1]]
    assert family.sums == [3.5]
    assert family.exponential(0).columns() == expected.columns()
    assert list(family.exponential(0).buckets()) == list(expected.buckets())


def test_histograms_of_different_scales_are_subtracted(
    memory: Memory, seconds_reading: Callable[..., Reading]
) -> None:
    """A value far away made the buckets wider meanwhile; no value is lost or counted twice."""
    memory.deltas.difference(seconds_reading([1.0, 1.1, 1.2], max_buckets=16))
    memory.deltas.acknowledge()
    now = seconds_reading([1.0, 1.1, 1.2, 1.1, 500.0], max_buckets=16)
    exponential = _histogram(memory.deltas.difference(now)).exponential(0)
    assert exponential.scale < ExponentialHistogram().scale
    assert exponential.count == 2
    assert [count for _, count in middles(exponential)] == [1, 1]


def test_a_histogram_that_went_down_in_one_bucket_counts_from_zero(
    memory: Memory, seconds_reading: Callable[..., Reading]
) -> None:
    """Even if there are more values in all than before."""
    memory.deltas.difference(seconds_reading([0.05, 0.05]))
    memory.deltas.acknowledge()
    family = _histogram(memory.deltas.difference(seconds_reading([3.0, 4.0, 0.05])))
    assert family.counts == [[1, 0, 2]]
    assert family.sums == [pytest.approx(7.05)]
    assert family.exponential(0).count == 3


def test_an_idle_histogram_is_left_out(
    memory: Memory, seconds_reading: Callable[..., Reading]
) -> None:
    """Nothing came, so there is nothing to say."""
    memory.deltas.difference(seconds_reading([0.5]))
    memory.deltas.acknowledge()
    assert memory.deltas.difference(seconds_reading([0.5], time_ns=300)).families == []


def test_new_bounds_lose_and_repeat_nothing(
    memory: Memory, seconds_reading: Callable[..., Reading]
) -> None:
    """Counts by new bounds are estimated from the exponential buckets, which have none."""
    memory.deltas.difference(seconds_reading([0.05, 0.5]))
    memory.deltas.acknowledge()
    now = seconds_reading([0.05, 0.5, 0.3, 3.0], bounds=(0.25, 0.4, 2.0))
    assert _histogram(memory.deltas.difference(now)).counts == [[0, 1, 0, 1]]


def test_an_exemplar_is_sent_once(memory: Memory, requests_reading: Callable[..., Reading]) -> None:
    """Exemplars from before the acknowledged reading are left out, others follow their series."""
    old, new = Exemplar((), 1.0, 150), Exemplar((), 1.0, 250)
    reading = requests_reading({A: 5.0, B: 1.0})
    memory.deltas.difference(reading)
    memory.deltas.acknowledge()
    later = requests_reading({A: 5.0, B: 2.0}, time_ns=300)
    (family,) = later.families
    assert isinstance(family, Numbers)
    for exemplar, expected in ((old, {}), (new, {0: new})):
        dressed = replace(later, families=[replace(family, exemplars={1: exemplar})])
        (found,) = memory.deltas.difference(dressed).families
        assert isinstance(found, Numbers)
        assert found.exemplars == expected


def test_middles_lie_in_their_buckets() -> None:
    """Negative values, zero, subnormal and huge ones; ascending."""
    histogram = ExponentialHistogram()
    histogram.add_many([-1e300, -2.0, 0.0, 5e-324, 1.0, 1.7e308])
    found = middles(histogram)
    assert [value for value, _ in found] == sorted(value for value, _ in found)
    for (value, count), (lower, upper, n) in zip(found, histogram.buckets(), strict=True):
        assert lower <= value <= upper
        assert count == n
