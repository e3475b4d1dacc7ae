# SPDX-License-Identifier: Apache-2.0
"""The hours or days that all series of a question have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.timeseries.adjustment import DAY_S, HOUR_S, phases_of

__all__ = ["Grid", "grid_over", "usual_step_s"]

# 274 years of days, or 11 of hours: whatever is longer has a time in it that is none.
_MOST_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps of equal length, one after the other.

    Attributes:
        start_us: Beginning of the first step, microseconds since 1970, UTC.
        step_s: Length of a step, `HOUR_S` or `DAY_S`.
        n: How many steps.
    """

    start_us: int
    step_s: int
    n: int

    @property
    def times_us(self) -> np.ndarray:
        """Beginnings of the steps, microseconds since 1970; shape (n,)."""
        steps = np.arange(self.n, dtype=np.int64)
        return self.start_us + self.step_s * 1_000_000 * steps

    @property
    def phases(self) -> np.ndarray:
        """The day or hour of the week of each step, in UTC; shape (n,)."""
        return phases_of(self.times_us, self.step_s)

    def averaged(self, times_us: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The mean of the values in each step; shape (n,), NaN where there are none.

        Args:
            times_us: Microseconds since 1970, in any order, within the grid; shape (n_values,).
            values: What is not finite does not count; shape (n_values,).
        """
        present = np.isfinite(values)
        at = (times_us[present] - self.start_us) // (self.step_s * 1_000_000)
        counts = np.bincount(at, minlength=self.n)
        sums = np.bincount(at, weights=values[present], minlength=self.n)
        means: np.ndarray = np.divide(sums, counts, out=np.full(self.n, np.nan), where=counts > 0)
        return means


def grid_over(times_us: Iterable[np.ndarray], step_s: int) -> Grid:
    """The whole steps that hold all times; one step if there are none.

    Raises:
        QueryError: There would be more than 100,000 steps.
    """
    step_us = step_s * 1_000_000
    held = [each for each in times_us if len(each)]
    first = min((int(each.min()) // step_us for each in held), default=0)
    last = max((int(each.max()) // step_us for each in held), default=0)
    if last - first >= _MOST_STEPS:
        raise QueryError(
            "the times are too far apart",
            got=f"{last - first + 1:,} {'hours' if step_s == HOUR_S else 'days'}",
            allowed=f"at most {_MOST_STEPS:,}",
            fix="Is a time among them that is none?",
        )
    return Grid(first * step_us, step_s, last - first + 1)


def usual_step_s(times_us: np.ndarray) -> int:
    """A day if times are usually half a day apart or more, else an hour.

    Args:
        times_us: Microseconds since 1970, in any order, some maybe several times; shape (n,).
    """
    apart_us = np.diff(np.unique(times_us))
    is_daily = len(apart_us) == 0 or np.median(apart_us) >= DAY_S * 1_000_000 / 2
    return DAY_S if is_daily else HOUR_S
