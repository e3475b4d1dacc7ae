# SPDX-License-Identifier: Apache-2.0
"""Two distributions counted in the same cells, day by day or as a whole.

Single numbers, exponential histograms and labels all become counts of cells. Neighbouring cells
make bins, which have about the same share of the reference each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidegauge.statistics.histogram import ExponentialHistogram

__all__ = [
    "OTHER",
    "Block",
    "Counts",
    "counted_histograms",
    "counted_labels",
    "counted_texts",
    "counted_values",
]

Block = Literal["day", "block"]

#: The label of all that are rare.
OTHER = "(other)"

_BINS = 10
_MOST_CELLS = 256
_MOST_LABELS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How often what was seen, before and now.

    Attributes:
        reference: Counts of each day, or of all rows in one; shape (n_days, n_cells).
        current: The same of what is compared.
        positions: What number each cell stands for, ascending; shape (n_cells,). None of labels.
        bin_of: Number of each cell's bin; shape (n_cells,).
        names: Of the bins: a label, or the least and the largest number.
        by_day: Whether a row is a day, or other block. If not there is one row, of independent
            values.
        block: What a row is then: a `day`, which may resemble the day before; or a `block`, which
            is independent of the others.
    """

    reference: np.ndarray
    current: np.ndarray
    positions: np.ndarray | None
    bin_of: np.ndarray
    names: tuple[str | tuple[float, float], ...]
    by_day: bool
    block: Block = "day"

    def binned(self, counts: np.ndarray) -> np.ndarray:
        """Counts or shares of bins from those of cells; shape (..., n_bins)."""
        indicators = self.bin_of[:, None] == np.arange(len(self.names))
        binned: np.ndarray = counts @ indicators.astype(float)
        return binned


def counted_values(
    reference: np.ndarray,
    current: np.ndarray,
    *,
    reference_days: np.ndarray | None = None,
    current_days: np.ndarray | None = None,
    block: Block = "day",
) -> Counts:
    """Count single numbers.

    Args:
        reference: Shape (n,); what is not finite does not count.
        current: Shape (m,).
        reference_days: The number of the day, or other block, that each is of; shape (n,). If None,
            all values are independent of each other.
        current_days: Shape (m,); there if the other is.
        block: What it is that has the numbers; days are in their order.
    """
    pooled = np.concatenate([reference, current])
    cells = np.unique(pooled[np.isfinite(pooled)])
    if len(cells) > _MOST_CELLS:
        shares = np.linspace(0, 1, _MOST_CELLS)
        known = np.sort(pooled[np.isfinite(pooled)])
        cells = np.unique(known[np.round(shares * (len(known) - 1)).astype(int)])
    by_day = reference_days is not None and current_days is not None
    before = _rows(reference, reference_days, cells)
    now = _rows(current, current_days, cells)
    return _numbers(before, now, cells, cells, cells, by_day=by_day, block=block)


def counted_histograms(
    reference: Sequence[ExponentialHistogram], current: Sequence[ExponentialHistogram]
) -> Counts:
    """Count what histograms have, one for each day.

    A bucket stands for the middle between its bounds, so that a number is off by half of its width:
    1.1 % at the scale that histograms begin with.
    """
    everything = ExponentialHistogram()
    for histogram in (*reference, *current):
        everything.merge(histogram)
    bounds = [(low, high) for low, high, _ in everything.buckets()]
    lows = np.array([max(low, everything.min) for low, _ in bounds])
    highs = np.array([min(high, everything.max) for _, high in bounds])
    number_of = {bound: number for number, bound in enumerate(bounds)}
    days = []
    for histograms in (reference, current):
        rows = np.zeros((len(histograms), len(bounds)))
        for row, histogram in zip(rows, histograms, strict=True):
            # At the scale of all, which is the coarsest.
            same = ExponentialHistogram(scale=everything.scale, max_buckets=everything.max_buckets)
            same.merge(histogram)
            for low, high, count in same.buckets():
                row[number_of[low, high]] = count
        days.append(rows)
    return _numbers(days[0], days[1], (lows + highs) / 2, lows, highs, by_day=True)


def counted_labels(
    reference: Sequence[Mapping[str, int]],
    current: Sequence[Mapping[str, int]],
    *,
    by_day: bool,
    block: Block = "day",
) -> Counts:
    """Count labels.

    Args:
        reference: How often each was seen, of each day; or one of all rows.
        current: The same of what is compared.
        by_day: Whether there is one for each day, or other block.
        block: As of `counted_values`.
    """
    totals: dict[str, int] = {}
    for counts in (*reference, *current):
        for label, count in counts.items():
            totals[label] = totals.get(label, 0) + count
    common = sorted(totals, key=lambda label: (-totals[label], label))
    names = common if len(common) <= _MOST_LABELS else [*common[: _MOST_LABELS - 1], OTHER]
    number_of = {label: number for number, label in enumerate(names)}
    days = []
    for side in (reference, current):
        rows = np.zeros((len(side), len(names)))
        for row, counts in zip(rows, side, strict=True):
            for label, count in counts.items():
                row[number_of.get(label, len(names) - 1)] += count
        days.append(rows)
    return Counts(days[0], days[1], None, np.arange(len(names)), tuple(names), by_day, block)


def counted_texts(
    reference: np.ndarray,
    current: np.ndarray,
    *,
    reference_days: np.ndarray | None = None,
    current_days: np.ndarray | None = None,
    block: Block = "day",
) -> Counts:
    """Count single texts, of which those that are None do not count; else as `counted_values`."""
    by_day = reference_days is not None and current_days is not None
    sides = [
        _tallies(reference, reference_days if by_day else None),
        _tallies(current, current_days if by_day else None),
    ]
    return counted_labels(sides[0], sides[1], by_day=by_day, block=block)


def _tallies(texts: np.ndarray, days: np.ndarray | None) -> list[Counter[str]]:
    known = np.array([text is not None for text in texts], dtype=bool)
    texts, days = texts[known], None if days is None else days[known]
    if days is None:
        return [Counter(texts.tolist())]
    return [Counter(texts[days == day].tolist()) for day in np.unique(days)]


def _rows(values: np.ndarray, days: np.ndarray | None, cells: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    # A value belongs to the first cell that is not below it.
    cell = np.searchsorted(cells, values[finite])
    if days is None:
        return np.bincount(cell, minlength=len(cells)).astype(float)[None, :]
    found, day = np.unique(days[finite], return_inverse=True)
    flat = np.bincount(day * len(cells) + cell, minlength=len(found) * len(cells))
    return flat.reshape(len(found), len(cells)).astype(float)


def _numbers(
    reference: np.ndarray,
    current: np.ndarray,
    positions: np.ndarray,
    lows: np.ndarray,
    highs: np.ndarray,
    *,
    by_day: bool,
    block: Block = "day",
) -> Counts:
    shares = reference.sum(axis=0) / max(reference.sum(), 1)
    middles = np.cumsum(shares) - shares / 2
    # Cells of which the reference has nothing go with their neighbours.
    _, bin_of = np.unique(np.minimum((middles * _BINS).astype(int), _BINS - 1), return_inverse=True)
    count = int(bin_of.max()) + 1 if len(bin_of) else 0
    names = tuple(
        (float(lows[bin_of == number].min()), float(highs[bin_of == number].max()))
        for number in range(count)
    )
    return Counts(reference, current, positions, bin_of, names, by_day, block)
