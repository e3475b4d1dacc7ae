# SPDX-License-Identifier: Apache-2.0
"""Exponential buckets of many series at once, counted in arrays.

The buckets are those of `tidegauge.statistics.histogram.ExponentialHistogram` at its first scale,
into which they are turned when somebody asks. Counts are integers, so order does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.statistics.histogram import START_SCALE, ExponentialHistogram

__all__ = ["ExponentialCounts"]

Ints = npt.NDArray[np.int64]

# A key is a cell's number, the sign, and the bucket's index; zero has a sign of its own.
_INDEX_BITS, _SIGN_BITS = 18, 2
_INDEX_ZERO = 1 << (_INDEX_BITS - 1)
_NEGATIVE, _ZERO, _POSITIVE = 0, 1, 2
_CELL_SHIFT = _INDEX_BITS + _SIGN_BITS
_MOST_PENDING = 1 << 18


class ExponentialCounts:
    """Counts by cell and bucket, sparse."""

    def __init__(self) -> None:
        self._keys: Ints = np.empty(0, np.int64)  # ascending
        self._counts: Ints = np.empty(0, np.int64)
        self._pending: list[tuple[Ints, Ints]] = []
        self._n_pending = 0

    def add(
        self,
        cells: npt.NDArray[Any],
        values: npt.NDArray[np.float64],
        counts: Ints | None = None,
    ) -> None:
        """Count finite values.

        Args:
            cells: The numbers of their cells, shape (n,).
            values: The values, shape (n,).
            counts: How often each occurred, shape (n,); once if None.
        """
        magnitude = np.abs(values)
        zero = magnitude == 0
        with np.errstate(divide="ignore"):
            place = np.ceil(np.log2(magnitude) * 2.0**START_SCALE)
        index = np.where(zero, 1.0, place).astype(np.int64) + (_INDEX_ZERO - 1)
        sign = np.where(zero, _ZERO, np.where(values > 0, _POSITIVE, _NEGATIVE))
        keys = (cells.astype(np.int64) << _CELL_SHIFT) | (sign << _INDEX_BITS) | index
        keys, counts = _counted(keys) if counts is None else _summed(keys, counts)
        self._pending.append((keys, counts))
        self._n_pending += len(keys)
        if self._n_pending > _MOST_PENDING:
            self.merge()

    def histogram(self, cell: int) -> ExponentialHistogram:
        """The histogram of a cell. Its extremes are bounds of the outermost buckets."""
        self.merge()
        begin, end = np.searchsorted(self._keys, [cell << _CELL_SHIFT, (cell + 1) << _CELL_SHIFT])
        keys, counts = self._keys[begin:end], self._counts[begin:end]
        index = (keys & ((1 << _INDEX_BITS) - 1)) - _INDEX_ZERO
        sign = keys >> _INDEX_BITS & ((1 << _SIGN_BITS) - 1)
        found = ExponentialHistogram.from_buckets(
            scale=START_SCALE,
            zero_count=int(counts[sign == _ZERO].sum()),
            positive=_as_dict(index, counts, sign == _POSITIVE),
            negative=_as_dict(index, counts, sign == _NEGATIVE),
            smallest=0.0,
            largest=0.0,
        )
        bounds = [(lower, upper) for lower, upper, _ in found.buckets()]
        if bounds:
            found.min, found.max = bounds[0][0], bounds[-1][1]
        return found

    def merge(self) -> None:
        """Bring what was added into order."""
        if not self._pending:
            return
        keys, counts = _summed(
            np.concatenate([keys for keys, _ in self._pending]),
            np.concatenate([counts for _, counts in self._pending]),
        )
        self._pending, self._n_pending = [], 0
        places = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), bool)
        inside = places < len(self._keys)
        known[inside] = self._keys[places[inside]] == keys[inside]
        # Readers may hold the old arrays.
        merged = self._counts.copy()
        merged[places[known]] += counts[known]
        self._counts = np.insert(merged, places[~known], counts[~known])
        self._keys = np.insert(self._keys, places[~known], keys[~known])

    def frozen(self) -> ExponentialCounts:
        """The counts as they are now, for any thread: what is added later replaces the arrays."""
        self.merge()  # here, since several threads may ask the copy at once
        now = ExponentialCounts()
        now._keys, now._counts = self._keys, self._counts
        return now

    def renumbered(self, numbers: Ints) -> ExponentialCounts:
        """The same with each cell's number replaced by `numbers[cell]`; -1 leaves it out."""
        self.merge()
        cells = numbers[self._keys >> _CELL_SHIFT]
        low = self._keys & ((1 << _CELL_SHIFT) - 1)
        there = cells >= 0
        found = ExponentialCounts()
        keys = (cells[there] << _CELL_SHIFT) | low[there]
        found._keys, found._counts = _summed(keys, self._counts[there])
        return found

    def dump(self) -> tuple[bytes, bytes]:
        """Everything as bytes, for `load`."""
        self.merge()
        return self._keys.astype("<i8").tobytes(), self._counts.astype("<i8").tobytes()

    @classmethod
    def load(cls, keys: bytes, counts: bytes) -> ExponentialCounts:
        """The inverse of `dump`."""
        found = cls()
        found._keys = np.frombuffer(keys, "<i8").astype(np.int64)
        found._counts = np.frombuffer(counts, "<i8").astype(np.int64)
        return found


def _counted(keys: Ints) -> tuple[Ints, Ints]:
    """Distinct keys, ascending, and how often each occurs."""
    if len(keys) == 0:
        return keys, keys
    ordered = np.sort(keys)
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[first], np.diff(np.append(first, len(ordered)))


def _summed(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Distinct keys, ascending, and the sum of the counts of each."""
    if len(keys) == 0:
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first], np.add.reduceat(counts, first)


def _as_dict(index: Ints, counts: Ints, chosen: npt.NDArray[np.bool_]) -> dict[int, int]:
    return dict(zip(index[chosen].tolist(), counts[chosen].tolist(), strict=True))
