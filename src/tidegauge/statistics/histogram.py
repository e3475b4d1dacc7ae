# SPDX-License-Identifier: Apache-2.0
"""The base-2 exponential histogram: percentiles of a stream in a bounded number of integers.

Layout and conventions are those of OpenTelemetry's exponential histogram and of Prometheus' native
histograms, so that a histogram maps one to one to either. Sums and moments are not kept here; see
`tidegauge.statistics.accumulator`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

__all__ = ["MAX_BUCKETS", "MAX_SCALE", "MIN_SCALE", "START_SCALE", "ExponentialHistogram"]

#: Scale of a new histogram: 32 buckets for each doubling.
START_SCALE = 5
#: Buckets per sign before the scale goes down: at scale 5, a span of 20 doublings (1 to 10⁶).
MAX_BUCKETS = 640
#: Below this, one bucket holds half of all floats; OpenTelemetry's lower limit too.
MIN_SCALE = -10
#: The finest scale that can be read from elsewhere; OpenTelemetry's upper limit.
MAX_SCALE = 20


class ExponentialHistogram:
    """Counts of values in buckets whose bounds grow by a constant factor.

    At scale `s` the factor is `base = 2 ** (2 ** -s)`, and the positive bucket `i` holds the values
    in `(base ** i, base ** (i + 1)]`: the lower bound is exclusive, the upper inclusive, as in
    OTLP. Negative values are counted in the same way by magnitude; zero has a counter of its own.
    When the buckets of one sign would span more than `max_buckets`, the scale goes down by one,
    which joins buckets in pairs, until they fit.

    Merging adds integers and therefore is exact, associative and commutative: the same values give
    the same buckets in whatever order and grouping they arrive.

    Subnormal numbers and the largest float have buckets like any other value. A value within
    1e-12 (relative) of a bound other than a power of two may be counted on the other side of it.

    Not thread-safe.

    Args:
        scale: The scale to start with, `MIN_SCALE` to `MAX_SCALE`. Each step down doubles the
            width of the buckets.
        max_buckets: Most buckets per sign, 4 or more.

    Raises:
        ValueError: `scale` or `max_buckets` is outside its bounds.

    Example:
        >>> histogram = ExponentialHistogram()
        >>> histogram.add_many([1.0, 2.0, 4.0])
        >>> histogram.quantile(1.0)
        4.0
    """

    __slots__ = ("_negative", "_positive", "max", "max_buckets", "min", "scale", "zero_count")

    def __init__(self, *, scale: int = START_SCALE, max_buckets: int = MAX_BUCKETS) -> None:
        if not MIN_SCALE <= scale <= MAX_SCALE:
            raise ValueError(f"scale must be {MIN_SCALE} to {MAX_SCALE}; got {scale}")
        if max_buckets < 4:
            raise ValueError(f"max_buckets must be 4 or more; got {max_buckets}")
        self.scale = scale
        self.max_buckets = max_buckets
        self.zero_count = 0
        #: Smallest and largest value; meaningless while `count` is 0.
        self.min = math.inf
        self.max = -math.inf
        self._positive: dict[int, int] = {}  # bucket index -> count, sparse
        self._negative: dict[int, int] = {}

    @classmethod
    def from_columns(
        cls,
        *,
        scale: int,
        zero_count: int,
        positive_offset: int,
        positive_counts: Sequence[int],
        negative_offset: int,
        negative_counts: Sequence[int],
        smallest: float,
        largest: float,
        max_buckets: int = MAX_BUCKETS,
    ) -> ExponentialHistogram:
        """Rebuild a histogram from the columns of the table `intervals`.

        Args:
            scale: Scale of all buckets.
            zero_count: Values equal to zero.
            positive_offset: Index of the first of `positive_counts`.
            positive_counts: Counts of consecutive positive buckets.
            negative_offset: Index of the first of `negative_counts`.
            negative_counts: Counts of consecutive negative buckets, by growing magnitude.
            smallest: Smallest value counted; not used when nothing was counted.
            largest: Largest value counted.
            max_buckets: Most buckets per sign; more in the columns lowers the scale.

        Raises:
            ValueError: A count is negative or the scale is out of bounds.
        """
        return cls.from_buckets(
            scale=scale,
            zero_count=zero_count,
            positive={index: n for index, n in enumerate(positive_counts, positive_offset) if n},
            negative={index: n for index, n in enumerate(negative_counts, negative_offset) if n},
            smallest=smallest,
            largest=largest,
            max_buckets=max_buckets,
        )

    @classmethod
    def from_buckets(
        cls,
        *,
        scale: int,
        zero_count: int,
        positive: Mapping[int, int],
        negative: Mapping[int, int],
        smallest: float,
        largest: float,
        max_buckets: int = MAX_BUCKETS,
    ) -> ExponentialHistogram:
        """Build a histogram from counts by bucket index; as `from_columns` otherwise."""
        histogram = cls(scale=scale, max_buckets=max_buckets)
        if min(zero_count, *positive.values(), *negative.values(), 0) < 0:
            raise ValueError("counts of a histogram must not be negative")
        histogram.zero_count = zero_count
        histogram._positive = dict(positive)
        histogram._negative = dict(negative)
        if histogram.count:
            histogram.min = smallest
            histogram.max = largest
        histogram._fit()
        return histogram

    @property
    def count(self) -> int:
        """How many values were added."""
        return self.zero_count + sum(self._positive.values()) + sum(self._negative.values())

    @property
    def error_bound(self) -> float:
        """Largest relative error of a quantile at the present scale: `sqrt(base) - 1`.

        0.0109 at scale 5; it grows to `sqrt(2) - 1` = 0.41 at scale 0. See `quantile` for the
        values it holds for.
        """
        return math.expm1(2.0 ** (-self.scale - 1) * math.log(2))

    def add(self, value: float) -> None:
        """Count one finite number.

        Raises:
            ValueError: It is NaN or infinite; nothing was counted.
        """
        if not math.isfinite(value):
            raise _not_finite()
        if value == 0:
            self.zero_count += 1
        else:
            buckets = self._positive if value > 0 else self._negative
            index = math.ceil(math.log2(abs(value)) * 2.0**self.scale) - 1
            if index in buckets:
                buckets[index] += 1
            else:
                buckets[index] = 1
                self._fit()
        self.min = min(self.min, value)
        self.max = max(self.max, value)

    def add_many(self, values: Sequence[float]) -> None:
        """Count finite numbers; the same as `add` for each, several times faster.

        Raises:
            ValueError: One of them is NaN or infinite; nothing was counted.
        """
        if not values:
            return
        if not all(map(math.isfinite, values)):
            raise _not_finite()
        smallest, largest = min(values), max(values)
        if smallest > 0:
            self._count(self._positive, values)
        else:
            positive = [value for value in values if value > 0]
            negative = [-value for value in values if value < 0]
            self.zero_count += len(values) - len(positive) - len(negative)
            self._count(self._positive, positive)
            self._count(self._negative, negative)
        self.min = min(self.min, smallest)
        self.max = max(self.max, largest)
        self._fit()

    def merge(self, other: ExponentialHistogram) -> None:
        """Add the counts of another histogram, at the coarser of the two scales or below."""
        scale = min(self.scale, other.scale)
        self._lower(self.scale - scale)
        shift = other.scale - scale
        for mine, theirs in ((self._positive, other._positive), (self._negative, other._negative)):
            for index, n in theirs.items():
                mine[index >> shift] = mine.get(index >> shift, 0) + n
        self.zero_count += other.zero_count
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)
        self._fit()

    def quantile(self, q: float) -> float | None:
        """Estimate the value below which the share `q` of all values lies; see `quantiles`."""
        return self.quantiles((q,))[0]

    def quantiles(self, qs: Sequence[float]) -> list[float | None]:
        """Estimate several quantiles in one pass.

        The definition is that of SQL's `quantile_cont` and numpy's default: with the values sorted
        as `x[0]` to `x[n - 1]` and `h = q * (n - 1)`, interpolate between `x[floor(h)]` and
        `x[floor(h) + 1]`. In place of a value stands the geometric mean of its bucket's bounds,
        never below `min` or above `max`; the first and last value are known and exact.

        The error against the exact quantile is at most `error_bound` times the larger of the
        magnitudes of these two values, hence at most `error_bound` relative to the exact quantile
        when both have the same sign. It holds for values of magnitude 2.3e-308 and more: below,
        floats are too coarse.

        Args:
            qs: Shares, each 0 to 1.

        Returns:
            One number for each of `qs`; None for each while `count` is 0.

        Raises:
            ValueError: One of `qs` is outside 0 to 1.
        """
        for q in qs:
            if not 0 <= q <= 1:
                raise ValueError(f"a quantile must be 0 to 1; got {q}")
        buckets = list(self._ascending())
        ends = list(accumulate(n for _, n in buckets))
        if not ends:
            return [None] * len(qs)
        last = ends[-1] - 1

        def value_at(rank: int) -> float:
            if rank <= 0:
                return self.min
            if rank >= last:
                return self.max
            estimate = buckets[bisect_right(ends, rank)][0]
            return min(max(estimate, self.min), self.max)

        results: list[float | None] = []
        for q in qs:
            position = q * last
            rank = math.floor(position)
            part = position - rank
            low = value_at(rank)
            results.append(low if part == 0 else low * (1 - part) + value_at(rank + 1) * part)
        return results

    def buckets(self) -> Iterator[tuple[float, float, int]]:
        """Yield `(lower, upper, count)` of every occupied bucket, ascending; zero is `(0, 0, n)`.

        A bound beyond the largest float is infinite, one below the smallest is 0.
        """
        for index, n in sorted(self._negative.items(), reverse=True):
            yield -self._bound(index + 1), -self._bound(index), n
        if self.zero_count:
            yield 0.0, 0.0, self.zero_count
        for index, n in sorted(self._positive.items()):
            yield self._bound(index), self._bound(index + 1), n

    def columns(self) -> dict[str, int | list[int]]:
        """The histogram as columns of the table `intervals`; `from_columns` is the inverse."""
        positive_offset, positive_counts = _dense(self._positive)
        negative_offset, negative_counts = _dense(self._negative)
        return {
            "scale": self.scale,
            "zero_count": self.zero_count,
            "positive_offset": positive_offset,
            "positive_counts": positive_counts,
            "negative_offset": negative_offset,
            "negative_counts": negative_counts,
        }

    def _count(self, buckets: dict[int, int], magnitudes: Sequence[float]) -> None:
        # A list and a Counter do the inner loops in C: 0.10 µs a value where `add` takes 0.6 µs.
        factor, ceil = 2.0**self.scale, math.ceil
        found = Counter([ceil(exponent * factor) for exponent in map(math.log2, magnitudes)])
        for upper, n in found.items():
            buckets[upper - 1] = buckets.get(upper - 1, 0) + n

    def _fit(self) -> None:
        """Lower the scale until each sign spans at most `max_buckets`."""
        shift = 0
        for buckets in (self._positive, self._negative):
            if len(buckets) > 1:
                low, high = min(buckets), max(buckets)
                while (high >> shift) - (low >> shift) >= self.max_buckets:
                    shift += 1
        self._lower(shift)

    def _lower(self, shift: int) -> None:
        """Lower the scale by `shift` steps: bucket `i` goes into bucket `i >> shift`."""
        if shift:
            self.scale -= shift
            self._positive = _shifted(self._positive, shift)
            self._negative = _shifted(self._negative, shift)

    def _ascending(self) -> Iterator[tuple[float, int]]:
        """The representative value and the count of each bucket, from the smallest value up."""
        width = 2.0**-self.scale
        for index, n in sorted(self._negative.items(), reverse=True):
            yield -_exp2((index + 0.5) * width), n
        if self.zero_count:
            yield 0.0, self.zero_count
        for index, n in sorted(self._positive.items()):
            yield _exp2((index + 0.5) * width), n

    def _bound(self, index: int) -> float:
        return _exp2(index * 2.0**-self.scale)


def _exp2(exponent: float) -> float:
    return math.inf if exponent >= 1024 else math.exp2(exponent)


def _dense(buckets: dict[int, int]) -> tuple[int, list[int]]:
    if not buckets:
        return 0, []
    low, high = min(buckets), max(buckets)
    return low, [buckets.get(index, 0) for index in range(low, high + 1)]


def _shifted(buckets: dict[int, int], shift: int) -> dict[int, int]:
    joined: dict[int, int] = {}
    for index, n in buckets.items():
        joined[index >> shift] = joined.get(index >> shift, 0) + n
    return joined


def _not_finite() -> ValueError:
    return ValueError("only finite numbers can be counted")
