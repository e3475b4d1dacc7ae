# SPDX-License-Identifier: Apache-2.0
"""What values of a series are usually like, at each hour or day of the week.

Medians and median deviations, so that an incident in the history does not become what is expected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.timeseries.adjustment import DAY_S, HOUR_S, phases_of

__all__ = [
    "CYCLES",
    "SEASONS",
    "Baseline",
    "Fitted",
    "Season",
    "fit_baseline",
    "never_seen",
    "week_phases",
]

Season = Literal["hour_of_week", "day_of_week", "hour_of_day", "none"]

#: What values may be compared within, the finest first.
SEASONS: tuple[Season, ...] = ("hour_of_week", "day_of_week", "hour_of_day", "none")

#: How many weeks, or days, a season must have been seen.
CYCLES = 4

# Of a normal distribution, the median distance from the middle is the deviation divided by this,
# and the mean distance is that divided by the other.
_PER_MEDIAN = 1 / 0.6745
_PER_MEAN = math.sqrt(math.pi / 2)
# A phase's own spread weighs as much as that of all phases when it has so many values.
_OWN_SPREAD = 100
# Fewer values of a phase do not say what is usual then.
_LEAST = 3
_LEAST_SHARE = 0.9
# Of the usual size of values: what differs less does not differ, it was rounded.
_FLOOR = 1e-6
# Squares of larger numbers are none.
_LARGEST = 1e150
# So many usual differences are told of what is farther.
_FARTHEST = 1e12
# Errors that differ by less than this factor are the same.
_AS_GOOD = 1.01


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What is expected of each phase of a season.

    Attributes:
        season: One of `SEASONS`.
        step_s: Seconds between values.
        centres: The usual value of each phase; shape (n_phases,), NaN where it is not known.
        scales: What a standard deviation would be if values were normal; shape (n_phases,).
        n: How many values of history there were.
        note: Why the season is not the finest that there could be; empty if it is.
        reason: Why nothing can be expected; None if it can.
    """

    season: Season
    step_s: int
    centres: np.ndarray
    scales: np.ndarray
    n: int
    note: str = ""
    reason: str | None = None

    def expected(self, times_us: np.ndarray) -> np.ndarray:
        """The usual value of each time; shape (n,), NaN where it is not known."""
        usual: np.ndarray = self.centres[_phases(times_us, self.season)]
        return usual

    def spread(self, times_us: np.ndarray) -> np.ndarray:
        """By how much values of each time usually differ from that; shape (n,)."""
        spread: np.ndarray = self.scales[_phases(times_us, self.season)]
        return spread

    def z(self, times_us: np.ndarray, values: np.ndarray) -> np.ndarray:
        """How far values are from what is usual, in usual differences; shape (n,).

        Args:
            times_us: Beginnings of the steps, microseconds since 1970, UTC; shape (n,).
            values: Shape (n,), NaN where there is none.

        Returns:
            -1e12 to 1e12; NaN where there is no value, or nothing is known.
        """
        phases = _phases(times_us, self.season)
        known = np.where(np.isfinite(values), values, np.nan)
        with np.errstate(over="ignore"):
            z: np.ndarray = (known - self.centres[phases]) / self.scales[phases]
        np.clip(z, -_FARTHEST, _FARTHEST, out=z)
        return z

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {
            "season": self.season,
            "step_s": self.step_s,
            "centres": [None if math.isnan(each) else each for each in self.centres.tolist()],
            "scales": [None if math.isnan(each) else each for each in self.scales.tolist()],
            "n": self.n,
            "note": self.note,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Baseline:
        """The inverse of `as_dict`."""
        arrays = {name: np.array(document[name], dtype=float) for name in ("centres", "scales")}
        return cls(**{**document, **arrays})


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A baseline and what its own history looks like to it.

    Attributes:
        baseline: The baseline.
        z: How far each value of the history is from what the others would have let expect; shape
            (n,).
    """

    baseline: Baseline
    z: np.ndarray


def fit_baseline(
    times_us: np.ndarray,
    values: np.ndarray,
    step_s: int,
    *,
    season: Season | None = None,
    scale_floor: float | None = None,
) -> Fitted:
    """Find what is usual from a history.

    Each value is judged by the others of its phase, as a new one will be. The spread of a phase is
    drawn towards that of all, the more the fewer values it has.

    Args:
        times_us: Beginnings of the steps, microseconds since 1970, UTC; shape (n,).
        values: Shape (n,), NaN where there is none.
        step_s: Seconds between them.
        season: Take this one; if None, the one in which values differ least from what the others
            let expect, among those that were seen `CYCLES` times.
        scale_floor: Least scale, in the unit of the values, also of what does not vary. If None,
            a millionth of the usual size, and what never differs by more is not judged.

    Raises:
        QueryError: There is no such season, or the floor is not above 0.
    """
    _check(season, step_s, scale_floor)
    present = np.isfinite(values)
    count = int(present.sum())
    if count < 2 * CYCLES:
        return _unusable(step_s, values, f"{count} values of history; {2 * CYCLES} are needed")
    sizes = np.abs(values[present])
    if sizes.max() > _LARGEST:
        return _unusable(step_s, values, f"values beyond {_LARGEST:g} cannot be compared")
    floor = _FLOOR * float(np.median(sizes)) if scale_floor is None else scale_floor
    chosen, centres, left, note = _best(times_us, values, step_s, season)
    if not np.isfinite(left).any():
        return _unusable(step_s, values, f"too few values for the {_words(chosen)}")
    if scale_floor is None and np.nanmax(np.abs(left)) <= floor:
        within = "" if chosen == "none" else f", apart from the {_words(chosen)}"
        return _unusable(step_s, values, f"the history does not vary{within}")
    scales = _scales(chosen, times_us, left, floor)
    baseline = Baseline(chosen, step_s, centres, scales, count, note)
    return Fitted(baseline, left / scales[_phases(times_us, chosen)])


def never_seen(times_us: np.ndarray, values: np.ndarray, step_s: int) -> frozenset[int]:
    """Hours or days of the week, counted from Monday's first, at which there is never a value.

    Args:
        times_us: Beginnings of the steps, microseconds since 1970, UTC; shape (n,).
        values: Shape (n,), NaN where there is none.
        step_s: Seconds between them; none if a week is not made of whole hours of it.

    Returns:
        None of less than `CYCLES` weeks.
    """
    span_s = (int(times_us[-1]) - int(times_us[0])) / 1e6 + step_s
    if span_s < CYCLES * 7 * DAY_S or not (step_s <= HOUR_S or step_s == DAY_S):
        return frozenset()
    phases = week_phases(times_us, step_s)
    return frozenset(phases.tolist()) - frozenset(phases[np.isfinite(values)].tolist())


def week_phases(times_us: np.ndarray, step_s: int) -> np.ndarray:
    """The day of the week of daily steps, and else the hour of the week; shape (n,)."""
    return _phases(times_us, "day_of_week" if step_s == DAY_S else "hour_of_week")


def _best(
    times_us: np.ndarray, values: np.ndarray, step_s: int, season: Season | None
) -> tuple[Season, np.ndarray, np.ndarray, str]:
    """The season that lets expect most, its centres, what is left of the values, and a note."""
    if season is not None:
        centres, left, _ = _centres(season, times_us, values, step_s)
        return season, centres, left, ""
    notes = []
    found = []
    for each in SEASONS:
        if _suits(each, step_s):
            centres, left, shortage = _centres(each, times_us, values, step_s)
            if shortage:
                notes.append(shortage)
            else:
                found.append((float(np.nanmean(np.abs(left))), each, centres, left))
    least = min(error for error, *_ in found)
    # A coarser season that does nearly as well has more values for each of its phases.
    number = max(n for n, (error, *_) in enumerate(found) if error <= _AS_GOOD * least)
    notes += [f"the {_words(each)} tells no more" for _, each, *_ in found[:number]]
    _, chosen, centres, left = found[number]
    return chosen, centres, left, "; ".join(notes)


def _suits(season: Season, step_s: int) -> bool:
    """Whether a season divides days or weeks of such steps."""
    return {
        "hour_of_week": step_s <= HOUR_S,
        "day_of_week": step_s == DAY_S,
        "hour_of_day": step_s <= HOUR_S,
        "none": True,
    }[season]


def _phases(times_us: np.ndarray, season: Season) -> np.ndarray:
    if season == "none":
        return np.zeros(len(times_us), dtype=np.int64)
    if season == "day_of_week":
        return phases_of(times_us, DAY_S)
    hours = phases_of(times_us, HOUR_S)
    return hours if season == "hour_of_week" else hours % 24


def _count(season: Season) -> int:
    return {"hour_of_week": 168, "day_of_week": 7, "hour_of_day": 24, "none": 1}[season]


def _words(season: Season) -> str:
    return season.replace("_", " ")


def _centres(
    season: Season, times_us: np.ndarray, values: np.ndarray, step_s: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Medians by phase, values less the median of the others of theirs, and what is wanting."""
    phases = _phases(times_us, season)
    present = np.flatnonzero(np.isfinite(values))
    order = present[np.lexsort((values[present], phases[present]))]
    counts = np.bincount(phases[order], minlength=_count(season))
    # A row per phase, its values ascending.
    rows = np.full((len(counts), max(int(counts.max()), 1)), np.nan)
    ranks = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows[phases[order], ranks] = values[order]
    centres = np.full(len(counts), np.nan)
    known = counts >= _LEAST
    centres[known] = np.nanmedian(rows[known], axis=1)
    left = np.full(len(values), np.nan)
    judged = known[phases[order]]
    others = _median_of_others(rows, phases[order], ranks, counts[phases[order]])
    left[order[judged]] = (values[order] - others)[judged]
    span_s = (int(times_us[present[-1]]) - int(times_us[present[0]])) / 1e6 + step_s
    return centres, left, _shortage(season, span_s, counts, known)


def _median_of_others(
    rows: np.ndarray, phases: np.ndarray, ranks: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """For each value, the median of its phase without it; shape (n,)."""

    def other(index: np.ndarray) -> np.ndarray:
        index = np.clip(index, 0, np.maximum(counts - 2, 0))
        found: np.ndarray = rows[phases, index + (index >= ranks)]
        return found

    single = counts < 2
    rows = np.hstack([rows, np.full((len(rows), 1), np.nan)])
    middle: np.ndarray = (other((counts - 2) // 2) + other((counts - 1) // 2)) / 2
    middle[single] = np.nan
    return middle


def _shortage(season: Season, span_s: float, counts: np.ndarray, known: np.ndarray) -> str:
    """Why a history is too short for a season; empty if it is not."""
    if season == "none":
        return ""
    period_s, unit = (DAY_S, "days") if season == "hour_of_day" else (7 * DAY_S, "weeks")
    if span_s < CYCLES * period_s:
        periods = span_s / period_s
        return f"{periods:.1f} {unit} of history; the {_words(season)} needs {CYCLES}"
    if counts[known].sum() < _LEAST_SHARE * counts.sum():
        return f"too many gaps for the {_words(season)}"
    return ""


def _scales(season: Season, times_us: np.ndarray, left: np.ndarray, floor: float) -> np.ndarray:
    present = np.isfinite(left)
    sizes = np.abs(left[present])
    phases = _phases(times_us[present], season)
    pooled = _PER_MEDIAN * float(np.median(sizes)) or _PER_MEAN * float(sizes.mean())
    counts = np.bincount(phases, minlength=_count(season))
    medians = np.zeros(len(counts))
    for phase in np.flatnonzero(counts):
        medians[phase] = _PER_MEDIAN * np.median(sizes[phases == phase])
    weights = counts / (counts + _OWN_SPREAD)
    scales: np.ndarray = np.sqrt(weights * medians**2 + (1 - weights) * pooled**2)
    np.maximum(scales, floor, out=scales)
    return scales


def _check(season: str | None, step_s: int, scale_floor: float | None) -> None:
    suiting = [each for each in SEASONS if _suits(each, step_s)]
    if season is not None and season not in suiting:
        raise QueryError("there is no such season", got=season, allowed=", ".join(suiting))
    if scale_floor is not None and not 0 < scale_floor < math.inf:
        raise QueryError("this is no least scale", got=scale_floor, allowed="above 0")


def _unusable(step_s: int, values: np.ndarray, reason: str) -> Fitted:
    nothing = np.full(1, np.nan)
    count = int(np.isfinite(values).sum())
    baseline = Baseline("none", step_s, nothing, nothing, count, reason=reason)
    return Fitted(baseline, np.full(len(values), np.nan))
