# SPDX-License-Identifier: Apache-2.0
"""From a series to independent normal scores: what is left of it that nothing lets expect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidegauge.statistics.detection.baseline import (
    Baseline,
    Season,
    fit_baseline,
    never_seen,
    week_phases,
)
from tidegauge.statistics.detection.run_length import Uncertainty
from tidegauge.statistics.detection.tails import Tails, fit_tails
from tidegauge.statistics.timeseries.autoregression import Autoregression, fit_autoregression

__all__ = ["LEAST_HISTORY", "Scoring", "fit_scoring"]

#: Fewer values say too little of what chance does.
LEAST_HISTORY = 28

# Differences beyond count as these when they are the past. Of an outlier that is gone with the next
# step no more is to be expected; of one that fades away, all.
_REACHES = (4.0, 1e9)
_MAX_ORDER = 5
# Of the values of history; if fewer have a past that is long enough, less of the past is looked at.
_ENOUGH = 0.8
# Values that are used up by what is estimated; with this, theory and simulations agree.
_SPENT = 20


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """What is known of a series without a change.

    Attributes:
        baseline: What is usual at which time.
        memory: How what differs from that follows its own past.
        reach: Differences of the past that are larger count as this.
        tails: How unlikely what is left is.
        n: From how many values of history this was found.
        closed: Days or hours of the week at which there never is a value; the one before Monday is
            Friday then. As of `never_seen`.
    """

    baseline: Baseline
    memory: Autoregression
    reach: float
    tails: Tails
    n: int
    closed: frozenset[int] = frozenset()

    @property
    def uncertainty(self) -> Uncertainty:
        """How well it is known what scores are without a change."""
        return uncertainty_of(self.memory, self.n)

    def scores(
        self, times_us: np.ndarray, values: np.ndarray, past: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of new values.

        Args:
            times_us: Beginnings of the steps, without holes; shape (n,).
            values: Shape (n,), NaN where there is none.
            past: The last differences from the baseline before, the newest last; shape (order,).

        Returns:
            Scores, shape (n,), NaN where there is no value or no past; how far values are from the
            baseline, in its scale, shape (n,); and what will be `past` next time.
        """
        z = self.baseline.z(times_us, values)
        counts = ~(np.isnan(z) & self.is_closed(times_us))
        together = np.concatenate([past, z[counts]])
        order = self.memory.order
        left = np.full(len(z), np.nan)
        left[counts] = _unexplained(together, self.memory, self.reach)[len(past) :]
        return self.tails.scores(left), z, together[len(together) - order :]

    def is_closed(self, times_us: np.ndarray) -> np.ndarray:
        """Whether there never is a value at these times; shape (n,)."""
        return _is_closed(times_us, self.baseline.step_s, self.closed)

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {
            "baseline": self.baseline.as_dict(),
            "memory": {
                "mean": self.memory.mean,
                "coefficients": self.memory.coefficients.tolist(),
                "variance": self.memory.variance,
            },
            "reach": self.reach,
            "tails": self.tails.as_dict(),
            "n": self.n,
            "closed": sorted(self.closed),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Scoring:
        """The inverse of `as_dict`."""
        memory = document["memory"]
        return cls(
            Baseline.from_dict(document["baseline"]),
            Autoregression(
                memory["mean"], np.array(memory["coefficients"], dtype=float), memory["variance"]
            ),
            document["reach"],
            Tails(**document["tails"]),
            document["n"],
            frozenset(document.get("closed", ())),
        )


def fit_scoring(
    times_us: np.ndarray,
    values: np.ndarray,
    step_s: int,
    *,
    season: Season | None = None,
    scale_floor: float | None = None,
) -> Scoring | str:
    """Learn from a history.

    Args:
        times_us: Beginnings of the steps, without holes, microseconds since 1970; shape (n,).
        values: Shape (n,), NaN where there is none.
        step_s: Seconds of a step.
        season: As for `fit_baseline`.
        scale_floor: As for `fit_baseline`.

    Returns:
        Or why nothing can be learned.
    """
    count = int(np.isfinite(values).sum())
    if count < LEAST_HISTORY:
        return f"{count} values of history; {LEAST_HISTORY} are needed"
    fitted = fit_baseline(times_us, values, step_s, season=season, scale_floor=scale_floor)
    if fitted.baseline.reason is not None:
        return fitted.baseline.reason
    closed = never_seen(times_us, values, step_s)
    z = fitted.z[~(np.isnan(fitted.z) & _is_closed(times_us, step_s, closed))]
    ordinary = np.clip(z, -_REACHES[0], _REACHES[0])
    memory, scored = _fitting_memory(ordinary, min(_MAX_ORDER, count // 10))
    if scored < LEAST_HISTORY // 2:
        return "too many gaps in the history"
    baseline = fitted.baseline
    if scored < _ENOUGH * count:
        lost = f"{count - scored} of {count} values of history follow a gap and tell nothing"
        baseline = replace(baseline, note="; ".join(filter(None, [baseline.note, lost])))
    unexplained = {reach: _unexplained(z, memory, reach) for reach in _REACHES}
    reach = min(_REACHES, key=lambda each: np.nanmean(np.abs(unexplained[each])))
    tails = fit_tails(unexplained[reach], _unexplained_share(ordinary, memory))
    return Scoring(baseline, memory, reach, tails, count, closed)


def uncertainty_of(memory: Autoregression, n: int) -> Uncertainty:
    """How far from 0 and 1 the mean and deviation of new scores are, by theory.

    Args:
        memory: As it was estimated.
        n: From how many values.
    """
    total = max(float(memory.coefficients.sum()), 0.0)
    worth = max(n - _SPENT, 1)
    return Uncertainty(
        level=worth**-0.5,
        # Memory is estimated too short, by (1 + 3 phi) / n (Kendall 1954).
        growth=(memory.order + (1 + 3 * total) / (1 - total)) / worth,
        spread=((0.5 + (1 + total) / (1 - total)) / worth) ** 0.5,
    )


def _fitting_memory(z: np.ndarray, most: int) -> tuple[Autoregression, int]:
    """What follows its own past, so far back that gaps leave most values one; and how many."""
    count = int(np.isfinite(z).sum())
    for longest in range(most, -1, -1):
        memory = fit_autoregression(z, longest)
        scored = int(np.isfinite(_unexplained(z, memory, _REACHES[0])).sum())
        # Of one step there is no less but none, which would be wrong of what has memory.
        if scored >= _ENOUGH * count or longest <= 1:
            break
    return memory, scored


def _is_closed(times_us: np.ndarray, step_s: int, closed: frozenset[int]) -> np.ndarray:
    if not closed:
        return np.zeros(len(times_us), dtype=bool)
    return np.isin(week_phases(times_us, step_s), sorted(closed))


def _unexplained_share(z: np.ndarray, memory: Autoregression) -> float:
    """Of a deviation of values, what is left of it when the past is known."""
    variance = float(np.nanvar(z))
    return float(np.sqrt(memory.variance / variance)) if variance else 1.0


def _unexplained(z: np.ndarray, memory: Autoregression, reach: float) -> np.ndarray:
    """What the past does not tell; shape (n,), NaN for the first values and after gaps."""
    past = np.clip(z, -reach, reach) - memory.mean
    left: np.ndarray = z - memory.mean
    for lag, coefficient in enumerate(memory.coefficients, 1):
        left[lag:] -= coefficient * past[:-lag]
        left[:lag] = np.nan
    return left
