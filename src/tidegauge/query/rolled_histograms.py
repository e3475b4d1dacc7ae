# SPDX-License-Identifier: Apache-2.0
"""Merging the histograms of many rollups by group, several times faster than SQL over lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.statistics.histogram import ExponentialHistogram
from tidegauge.store.arrays import to_numpy

__all__ = ["RolledHistograms"]

Ints = npt.NDArray[np.int64]


class RolledHistograms:
    """The histograms of rollups.

    Args:
        rows: Rows with the columns `SUMMARY_COLUMNS`.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._scales = _integers(rows["scale"])
        self._zero_counts = _integers(rows["zero_count"])
        self._positive = _Buckets(rows, "positive")
        self._negative = _Buckets(rows, "negative")

    def merged(self, groups: Ints, ends: list[tuple[float, float]]) -> list[ExponentialHistogram]:
        """One histogram for each group.

        Args:
            groups: The number of each row's group, -1 for rows that are in none; shape (n_rows,).
            ends: Smallest and largest value of each group.
        """
        n_groups = len(ends)
        rows = np.flatnonzero(groups >= 0)
        scales = np.full(n_groups, np.iinfo(np.int64).max)
        np.minimum.at(scales, groups[rows], self._scales[rows])
        shifts = self._scales - scales[groups]
        zero_counts = np.bincount(groups[rows], self._zero_counts[rows], n_groups)
        positive, negative = (
            each.merged(groups, n_groups, shifts) for each in (self._positive, self._negative)
        )
        return [
            ExponentialHistogram.from_buckets(
                scale=int(scales[at]),
                zero_count=int(zero_counts[at]),
                positive=positive[at],
                negative=negative[at],
                smallest=smallest,
                largest=largest,
            )
            for at, (smallest, largest) in enumerate(ends)
        ]


class _Buckets:
    """The buckets of one sign that hold something: of which row, which, how many values."""

    def __init__(self, rows: pa.Table, sign: str) -> None:
        lists = rows[f"{sign}_counts"].combine_chunks()
        lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
        offsets = _integers(lists.offsets)
        counts = _integers(lists.flatten())
        at = np.flatnonzero(counts)
        self._counts = counts[at]
        self._rows = np.repeat(np.arange(len(lists)), offsets[1:] - offsets[:-1])[at]
        self._buckets = (_integers(rows[f"{sign}_offset"]) - offsets[:-1])[self._rows] + at

    def merged(self, groups: Ints, n_groups: int, shifts: Ints) -> list[dict[int, int]]:
        """Counts by bucket, for each group; see `RolledHistograms.merged`."""
        groups, counts, buckets = groups[self._rows], self._counts, self._buckets
        if shifts.any():
            buckets = buckets >> np.maximum(shifts, 0)[self._rows]
        if (groups < 0).any():
            inside = groups >= 0
            groups, counts, buckets = groups[inside], counts[inside], buckets[inside]
        if not len(groups):
            return [{} for _ in range(n_groups)]
        low = int(buckets.min())
        span = int(buckets.max()) - low + 1
        keys = groups * span + (buckets - low)
        sums = np.bincount(keys, counts, n_groups * span).astype(np.int64).reshape(n_groups, span)
        merged = []
        for group in sums:
            places = np.flatnonzero(group)
            merged.append(dict(zip((places + low).tolist(), group[places].tolist(), strict=True)))
        return merged


def _integers(column: Any) -> Ints:
    return to_numpy(column).astype(np.int64)
