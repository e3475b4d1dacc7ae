# SPDX-License-Identifier: Apache-2.0
"""By how much more windows of days differ than days do, where days resemble those before them.

The level of a day is taken to follow that of the day before with a strength phi. Of a few weeks phi
is not well known, and neither is by how much days differ; so both are drawn, as chance may have had
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

__all__ = ["drawn_strengths", "levels_of", "widened"]

# With more memory than this a window says nothing.
_STRONGEST = 0.95
_LEAST_VARIANCE = 0.05
# In median distances: about two and a half deviations.
_FAR = 3.7
_LEAST_FREEDOM = 2.0
# Of the variance of days, what a window shows of it at least.
_LEAST_SHOWN = 0.1


def levels_of(days: np.ndarray, positions: np.ndarray | None) -> np.ndarray:
    """One number for each day; shape (n_days,).

    Args:
        days: Counts, or shares, of each day; shape (n_days, n_cells).
        positions: What number each cell stands for; shape (n_cells,). The number is then the mean,
            and else how much of that direction is in it in which days differ most.
    """
    shares = days / np.maximum(days.sum(axis=1, keepdims=True), 1e-300)
    if positions is not None:
        means: np.ndarray = shares @ positions
        return means
    centred = shares - shares.mean(axis=0)
    main: np.ndarray = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    return main


def drawn_strengths(
    windows: Sequence[np.ndarray], rng: np.random.Generator, draws: int
) -> np.ndarray:
    """How strongly a day may follow the one before, 0 to 0.95; shape (draws,).

    Args:
        windows: Levels of the days of each, in order.
        rng: Where chance is from.
        draws: How often.
    """
    along = squares = 0.0
    for levels in windows:
        # In units of the largest, for large numbers have no squares.
        apart = (levels - np.median(levels)) / (np.abs(levels).max() or 1.0)
        far = _FAR * float(np.median(np.abs(apart)))
        # A few odd days, or a change of the level, are no memory.
        apart = np.clip(apart, -far, far) if far else apart
        apart = apart - apart.mean()
        apart /= apart.std() or 1.0
        along += float(apart[1:] @ apart[:-1])
        squares += float(apart @ apart)
    if not squares:
        return np.zeros(draws)
    count = sum(len(levels) for levels in windows)
    seen = along / squares
    # It is estimated too small in each window (Kendall 1954).
    likely = seen + len(windows) * (1 + 3 * seen) / count
    error = np.sqrt(max(1 - likely**2, _LEAST_VARIANCE) / count)
    strengths: np.ndarray = np.clip(likely + error * rng.normal(size=draws), 0, _STRONGEST)
    return strengths


def widened(strengths: np.ndarray, seen: int, drawn: int, luck: np.ndarray) -> np.ndarray:
    """What deviations of days that were drawn one by one have to be multiplied by; shape (draws,).

    Args:
        strengths: From `drawn_strengths`; shape (draws,).
        seen: Of how many days.
        drawn: How many days were drawn.
        luck: How well days show by how much they differ, 0 to 1, uniform; shape (draws,).
    """
    shown = np.maximum(seen - _inflation(strengths, seen), _LEAST_SHOWN * seen)
    variance = _inflation(strengths, drawn) * seen / shown
    freedom = (seen - 1) * (1 - strengths**2) / (1 + strengths**2)
    freedom = np.maximum(freedom, _LEAST_FREEDOM)
    factors: np.ndarray = np.sqrt(variance * freedom / stats.chi2.ppf(luck, freedom))
    return factors


def _inflation(strengths: np.ndarray, count: int) -> np.ndarray:
    """How much larger the variance of the mean of so many days is than of independent ones."""
    lags = np.arange(1, count)
    powers = np.power.outer(strengths, lags)
    inflation: np.ndarray = 1 + 2 * powers @ (1 - lags / count)
    return inflation
