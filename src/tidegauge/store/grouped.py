# SPDX-License-Identifier: Apache-2.0
"""Groups of values in numbers that do not depend on the order in which the values come.

Sums are exact before they are rounded (Shewchuk 1997, as `math.fsum`), so the same facts give the
same bits however they were spread over files, and in whichever process.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.statistics.histogram import MAX_BUCKETS, START_SCALE
from tidegauge.store.arrays import from_numpy, to_numpy

__all__ = ["Grouped", "exact_statistics", "exact_sum", "summary_columns"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Values that lie in groups, one group after the other.

    Attributes:
        values: Finite numbers of shape (n,).
        times_us: When each happened, microseconds since 1970, of shape (n,).
        starts: Where each group begins, ascending, of shape (n_groups,); none is empty.
    """

    values: Floats
    times_us: Ints
    starts: Ints

    @classmethod
    def of(cls, values: pa.ChunkedArray, times_us: pa.ChunkedArray) -> Grouped:
        """From two columns of lists, a group in each row; the lists are as long as each other."""
        lengths = np.concatenate([np.empty(0, np.int64), *map(_lengths, values.chunks)])
        ends = np.cumsum(lengths)
        # Adding zero copies, and makes -0.0 the zero that it is equal to.
        return cls(_flat(values).view(np.float64) + 0.0, _flat(times_us), ends - lengths)

    def joined(self, first_of: Ints) -> Grouped:
        """The same values in larger groups.

        Args:
            first_of: Number of the first group of each larger one, of shape (n_larger,).
        """
        return Grouped(self.values, self.times_us, self.starts[first_of])

    def slices(self) -> Iterator[slice]:
        """The places of each group."""
        for start, end in itertools.pairwise([*self.starts.tolist(), len(self.values)]):
            yield slice(start, end)


def exact_statistics(values: Floats, shares: tuple[float, ...]) -> tuple[float | None, ...]:
    """Sum, mean, sample standard deviation and quantiles of the values of one group.

    Args:
        values: Finite numbers of shape (n,), n of 1 or more. Sorted in place.
        shares: Shares of the quantiles, interpolated linearly (type 7 of Hyndman and Fan 1996).

    Returns:
        None where a sum is beyond the largest float, or for the deviation of one value.
    """
    values.sort()
    total = exact_sum(values)
    mean = None if total is None else total / len(values)
    deviation = None
    if mean is not None and len(values) > 1:
        deviation = _deviation(values, mean)
    return (total, mean, deviation, *(_quantile(values, share) for share in shares))


def exact_sum(values: Floats) -> float | None:
    """The sum, rounded once; None if it is beyond the largest float."""
    total = _total(values.tolist())
    return total if math.isfinite(total) else None


def summary_columns(grouped: Grouped) -> dict[str, pa.Array]:
    """What is kept of each group: the columns `SUMMARY_COLUMNS` of `tidegauge.model.columns`.

    Sums that are beyond the largest float are infinite. Of values of one microsecond the largest
    stands for the first and for the last.
    """
    values, times_us, starts = grouped.values, grouped.times_us, grouped.starts
    counts = np.diff(np.append(starts, len(values)))
    groups = np.repeat(np.arange(len(counts)), counts)
    with np.errstate(over="ignore"):
        squares = values * values
    numbers = {
        "sum": _sums(grouped, values),
        "sum_squares": _sums(grouped, squares),
        "min": np.minimum.reduceat(values, starts),
        "max": np.maximum.reduceat(values, starts),
    }
    for name, end in (("first", np.minimum), ("last", np.maximum)):
        at_end = times_us == end.reduceat(times_us, starts)[groups]
        numbers[name] = np.maximum.reduceat(np.where(at_end, values, -np.inf), starts)
    columns = {name: from_numpy(each, pa.float64()) for name, each in numbers.items()}
    columns["count"] = from_numpy(counts, pa.int64())
    return columns | _histograms(values, groups, len(counts))


def _sums(grouped: Grouped, numbers: Floats) -> Floats:
    """The sum of each group's numbers, rounded once; infinite beyond the largest float."""
    listed = numbers.tolist()
    sums = np.empty(len(grouped.starts), np.float64)
    for at, place in enumerate(grouped.slices()):
        sums[at] = _total(listed[place])
    return sums


def _total(numbers: Sequence[float]) -> float:
    """The sum, rounded once, in whatever order; infinite beyond the largest float.

    Args:
        numbers: No NaN; those that are infinite have the same sign.
    """
    try:
        return math.fsum(numbers)
    except OverflowError:  # somewhere on the way, which depends on the order
        if not all(map(math.isfinite, numbers)):
            return sum(numbers)
    total = sum(map(Fraction, numbers))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def _deviation(values: Floats, mean: float) -> float | None:
    """Sample standard deviation; None if a square is beyond the largest float.

    The mean was rounded, which matters when values differ in their last digits only; what the
    differences add up to says by how much (Chan, Golub and LeVeque 1983).
    """
    n = len(values)
    with np.errstate(over="ignore"):
        differences = values - mean
        squares = exact_sum(differences * differences)
    if squares is None:
        return None
    residue = math.fsum(differences.tolist())
    return math.sqrt(max(0.0, squares - residue * (residue / n)) / (n - 1))


