# SPDX-License-Identifier: Apache-2.0
"""Taking the trend and the time of the week out of a series.

A weekly pattern that two series share makes every method call them related; so it goes first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "DAY_S",
    "HOUR_S",
    "STEPS_S",
    "Adjusted",
    "adjusted",
    "bent",
    "effects_of",
    "phases_of",
    "season_of",
]

HOUR_S = 3_600
DAY_S = 86_400

#: Seconds of the steps that a series can have.
STEPS_S = {"hour": HOUR_S, "day": DAY_S}

# 1970-01-01 was a Thursday; weeks begin on Mondays.
_DAYS_SINCE_MONDAY = 3


@dataclass(frozen=True, slots=True, eq=False)
class Adjusted:
    """A series and what was taken out of it.

    Attributes:
        residuals: The values less what is expected of their time; shape (n,).
        expected: What is expected of each time, also where there is no value; shape (n,).
        parameters: How many numbers were estimated for it.
    """

    residuals: np.ndarray
    expected: np.ndarray
    parameters: int


def adjusted(
    values: np.ndarray, phases: np.ndarray | None = None, *, has_trend: bool = True
) -> Adjusted:
    """Remove a straight line and the mean of each phase, both at once, by least squares.

    Args:
        values: Shape (n,), NaN where there is none.
        phases: The phase of each value, such as its day of the week; shape (n,), whole numbers. No
            season if None. A phase without any value is expected to be like the mean of the others.
        has_trend: Whether to remove a straight line.

    Returns:
        Nothing but NaN if there are no more values than numbers to estimate.
    """
    n = len(values)
    present = np.isfinite(values)
    columns = [np.ones((n, 1))]
    if phases is not None:
        columns.append(effects_of(phases, np.unique(phases[present])))
    if has_trend:
        columns.append(np.linspace(-1, 1, n)[:, None])
    design = np.hstack(columns)
    parameters = design.shape[1]
    if present.sum() <= parameters:
        unknown = np.full(n, np.nan)
        return Adjusted(unknown, unknown, parameters)
    solution = np.linalg.lstsq(design[present], values[present], rcond=None)[0]
    expected = design @ solution
    return Adjusted(values - expected, expected, parameters)


def bent(values: np.ndarray, phases: np.ndarray, degree: int) -> Adjusted:
    """Remove a polynomial of time from each phase by itself, by least squares.

    So a weekly pattern may grow, fade, begin or end. With degree 0 it is the same in all weeks.

    Args:
        values: Shape (n,), NaN where there is none.
        phases: The phase of each value; shape (n,), whole numbers.
        degree: Of the polynomials. A phase with no more values than numbers to estimate has no
            residuals other than 0.
    """
    powers = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(values)), degree)
    present = np.isfinite(values)
    expected = np.full(len(values), np.nan)
    parameters = 0
    for phase in np.unique(phases[present]):
        ours = phases == phase
        known = ours & present
        solution = np.linalg.lstsq(powers[known], values[known], rcond=None)[0]
        expected[ours] = powers[ours] @ solution
        parameters += min(degree + 1, int(known.sum()))
    return Adjusted(values - expected, expected, parameters)


def effects_of(phases: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Columns that tell phases apart, whose effects sum to 0; shape (n, n_known - 1).

    So the level is left to a column of ones. A phase that is not known has the effect 0.

    Args:
        phases: The phase of each value; shape (n,), whole numbers.
        known: Those that are told apart, each once; shape (n_known,).
    """
    indicators = (phases[:, None] == known).astype(float)
    columns: np.ndarray = indicators[:, :-1] - indicators[:, -1:]
    return columns


def season_of(step_s: int) -> int:
    """How many phases a week has: 7 days, or 168 hours.

    Args:
        step_s: Length of a step, `HOUR_S` or `DAY_S`.
    """
    return 7 * DAY_S // step_s


def phases_of(times_us: np.ndarray, step_s: int) -> np.ndarray:
    """The day of the week, 0 is Monday, or the hour of the week, 0 is Monday's first, in UTC.

    Args:
        times_us: Microseconds since 1970; shape (n,).
        step_s: Length of a step, `HOUR_S` or `DAY_S`.
    """
    steps = times_us // (step_s * 1_000_000)
    phases: np.ndarray = (steps + _DAYS_SINCE_MONDAY * DAY_S // step_s) % season_of(step_s)
    return phases
