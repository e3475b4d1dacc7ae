# SPDX-License-Identifier: Apache-2.0
"""Exponentially weighted means of scores, which notice small changes and forget (Roberts 1959)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import signal as filters

from tidegauge.statistics.detection.passages import Signal

__all__ = ["WEIGHT", "Ewma"]

#: Weight of the newest score: about the last nine steps count.
WEIGHT = 0.2


@dataclass(slots=True, eq=False)
class Ewma:
    """Weighted means of the scores of several series at once.

    There is an alarm when a mean exceeds its threshold, and it is over when the mean is back at 0.

    Not thread-safe.

    Attributes:
        thresholds: Of each series, in deviations that the mean has in the long run; shape
            (n_series,).
        weight: Of the newest score, 0 to 1, exclusive.
        watches: Whether rises are watched, and whether falls are.
        levels: The means; shape (n_series,).
        is_alarmed: Whether there is an alarm that is not over; shape (2, n_series).
        ages: Steps since the means changed their sign; shape (n_series,).
    """

    thresholds: np.ndarray
    weight: float
    watches: tuple[bool, bool]
    levels: np.ndarray
    is_alarmed: np.ndarray
    ages: np.ndarray

    @classmethod
    def begin(
        cls,
        thresholds: np.ndarray | float,
        *,
        weight: float = WEIGHT,
        rises: bool = True,
        falls: bool = True,
    ) -> Ewma:
        """Begin at 0.

        Args:
            thresholds: One, or one for each series; from `ewma_threshold`.
            weight: Of the newest score.
            rises: Whether rises are watched.
            falls: Whether falls are.
        """
        limits = np.atleast_1d(np.asarray(thresholds, dtype=float))
        count = len(limits)
        return cls(
            limits,
            weight,
            (rises, falls),
            np.zeros(count),
            np.zeros((2, count), dtype=bool),
            np.zeros(count, dtype=np.int64),
        )

    def update(self, scores: np.ndarray) -> list[Signal]:
        """Look at new scores.

        Args:
            scores: Shape (n_series, n) or, of one series, (n,); the mean stands still at NaN.

        Returns:
            Alarms and ends of alarms, by series and step.
        """
        rows = np.atleast_2d(scores)
        if not rows.shape[1]:
            return []
        means = self._means(rows)
        limits = self.thresholds * math.sqrt(self.weight / (2 - self.weight))
        signals = []
        for side, sign in enumerate((1.0, -1.0)):
            if self.watches[side]:
                farthest = means.max(axis=1) if side == 0 else -means.min(axis=1)
                for series in np.flatnonzero((farthest > limits) | self.is_alarmed[side]).tolist():
                    signals += self._follow(
                        side, series, sign * means[series], float(limits[series])
                    )
        self.ages = _steps_since_turn(means, self.levels, self.ages)
        self.levels = means[:, -1].copy()
        return sorted(signals, key=lambda each: (each.series, each.index, each.kind))

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {
            "thresholds": self.thresholds.tolist(),
            "weight": self.weight,
            "watches": list(self.watches),
            "levels": self.levels.tolist(),
            "is_alarmed": self.is_alarmed.tolist(),
            "ages": self.ages.tolist(),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Ewma:
        """The inverse of `as_dict`."""
        rises, falls = document["watches"]
        return cls(
            np.array(document["thresholds"], dtype=float),
            document["weight"],
            (rises, falls),
            np.array(document["levels"], dtype=float),
            np.array(document["is_alarmed"], dtype=bool),
            np.array(document["ages"], dtype=np.int64),
        )

    def _means(self, rows: np.ndarray) -> np.ndarray:
        """The means after each step; shape (n_series, n)."""
        means = self._filtered(rows, self.levels)
        for series in np.flatnonzero(np.isnan(means[:, -1])).tolist():
            level = self.levels[series : series + 1]
            present = np.isfinite(rows[series])
            known = self._filtered(rows[series : series + 1, present], level)[0]
            means[series] = np.concatenate([level, known])[np.cumsum(present)]
        return means

    def _filtered(self, rows: np.ndarray, levels: np.ndarray) -> np.ndarray:
        kept = 1 - self.weight
        means: np.ndarray = filters.lfilter(
            [self.weight], [1.0, -kept], rows, axis=-1, zi=kept * levels[:, None]
        )[0]
        return means

    def _follow(self, side: int, series: int, means: np.ndarray, limit: float) -> list[Signal]:
        """One series and side, from crossing to crossing."""
        above, below = np.flatnonzero(means > limit), np.flatnonzero(means <= 0)
        is_alarmed, rises = bool(self.is_alarmed[side, series]), side == 0
        was_there = self.levels[series] > 0 if rises else self.levels[series] < 0
        age = int(self.ages[series]) if was_there else 0
        signals: list[Signal] = []
        position = 0
        while True:
            candidates = below if is_alarmed else above
            following = int(np.searchsorted(candidates, position))
            if following == len(candidates):
                break
            position = int(candidates[following])
            if is_alarmed:
                signals.append(Signal(series, position, "over", rises, position))
            else:
                earlier = int(np.searchsorted(below, position))
                change = int(below[earlier - 1]) + 1 if earlier else -age
                signals.append(Signal(series, position, "alarm", rises, change))
            is_alarmed = not is_alarmed
        self.is_alarmed[side, series] = is_alarmed
        return signals


def _steps_since_turn(means: np.ndarray, levels: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """For how many steps means have had the sign that they have."""
    signs = np.sign(means[:, -1])
    has_turned = np.sign(means[:, ::-1]) != signs[:, None]
    since = has_turned.argmax(axis=1)
    count = means.shape[1]
    throughout = np.where(np.sign(levels) == signs, ages + count, count)
    steps: np.ndarray = np.where(has_turned[np.arange(len(since)), since], since, throughout)
    return steps
