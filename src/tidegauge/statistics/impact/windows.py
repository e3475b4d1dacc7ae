# SPDX-License-Identifier: Apache-2.0
"""A change and the steps before and after it, at its own date and at every earlier one.

What is estimated at a date uses nothing but its window, so that all dates are treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tidegauge.statistics.impact.steps import Contrast, Steps, fit_steps
from tidegauge.statistics.timeseries.adjustment import effects_of

__all__ = ["Level", "Window", "Windows", "fit_line", "fit_window", "fit_windows"]

# A season is only known where a window has it so often.
_SEASONS = 4

# An earlier date needs so much of what the change's own window has on each side.
_SHARE = 2 / 3

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Window:
    """What belongs to a change, in steps.

    Attributes:
        before: Steps before the change.
        after: Steps after it.
        skipped: Steps between the two that belong to neither.
        periods: Lengths of the seasons: 7 for days; 24, and 168 for hours of several weeks. Each is
            a multiple of the one before it.
        has_trend: Whether a straight line runs through all of it.
    """

    before: int
    after: int
    skipped: int = 0
    periods: tuple[int, ...] = ()
    has_trend: bool = False

    @property
    def length(self) -> int:
        """Steps from its first to its last."""
        return self.before + self.skipped + self.after

    def sides(self) -> tuple[slice, slice]:
        """Where in a window the steps before and after are."""
        return slice(0, self.before), slice(self.before + self.skipped, self.length)

    def long_enough(self) -> Window:
        """The same without the seasons that it is too short for."""
        fitting = tuple(period for period in self.periods if self.length >= _SEASONS * period)
        return replace(self, periods=fitting)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """What a window is made of: the values, or the values beside those of something else.

    Attributes:
        values: The series; shape (n,), NaN where there is none.
        denominators: What they are divided by, as sums over all steps of a side; None if nothing.
        control: A series that the change has not touched; None if there is none.
        control_denominators: What the control is divided by, in the same way; None if nothing.
        is_scaled: Whether the control is scaled to the series' level before the change.
    """

    values: np.ndarray
    denominators: np.ndarray | None = None
    control: np.ndarray | None = None
    control_denominators: np.ndarray | None = None
    is_scaled: bool = False

    def windows(self, starts: np.ndarray, window: Window) -> Windows:
        """The windows that begin at steps; all of each is inside of the series."""
        at = starts[:, None] + np.arange(window.length)
        values = self.values[at].astype(float)
        before, after = window.sides()
        values[:, window.before : after.start] = np.nan
        shift = np.zeros(len(starts))
        if self.denominators is not None:
            for side in (before, after):
                values[:, side] = _ratios(values[:, side], self.denominators[at][:, side])
        if self.control is not None:
            control = np.where(np.isfinite(values), self.control[at], np.nan)
            if self.control_denominators is not None:
                for side in (before, after):
                    sizes = self.control_denominators[at][:, side]
                    control[:, side] = _ratios(control[:, side], sizes)
            values = np.where(np.isfinite(control), values, np.nan)
            if self.is_scaled:
                scale = _mean(values[:, before]) / _not_zero(_mean(control[:, before]))
                control = control * scale[:, None]
            values = values - control
            shift = _mean(control[:, after])
        return Windows(starts, values, shift)


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Several windows of one shape.

    Attributes:
        starts: The step at which each begins; shape (m,).
        values: Values of each; shape (m, length), NaN where there is none.
        shift: What was taken off the values after the change, on average; shape (m,).
    """

    starts: np.ndarray
    values: np.ndarray
    shift: np.ndarray

    def at(self, rows: np.ndarray) -> Windows:
        """Some of them."""
        return Windows(self.starts[rows], self.values[rows], self.shift[rows])


def fit_window(windows: Windows, window: Window, *, least: float) -> Steps | None:
    """The change in a single window; None if it has too few values for the design."""
    present = np.isfinite(windows.values[0])
    made = _design(window, int(windows.starts[0]), present)
    if made is None:
        return None
    design, contrast = made
    at = np.flatnonzero(present)
    return fit_steps(windows.values[:, at], design, contrast, at, least=least)


