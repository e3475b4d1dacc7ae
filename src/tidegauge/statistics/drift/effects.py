# SPDX-License-Identifier: Apache-2.0
"""By how much two distributions differ.

Each takes shares, of shape (..., n), and gives a number for each pair, 0 if they are the same.
"""

from __future__ import annotations

import numpy as np

__all__ = ["jensen_shannon", "population_stability", "stability_by_chance", "wasserstein"]


def population_stability(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The population stability index, the sum of Kullback and Leibler's two divergences.

    Args:
        before: Shares, all above 0; shape (..., n_bins).
        now: The same.
    """
    index: np.ndarray = ((now - before) * np.log(now / before)).sum(axis=-1)
    return index


def stability_by_chance(n_before: float, n_now: float, n_bins: int) -> float:
    """The population stability index that there is on average where nothing has changed.

    Args:
        n_before: How many independent values the shares were counted from.
        n_now: The same.
        n_bins: How many bins there are.
    """
    return (n_bins - 1) * (1 / n_before + 1 / n_now)


def jensen_shannon(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Jensen and Shannon's distance to base 2, 0 to 1.

    Args:
        before: Shares, all above 0; shape (..., n_bins).
        now: The same.
    """
    middle = (before + now) / 2
    divergence = (before * np.log2(before / middle) + now * np.log2(now / middle)).sum(axis=-1) / 2
    distance: np.ndarray = np.sqrt(np.clip(divergence, 0, 1))
    return distance


def wasserstein(before: np.ndarray, now: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """How far values have to be moved to make one of the other, on average.

    Args:
        before: Shares; shape (..., n_cells).
        now: The same.
        positions: What number each cell stands for, ascending; shape (n_cells,).
    """
    apart = np.abs(np.cumsum(now - before, axis=-1)[..., :-1])
    moved: np.ndarray = apart @ np.diff(positions)
    return moved
