# SPDX-License-Identifier: Apache-2.0
"""Everything kept of the values of one interval: moments, extremes, ends and a histogram."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from tidegauge.statistics.histogram import ExponentialHistogram

__all__ = ["Accumulator", "std_from_sums"]


class Accumulator:
    """A mergeable summary of a stream of finite numbers.

    Its columns are those of the table `intervals`. Count, extremes and histogram are exact under
    any order and grouping; the sums are compensated, so that grouping moves them by rounding only.

    Not thread-safe.

    Attributes:
        first: The value added first; 0.0 while `count` is 0.
        last: The value added last; 0.0 while `count` is 0.
        histogram: The values' buckets, and their smallest and largest.
        count: How many values were added.

    Example:
        >>> accumulator = Accumulator()
        >>> accumulator.add_many([3.0, 1.0, 2.0])
        >>> accumulator.mean, accumulator.std, accumulator.last
        (2.0, 1.0, 2.0)
    """

    __slots__ = (
        "_squares",
        "_squares_low",
        "_sum",
        "_sum_low",
        "count",
        "first",
        "histogram",
        "last",
    )

    def __init__(self) -> None:
        self.count = 0
        self.first = 0.0
        self.last = 0.0
        self.histogram = ExponentialHistogram()
        # Each sum is a pair: the rounded total and what rounding took from it (Neumaier 1974).
        self._sum = self._sum_low = 0.0
        self._squares = self._squares_low = 0.0

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Accumulator:
        """Rebuild a summary from a row of the table `intervals`; further columns are ignored.

        Raises:
            KeyError: A column is missing.
            ValueError: The histogram's columns contradict its rules.
        """
        accumulator = cls()
        accumulator.count = columns["count"]
        accumulator.first = columns["first"]
        accumulator.last = columns["last"]
        accumulator._sum = columns["sum"]
        accumulator._squares = columns["sum_squares"]
        accumulator.histogram = ExponentialHistogram.from_columns(
            scale=columns["scale"],
            zero_count=columns["zero_count"],
            positive_offset=columns["positive_offset"],
            positive_counts=columns["positive_counts"],
            negative_offset=columns["negative_offset"],
            negative_counts=columns["negative_counts"],
            smallest=columns["min"],
            largest=columns["max"],
        )
        return accumulator

    @property
    def sum(self) -> float:
        """The sum of all values; infinite if it is beyond the largest float."""
        return _total(self._sum, self._sum_low)

    @property
    def sum_squares(self) -> float:
        """The sum of all squares; infinite if it is beyond the largest float."""
        return _total(self._squares, self._squares_low)

    @property
    def mean(self) -> float | None:
        """The mean; None while nothing was added or when the sum is beyond the largest float."""
        total = self.sum
        return total / self.count if self.count and math.isfinite(total) else None

    @property
    def std(self) -> float | None:
        """The sample standard deviation, see `std_from_sums`."""
        return std_from_sums(
            self.count, self.sum, self.sum_squares, self.histogram.min, self.histogram.max
        )

    def add(self, value: float) -> None:
        """Add one finite number.

        Raises:
            ValueError: It is NaN or infinite; nothing was added.
        """
        self.histogram.add(value)
        self._add_sums(value, value * value)
        if not self.count:
            self.first = value
        self.last = value
        self.count += 1

    def add_many(self, values: Sequence[float]) -> None:
        """Add finite numbers in their order; several times faster than `add` for each.

        Raises:
            ValueError: One of them is NaN or infinite; nothing was added.
        """
        if not values:
            return
        self.histogram.add_many(values)
        self._add_sums(_fsum(values), _fsum(list(map(operator.mul, values, values))))
        if not self.count:
            self.first = values[0]
        self.last = values[-1]
        self.count += len(values)

    def merge(self, other: Accumulator) -> None:
        """Add a summary of values that came after those of this one."""
        if not other.count:
            return
        self.histogram.merge(other.histogram)
        self._add_sums(other._sum, other._squares)
        self._add_sums(other._sum_low, other._squares_low)
        if not self.count:
            self.first = other.first
        self.last = other.last
        self.count += other.count

    def columns(self, interval_s: float) -> dict[str, object]:
        """The summary as columns of the table `intervals`, all but the metric's name.

        Args:
            interval_s: Length of the interval in seconds.

        Raises:
            ValueError: Nothing was added: such an interval has no row.
        """
        if not self.count:
            raise ValueError("an interval without values has no columns")
        return {
            "interval_s": interval_s,
            "count": self.count,
            "sum": self.sum,
            "sum_squares": self.sum_squares,
            "min": self.histogram.min,
            "max": self.histogram.max,
            "first": self.first,
            "last": self.last,
            **self.histogram.columns(),
        }

    def _add_sums(self, value: float, square: float) -> None:
        self._sum, self._sum_low = _add(self._sum, self._sum_low, value)
        self._squares, self._squares_low = _add(self._squares, self._squares_low, square)


def std_from_sums(
    count: int, total: float, sum_squares: float, smallest: float, largest: float
) -> float | None:
    """Sample standard deviation from sums, or None where it cannot be told.

    The difference of two large sums loses digits when the values are far from zero compared with
    their spread. With fewer than about three digits left the answer is None, not noise.

    Args:
        count: Number of values; below 2 there is no deviation.
        total: Their sum.
        sum_squares: The sum of their squares.
        smallest: The smallest value; equal to `largest` means a deviation of exactly 0.
        largest: The largest value.
    """
    if count < 2:
        return None
    if smallest == largest:
        return 0.0
    squared_deviations = sum_squares - total * (total / count)
    if not (math.isfinite(squared_deviations) and squared_deviations > 1e-12 * sum_squares):
        return None
    return math.sqrt(squared_deviations / (count - 1))


def _add(total: float, low: float, value: float) -> tuple[float, float]:
    new = total + value
    if abs(total) >= abs(value):
        return new, low + ((total - new) + value)
    return new, low + ((value - new) + total)


def _total(total: float, low: float) -> float:
    return total + low if math.isfinite(total) else total


def _fsum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:  # an intermediate sum is beyond the largest float
        return sum(values)