def fit_windows(
    windows: Windows, like: Windows, window: Window, *, least: float
) -> Iterator[tuple[np.ndarray, Steps]]:
    """The changes in many windows, group by group: which windows, and their fits.

    Windows with the same gaps share a design: which day of the week one begins with only changes
    the order of its columns. Those with much less than the window `like` are left out.
    """
    present = np.isfinite(windows.values)
    enough = np.ones(len(present), dtype=bool)
    for side in window.sides():
        own = np.isfinite(like.values[0, side]).sum()
        enough &= present[:, side].sum(axis=1) >= max(_SHARE * own, 3)
    rows = np.flatnonzero(enough)
    if not len(rows):
        return
    _, group = np.unique(present[rows], axis=0, return_inverse=True)
    for each in range(group.max() + 1):
        chosen = rows[group.ravel() == each]
        at = np.flatnonzero(present[chosen[0]])
        made = _design(window, int(windows.starts[chosen[0]]), present[chosen[0]])
        if made is not None:
            values = windows.values[chosen][:, at]
            yield chosen, fit_steps(values, *made, at, least=least)


def fit_line(windows: Windows, window: Window, length: int, *, least: float) -> Steps | None:
    """The straight line through the first steps of a single window, as a change per half of them.

    None if there are too few values.
    """
    present = np.isfinite(windows.values[0])
    present[length:] = False
    at = np.flatnonzero(present)
    columns = [np.ones(len(at)), 2 * at / length - 1]
    columns += _seasons(window, int(windows.starts[0]) + at)
    made = _checked(np.column_stack(columns))
    if made is None:
        return None
    return fit_steps(windows.values[:, at], *made, at, least=least)


def _design(window: Window, start: int, present: np.ndarray) -> tuple[np.ndarray, Contrast] | None:
    """Columns for the level, the change, the seasons and the line, of the steps with a value."""
    at = np.flatnonzero(present)
    is_after = (at >= window.sides()[1].start).astype(float)
    columns = [np.ones(len(at)), is_after, *_seasons(window, start + at)]
    if window.has_trend:
        columns.append(2 * at / window.length - 1)
    made = _checked(np.column_stack(columns))
    if made is not None and window.has_trend:
        made[1].level[-1] = columns[-1][is_after > 0].mean()
    return made


def _seasons(window: Window, steps: np.ndarray) -> list[np.ndarray]:
    """Columns that tell the phases of each season apart."""
    columns: list[np.ndarray] = []
    shorter = 1
    for period in window.periods:
        phases = steps // shorter % (period // shorter)
        columns.extend(effects_of(phases, np.unique(phases)).T)
        shorter = period
    return columns


def _checked(design: np.ndarray) -> tuple[np.ndarray, Contrast] | None:
    """A design with its first two coefficients as level and change; None if it tells too little."""
    count, parameters = design.shape
    if count < parameters + 2:
        return None
    diagonal = np.abs(np.diagonal(np.linalg.qr(design, mode="r")))
    if diagonal.min() < _TINY * diagonal.max():
        return None
    level, change = np.eye(2, parameters)
    return design, Contrast(level, change)


def _ratios(values: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Numbers whose mean is the ratio of sums, and whose spread is that of it (delta method)."""
    denominators = np.where(np.isfinite(values), denominators, np.nan)
    values = np.where(np.isfinite(denominators), values, np.nan)
    size = _not_zero(_mean(denominators))[:, None]
    ratio = _mean(values)[:, None] / size
    return np.asarray(ratio + (values - ratio * denominators) / size)


def _mean(values: np.ndarray) -> np.ndarray:
    """Means of rows with gaps; NaN of a row with nothing."""
    count = np.isfinite(values).sum(axis=1)
    return np.asarray(np.nansum(values, axis=1) / np.where(count, count, np.nan))


def _not_zero(values: np.ndarray) -> np.ndarray:
    return np.where(values == 0, np.nan, values)
