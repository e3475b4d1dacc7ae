# SPDX-License-Identifier: Apache-2.0
"""Where the level of a series has changed, looking back: for reports.

The only home of ruptures. Looking back finds changes more exactly than watching does, but promises
nothing of false alarms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.model.errors import MissingExtraError, QueryError
from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.timeseries.adjustment import (
    DAY_S,
    HOUR_S,
    adjusted,
    phases_of,
    season_of,
)
from tidegauge.statistics.timeseries.autoregression import fit_autoregression
from tidegauge.statistics.welch import student_quantile

__all__ = ["Segment", "SegmentedSeries", "segmented", "segmented_series"]

# What a change has to explain, in variances of the noise per logarithm of the length. Two is what
# Schwarz's criterion asks for a place and a level; the third is for noise that is not normal.
_PRICE = 3.0
_LEAST_LENGTH = 4
# Of the differences of neighbours; the others are changes, or outliers.
_KEPT = 0.98
# A season is taken out if it was seen in so many weeks, and makes neighbours differ by more.
_LEAST_WEEKS = 4
_WORTH_REMOVING = 0.9
# More memory than this cannot be told from levels that change.
_MOST_MEMORY = 0.7


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a series with one level.

    Attributes:
        start: The first value of it, counted from 0.
        end: The first value after it.
        level: Its mean, with an interval that knows of the memory of the series.
    """

    start: int
    end: int
    level: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedSeries:
    """A series with its segments.

    Attributes:
        name: Of the series.
        unit: Of the values; empty if there is none.
        step_s: Seconds of a step.
        times_us: Beginnings of the steps, microseconds since 1970; shape (n,).
        values: Shape (n,), NaN where there is none.
        segments: From the first to the last, each with its level.
    """

    name: str
    unit: str
    step_s: int
    times_us: np.ndarray
    values: np.ndarray
    segments: tuple[Segment, ...]

    @property
    def changes_us(self) -> list[int]:
        """When levels changed: beginnings of all segments but the first."""
        return [int(self.times_us[each.start]) for each in self.segments[1:]]

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        ends = [*self.changes_us, int(self.times_us[-1]) + self.step_s * 1_000_000]
        return {
            "name": self.name,
            "unit": self.unit,
            "step_s": self.step_s,
            "segments": [
                {
                    "start_us": int(self.times_us[each.start]),
                    "end_us": end_us,
                    "level": each.level.as_dict(),
                }
                for each, end_us in zip(self.segments, ends, strict=True)
            ],
        }


def segmented_series(
    times_us: np.ndarray, values: np.ndarray, step_s: int, *, name: str = "", unit: str = ""
) -> SegmentedSeries:
    """Cut a series with times, as `segmented` does; arguments as of `SegmentedSeries`.

    What the hour or day of the week does is taken out first, if it does something.
    """
    cut = segmented(_without_season(times_us, values, step_s))
    return SegmentedSeries(name, unit, step_s, times_us, values, tuple(cut))


def segmented(
    values: np.ndarray,
    *,
    least_length: int = _LEAST_LENGTH,
    price: float = _PRICE,
    confidence: float = CONFIDENCE,
) -> list[Segment]:
    """Cut a series where its level changes, by PELT (Killick, Fearnhead and Eckley 2012).

    Args:
        values: Shape (n,), NaN where there is none.
        least_length: Values that a segment has at least, 2 or more.
        price: How much a change has to explain, in variances of the noise per logarithm of the
            number of values, times what memory makes of the variance of means. Larger if only
            large changes are of interest.
        confidence: Of the intervals, 0 to 1, exclusive.

    Returns:
        One segment or more; none of no values.

    Raises:
        QueryError: An argument cannot be used.
        MissingExtraError: ruptures is not installed.
    """
    if least_length < 2 or not price > 0:
        raise QueryError(
            "a series cannot be cut so",
            got=(least_length, price),
            allowed="segments of 2 values or more, a price above 0",
        )
    present = np.flatnonzero(np.isfinite(values))
    if not len(present):
        return []
    known = values[present]
    ends = _ends(known, least_length, price)
    starts = [0, *ends[:-1]]
    left = np.concatenate([part - part.mean() for part in np.split(known, ends[:-1])])
    inflation = max(fit_autoregression(left).inflation, 1.0) if left.any() else 1.0
    # Gaps belong to the segment before.
    places = [int(present[start]) if start else 0 for start in starts]
    return [
        Segment(place, after, _level(known[start:end], left, inflation, confidence))
        for place, after, start, end in zip(
            places, [*places[1:], len(values)], starts, ends, strict=True
        )
    ]


def _without_season(times_us: np.ndarray, values: np.ndarray, step_s: int) -> np.ndarray:
    present = np.isfinite(values)
    if step_s not in (HOUR_S, DAY_S) or present.sum() < _LEAST_WEEKS * season_of(step_s):
        return values
    expected = adjusted(values, phases_of(times_us, step_s), has_trend=False).expected
    flat: np.ndarray = values - (expected - expected.mean())
    before, after = (_typical(np.diff(each[present])) for each in (values, flat))
    return flat if after < _WORTH_REMOVING * before else values


def _ends(known: np.ndarray, least_length: int, price: float) -> list[int]:
    n = len(known)
    noise = _lasting_noise(known)
    if n < 2 * least_length or noise == 0:
        return [n]
    # The linear kernel's cost is the sum of squares. Its PELT is in C, a thousand times as fast.
    search = _ruptures().KernelCPD(kernel="linear", min_size=least_length)
    scaled = ((known - known.mean()) / noise)[:, None]
    return [int(end) for end in search.fit(scaled).predict(pen=price * math.log(n))]


def _lasting_noise(known: np.ndarray) -> float:
    """The square root of how fast the variance of sums grows, where levels do not change.

    From differences of neighbours, to which a few changes of the level add little. For values that
    remember phi of those before, squares of differences over two steps are 1 + phi times those over
    one (Chakar, Lebarbier, Levy-Leduc and Robin 2017).
    """
    if len(known) < 3:
        return 0.0
    steps = known[1:] - known[:-1]
    once, twice = _typical(steps), _typical(known[2:] - known[:-2])
    phi = min(max(twice / once - 1, 0.0), _MOST_MEMORY) if once else 0.0
    noise = math.sqrt(_typical(steps) / 2)
    return noise * math.sqrt(1 + phi) / (1 - phi)


def _typical(steps: np.ndarray) -> float:
    """The mean square without the largest, which are changes of the level or outliers."""
    squares = np.sort(steps**2)
    return float(squares[: math.ceil(_KEPT * len(squares))].mean())


def _level(part: np.ndarray, left: np.ndarray, inflation: float, confidence: float) -> Estimate:
    n, mean = len(part), float(part.mean())
    freedom = len(left) - 1
    if freedom < 1:
        return unknown("one value has no level", n=n, confidence=confidence)
    quantile = student_quantile((1 + confidence) / 2, freedom)
    reach = quantile * float(left.std(ddof=1)) * math.sqrt(inflation / n)
    return Estimate(mean, mean - reach, mean + reach, confidence, "t, with memory", n / inflation)


def _ruptures() -> Any:
    try:
        import ruptures
    except ImportError as error:
        raise MissingExtraError("ruptures", extra="analysis") from error
    return ruptures
