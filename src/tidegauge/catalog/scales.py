# SPDX-License-Identifier: Apache-2.0
"""Scales of satisfaction scores, and what a score of each is worth on one from 0 to 1."""

from __future__ import annotations

import math
from numbers import Integral

import msgspec

from tidegauge.catalog.validation import read_number
from tidegauge.model.errors import MetricValidationError

__all__ = ["SCALES", "Scale", "Scored", "read_score"]

# As far as 32 bits may take a score beyond the best of its scale.
_ROUNDING = 1e-6


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
        score: The score: any number that a metric's value may be, see
            `tidegauge.catalog.validation.check_value`. One that rounding took beyond the best of
            its scale is the best.
        scale: The name of its scale. If it is not given, a number above 1 is on 1-5; so is the
            whole number 1, while 1.0 is the best of 0-1.

    Raises:
        MetricValidationError: The scale does not exist, or the score is no number (reason
            `bad_value`), not finite (`not_finite`) or not on its scale (`out_of_range`).
    """
    if scale is not None and str(scale) not in SCALES:
        raise MetricValidationError(
            "there is no such scale of scores",
            reason="bad_value",
            got=scale,
            allowed=", ".join(SCALES),
            fix="Use one of them, or leave it out for a score of 0-1 or 1-5.",
        )
    value = read_number(score)
    if isinstance(value, str):
        raise _no_score(score, scale, value, "bad_value")
    if not math.isfinite(value):
        raise _no_score(score, scale, "is not finite", "not_finite")
    name = scale
    if name is None:
        is_stars = value > 1 + _ROUNDING or (value == 1 and _is_whole(score))
        name = "1-5" if is_stars else "0-1"
    found = SCALES[name]
    if found.best < value <= found.best * (1 + _ROUNDING):
        value = float(found.best)
    if not found.worst <= value <= found.best:
        raise _no_score(score, scale, "is not on its scale", "out_of_range")
    normalized = (value - found.worst) / (found.best - found.worst)
    return Scored(value, name, normalized, found.rating(value))


def _is_whole(score: object) -> bool:
    """Whether it is a whole number by its type, also one of NumPy's or PyTorch's."""
    item = getattr(score, "item", None)
    return isinstance(item() if callable(item) else score, Integral)


def _no_score(score: object, scale: str | None, problem: str, reason: str) -> MetricValidationError:
    chosen = SCALES.get(scale or "")
    return MetricValidationError(
        f"the score {problem}",
        reason=reason,
        got="None" if score is None else score,
        allowed="0 to 1, or 1 to 5" if chosen is None else f"{chosen.worst} to {chosen.best}",
        fix="Say which scale it is on, for example scale='0-10'."
        if chosen is None and reason == "out_of_range"
        else "Record the number that was given, and nothing where there was none.",
    )
