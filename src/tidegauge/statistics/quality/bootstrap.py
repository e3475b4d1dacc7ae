# SPDX-License-Identifier: Apache-2.0
"""Intervals of metrics that are made of counts, by drawing the counts anew.

A row says no more than the cell it is in: its true class, its predicted class, and that of another
model. So drawing rows with replacement is drawing how many are in each cell, whatever their number.
Rows of one user are drawn together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from tidegauge.statistics.estimate import CONFIDENCE, Estimate

__all__ = ["DRAWS", "Cells", "count_estimates"]

#: How often counts are drawn.
DRAWS = 2_000

#: Of draws without a value, more than this share and there is no interval.
_MOST_UNDEFINED = 0.05

#: Numbers that are in memory at once.
_AT_ONCE = 4_000_000

#: More clusters than this and the skewness of their influence is taken as none.
_JACKKNIFED = 2_000

#: Metrics by name, one value per table of counts; the argument has shape (n_tables, n_cells).
Measure = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Which cell each row is in.

    Attributes:
        codes: Shape (n,), int64, 0 to `count` less 1.
        count: How many cells there are.
        clusters: What each row belongs to, as numbers from 0; None if rows are independent.
    """

    codes: np.ndarray
    count: int
    clusters: np.ndarray | None = None

    @property
    def totals(self) -> np.ndarray:
        """Rows of each cell; shape (count,)."""
        return np.bincount(self.codes, minlength=self.count)

    @property
    def units(self) -> int:
        """How many rows or clusters are drawn."""
        if self.clusters is None:
            return len(self.codes)
        return int(np.count_nonzero(np.bincount(self.clusters)))

    def drawn(self, seed: int) -> Iterator[np.ndarray]:
        """Counts that were drawn, some tables at a time; shape (n_tables, count)."""
        rng = np.random.default_rng(seed)
        if self.clusters is None:
            filled = np.flatnonzero(self.totals)
            shares = self.totals[filled] / len(self.codes)
            for many in _batches(self.count):
                table = np.zeros((many, self.count))
                table[:, filled] = rng.multinomial(len(self.codes), shares, size=many)
                yield table
            return
        by_unit = self._by_unit()
        units = by_unit.shape[0]
        for many in _batches(max(self.count, units)):
            weights = np.empty((many, units))
            for row in weights:
                row[:] = np.bincount(rng.integers(units, size=units), minlength=units)
            yield weights @ by_unit

    def without_one(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Counts without a row or cluster, and how many such there are; None if there are many."""
        totals = self.totals
        if self.clusters is None:
            filled = np.flatnonzero(totals)
            if len(filled) * self.count > _AT_ONCE:
                return None
            left = np.repeat(totals[None, :].astype(float), len(filled), axis=0)
            left[np.arange(len(filled)), filled] -= 1
            return left, totals[filled]
        by_unit = self._by_unit()
        units = by_unit.shape[0]
        if units > _JACKKNIFED or units * self.count > _AT_ONCE:
            return None
        return totals - by_unit.toarray(), np.ones(units)

    def _by_unit(self) -> csr_array:
        assert self.clusters is not None
        _, unit = np.unique(self.clusters, return_inverse=True)
        ones = np.ones(len(self.codes))
        return csr_array((ones, (unit, self.codes)), shape=(int(unit.max()) + 1, self.count))


def count_estimates(
    cells: Cells, measure: Measure, *, confidence: float = CONFIDENCE, seed: int = 0
) -> dict[str, Estimate]:
    """Bias-corrected and accelerated intervals (Efron 1987) of metrics of counts.

    Args:
        cells: Which cell each row is in.
        measure: Makes metrics of counts; NaN for what is undefined.
        confidence: Probability that such intervals cover the truth, 0 to 1, exclusive.
        seed: The same seed and rows have the same answer.

    Returns:
        Each metric that is defined for the rows as they are.
    """
    values = {name: float(found[0]) for name, found in measure(cells.totals[None, :]).items()}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in values}
    for tables in cells.drawn(seed):
        for name, found in measure(tables).items():
            drawn[name].append(found)
    without = cells.without_one()
    left = {} if without is None else measure(without[0])
    method = "bca bootstrap" if cells.clusters is None else "bca bootstrap, clustered"
    estimates = {}
    for name, value in values.items():
        if math.isnan(value):
            continue
        several = np.concatenate(drawn[name])
        reason = _why_not(several, cells.units)
        if reason:
            estimates[name] = Estimate(value, confidence=confidence, n=cells.units, reason=reason)
            continue
        skew = 0.0 if without is None else _acceleration(left[name], without[1])
        low, high = _bca(several[~np.isnan(several)], value, skew, confidence)
        estimates[name] = Estimate(value, low, high, confidence, method, cells.units)
    return estimates


def _batches(width: int) -> Iterator[int]:
    most = max(1, _AT_ONCE // width)
    left = DRAWS
    while left:
        yield min(left, most)
        left -= min(left, most)


def _why_not(several: np.ndarray, units: int) -> str | None:
    if units < 2:
        return "one row or cluster has no spread"
    undefined = np.isnan(several)
    if undefined.mean() > _MOST_UNDEFINED:
        return f"undefined in {undefined.mean():.0%} of the samples drawn from these rows"
    several = several[~undefined]
    if several.min() == several.max():
        return "there is no spread that could tell how far chance goes"
    return None


def _acceleration(left: np.ndarray, weights: np.ndarray) -> float:
    """A sixth of the skewness of what single rows or clusters move."""
    good = ~np.isnan(left)
    left, weights = left[good], weights[good]
    if not len(left):
        return 0.0
    moved = (left * weights).sum() / weights.sum() - left
    squares = float((weights * moved**2).sum())
    return float((weights * moved**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0


def _bca(several: np.ndarray, value: float, skew: float, confidence: float) -> tuple[float, float]:
    # Rounding must not decide on which side a draw is that equals the value.
    near = 1e-12 * max(1.0, abs(value))
    below = np.mean(several < value - near) + np.mean(np.abs(several - value) <= near) / 2
    shift = float(ndtri(np.clip(below, 1 / len(several), 1 - 1 / len(several))))
    at = [shift + float(ndtri((1 + side * confidence) / 2)) for side in (-1, 1)]
    shares = [float(ndtr(shift + each / (1 - skew * each))) for each in at]
    low, high = np.quantile(several, shares)
    return float(low), float(high)
