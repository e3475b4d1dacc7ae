# SPDX-License-Identifier: Apache-2.0
"""One series before and after a change, alone or beside a control that the change has not touched.

The p-value is the larger of two: by a model of the series' memory, and by how rare so small a one
is at earlier dates. With too few of those, it is the model's, and what seems clear then must
fit better than a straight line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.impact.groups import LARGEST, NO_VARIANCE, TOO_LARGE, size_of
from tidegauge.statistics.impact.placebos import Placebos, alpha_of, placebos_of
from tidegauge.statistics.impact.relative import Means, relative_change
from tidegauge.statistics.impact.result import Course, Impact
from tidegauge.statistics.impact.steps import Steps
from tidegauge.statistics.impact.windows import Level, Window, Windows, fit_line, fit_window

__all__ = ["LEAST_VALUES", "Change", "measure_change"]

#: On each side of a change; fewer say nothing.
LEAST_VALUES = 3

# A line through fewer steps says nothing of how series run.
_LEAST_FOR_LINE = 10


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A series and when it was changed.

    Attributes:
        values: The series; shape (n,), NaN where there is none.
        at: The step at which the change was made: the first after it, or, if `skipped`, the one in
            the midst of which it was.
        before: Most steps before it that count.
        after: Most steps after it that count.
        skipped: Steps from `at` on that count as neither.
        periods: Lengths of the seasons in steps, each a multiple of the one before.
        stride: Steps from one earlier date to the next.
        has_trend: Whether the series also follows a straight line.
        denominators: What values are divided by, side by side; shape (n,), or None.
        control: What the change has not touched; shape (n,), or None.
        control_denominators: What the control is divided by; shape (n,), or None.
        times_us: The time of each step; None if they are only numbered.
    """

    values: np.ndarray
    at: int
    before: int
    after: int
    skipped: int = 0
    periods: tuple[int, ...] = ()
    stride: int = 1
    has_trend: bool = False
    denominators: np.ndarray | None = None
    control: np.ndarray | None = None
    control_denominators: np.ndarray | None = None
    times_us: np.ndarray | None = None


def measure_change(change: Change, *, confidence: float = CONFIDENCE) -> Impact:
    """Tell what a change of a series has brought.

    Args:
        change: The series and the change.
        confidence: Probability that intervals cover the truth, 0 to 1, exclusive.

    Returns:
        An impact without a p-value, and with a reason, if there are too few values.
    """
    window = Window(
        before=min(change.before, change.at),
        after=min(change.after, max(len(change.values) - change.at - change.skipped, 0)),
        skipped=change.skipped,
        periods=change.periods,
        has_trend=change.has_trend,
    ).long_enough()
    start = change.at - window.before
    level = Level(
        change.values,
        change.denominators,
        change.control,
        change.control_denominators,
        is_scaled=_is_scaled(change),
    )
    own = level.windows(np.array([start]), window)
    counts = [int(np.isfinite(own.values[0, side]).sum()) for side in window.sides()]
    if min(counts) < LEAST_VALUES:
        reason = (
            f"there are {counts[0]} values before it and {counts[1]} after it, and "
            f"{LEAST_VALUES} on each side are needed"
        )
        return _unknown(change, reason, sum(counts), confidence)
    if size_of(own.values) > LARGEST:
        return _unknown(change, TOO_LARGE, sum(counts), confidence)
    variance = float(np.nanvar(own.values))
    least = max(1e-12 * variance, 1e-300)
    if variance <= NO_VARIANCE * max(size_of(own.values), size_of(_shown(change, own))) ** 2:
        reason = (
            "all values are the same"
            if change.control is None
            else "the values less those of the control are all the same"
        )
        return _unknown(change, reason, sum(counts), confidence)
    steps = fit_window(own, window, least=least)
    if steps is None:
        return _unknown(change, "there are too few values for the model", sum(counts), confidence)
    placebos = placebos_of(level, window, start, change.stride, least=least)
    # Earlier dates have the same line as the change's own; without them it has to be looked for.
    seems_clear = steps.p_values()[0] <= alpha_of(confidence)
    if seems_clear and placebos.level(alpha_of(confidence)) is None and not window.has_trend:
        steps, window = _beside_line(own, window, steps, least)
    return _told(change, window, own, steps, placebos, sum(counts), least, confidence)


