# SPDX-License-Identifier: Apache-2.0
"""What is new in each value of a series: not told by the time of the week, nor by its own past.

Two unrelated series that trend, repeat by the week or follow their own past seem related to any
test that takes values for independent. Their innovations do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from tidegauge.statistics.correlation.transforms import Transform, least_skewed, size_of
from tidegauge.statistics.correlation.unit_root import comes_back
from tidegauge.statistics.timeseries.adjustment import adjusted, bent
from tidegauge.statistics.timeseries.autoregression import (
    MAX_ORDER,
    Autoregression,
    autocorrelation,
    fit_autoregression,
)

__all__ = ["LEAST", "Innovations", "innovations", "ljung_box"]

#: So many values are needed, at least.
LEAST = 20

# So many weeks tell a weekly pattern from chance.
_LEAST_WEEKS = 4

# Less than this share of the spread of the values is rounding.
_NOTHING = 1e-9

_LJUNG_BOX_LAGS = 10

# A weekly pattern changes if it seems to in more than what chance does in this share of cases.
_CHANGES = 0.02

# So seldom does chance make a series seem to repeat.
_REPEATS = 0.01

# A polynomial may bend once in so many weeks, and no more often than this.
_WEEKS_A_DEGREE = 4
_MOST_DEGREE = 12


@dataclass(frozen=True, slots=True, eq=False)
class Innovations:
    """What is new in each value, and what was done to find it.

    Attributes:
        values: Shape (n,), NaN where there is none; all NaN if there is a reason.
        adjusted: The series without trend and weekly pattern, which still follows its past, in
            units of about the largest value; shape (n,).
        transform: What was done to the values first.
        is_differenced: Whether changes were taken, because the series wanders.
        degree: Of the polynomials of time by which the weekly pattern changes; 0 if it does not.
        order: How many values of the past are taken into account.
        parameters: How many numbers describe trend and weekly pattern.
        leftover_p: P-value of the test of Ljung and Box; small if `values` still follow their past.
            None if there is a reason.
        repeats_after: After how many steps `values` seem to repeat, beyond those that the
            autoregression may know; None if they do not.
        reason: Why there are none; None if there are.
    """

    values: np.ndarray
    adjusted: np.ndarray
    transform: Transform = "none"
    is_differenced: bool = False
    degree: int = 0
    order: int = 0
    parameters: int = 0
    leftover_p: float | None = None
    repeats_after: int | None = None
    reason: str | None = None


def innovations(
    observed: np.ndarray,
    phases: np.ndarray | None,
    step_weeks: float,
    *,
    can_transform: bool = True,
) -> Innovations:
    """Take trend, weekly pattern and past out of a series.

    In this order: logarithm or logit, if it makes values less skewed; a straight line and the mean
    of each phase; changes instead of values, if the series wanders; polynomials of each phase, if
    the pattern grows, fades, begins or ends; an autoregression.

    Args:
        observed: Shape (n,), NaN where there is none.
        phases: The phase of the week of each step; shape (n,). No pattern is looked for if None.
        step_weeks: Weeks that a step is long.
        can_transform: Whether logarithm and logit come into question.
    """
    nothing = np.full(len(observed), np.nan)
    present = np.isfinite(observed)
    reason = _why_not(observed, present, None if phases is None else step_weeks)
    if reason is not None:
        return Innovations(nothing, nothing, reason=reason)
    observed = np.where(present, observed, np.nan)
    values, transform = least_skewed(observed) if can_transform else (observed, "none")
    values = values / size_of(values)
    level = adjusted(values, phases)
    found = Innovations(nothing, level.residuals, transform=transform, parameters=level.parameters)
    if not np.nanstd(level.residuals) > _NOTHING * np.nanstd(values):
        return replace(found, reason="a straight line and a weekly pattern, and nothing else")
    stationary = level.residuals
    wanders = not comes_back(stationary)
    if wanders:
        # A pattern that is estimated from a wandering series is a rough one; so once more.
        stationary = adjusted(_changes(stationary), phases, has_trend=False).residuals
        if not np.nanstd(stationary) > _NOTHING * np.nanstd(values):
            return replace(found, reason="its changes are the same all the time")
    degree = 0 if phases is None else _degree(stationary, phases, step_weeks)
    parameters = level.parameters
    if degree and phases is not None:
        pattern = bent(stationary, phases, degree)
        stationary, parameters = pattern.residuals, pattern.parameters
    model = fit_autoregression(stationary)
    noise = _noise(model, stationary)
    return replace(
        found,
        values=noise,
        is_differenced=wanders,
        degree=degree,
        order=model.order,
        parameters=parameters,
        leftover_p=ljung_box(noise, model.order),
        repeats_after=_repeats_after(noise),
    )


def ljung_box(values: np.ndarray, order: int) -> float:
    """The p-value of the test of Ljung and Box (1978) that values do not follow their past.

    Args:
        values: Shape (n,), NaN where there is none.
        order: How many coefficients of an autoregression were estimated; below 11.

    Returns:
        1 if there are too few values to tell.
    """
    known = np.flatnonzero(np.isfinite(values))
    values = values[known[0] : known[-1] + 1] if len(known) else known
    n = len(values)
    lags = max(min(_LJUNG_BOX_LAGS, len(known) // 5), order + 3)
    if len(known) <= lags + 1:
        return 1.0
    present = np.isfinite(values)
    steps = np.arange(1, lags + 1)
    pairs = np.array([(present[lag:] & present[: n - lag]).sum() for lag in steps])
    correlations = autocorrelation(values, lags)[1:]
    # Without gaps there are n - lag pairs, and this is the usual statistic.
    statistic = (n + 2) * n * (pairs * (correlations / (n - steps)) ** 2).sum()
    return float(stats.chi2.sf(statistic, lags - order))


def _repeats_after(noise: np.ndarray) -> int | None:
    """The lag at which values resemble themselves most, if chance hardly does it at any lag."""
    n = len(noise)
    lags = np.arange(MAX_ORDER + 1, n // 3 + 1)
    if len(lags) == 0:
        return None
    present = np.isfinite(noise)
    pairs = np.array([(present[lag:] & present[:-lag]).sum() for lag in lags])
    strengths = autocorrelation(noise, int(lags[-1]))[lags] * np.sqrt(pairs)
    strongest = int(strengths.argmax())
    is_chance = stats.norm.sf(strengths[strongest]) * len(lags) > _REPEATS
    return None if is_chance else int(lags[strongest])


def _why_not(observed: np.ndarray, present: np.ndarray, step_weeks: float | None) -> str | None:
    """Why a series cannot be looked at; None if it can."""
    known = np.flatnonzero(present)
    if len(known) == 0:
        return "no values"
    sized = observed[present] / size_of(observed)
    if np.ptp(sized) <= _NOTHING * np.abs(sized).max():
        return "constant"
    if len(known) < LEAST:
        return f"{len(known)} values, and {LEAST} are needed"
    if step_weeks is not None:
        span = (known[-1] - known[0] + 1) * step_weeks
        if span < _LEAST_WEEKS:
            return f"spans {span:.2g} weeks, and a weekly pattern shows in {_LEAST_WEEKS} at least"
    return None


def _degree(stationary: np.ndarray, phases: np.ndarray, step_weeks: float) -> int:
    """How much the weekly pattern changes: of which degree polynomials of each phase have to be.

    The test is that of F, of innovations: a pattern of the week is one in these, too, and they are
    independent. Their autoregression is shorter than a season, or it would take some of it.
    """
    season = len(np.unique(phases[np.isfinite(stationary)]))
    known = int(np.isfinite(stationary).sum())
    most_past = min(MAX_ORDER, known // 10, season - 1)
    noise = _noise(fit_autoregression(stationary, most_past), stationary)
    count = int(np.isfinite(noise).sum())
    most = min(int(count * step_weeks / _WEEKS_A_DEGREE), _MOST_DEGREE)
    best = 0
    usual = bent(noise, phases, 0)
    for degree in range(1, most + 1):
        tried = bent(noise, phases, degree)
        left = np.nansum(tried.residuals**2)
        more = tried.parameters - usual.parameters
        degrees = count - tried.parameters
        if degrees <= 0 or not left > 0:
            break
        ratio = (np.nansum(usual.residuals**2) - left) / more / (left / degrees)
        if stats.f.sf(ratio, more, degrees) < _CHANGES:
            best, usual = degree, tried
    return best


def _changes(values: np.ndarray) -> np.ndarray:
    """How much each value differs from the one before; shape (n,), the first is NaN.

    Over a gap it is divided by the root of the steps, as far as a wandering series gets in them.
    """
    known = np.flatnonzero(np.isfinite(values))
    changes = np.full(len(values), np.nan)
    changes[known[1:]] = np.diff(values[known]) / np.sqrt(np.diff(known))
    return changes


def _noise(model: Autoregression, values: np.ndarray) -> np.ndarray:
    """What the past does not tell."""
    known = np.flatnonzero(np.isfinite(values))
    inner = slice(known[0], known[-1] + 1)
    if len(known) < inner.stop - inner.start:
        return model.standardised(values)
    noise = np.full(len(values), np.nan)
    noise[inner] = model.residuals(values[inner])
    return noise
