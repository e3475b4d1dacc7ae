# SPDX-License-Identifier: Apache-2.0
"""The summary of an interval: sums, ends, and the columns it is stored in."""

from __future__ import annotations

import pytest

from tidegauge.model.tables import INTERVALS
from tidegauge.statistics.accumulator import Accumulator, std_from_sums


def accumulator_of(*values: float) -> Accumulator:
    """Summarise the values."""
    accumulator = Accumulator()
    accumulator.add_many(values)
    return accumulator


def test_columns_of_an_interval() -> None:
    """One row of the table `intervals`, in literal numbers."""
    assert accumulator_of(2.0, 1.0, -1.0, 0.0).columns(10.0) == {
        "interval_s": 10.0,
        "count": 4,
        "sum": 2.0,
        "sum_squares": 6.0,
        "min": -1.0,
        "max": 2.0,
        "first": 2.0,
        "last": 0.0,
        "scale": 5,
        "zero_count": 1,
        "positive_offset": -1,
        "positive_counts": [1] + [0] * 31 + [1],
        "negative_offset": -1,
        "negative_counts": [1],
    }


def test_columns_are_those_of_the_table() -> None:
    """Every column of the table but the metric's name has a value, in the table's order."""
    names = [column.name for column in INTERVALS.columns if column.name != "metric"]
    assert list(accumulator_of(1.0).columns(10.0)) == names


def test_an_empty_interval_has_no_columns() -> None:
    """There is no row without a value."""
    with pytest.raises(ValueError, match="an interval without values has no columns"):
        Accumulator().columns(10.0)


def test_nothing_added_has_no_mean_and_no_deviation() -> None:
    """Without values the answer is None, never 0."""
    empty = Accumulator()
    assert (empty.count, empty.mean, empty.std) == (0, None, None)


def test_one_value_has_no_deviation() -> None:
    """The sample standard deviation needs two values."""
    assert accumulator_of(5.0).std is None


def test_sums_keep_small_values_beside_large_ones() -> None:
    """Ten million times 0.1 beside 1e16 would vanish in a plain sum, value by value."""
    accumulator = Accumulator()
    accumulator.add(1e16)
    for _ in range(1000):
        accumulator.add(0.1)
    accumulator.add(-1e16)
    assert accumulator.sum == pytest.approx(100.0, rel=1e-12)


def test_first_and_last_follow_the_order_of_merging() -> None:
    """What is merged in came later."""
    early, late = accumulator_of(1.0, 2.0), accumulator_of(3.0, 4.0)
    early.merge(late)
    assert (early.first, early.last, early.count, early.mean) == (1.0, 4.0, 4, 2.5)


def test_merging_an_empty_summary_changes_nothing() -> None:
    """An empty summary has no first and no last that could overwrite."""
    accumulator = accumulator_of(1.0, 2.0)
    accumulator.merge(Accumulator())
    assert (accumulator.first, accumulator.last, accumulator.count) == (1.0, 2.0, 2)
    empty = Accumulator()
    empty.merge(accumulator)
    assert (empty.first, empty.last, empty.count) == (1.0, 2.0, 2)


def test_sums_beyond_the_largest_float_have_no_mean() -> None:
    """An overflow is visible as an infinite sum; mean and deviation are None, not infinite."""
    accumulator = accumulator_of(1.7e308, 1.7e308)
    accumulator.add(1.7e308)
    assert accumulator.sum == float("inf")
    assert (accumulator.mean, accumulator.std, accumulator.count) == (None, 0.0, 3)
    accumulator.add(1e308)
    assert accumulator.std is None


def test_deviation_lost_to_rounding_is_none() -> None:
    """Nanosecond stamps a second apart: sums of squares cannot tell their spread."""
    assert accumulator_of(1.7e18, 1.7e18 + 1024).std is None
    assert std_from_sums(3, 6.0, 14.0, 1.0, 3.0) == 1.0


def test_a_refused_number_leaves_the_summary_unchanged() -> None:
    """No sum moves when one of many values is not finite."""
    accumulator = accumulator_of(1.0)
    with pytest.raises(ValueError, match="only finite numbers"):
        accumulator.add_many([2.0, float("nan")])
    assert (accumulator.count, accumulator.sum, accumulator.last) == (1, 1.0, 1.0)
