# SPDX-License-Identifier: Apache-2.0
"""How long charts run until a false alarm, and the thresholds that make it as long as is wanted.

The run length of a chart of independent normal scores solves an integral equation, which is solved
here by Gauss and Legendre's quadrature (Page 1954; Brook and Evans 1972 have the same as a Markov
chain). What a chart expects was itself estimated, so thresholds hold for the rate of false alarms
on average over histories as long as the one that was there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special

__all__ = [
    "EXACT",
    "Uncertainty",
    "cusum_run_length",
    "cusum_threshold",
    "ewma_run_length",
    "ewma_threshold",
]

# Nodes of the quadrature over the values of a chart: at least two for each deviation of a step.
_FEWEST_STATES = 48
_MOST_STATES = 240
# And over what is uncertain.
_NODES = 9
# Scores that vary by less give no false alarms, whatever the threshold.
_LEAST_SCALE = 0.5
# Beyond so many steps rounding decides.
_LONGEST = 1e13
# So many deviations below 0 an EWMA is never, as far as run lengths go.
_FAR_BELOW = 7.0
# No threshold is looked for above; a chart that needs it would notice nothing.
_LARGEST = 32.0


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How well it is known what scores are without a change: mean 0 and deviation 1, if exactly.

    Attributes:
        level: Standard deviation of their mean.
        growth: Mean of the logarithm of their deviation, in the long run.
        spread: Standard deviation of that logarithm.
    """

    level: float = 0.0
    growth: float = 0.0
    spread: float = 0.0


#: Nothing was estimated.
EXACT = Uncertainty()


def cusum_run_length(
    threshold: float, *, slack: float = 0.5, shift: float = 0.0, scale: float = 1.0
) -> float:
    """Steps until a one-sided CUSUM that begins at 0 exceeds its threshold, on average.

    Args:
        threshold: Above 0.
        slack: What is taken from each score.
        shift: Mean of the scores.
        scale: Their standard deviation.
    """
    lengths = _cusum_lengths(threshold, slack, np.array([shift]), np.array([scale]))
    return float(lengths[0])


def ewma_run_length(
    threshold: float,
    *,
    weight: float = 0.2,
    shift: float = 0.0,
    scale: float = 1.0,
    two_sided: bool = False,
) -> float:
    """Steps until an EWMA that begins at 0 exceeds its threshold, on average.

    Args:
        threshold: In deviations that the EWMA has in the long run.
        weight: Of the newest score, 0 to 1.
        shift: Mean of the scores.
        scale: Their standard deviation.
        two_sided: Whether it may not fall below the negative threshold either.
    """
    lengths = _ewma_lengths(
        threshold, weight, np.array([shift]), np.array([scale]), two_sided=two_sided
    )
    return float(lengths[0])


@lru_cache(maxsize=4096)
def cusum_threshold(
    run_length: float, *, slack: float = 0.5, sides: int = 2, uncertainty: Uncertainty = EXACT
) -> float | None:
    """The threshold with which a CUSUM has a false alarm each `run_length` steps.

    Args:
        run_length: More than 1.
        slack: What is taken from each score; half of the shift that is to be noticed soonest.
        sides: 2 if falls and rises are watched, else 1.
        uncertainty: How well it is known what is expected.

    Returns:
        None if there is none that could be of use: too little is known for so few false alarms.
    """
    shifts, scales, weights = _cases(uncertainty)

    def excess(threshold: float) -> float:
        rates = 1 / _cusum_lengths(threshold, slack, shifts, scales)
        return math.log(sides * float(weights @ rates) * run_length)

    return _root(excess, 1e-3)


