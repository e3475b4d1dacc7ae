# SPDX-License-Identifier: Apache-2.0
"""Statistics of groups are the accumulator's, to the last bit, and exact where they say so."""

from __future__ import annotations

import math
import random
import statistics
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.grouped import Grouped, exact_statistics, exact_sum, summary_columns

HUGE = 1.7e308
TINY = 5e-324
SHARES = (0.0, 0.25, 0.5, 0.95, 0.99, 1.0)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
# Of like size, so that no sum overflows on the way, which the accumulator's would show.
MODERATE = st.floats(min_value=-1e150, max_value=1e150)


def grouped_of(*groups: list[float], times: list[list[int]] | None = None) -> Grouped:
    """Groups of values, a microsecond apart unless told otherwise."""
    times = times or [list(range(len(group))) for group in groups]
    lists = pa.chunked_array([pa.array(list(groups), pa.list_(pa.float64()))])
    return Grouped.of(lists, pa.chunked_array([pa.array(times, pa.list_(pa.int64()))]))


def rows_of(grouped: Grouped) -> list[dict[str, Any]]:
    """The columns of each group."""
    columns = {name: column.to_pylist() for name, column in summary_columns(grouped).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def accumulated(values: list[float]) -> dict[str, object]:
    """What an accumulator says of them."""
    accumulator = Accumulator()
    accumulator.add_many(values)
    columns = accumulator.columns(3600.0)
    del columns["interval_s"]
    return columns


def bits(row: dict[str, Any]) -> dict[str, str]:
    """The row so that equal means the same bits, and zeros have no sign."""
    return {
        name: (value + 0.0).hex() if isinstance(value, float) else repr(value)
        for name, value in row.items()
    }


GROUPS = {
    "one value": [3.5],
    "zeros": [0.0, 0.0, -0.0],
    "negatives": [-1.0, -2.5, -2.5, -1e-9],
    "both signs": [-4.0, 0.0, 4.0, 1.0],
    "powers of two": [2.0**each for each in range(-20, 20)],
    "subnormal": [TINY, 3 * TINY, 2.2e-308],
    "huge": [HUGE],
    "sum beyond the largest float": [HUGE, HUGE],
    "squares beyond the largest float": [1e200, -1e200, 5.0],
    "a span that lowers the scale": [1e-300, 1.0, 1e300],
    "a span of all floats": [TINY, HUGE, -TINY, -HUGE],
    "wide in negatives only": [-1e-9, -1e9, 1.0, 1.01],
    "a hundred alike": [0.1] * 100,
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_as_accumulated(name: str) -> None:
    """Every column has the bits that `Accumulator` gives it."""
    (row,) = rows_of(grouped_of(GROUPS[name]))
    assert bits(row) == bits(accumulated(GROUPS[name]))


def test_groups_do_not_touch_each_other() -> None:
    """Each has the scale and the buckets that it would have alone."""
    rows = rows_of(grouped_of(*GROUPS.values()))
    assert [bits(row) for row in rows] == [bits(accumulated(each)) for each in GROUPS.values()]


@given(st.lists(st.lists(MODERATE, min_size=1, max_size=30), min_size=1, max_size=6))
def test_random_groups_are_as_accumulated(groups: list[list[float]]) -> None:
    """Whatever the values."""
    rows = rows_of(grouped_of(*groups))
    assert [bits(row) for row in rows] == [bits(accumulated(each)) for each in groups]


@given(st.lists(FINITE, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_values_is_of_no_account(values: list[float], chance: random.Random) -> None:
    """The same values at the same times give the same bits, in whatever order they come."""
    times = list(range(len(values)))
    (row,) = rows_of(grouped_of(values, times=[times]))
    chance.shuffle(times)
    (other,) = rows_of(grouped_of([values[each] for each in times], times=[times]))
    assert bits(row) == bits(other)


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_a_sum_is_rounded_once(values: list[float]) -> None:
    """Also where it overflows on the way; None, or infinite, only if it is that large itself."""
    exact = sum(map(Fraction, values))
    try:
        expected: float | None = float(exact)
    except OverflowError:
        expected = None
    assert exact_sum(np.array(values)) == expected
    (row,) = rows_of(grouped_of(values))
    beyond = math.inf if exact > 0 else -math.inf
    assert row["sum"] == (beyond if expected is None else expected)


def test_the_first_and_the_last_are_those_in_time() -> None:
    """Of several in one microsecond the largest stands, so that no order is needed."""
    (row,) = rows_of(grouped_of([1.0, 9.0, 2.0, 5.0, 3.0], times=[[7, 5, 5, 9, 9]]))
    assert (row["first"], row["last"]) == (9.0, 5.0)


def test_larger_groups_are_made_of_smaller_ones() -> None:
    """Joined groups are as if they had been one from the beginning."""
    parts = [[1.0, 2.0], [-3.0], [1e-300, 1e300], [0.0]]
    joined = grouped_of(*parts).joined(np.array([0, 2]))
    rows = rows_of(joined)
    whole = [accumulated(parts[0] + parts[1]), accumulated(parts[2] + parts[3])]
    for row, expected in zip(rows, whole, strict=True):
        # The times begin again in each part, which these tests are not about.
        for column in ("first", "last"):
            del row[column], expected[column]
        assert bits(row) == bits(expected)


def test_no_groups_have_no_rows() -> None:
    """Nothing is an answer, too."""
    assert rows_of(grouped_of()) == []


def test_chunks_are_one_after_the_other() -> None:
    """Columns in several chunks are read like one."""
    values = pa.chunked_array([[[1.0, 2.0]], [[4.0], [8.0, 16.0]]])
    times = pa.chunked_array([[[1, 2]], [[3], [4, 5]]])
    assert [row["sum"] for row in rows_of(Grouped.of(values, times))] == [3.0, 4.0, 24.0]


@given(st.lists(st.integers(-10_000, 10_000).map(lambda n: n / 64), min_size=2, max_size=40))
def test_statistics_are_exact(values: list[float]) -> None:
    """Sum and mean to the bit, deviation to the last digits, quantiles by linear interpolation."""
    total, mean, deviation, *quantiles = exact_statistics(np.array(values), SHARES)
    fractions = [Fraction(value) for value in values]
    assert total == float(sum(fractions))
    assert mean == pytest.approx(float(statistics.mean(fractions)), rel=1e-15, abs=1e-300)
    assert deviation == pytest.approx(statistics.stdev(fractions), rel=1e-12, abs=1e-12)
    ordered = sorted(fractions)
    for share, found in zip(SHARES, quantiles, strict=True):
        place = Fraction(share) * (len(values) - 1)
        at = math.floor(place)
        above = ordered[min(at + 1, len(values) - 1)]
        expected = ordered[at] + (above - ordered[at]) * (place - at)
        assert found == pytest.approx(float(expected), rel=1e-12, abs=1e-10)


def test_a_deviation_in_the_last_digits_is_told() -> None:
    """The mean of neighbouring floats cannot be written as one; their deviation can."""
    deviation = exact_statistics(np.array([1e16, 1e16 + 2]), ())[2]
    assert deviation == math.sqrt(2)
    assert exact_statistics(np.array([0.1] * 3), ())[2] == 0.0


def test_statistics_beyond_the_largest_float() -> None:
    """What cannot be written is None, and the quantiles are there nevertheless."""
    assert exact_statistics(np.array([HUGE, HUGE]), (0.5,)) == (None, None, None, HUGE)
    assert exact_statistics(np.array([HUGE, -HUGE]), (0.5,)) == (0.0, 0.0, None, 0.0)
    assert exact_statistics(np.array([1e200, 0.0]), ())[:2] == (1e200, 5e199)
    assert exact_statistics(np.array([7.0]), (0.99,)) == (7.0, 7.0, None, 7.0)
