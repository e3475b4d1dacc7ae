# SPDX-License-Identifier: Apache-2.0
"""The exponential histogram: bounds, extremes, scales and quantiles."""

from __future__ import annotations

import math
import sys

import pytest

from tidegauge.statistics.histogram import ExponentialHistogram


def histogram_of(*values: float, max_buckets: int = 640) -> ExponentialHistogram:
    """Count the values."""
    histogram = ExponentialHistogram(max_buckets=max_buckets)
    histogram.add_many(values)
    return histogram


def test_upper_bound_is_inclusive_and_lower_exclusive() -> None:
    """At scale 0 the value 2 belongs to (1, 2] and the value 1 to (0.5, 1], as in OTLP."""
    histogram = ExponentialHistogram(scale=0)
    histogram.add(2.0)
    assert list(histogram.buckets()) == [(1.0, 2.0, 1)]
    histogram = ExponentialHistogram(scale=0)
    histogram.add(1.0)
    assert list(histogram.buckets()) == [(0.5, 1.0, 1)]


@pytest.mark.parametrize("scale", [-3, 0, 1, 5])
def test_every_power_of_two_is_the_upper_bound_of_its_bucket(scale: int) -> None:
    """All 2,098 powers of two, the subnormal ones included, fall exactly on a bound."""
    wrong = []
    for exponent in range(-1074, 1024):
        histogram = ExponentialHistogram(scale=scale)
        histogram.add(math.ldexp(1.0, exponent))
        ((offset, counts),) = [
            (histogram.columns()["positive_offset"], histogram.columns()["positive_counts"])
        ]
        expected = math.ceil(exponent * 2.0**scale) - 1
        if (offset, counts) != (expected, [1]):
            wrong.append((exponent, offset))
    assert wrong == []


def test_columns_of_a_small_histogram() -> None:
    """Offsets and dense counts are those that a reader of OTLP expects."""
    histogram = histogram_of(1.0, 1.0, 1.05, -4.0, 0.0, -0.0)
    assert histogram.columns() == {
        "scale": 5,
        "zero_count": 2,
        "positive_offset": -1,
        "positive_counts": [2, 0, 0, 1],
        "negative_offset": 63,
        "negative_counts": [1],
    }


def test_error_bound_is_the_square_root_of_the_base_less_one() -> None:
    """1.1 % at the scale a histogram starts with; it is stated for every scale."""
    bounds = {scale: round(ExponentialHistogram(scale=scale).error_bound, 6) for scale in (5, 4, 0)}
    assert bounds == {5: 0.010889, 4: 0.021897, 0: 0.414214}


def test_nothing_added_has_no_quantile() -> None:
    """Without values the answer is None, never 0."""
    assert ExponentialHistogram().quantiles([0.0, 0.5, 1.0]) == [None, None, None]


def test_one_value_is_known_exactly() -> None:
    """Clamping to the smallest and largest value makes a constant exact."""
    assert histogram_of(0.3, 0.3, 0.3).quantiles([0.0, 0.5, 0.99, 1.0]) == [0.3] * 4


def test_quantiles_cross_zero() -> None:
    """Negative values sort by falling magnitude, then zero, then the positive ones."""
    histogram = histogram_of(-100.0, -1.0, 0.0, 1.0, 100.0)
    low, middle, high = histogram.quantiles([0.25, 0.5, 0.75])
    assert middle == 0.0
    assert low == pytest.approx(-1.0, rel=histogram.error_bound)
    assert high == pytest.approx(1.0, rel=histogram.error_bound)


def test_extremes_of_the_number_range_share_a_histogram() -> None:
    """The whole range of floats fits in 640 buckets at scale -2, and the ends stay exact."""
    histogram = histogram_of(5e-324, 1.0, sys.float_info.max, -sys.float_info.max)
    assert histogram.scale == -2
    assert histogram.count == 4
    assert histogram.quantiles([0.0, 1.0]) == [-sys.float_info.max, sys.float_info.max]
    assert [n for _, _, n in histogram.buckets()] == [1, 1, 1, 1]


def test_whole_range_fits_in_four_buckets() -> None:
    """The smallest allowed number of buckets stops at the lowest scale OTLP knows."""
    histogram = histogram_of(5e-324, 1.0, sys.float_info.max, max_buckets=4)
    assert histogram.scale == -10
    assert histogram.count == 3


def test_scale_goes_down_only_as_far_as_needed() -> None:
    """A span of 20 doublings is 640 buckets; one bucket more costs one step."""
    assert histogram_of(1.0, 2.0**19.96).scale == 5
    assert histogram_of(1.0, 2.0**20).scale == 4


def test_merge_takes_the_coarser_scale() -> None:
    """Buckets of the finer histogram are joined; both keep every count."""
    fine, coarse = histogram_of(1.5, 3.0), histogram_of(1e-3, 1e9)
    assert (fine.scale, coarse.scale) == (5, 4)
    fine.merge(coarse)
    assert (fine.scale, fine.count, fine.min, fine.max) == (4, 4, 1e-3, 1e9)
    assert (coarse.scale, coarse.count) == (4, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    """Nothing is counted when one of many is refused."""
    histogram = ExponentialHistogram()
    with pytest.raises(ValueError, match="only finite numbers can be counted"):
        histogram.add(value)
    with pytest.raises(ValueError, match="only finite numbers can be counted"):
        histogram.add_many([1.0, value])
    assert histogram.count == 0


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_a_share_outside_zero_to_one_is_refused(q: float) -> None:
    """The error says what was got."""
    with pytest.raises(ValueError, match=r"a quantile must be 0 to 1; got "):
        histogram_of(1.0).quantile(q)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 21}, "scale must be -10 to 20; got 21"),
        ({"scale": -11}, "scale must be -10 to 20; got -11"),
        ({"max_buckets": 3}, "max_buckets must be 4 or more; got 3"),
    ],
)
def test_bounds_of_the_settings(arguments: dict[str, int], message: str) -> None:
    """Scales are those of OTLP; four buckets are the fewest that can hold every float."""
    with pytest.raises(ValueError, match=message):
        ExponentialHistogram(**arguments)


def test_columns_with_negative_counts_are_refused() -> None:
    """A damaged row does not become a histogram."""
    with pytest.raises(ValueError, match="counts of a histogram must not be negative"):
        ExponentialHistogram.from_columns(
            scale=5,
            zero_count=0,
            positive_offset=0,
            positive_counts=[1, -1],
            negative_offset=0,
            negative_counts=[],
            smallest=1.0,
            largest=2.0,
        )
