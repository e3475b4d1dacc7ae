# SPDX-License-Identifier: Apache-2.0
"""How unlikely a value is, when large values are commoner than normal ones.

Values are turned into normal scores by a distribution of Student's on each side of the median, so
that a chart's thresholds hold for what is skewed or has heavy tails as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

__all__ = ["Tails", "fit_tails"]

# Degrees of freedom that are tried; with the last, tails are as good as normal.
_FREEDOMS = (2.5, 3.0, 4.0, 6.0, 10.0, 20.0, 1e6)
_ROUNDS = 30
# Scores beyond are told as this: floats have no smaller probability.
_LARGEST_SCORE = 37.0
# Neither side is narrower than so much of what is usual, nor scores than so much of normal ones:
# else the least difference would be unlikely where hardly anything differs.
_NARROWEST = 0.25
_LEAST_DEVIATION = 0.5


@dataclass(frozen=True, slots=True)
class Tails:
    """What unlikely means on both sides of the median.

    Attributes:
        median: Half of the values are below.
        low_scale: Scale of the values below.
        low_freedom: Degrees of freedom below; small if tails are heavy.
        high_scale: Scale of the values above.
        high_freedom: Degrees of freedom above.
        mean: Of the scores of the history, which is taken off.
        deviation: Of the scores of the history, by which they are divided.
    """

    median: float
    low_scale: float
    low_freedom: float
    high_scale: float
    high_freedom: float
    mean: float = 0.0
    deviation: float = 1.0

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Normal scores: as unlikely as the values are; shape (n,)."""
        distances = values - self.median
        low = distances < 0
        scores = np.where(
            low,
            -_scores(-distances / self.low_scale, self.low_freedom),
            _scores(distances / self.high_scale, self.high_freedom),
        )
        return np.clip((scores - self.mean) / self.deviation, -_LARGEST_SCORE, _LARGEST_SCORE)

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def fit_tails(values: np.ndarray, usual: float = 1.0) -> Tails:
    """The tails of a history, by greatest likelihood.

    Args:
        values: Shape (n,), NaN where there is none.
        usual: By how much values usually differ. What differs far less is no news, and so far as
            no value was on one side of the median it is what is expected of that side.
    """
    values = values[np.isfinite(values)]
    median = float(np.median(values))
    low_scale, low_freedom = _half(median - values[values < median], usual)
    high_scale, high_freedom = _half(values[values > median] - median, usual)
    plain = Tails(median, low_scale, low_freedom, high_scale, high_freedom)
    scores = plain.scores(values)
    return Tails(
        median,
        low_scale,
        low_freedom,
        high_scale,
        high_freedom,
        float(scores.mean()),
        max(float(scores.std(ddof=1)), _LEAST_DEVIATION),
    )


def _half(distances: np.ndarray, usual: float) -> tuple[float, float]:
    """Scale and degrees of freedom of one side."""
    if not len(distances):
        return usual, _FREEDOMS[-1]
    # In units of the farthest: squares of tiny numbers are 0.
    unit = float(distances.max())
    scale, freedom = _likeliest(distances / unit)
    return max(scale * unit, _NARROWEST * usual), freedom


def _likeliest(distances: np.ndarray) -> tuple[float, float]:
    best, found = -np.inf, (1.0, _FREEDOMS[-1])
    squares = distances**2
    for freedom in reversed(_FREEDOMS):
        square = float(squares.mean())
        for _ in range(_ROUNDS):
            # Expectation and maximisation: what lies far out weighs less.
            square = float((squares * (freedom + 1) / (freedom + squares / square)).mean())
        likelihood = float(
            len(distances)
            * (
                special.gammaln((freedom + 1) / 2)
                - special.gammaln(freedom / 2)
                - 0.5 * np.log(freedom * square)
            )
            - (freedom + 1) / 2 * np.log1p(squares / (freedom * square)).sum()
        )
        if likelihood > best:
            best, found = likelihood, (square**0.5, freedom)
    return found


def _scores(distances: np.ndarray, freedom: float) -> np.ndarray:
    """Of distances of one side, 0 or more, in its scale."""
    if freedom >= _FREEDOMS[-1]:
        return distances
    # What lies above has the precision that what lies below would have lost.
    above = special.stdtr(freedom, -np.abs(distances))
    scores: np.ndarray = -special.ndtri(np.maximum(above, 1e-300))
    return scores
