# SPDX-License-Identifier: Apache-2.0
"""Cumulative sums of scores, which notice a small change that lasts (Page 1954)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.statistics.detection.passages import Signal, first_passage, reflected

__all__ = ["SLACK", "Cusum"]

#: What is taken from each score: half of the shift that is noticed soonest.
SLACK = 0.5


@dataclass(slots=True, eq=False)
class Cusum:
    """Sums of what scores exceed a slack by, upwards and downwards, of several series at once.

    There is an alarm when a sum exceeds its threshold. From then on the sum may not exceed the
    threshold, so that, however long a change lasted, its end is noticed as soon as its beginning:
    when the sum is back at 0.

    Not thread-safe.

    Attributes:
        thresholds: Of each series; shape (n_series,).
        slack: What is taken from each score.
        watches: Whether rises are watched, and whether falls are.
        levels: The sums; shape (2, n_series).
        is_alarmed: Whether there is an alarm that is not over; shape (2, n_series).
        ages: Steps since the sums were at 0; shape (2, n_series).
    """

    thresholds: np.ndarray
    slack: float
    watches: tuple[bool, bool]
    levels: np.ndarray
    is_alarmed: np.ndarray
    ages: np.ndarray

    @classmethod
    def begin(
        cls,
        thresholds: np.ndarray | float,
        *,
        slack: float = SLACK,
        rises: bool = True,
        falls: bool = True,
    ) -> Cusum:
        """Begin at 0.

        Args:
            thresholds: One, or one for each series; from `cusum_threshold`.
            slack: What is taken from each score.
            rises: Whether rises are watched.
            falls: Whether falls are.
        """
        limits = np.atleast_1d(np.asarray(thresholds, dtype=float))
        shape = (2, len(limits))
        nothing = np.zeros(shape, dtype=np.int64)
        return cls(
            limits, slack, (rises, falls), np.zeros(shape), np.zeros(shape, dtype=bool), nothing
        )

    def update(self, scores: np.ndarray) -> list[Signal]:
        """Look at new scores.

        Args:
            scores: Shape (n_series, n) or, of one series, (n,); the sum stands still at NaN.

        Returns:
            Alarms and ends of alarms, by series and step.
        """
        rows = np.atleast_2d(scores)
        signals = []
        for side, sign in enumerate((1.0, -1.0)):
            if self.watches[side]:
                increments = sign * rows
                increments -= self.slack
                np.nan_to_num(increments, copy=False, nan=0.0)
                signals += self._advance(side, increments)
        return sorted(signals, key=lambda each: (each.series, each.index, each.kind))

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {
            "thresholds": self.thresholds.tolist(),
            "slack": self.slack,
            "watches": list(self.watches),
            "levels": self.levels.tolist(),
            "is_alarmed": self.is_alarmed.tolist(),
            "ages": self.ages.tolist(),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Cusum:
        """The inverse of `as_dict`."""
        rises, falls = document["watches"]
        return cls(
            np.array(document["thresholds"], dtype=float),
            document["slack"],
            (rises, falls),
            np.array(document["levels"], dtype=float),
            np.array(document["is_alarmed"], dtype=bool),
            np.array(document["ages"], dtype=np.int64),
        )

    def _advance(self, side: int, increments: np.ndarray) -> list[Signal]:
        if not increments.shape[1]:
            return []
        levels, ages = self.levels[side].copy(), self.ages[side].copy()
        walk = reflected(increments, levels)
        eventful = self.is_alarmed[side] | (walk.max(axis=1) > self.thresholds)
        self.levels[side] = walk[:, -1]
        self.ages[side] = _steps_since_zero(walk, ages)
        return [
            signal
            for series in np.flatnonzero(eventful).tolist()
            for signal in self._follow(
                side, series, increments[series], float(levels[series]), int(ages[series])
            )
        ]

    def _follow(
        self, side: int, series: int, increments: np.ndarray, level: float, age: int
    ) -> list[Signal]:
        """One series, from passage to passage."""
        threshold = float(self.thresholds[series])
        is_alarmed = bool(self.is_alarmed[side, series])
        rises = side == 0
        signals: list[Signal] = []
        position, change = 0, -age
        while position < len(increments):
            if is_alarmed:
                # How far the sum is below the threshold is a walk as well.
                depth = threshold - level
                at, depth, _ = first_passage(increments, position, depth, threshold, sign=-1)
                level = max(threshold - depth, 0.0)
            else:
                at, level, zero = first_passage(increments, position, level, threshold)
                change = change if zero < 0 else zero + 1
            if at is None:
                break
            position = at + 1
            if is_alarmed:
                change = position
                signals.append(Signal(series, at, "over", rises, at))
            else:
                signals.append(Signal(series, at, "alarm", rises, change))
            is_alarmed = not is_alarmed
            level = threshold if is_alarmed else 0.0
        self.levels[side, series] = level
        self.is_alarmed[side, series] = is_alarmed
        self.ages[side, series] = len(increments) - change
        return signals


def _steps_since_zero(walk: np.ndarray, ages: np.ndarray) -> np.ndarray:
    is_zero = walk[:, ::-1] == 0
    since = is_zero.argmax(axis=1)
    has_been = is_zero[np.arange(len(since)), since]
    steps: np.ndarray = np.where(has_been, since, ages + walk.shape[1])
    return steps
