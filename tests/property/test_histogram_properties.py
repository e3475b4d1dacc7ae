# SPDX-License-Identifier: Apache-2.0
"""Laws of the exponential histogram and of the summary that holds it."""

from __future__ import annotations

import math
import statistics
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.statistics.accumulator import Accumulator
from tidegauge.statistics.histogram import ExponentialHistogram

ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(min_value=1e-3, max_value=1e3)
NORMAL_FLOAT = ANY_FLOAT.filter(lambda value: value == 0 or abs(value) > 2.3e-308)
MAX_BUCKETS = st.sampled_from([4, 20, 640])
SHARE = st.floats(min_value=0, max_value=1)


def histogram_of(values: list[float], max_buckets: int = 640) -> ExponentialHistogram:
    """Count the values."""
    histogram = ExponentialHistogram(max_buckets=max_buckets)
    histogram.add_many(values)
    return histogram


def state(histogram: ExponentialHistogram) -> tuple[object, ...]:
    """Everything a histogram knows."""
    return (histogram.columns(), histogram.min, histogram.max, histogram.count)


@given(st.lists(ANY_FLOAT), MAX_BUCKETS)
def test_one_by_one_and_all_at_once_agree(values: list[float], max_buckets: int) -> None:
    """`add_many` is `add` for each value."""
    one_by_one = ExponentialHistogram(max_buckets=max_buckets)
    for value in values:
        one_by_one.add(value)
    assert state(one_by_one) == state(histogram_of(values, max_buckets))


@given(st.lists(ANY_FLOAT), st.lists(ANY_FLOAT), MAX_BUCKETS)
def test_merge_is_commutative_and_equals_adding(
    left: list[float], right: list[float], max_buckets: int
) -> None:
    """Merging in either order gives what one histogram of all values has."""
    left_first, right_first = histogram_of(left, max_buckets), histogram_of(right, max_buckets)
    left_first.merge(histogram_of(right, max_buckets))
    right_first.merge(histogram_of(left, max_buckets))
    assert state(left_first) == state(right_first)
    assert state(left_first) == state(histogram_of(left + right, max_buckets))


@given(st.lists(ANY_FLOAT), st.lists(ANY_FLOAT), st.lists(ANY_FLOAT), MAX_BUCKETS)
def test_merge_is_associative(
    a: list[float], b: list[float], c: list[float], max_buckets: int
) -> None:
    """Grouping does not matter."""
    left = histogram_of(a, max_buckets)
    left.merge(histogram_of(b, max_buckets))
    left.merge(histogram_of(c, max_buckets))
    right = histogram_of(b, max_buckets)
    right.merge(histogram_of(c, max_buckets))
    whole = histogram_of(a, max_buckets)
    whole.merge(right)
    assert state(left) == state(whole)


@given(st.lists(ANY_FLOAT, min_size=1), MAX_BUCKETS)
def test_every_value_is_counted_once_within_the_bound_on_buckets(
    values: list[float], max_buckets: int
) -> None:
    """Changing the scale keeps counts, and neither sign spans more buckets than allowed."""
    histogram = histogram_of(values, max_buckets)
    columns = histogram.columns()
    assert histogram.count == len(values) == sum(n for _, _, n in histogram.buckets())
    for name in ("positive_counts", "negative_counts"):
        counts = columns[name]
        assert isinstance(counts, list)
        assert len(counts) <= max_buckets
        assert counts == [] or (counts[0] > 0 and counts[-1] > 0)


@given(ANY_FLOAT.filter(bool), st.integers(min_value=-10, max_value=20))
def test_a_value_lies_within_the_bounds_of_its_bucket(value: float, scale: int) -> None:
    """Lower bound exclusive, upper inclusive, up to the rounding of the logarithm."""
    histogram = ExponentialHistogram(scale=scale)
    histogram.add(abs(value))
    ((lower, upper, _),) = histogram.buckets()
    slack = 1 + 1e-12
    assert lower / slack - 5e-324 <= abs(value) <= max(upper * slack, upper + 5e-324)


@given(st.lists(ANY_FLOAT), MAX_BUCKETS)
def test_columns_round_trip(values: list[float], max_buckets: int) -> None:
    """What is stored is what was counted."""
    histogram = histogram_of(values, max_buckets)
    again = ExponentialHistogram.from_columns(
        **histogram.columns(),  # type: ignore[arg-type]
        smallest=histogram.min,
        largest=histogram.max,
        max_buckets=max_buckets,
    )
    assert state(again) == state(histogram)


@given(st.lists(NORMAL_FLOAT, min_size=1), SHARE, MAX_BUCKETS)
def test_quantile_error_is_within_the_bound(
    values: list[float], q: float, max_buckets: int
) -> None:
    """Against the exact quantile: `error_bound` times the larger neighbour's magnitude."""
    histogram = histogram_of(values, max_buckets)
    estimate = histogram.quantile(q)
    assert estimate is not None
    ordered = sorted(values)
    position = q * (len(values) - 1)
    rank = math.floor(position)
    part = position - rank
    above = ordered[min(rank + 1, len(values) - 1)]
    exact = ordered[rank] * (1 - part) + above * part
    magnitude = max(abs(ordered[rank]), abs(above))
    allowed = min(histogram.error_bound * magnitude * (1 + 1e-9), sys.float_info.max)
    assert abs(estimate - exact) <= allowed
    assert histogram.min <= estimate <= histogram.max or part


@given(st.lists(ORDINARY, min_size=1), SHARE)
def test_quantile_of_positive_values_is_within_1_1_percent(values: list[float], q: float) -> None:
    """At the scale a histogram starts with, against numpy's exact quantile."""
    estimate = histogram_of(values).quantile(q)
    exact = float(np.quantile(values, q))
    assert estimate is not None
    assert abs(estimate - exact) <= 0.011 * exact


@given(st.lists(ORDINARY), st.lists(ORDINARY), st.lists(ORDINARY))
def test_summaries_merge_in_any_grouping(a: list[float], b: list[float], c: list[float]) -> None:
    """Counts, extremes and ends are equal; sums are those of exact arithmetic up to rounding."""
    parts = []
    for values in (a, b, c):
        part = Accumulator()
        part.add_many(values)
        parts.append(part)
    right = Accumulator()
    right.merge(parts[1])
    right.merge(parts[2])
    whole = Accumulator()
    whole.merge(parts[0])
    whole.merge(right)
    values = a + b + c
    assert whole.count == len(values)
    if not values:
        return
    assert (whole.first, whole.last) == (values[0], values[-1])
    assert math.isclose(whole.sum, math.fsum(values), rel_tol=1e-15)
    again = Accumulator.from_columns({**whole.columns(10.0), "metric": "model:latency_ms"})
    assert again.columns(10.0) == whole.columns(10.0)
    if whole.std is not None and len(values) > 1:
        exact = statistics.stdev(values)
        assert math.isclose(whole.std, exact, rel_tol=1e-3, abs_tol=1e-9)