def _histograms(values: Floats, groups: Ints, n_groups: int) -> dict[str, pa.Array]:
    """The buckets of each group, as `ExponentialHistogram` makes them."""
    zero_counts = np.bincount(groups[values == 0], minlength=n_groups)
    signed = []
    for sign in (1, -1):
        chosen = values * sign > 0
        magnitudes = np.abs(values[chosen])
        buckets = np.ceil(np.log2(magnitudes) * 2.0**START_SCALE).astype(np.int64) - 1
        signed.append(_Buckets.count(groups[chosen], buckets, n_groups))
    shifts = np.maximum(signed[0].shifts(), signed[1].shifts())
    columns = {
        "scale": from_numpy((START_SCALE - shifts).astype(np.int32), pa.int32()),
        "zero_count": from_numpy(zero_counts.astype(np.int64), pa.int64()),
    }
    for name, buckets_of in zip(("positive", "negative"), signed, strict=True):
        offsets, counts = buckets_of.shifted(shifts).dense()
        columns[f"{name}_offset"] = offsets
        columns[f"{name}_counts"] = counts
    return columns


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Counts of buckets of many groups, sparse: shape (n,) each, ordered by group and bucket."""

    groups: Ints
    buckets: Ints
    counts: Ints
    n_groups: int

    @classmethod
    def count(cls, groups: Ints, buckets: Ints, n_groups: int) -> _Buckets:
        """Count values by group and bucket."""
        low = buckets.min(initial=0)
        span = int(buckets.max(initial=0) - low) + 1
        # Sorting one number for both is several times faster than sorting by two.
        keys, counts = np.unique(groups * span + (buckets - low), return_counts=True)
        return cls(keys // span, keys % span + low, counts, n_groups)

    def shifts(self) -> Ints:
        """By how many steps the scale of each group must go down, of shape (n_groups,)."""
        low, high = self._ends()
        shifts = np.zeros(self.n_groups, np.int64)
        while (wide := (high >> shifts) - (low >> shifts) >= MAX_BUCKETS).any():
            shifts += wide
        return shifts

    def shifted(self, shifts: Ints) -> _Buckets:
        """The same at lower scales."""
        if not shifts.any():
            return self
        buckets = np.repeat(self.buckets >> shifts[self.groups], self.counts)
        return self.count(np.repeat(self.groups, self.counts), buckets, self.n_groups)

    def dense(self) -> tuple[pa.Array, pa.Array]:
        """The first bucket of each group, and the counts from there on as lists."""
        low, high = self._ends()
        present = np.bincount(self.groups, minlength=self.n_groups) > 0
        lengths = np.where(present, high - low + 1, 0)
        ends = np.cumsum(lengths)
        counts = np.zeros(int(ends[-1]) if len(ends) else 0, np.int64)
        counts[(ends - lengths)[self.groups] + self.buckets - low[self.groups]] = self.counts
        places = np.concatenate([[0], ends]).astype(np.int32)
        lists = pa.ListArray.from_arrays(
            from_numpy(places, pa.int32()), from_numpy(counts, pa.int64())
        )
        return from_numpy(np.where(present, low, 0).astype(np.int32), pa.int32()), lists

    def _ends(self) -> tuple[Ints, Ints]:
        low = np.full(self.n_groups, np.iinfo(np.int64).max)
        high = np.full(self.n_groups, np.iinfo(np.int64).min)
        np.minimum.at(low, self.groups, self.buckets)
        np.maximum.at(high, self.groups, self.buckets)
        empty = low > high
        return np.where(empty, 0, low), np.where(empty, 0, high)


def _quantile(values: Floats, share: float) -> float:
    """Of sorted values; see `exact_statistics`."""
    place = share * (len(values) - 1)
    at = math.floor(place)
    low = float(values[at])
    high = float(values[min(at + 1, len(values) - 1)])
    part = place - at
    # Not low + (high - low) * part, which may be beyond the largest float.
    return low if low == high else low * (1 - part) + high * part


def _lengths(lists: pa.ListArray) -> Ints:
    offsets: Ints = to_numpy(lists.offsets).astype(np.int64)
    return offsets[1:] - offsets[:-1]


def _flat(lists: pa.ChunkedArray) -> Ints:
    parts = [to_numpy(chunk.flatten()) for chunk in lists.chunks]
    return np.concatenate([np.empty(0, np.int64), *parts])
