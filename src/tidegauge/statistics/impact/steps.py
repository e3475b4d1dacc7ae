# SPDX-License-Identifier: Apache-2.0
"""A step in a series that remembers its past: level, week, step and trend, with AR(1) errors.

For each of a grid of autocorrelations the step is estimated by generalised least squares, as Prais
and Winsten (1954) do. No single autocorrelation is then chosen, for short series tell it badly and
too low (Turner and others 2021): each has the weight that its restricted likelihood gives it, and a
probability is the mean of Student's over them. `simulations/impact.py` measures what that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr

__all__ = ["Contrast", "Steps", "fit_steps"]

# Equally probable beforehand on the scale of Fisher's z, from -0.905 to 0.995.
_AUTOCORRELATIONS = np.tanh(np.linspace(-1.5, 3.0, 60))

# So that memory stays small however many windows there are.
_AT_ONCE = 64

_HALVINGS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """What is wanted of the coefficients of a design.

    Attributes:
        level: Weight of each coefficient in the expected level; shape (p,).
        change: Weight of each coefficient in the change; shape (p,).
    """

    level: np.ndarray
    change: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The change in each of m windows, for each of g autocorrelations.

    Attributes:
        levels: Expected levels without the change; shape (m, g).
        changes: Changes; shape (m, g).
        variances: Variance of the levels, of the changes, and their covariance; shape (3, m, g).
        weights: Weight of each autocorrelation; shape (m, g), rows sum to 1.
        unit_variances: Variance of a change, for values of variance 1; shape (g,).
        freedom: Degrees of freedom.
    """

    levels: np.ndarray
    changes: np.ndarray
    variances: np.ndarray
    weights: np.ndarray
    unit_variances: np.ndarray
    freedom: int

    @property
    def middle(self) -> np.ndarray:
        """Which autocorrelation is in the middle of the weights; shape (m,)."""
        return np.asarray((np.cumsum(self.weights, axis=1) < 0.5).sum(axis=1))

    @property
    def effects(self) -> np.ndarray:
        """The change at the autocorrelation in the middle; shape (m,)."""
        return np.asarray(self.changes[np.arange(len(self.changes)), self.middle])

    def tail(self, change: float, side: Literal[-1, 1]) -> np.ndarray:
        """Probability that the true change is beyond a number, by window; shape (m,).

        Args:
            change: The number.
            side: -1 for below it, 1 for above it. Each is summed up by itself: the one less the
                other would leave nothing of small ones.
        """
        distances = side * (self.changes - change) / np.sqrt(self.variances[1])
        return np.asarray((self.weights * stdtr(self.freedom, distances)).sum(axis=1))

    def p_values(self) -> np.ndarray:
        """Two-sided p-values of no change; shape (m,)."""
        return np.asarray(2 * np.minimum(self.tail(0.0, -1), self.tail(0.0, 1)))

    def interval(self, alpha: float) -> tuple[float, float]:
        """The interval that the change of the only window is outside of with a probability."""
        return self._end(alpha / 2, -1), self._end(alpha / 2, 1)

    def _end(self, probability: float, side: Literal[-1, 1]) -> float:
        """The number beyond which the change is with a probability, up to a half."""
        inner = float(self.effects[0])
        reach = float(np.sqrt(self.variances[1]).max())
        while self.tail(inner, side)[0] < probability:  # far from the middle of the others
            inner -= side * reach
        while self.tail(inner + side * reach, side)[0] > probability:
            reach *= 2
        outer = inner + side * reach
        for _ in range(_HALVINGS):
            middle = (inner + outer) / 2
            if self.tail(middle, side)[0] > probability:
                inner = middle
            else:
                outer = middle
        return (inner + outer) / 2

    def worth(self) -> float:
        """The share of the only window's values that independent ones would need; 0 to 1."""
        independent = np.interp(0.0, _AUTOCORRELATIONS, self.unit_variances)
        return float(min(independent / (self.weights[0] @ self.unit_variances), 1.0))


def fit_steps(
    values: np.ndarray, design: np.ndarray, contrast: Contrast, at: np.ndarray, *, least: float
) -> Steps:
    """Estimate the same contrast in several windows of one shape.

    Args:
        values: Shape (m, n), all finite.
        design: Of full rank p, below n, with a first column of ones; shape (n, p).
        contrast: What is wanted; the level counts the first column once, the change does not.
        at: Which step each value is of, ascending; shape (n,).
        least: A variance so small that it counts as none, above 0. A smaller one is set to it.
    """
    carried = _AUTOCORRELATIONS[:, None] ** np.diff(at)
    spread = np.sqrt(1 - carried**2)

    def whitened(rows: np.ndarray) -> np.ndarray:
        """What the row before does not tell; (n, k) to (g, n, k)."""
        told = np.empty((len(_AUTOCORRELATIONS), *rows.shape))
        told[:, 0] = rows[0]
        told[:, 1:] = rows[1:] - carried[:, :, None] * rows[:-1]
        told[:, 1:] /= spread[:, :, None]
        return told

    columns = whitened(design)
    # By the normal equations: with the 32 columns of hours some ten times as fast as by QR.
    factor = np.linalg.cholesky(columns.transpose(0, 2, 1) @ columns)
    inverse = np.linalg.inv(factor)
    wanted = np.stack([contrast.level, contrast.change])
    solving = wanted @ inverse.transpose(0, 2, 1)
    covariance = solving @ solving.transpose(0, 2, 1)
    freedom = design.shape[0] - design.shape[1]

    # Squares of what is far from 0 would leave no digits for the noise.
    centre = values.mean(axis=1)
    scores, squares = [], []
    for first in range(0, len(values), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        target = whitened((values[part] - centre[part, None]).T)
        score = inverse @ (columns.transpose(0, 2, 1) @ target)
        scores.append(score)
        squares.append((target**2).sum(axis=1) - (score**2).sum(axis=1))
    found = solving @ np.concatenate(scores, axis=2)
    noise = np.maximum(np.concatenate(squares, axis=1).T, least * freedom)

    determinant = 2 * (np.log(spread).sum(axis=1) + _log_determinant(factor))
    likelihood = -0.5 * (freedom * np.log(noise) + determinant)
    weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    entries = covariance[:, [0, 1, 0], [0, 1, 1]].T
    return Steps(
        levels=found[:, 0].T + centre[:, None],
        changes=found[:, 1].T,
        variances=entries[:, None, :] * noise / freedom,
        weights=weights / weights.sum(axis=1, keepdims=True),
        unit_variances=covariance[:, 1, 1],
        freedom=freedom,
    )


def _log_determinant(factor: np.ndarray) -> np.ndarray:
    diagonal = np.abs(np.diagonal(factor, axis1=1, axis2=2))
    return np.asarray(np.log(diagonal).sum(axis=1))
