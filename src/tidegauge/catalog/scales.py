# SPDX-License-Identifier: Apache-2.0
"""Scales of satisfaction scores, and what a score of each is worth on one from 0 to 1."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import cast

import msgspec

from tidegauge.model.errors import MetricValidationError

__all__ = ["SCALES", "Scale", "Scored", "read_score"]


class Scale(msgspec.Struct, frozen=True):
    """A scale of scores.

    Attributes:
        name: What it is called.
        worst: Its lower end.
        best: Its upper end.
        satisfied_from: The rating from which somebody counts as satisfied.
    """

    name: str
    worst: int
    best: int
    satisfied_from: int

    def rating(self, score: float) -> int:
        """The nearest whole number of the scale; of 0-1 the tenth, 0 to 9, that the score is in."""
        if self.best == 1:
            # A score such as 0.3 is a little less than three tenths.
            return min(9, math.floor(score * 10 + 1e-9))
        return math.floor(score + 0.5)


#: By name. On 1-5 the upper two count as satisfied, elsewhere what is above 0.7 of the scale.
SCALES = {
    scale.name: scale
    for scale in (Scale("0-1", 0, 1, 7), Scale("1-5", 1, 5, 4), Scale("0-10", 0, 10, 7))
}


class Scored(msgspec.Struct, frozen=True):
    """A score that was read.

    Attributes:
        score: As it was given.
        scale: The name of its scale.
        normalized: 0 for the worst of the scale, 1 for the best.
        rating: See `Scale.rating`.
    """

    score: float
    scale: str
    normalized: float
    rating: int


def read_score(score: object, scale: str | None = None) -> Scored:
    """Check a score and find out what it is worth.

    Args:
        score: The score.
        scale: The name of its scale. If it is not given, a number above 1 is on 1-5; so is the
            whole number 1, while 1.0 is the best of 0-1.

    Raises:
        MetricValidationError: The scale does not exist, or the score is not on it.
    """
    if scale is not None and scale not in SCALES:
        raise MetricValidationError(
            "there is no such scale", reason="bad_value", got=scale, allowed=", ".join(SCALES)
        )
    item = getattr(score, "item", None)
    number = item() if callable(item) else score
    if isinstance(number, bool) or not isinstance(number, Real):
        raise _off_scale(score, scale)
    value = float(cast(float, number))
    if scale is None:
        is_stars = value > 1 or (isinstance(number, Integral) and value == 1)
        scale = "1-5" if is_stars else "0-1"
    found = SCALES[scale]
    if not found.worst <= value <= found.best:  # nor does NaN
        raise _off_scale(score, scale)
    normalized = (value - found.worst) / (found.best - found.worst)
    return Scored(value, scale, normalized, found.rating(value))


def _off_scale(score: object, scale: str | None) -> MetricValidationError:
    return MetricValidationError(
        "the score is not on its scale",
        reason="out_of_range" if isinstance(score, int | float) else "bad_value",
        got=score,
        allowed="0 to 1, or 1 to 5" if scale is None else f"a number of the scale {scale}",
        fix="Say which scale it is on, for example scale='0-10'." if scale is None else "",
    )
