# SPDX-License-Identifier: Apache-2.0
"""The result of measuring a model: a dictionary of numbers that knows why some are missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tidegauge.statistics.measured import Measured

if TYPE_CHECKING:
    from tidegauge.statistics.quality.arrays import Label
    from tidegauge.statistics.quality.confusion import ConfusionCounts
    from tidegauge.statistics.quality.score_histogram import ScoreHistogram

__all__ = ["Metrics"]


class Metrics(Measured):
    """Metrics by name. What is undefined is None, never 0 and never NaN.

    Attributes:
        n: How many rows were measured.
        reasons: Why a metric is None, by its name.
        intervals: Each metric with its interval, by name; empty if none were asked for.
        per_class: Metrics of each class against the rest; empty for numbers.
        per_group: The same metrics of each group; empty if there are no groups.
        confusion: How often each class was taken for each; None for numbers and for several labels
            at once.
        scores: What became of the probabilities of the positive class, counted; None unless there
            are two classes.
        confidences: The same of the most likely class and of whether it was right; None unless
            there are more than two classes.
    """

    __slots__ = (
        "confidences",
        "confusion",
        "n",
        "per_class",
        "per_group",
        "scores",
    )

    def __init__(self, n: int = 0) -> None:
        super().__init__({})
        self.n = n
        self.per_class: dict[Label, Metrics] = {}
        self.per_group: dict[Label, Metrics] = {}
        self.confusion: ConfusionCounts | None = None
        self.scores: ScoreHistogram | None = None
        self.confidences: ScoreHistogram | None = None

    def put(self, name: str, value: float | None, reason: str = "") -> None:
        """Add a metric, or why there is none.

        Args:
            name: Its name.
            value: Its value; None, or NaN, if it is undefined.
            reason: Why it is, in that case.
        """
        if value is None or not math.isfinite(value):
            self[name] = None
            self.reasons[name] = reason or "it is too large to be told"
        else:
            self[name] = float(value)
            self.reasons.pop(name, None)

    def take(self, other: Metrics) -> None:
        """Add all metrics of another, with their reasons."""
        for name, value in other.items():
            self.put(name, value, other.reasons.get(name, ""))

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready to be written as JSON. Classes and groups become text."""
        return {
            "n": self.n,
            "metrics": dict(self),
            "reasons": self.reasons,
            "intervals": {name: each.as_dict() for name, each in self.intervals.items()},
            "per_class": {str(name): each.as_dict() for name, each in self.per_class.items()},
            "per_group": {str(name): each.as_dict() for name, each in self.per_group.items()},
            "confusion": self.confusion and self.confusion.as_dict(),
        }

    def summary(self) -> str:
        """A line for each metric: its value and interval, or why there is none."""
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {self._line(name)}" for name in self)

    def _line(self, name: str) -> str:
        value = self[name]
        if value is None:
            return f"-       ({self.reasons[name]})"
        estimate = self.intervals.get(name)
        if estimate is None or estimate.low is None or estimate.high is None:
            return f"{value:.4g}"
        return f"{value:.4g}  [{estimate.low:.4g}, {estimate.high:.4g}]"