def _told(
    change: Change,
    window: Window,
    own: Windows,
    steps: Steps,
    placebos: Placebos,
    n: int,
    least: float,
    confidence: float,
) -> Impact:
    alpha = alpha_of(confidence)
    needed = placebos.level(alpha)
    by_model = float(steps.p_values()[0])
    p_value = by_model if needed is None else max(by_model, placebos.p_value(by_model))
    strict = alpha if needed is None else min(alpha, needed)
    low, high = steps.interval(strict)
    method = "autoregressive model" + ("" if needed is None else " and placebo dates")
    n_effective = n * steps.worth()
    effect = float(steps.effects[0])
    middle = int(steps.middle[0])
    expected = float(steps.levels[0, middle] + own.shift[0])
    level_variance, change_variance, covariance = steps.variances[:, 0, middle].tolist()
    error = math.sqrt(change_variance)
    means = Means(
        expected,
        expected + effect,
        level_variance,
        level_variance + change_variance + 2 * covariance,
        level_variance + covariance,
    )
    values = _shown(change, own)
    relative = relative_change(
        means,
        ((effect - low) / error, (high - effect) / error),
        is_positive=bool(np.nanmin(values) >= 0),
        n=n_effective,
        confidence=confidence,
    )
    level_before = (
        expected if change.control is None else float(np.nanmean(values[: window.before]))
    )
    return Impact(
        design="one series" if change.control is None else "control series",
        before=level_before,
        expected=expected,
        after=expected + effect,
        difference=Estimate(effect, low, high, confidence, method, n_effective),
        relative=replace(relative, method=f"{relative.method}, {method}")
        if relative.value is not None
        else relative,
        p_value=p_value,
        n=n,
        n_effective=n_effective,
        placebos=placebos,
        trend_p_value=_trend_p_value(change, window, own, least),
        notes=tuple(_notes(change, window, placebos, needed)),
        course=_course(change, window, values, (level_before, expected, expected + effect)),
    )


def _beside_line(own: Windows, window: Window, steps: Steps, least: float) -> tuple[Steps, Window]:
    """The change, with a straight line in its window if that fits better than the change does."""
    line = fit_line(own, window, window.length, least=least)
    if line is None or line.evidence[0] <= steps.evidence[0]:
        return steps, window
    with_line = replace(window, has_trend=True)
    beside = fit_window(own, with_line, least=least)
    return (steps, window) if beside is None else (beside, with_line)


def _is_scaled(change: Change) -> bool:
    """Whether series run parallel as shares, as what is never below 0 does."""
    if change.control is None:
        return False
    both = [each[np.isfinite(each)] for each in (change.values, change.control)]
    return all(len(each) and each.min() >= 0 for each in both) and bool(both[1].any())


def _trend_p_value(change: Change, window: Window, own: Windows, least: float) -> float | None:
    """Whether the difference to the control went up or down before the change."""
    if change.control is None or np.isfinite(own.values[0, : window.before]).sum() < (
        _LEAST_FOR_LINE
    ):
        return None
    line = fit_line(own, window, window.before, least=least)
    return None if line is None else float(line.p_values()[0])


def _notes(change: Change, window: Window, placebos: Placebos, needed: float | None) -> list[str]:
    notes = []
    if needed is None:
        notes.append(
            f"There are only {len(placebos)} earlier dates with as much before and after them, too "
            "few to compare with: the p-value rests on the model of the series alone."
        )
    if window.has_trend and not change.has_trend:
        notes.append(
            "A straight line fits these values better than a change does: the change is what there "
            "is beside such a line, as with trend=True."
        )
    if change.periods and window.periods != change.periods:
        notes.append("There is too little to know the pattern of the week.")
    return notes


def _shown(change: Change, own: Windows) -> np.ndarray:
    """The values of the window as they were measured; with denominators, each ratio."""
    at = int(own.starts[0]) + np.arange(own.values.shape[1])
    values = change.values[at].astype(float)
    if change.denominators is not None:
        sizes = change.denominators[at]
        values = values / np.where(sizes == 0, np.nan, sizes)
    return np.asarray(values)


def _course(
    change: Change, window: Window, values: np.ndarray, levels: tuple[float, float, float]
) -> Course:
    start = change.at - window.before
    at = np.arange(start, start + window.length)
    is_after = at >= change.at + window.skipped
    before, expected, after = levels
    times = change.times_us
    return Course(
        axis="step" if times is None else "time",
        at=at if times is None else times[at],
        values=values,
        levels=np.where(is_after, after, before),
        expected=np.where(is_after, expected, before),
        change=change.at if times is None else int(times[change.at]),
    )


def _unknown(change: Change, reason: str, n: int, confidence: float) -> Impact:
    nothing = unknown(reason, n=n, confidence=confidence)
    return Impact(
        design="one series" if change.control is None else "control series",
        difference=nothing,
        relative=nothing,
        n=n,
        reason=reason,
    )