@lru_cache(maxsize=4096)
def ewma_threshold(
    run_length: float, *, weight: float = 0.2, sides: int = 2, uncertainty: Uncertainty = EXACT
) -> float | None:
    """The threshold with which an EWMA has a false alarm each `run_length` steps.

    Args:
        run_length: More than 1.
        weight: Of the newest score, 0 to 1; the smaller, the smaller the shifts that are noticed.
        sides: 2 if falls and rises are watched, else 1.
        uncertainty: How well it is known what is expected.

    Returns:
        In deviations that the EWMA has in the long run; None as for `cusum_threshold`.
    """
    shifts, scales, weights = _cases(uncertainty)

    def excess(threshold: float) -> float:
        lengths = _ewma_lengths(threshold, weight, shifts, scales, two_sided=sides == 2)
        return math.log(float(weights @ (1 / lengths)) * run_length)

    return _root(excess, 1e-3)


def _cusum_lengths(
    threshold: float, slack: float, shifts: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """For each shift and scale; shape (n,)."""
    nodes, weights = _legendre(0.0, threshold, float(scales.min()))
    # From each state, 0 first, to each other: at 0 there is a mass of its own.
    states = np.concatenate([[0.0], nodes])
    drift, scale = (shifts - slack)[:, None, None], scales[:, None, None]
    kernel = np.empty((len(shifts), len(states), len(states)))
    kernel[:, :, 0] = special.ndtr(((-states)[:, None] - drift)[:, :, 0] / scale[:, :, 0])
    away = (nodes[None, :] - states[:, None] - drift) / scale
    kernel[:, :, 1:] = np.exp(-(away**2) / 2) / (math.sqrt(2 * math.pi) * scale) * weights
    return _solved(kernel)[:, 0]


def _ewma_lengths(
    threshold: float, weight: float, shifts: np.ndarray, scales: np.ndarray, *, two_sided: bool
) -> np.ndarray:
    deviation = math.sqrt(weight / (2 - weight))
    lowest = -threshold if two_sided else -max(_FAR_BELOW, threshold)
    least = weight * float(scales.min())
    nodes, weights = _legendre(lowest * deviation, threshold * deviation, least)
    states = np.concatenate([[0.0], nodes])
    drift, scale = weight * shifts[:, None, None], weight * scales[:, None, None]
    kernel = np.zeros((len(shifts), len(states), len(states)))
    away = (nodes[None, :] - (1 - weight) * states[:, None] - drift) / scale
    kernel[:, :, 1:] = np.exp(-(away**2) / 2) / (math.sqrt(2 * math.pi) * scale) * weights
    return _solved(kernel)[:, 0]


def _solved(kernel: np.ndarray) -> np.ndarray:
    """Steps until the end from each state; at least one."""
    size = kernel.shape[-1]
    ones = np.ones((len(kernel), size, 1))
    lengths = np.linalg.solve(np.eye(size) - kernel * (1 - 1 / _LONGEST), ones)[:, :, 0]
    return np.where((lengths >= 1) & (lengths < _LONGEST), lengths, _LONGEST)


def _legendre(low: float, high: float, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    wanted = 2 * math.ceil((high - low) / deviation)
    nodes, weights = _unit_legendre(min(max(wanted, _FEWEST_STATES), _MOST_STATES))
    return low + (high - low) * nodes, (high - low) * weights


@lru_cache(maxsize=256)
def _unit_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def _cases(uncertainty: Uncertainty) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and deviations that scores may have, and how likely each is."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    levels = nodes if uncertainty.level else np.zeros(1)
    spreads = nodes if uncertainty.spread else np.zeros(1)
    shifts, logs = np.meshgrid(uncertainty.level * levels, uncertainty.spread * spreads)
    likely = np.outer(
        weights if uncertainty.spread else np.ones(1), weights if uncertainty.level else np.ones(1)
    )
    scales = np.maximum(np.exp(uncertainty.growth + logs.ravel()), _LEAST_SCALE)
    return shifts.ravel(), scales, likely.ravel()


def _root(excess: Callable[[float], float], least: float) -> float | None:
    if excess(least) <= 0:
        return least
    most = 4.0
    while excess(most) > 0:
        least, most = most, 2 * most
        if most > _LARGEST:
            return None
    return float(optimize.brentq(excess, least, most, xtol=1e-4))
