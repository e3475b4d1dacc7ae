# SPDX-License-Identifier: Apache-2.0
"""What the same comparison says at earlier dates, at which nothing is known to have happened.

The third remedy of Bertrand, Duflo and Mullainathan (2004). Dates are compared by their p-values
and not by their effects, because windows of neighbouring dates overlap: after four months of days,
the plain order of effects finds changes in 9 to 14 percent of series without one, and the order of
p-values in 2 to 5 (`simulations/impact.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tidegauge.statistics.impact.windows import Level, Window, fit_windows

__all__ = ["MOST_DATES", "Placebos", "alpha_of", "placebos_of"]

#: No more earlier dates are looked at than this, the latest ones; of long windows, fewer.
MOST_DATES = 365

# Of hours there are many in a window, and windows with gaps are fitted one by one.
_MOST_STEPS = 150_000
_LEAST_DATES = 39


@dataclass(frozen=True, slots=True, eq=False)
class Placebos:
    """The same comparison at earlier dates.

    Attributes:
        steps: The first step after each such date; shape (n,).
        effects: What seemed to change, in the unit of the values; shape (n,).
        p_values: The p-value by the model alone; shape (n,).
    """

    steps: np.ndarray
    effects: np.ndarray
    p_values: np.ndarray

    def __len__(self) -> int:
        return len(self.effects)

    def p_value(self, own: float) -> float:
        """How rare a p-value as small as this is among the dates, the change's own included."""
        return float((1 + (self.p_values <= own).sum()) / (1 + len(self)))

    def level(self, alpha: float) -> float | None:
        """The p-value by the model that is as rare as `alpha` says; None with too few dates.

        Args:
            alpha: 0 to 1, exclusive.
        """
        rank = math.floor(alpha * (1 + len(self)) + 1e-9)
        return float(np.partition(self.p_values, rank - 1)[rank - 1]) if rank else None


def alpha_of(confidence: float) -> float:
    """The p-value up to which something is clear, without the rounding error of 1 less 0.9."""
    return round(1 - confidence, 12)


def placebos_of(level: Level, window: Window, start: int, stride: int, *, least: float) -> Placebos:
    """Compare at all earlier dates whose windows end before the change.

    Args:
        level: The series.
        window: What belongs to a change.
        start: The step at which the window of the change itself begins.
        stride: Steps from one date to the next, such as 24 hours.
        least: A variance that counts as none.
    """
    last = start + window.before - window.length
    most = min(max(_MOST_STEPS // window.length, _LEAST_DATES), MOST_DATES)
    there = len(range(last, -1, -stride))
    thinned = 1 if stride == 1 else max(there // most, 1)
    starts = np.arange(last, -1, -stride * thinned)[:most][::-1]
    windows = level.windows(starts, window)
    own = level.windows(np.array([start]), window)
    effects, p_values = np.full(len(starts), np.nan), np.full(len(starts), np.nan)
    for rows, fits in fit_windows(windows, own, window, least=least):
        effects[rows], p_values[rows] = fits.effects, fits.p_values()
    known = np.isfinite(effects)
    first_after = starts + window.before + window.skipped
    return Placebos(first_after[known], effects[known], p_values[known])
