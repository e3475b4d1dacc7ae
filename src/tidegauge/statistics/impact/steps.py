# SPDX-License-Identifier: Apache-2.0
"""A step in a series that remembers its past: level, week, step and trend, with errors of AR(1).

The errors may also be AR(1) of which only a share is remembered, beside noise of each day: what a
slow course hidden in noise looks like. For each memory of a grid the step is estimated by
generalised least squares. No single one is then chosen, for short series tell theirs badly and too
low (Turner and others 2021): each has the weight that its restricted likelihood gives it, and a
probability is the mean of Student's over them. `simulations/impact.py` measures what that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr

__all__ = ["MEMORIES", "Contrast", "Steps", "fit_steps"]

# Autocorrelations from -0.905 to 0.995, equally probable beforehand on the scale of Fisher's z.
_Z = np.linspace(-1.5, 3.0, 46)

# What share of the variance is remembered: all of it, most of it, or a third. The more weight a
# part has beforehand, the fewer slow courses in noise are called a change, and the more days it
# takes to see one in days without any memory.
_SHARES = (1.0, 0.6, 0.3)
_PROBABILITIES = (0.9, 0.05, 0.05)

# Without a memory to speak of, a share of it is none; and one that hardly fades cannot be told from
# a level.
_SHARED_FROM, _SHARED_TO = 0.3, 2.0

# So that memory stays small however many windows there are.
_AT_ONCE = 64

_HALVINGS = 60


def _memories() -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations and shares of all memories, (g, 2), and their log probabilities, (g,)."""
    shared = _Z[(_Z > _SHARED_FROM) & (_Z <= _SHARED_TO)]
    rows, priors = [], []
    for share, probability in zip(_SHARES, _PROBABILITIES, strict=True):
        z = _Z if share == 1 else shared
        rows.append(np.column_stack([np.tanh(z), np.full(len(z), share)]))
        priors.append(np.full(len(z), np.log(probability / len(z))))
    return np.concatenate(rows), np.concatenate(priors)


#: Autocorrelation of what is remembered, and its share of the variance; shape (g, 2).
MEMORIES, _LOG_PRIOR = _memories()


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
    """The change in each of m windows, for each of g memories.

    Attributes:
        levels: Expected levels without the change; shape (m, g).
        changes: Changes; shape (m, g).
        variances: Variance of the levels, of the changes, and their covariance; shape (3, m, g).
        weights: Weight of each memory; shape (m, g), rows sum to 1.
        evidence: Logarithm of the restricted likelihood, averaged over the memories; of two
            designs with as many columns, the one with more fits better; shape (m,).
        unit_variances: Variance of a change, for values of variance 1; shape (g,).
        independent: The same without any memory.
        freedom: Degrees of freedom.
    """

    levels: np.ndarray
    changes: np.ndarray
    variances: np.ndarray
    weights: np.ndarray
    evidence: np.ndarray
    unit_variances: np.ndarray
    independent: float
    freedom: int

    @property
    def middle(self) -> np.ndarray:
        """Which memory is in the middle of the weights, from short ones to long; shape (m,)."""
        order = np.argsort(self.unit_variances, kind="stable")
        below = np.cumsum(self.weights[:, order], axis=1) < 0.5
        return np.asarray(order[below.sum(axis=1)])

    @property
    def effects(self) -> np.ndarray:
        """The change at the memory in the middle; shape (m,)."""
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
        return float(min(self.independent / (self.weights[0] @ self.unit_variances), 1.0))


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
    columns, log_spread = _whitened(design, at)
    # By the normal equations: with the 32 columns of hours some ten times as fast as by QR.
    factor = np.linalg.cholesky(columns.transpose(0, 2, 1) @ columns)
    inverse = np.linalg.inv(factor)
    wanted = np.stack([contrast.level, contrast.change])
    solving = wanted @ inverse.transpose(0, 2, 1)
    covariance = solving @ solving.transpose(0, 2, 1)
    independent = contrast.change @ np.linalg.inv(design.T @ design) @ contrast.change
    freedom = design.shape[0] - design.shape[1]

    # Squares of what is far from 0 would leave no digits for the noise.
    centre = values.mean(axis=1)
    scores, squares = [], []
    for first in range(0, len(values), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        target, _ = _whitened((values[part] - centre[part, None]).T, at)
        score = inverse @ (columns.transpose(0, 2, 1) @ target)
        scores.append(score)
        squares.append((target**2).sum(axis=1) - (score**2).sum(axis=1))
    found = solving @ np.concatenate(scores, axis=2)
    noise = np.maximum(np.concatenate(squares, axis=1).T, least * freedom)

    determinant = 2 * (log_spread + _log_determinant(factor))
    likelihood = _LOG_PRIOR - 0.5 * (freedom * np.log(noise) + determinant)
    highest = likelihood.max(axis=1, keepdims=True)
    weights = np.exp(likelihood - highest)
    total = weights.sum(axis=1, keepdims=True)
    # Restricted likelihood depends on the unit of the columns, but for this.
    scale = np.linalg.slogdet(design.T @ design)[1] / 2
    entries = covariance[:, [0, 1, 0], [0, 1, 1]].T
    return Steps(
        levels=found[:, 0].T + centre[:, None],
        changes=found[:, 1].T,
        variances=entries[:, None, :] * noise / freedom,
        weights=weights / total,
        evidence=(highest + np.log(total))[:, 0] + scale,
        unit_variances=covariance[:, 1, 1],
        independent=float(independent),
        freedom=freedom,
    )


def _whitened(rows: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the rows before do not tell, for each memory, in units of its standard deviation.

    By Kalman's filter, of all memories and columns at once.

    Args:
        rows: Shape (n, k), of values of variance 1.
        at: Which step each row is of, ascending; shape (n,).

    Returns:
        The rows, shape (g, n, k), and the logarithm of what they were divided by in all, shape
        (g,).
    """
    told = np.empty((len(rows), len(MEMORIES), rows.shape[1]))
    autocorrelation, share = MEMORIES.T
    log_spread = np.zeros(len(MEMORIES))
    expected, variance = np.zeros(told.shape[1:]), share
    for index, (row, gap) in enumerate(zip(rows, np.diff(at, append=at[-1] + 1), strict=True)):
        total = variance + (1 - share)
        spread = np.sqrt(total)
        surprise = row - expected
        np.divide(surprise, spread[:, None], out=told[index])
        log_spread += np.log(spread)
        carried = autocorrelation**gap
        gain = variance / total
        surprise *= (carried * gain)[:, None]
        expected *= carried[:, None]
        expected += surprise
        variance = carried**2 * variance * (1 - gain) + share * (1 - carried**2)
    return told.transpose(1, 0, 2), log_spread


def _log_determinant(factor: np.ndarray) -> np.ndarray:
    diagonal = np.abs(np.diagonal(factor, axis1=1, axis2=2))
    return np.asarray(np.log(diagonal).sum(axis=1))
