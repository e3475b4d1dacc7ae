# SPDX-License-Identifier: Apache-2.0
"""Does a series come back to its level or line, or does it wander off?

Two tests that begin at opposite ends. That of Dickey and Fuller (1979) believes that a series
wanders until it is shown not to, that of Kwiatkowski, Phillips, Schmidt and Shin (1992) that it
comes back until it is shown not to. A series comes back if both say so.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = [
    "KPSS_CRITICAL",
    "KPSS_CRITICAL_LONG",
    "comes_back",
    "dickey_fuller",
    "dickey_fuller_critical",
    "kpss",
]

#: With a trend, at 5 % (Kwiatkowski et al. 1992, table 1).
KPSS_CRITICAL = 0.146

#: The same at 1 %.
KPSS_CRITICAL_LONG = 0.216

# In so many values what wanders shows at 1 % as well, so one need not be wrong at 5 %.
_LONG = 500

# With a constant and a trend, at 5 % (MacKinnon 2010, table 2).
_MACKINNON = (-3.41049, -4.3904, -9.036, -45.374)

# Columns before those of past differences: a constant, a trend, the level.
_FIXED = 3


def comes_back(values: np.ndarray) -> bool:
    """Whether a series fluctuates about a line, by both tests.

    Both at 5 %; of more than 500 values, that of Kwiatkowski et al. at 1 %.

    Args:
        values: Shape (n,), NaN where there is none. Gaps are closed: what matters is what comes
            after what.

    Returns:
        False also where there are too few values to tell.
    """
    known = values[np.isfinite(values)]
    statistic, count = dickey_fuller(known)
    critical = KPSS_CRITICAL if len(known) <= _LONG else KPSS_CRITICAL_LONG
    return statistic < dickey_fuller_critical(count) and kpss(known) <= critical


def dickey_fuller(values: np.ndarray) -> tuple[float, int]:
    """The augmented statistic of Dickey and Fuller, with a constant and a trend.

    How many past differences are taken into account is told by Akaike's criterion, from 0 to
    12 (n / 100)^¼ (Schwert 1989).

    Args:
        values: Shape (n,), without gaps.

    Returns:
        The statistic, and how many steps it rests on. The statistic is 0, which shows nothing, if
        they are too few.
    """
    n = len(values)
    most = min(math.ceil(12 * (n / 100) ** 0.25), n // 2 - _FIXED)
    if most < 0:
        return 0.0, 0
    design, changes = _regression(values, most)
    if len(changes) <= design.shape[1]:
        return 0.0, len(changes)
    # Models with 0, 1, … past differences are nested: one factorisation gives all sums of squares.
    explained = np.cumsum((np.linalg.qr(design)[0].T @ changes) ** 2)[_FIXED - 1 :]
    left = np.maximum(changes @ changes - explained, np.finfo(float).tiny)
    criteria = len(changes) * np.log(left) + 2 * np.arange(most + 1)
    design, changes = _regression(values, int(criteria.argmin()))
    solution, _, rank, _ = np.linalg.lstsq(design, changes, rcond=None)
    count, parameters = design.shape
    if rank < parameters:
        return 0.0, count
    noise = changes - design @ solution
    variance = noise @ noise / (count - parameters)
    spread = variance * np.linalg.inv(design.T @ design)[_FIXED - 1, _FIXED - 1]
    return (float(solution[_FIXED - 1] / math.sqrt(spread)) if spread > 0 else 0.0), count


def dickey_fuller_critical(count: int) -> float:
    """Below this a series does not wander, at 5 %.

    Args:
        count: How many steps the statistic rests on.
    """
    if count == 0:
        return -math.inf
    return float(np.polynomial.polynomial.polyval(1 / count, _MACKINNON))


def kpss(values: np.ndarray) -> float:
    """The statistic of Kwiatkowski et al. with a trend; large if the series wanders.

    The long-run variance has Bartlett weights for 4 (n / 100)^¼ lags.

    Args:
        values: Shape (n,), without gaps.

    Returns:
        Infinity if there are fewer than four values, or nothing varies about the line.
    """
    n = len(values)
    if n <= _FIXED:
        return math.inf
    line = np.stack([np.ones(n), np.linspace(-1, 1, n)], axis=1)
    centred = values - line @ np.linalg.lstsq(line, values, rcond=None)[0]
    lags = math.ceil(4 * (n / 100) ** 0.25)
    products = [centred[lag:] @ centred[: n - lag] for lag in range(lags + 1)]
    weights = 2 * (1 - np.arange(lags + 1) / (lags + 1))
    weights[0] = 1
    variance = float(weights @ products) / n
    sums = np.cumsum(centred)
    return float(sums @ sums) / n**2 / variance if variance > 0 else math.inf


def _regression(values: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Each change, and what it is explained by: one, the time, the level, the changes before."""
    changes = np.diff(values)
    count = len(changes) - lags
    past = [changes[lags - lag : len(changes) - lag] for lag in range(1, lags + 1)]
    level = values[lags:-1]
    design = np.stack([np.ones(count), np.arange(1.0, count + 1), level, *past], axis=1)
    return design, changes[lags:]
