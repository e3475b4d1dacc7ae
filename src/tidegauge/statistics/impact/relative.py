# SPDX-License-Identifier: Apache-2.0
"""A change as a share of what would have been: an interval of a ratio of two means."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tidegauge.statistics.estimate import Estimate, unknown

__all__ = ["Means", "relative_change"]

# The interval of the first mean may reach so far towards 0 that the logarithm still does.
_FAR_FROM_ZERO = 0.5


@dataclass(frozen=True, slots=True)
class Means:
    """Two means and what is known of their errors.

    Attributes:
        expected: What the second would be without the change.
        actual: What it is.
        expected_variance: Variance of the error of the first.
        actual_variance: Variance of the error of the second.
        covariance: Covariance of the two errors.
    """

    expected: float
    actual: float
    expected_variance: float
    actual_variance: float
    covariance: float = 0.0


def relative_change(
    means: Means, reach: tuple[float, float], *, is_positive: bool, n: float, confidence: float
) -> Estimate:
    """The actual mean over the expected one, less 1: 0.05 is 5 percent more.

    The interval is symmetric for the logarithm of the ratio, which is what skewed numbers need.
    Where a mean is so near 0 that it may have the other sign, or where that interval has 0 inside
    and the one of the difference has not, or the other way round, it is Fieller's (1954) instead,
    which always agrees with the difference.

    Args:
        means: The two means.
        reach: How many standard errors the interval of a change has below it and above it.
        is_positive: Whether no value can be below 0.
        n: How many independent values there are.
        confidence: Probability that such intervals cover the truth.

    Returns:
        Unknown if the expected mean is not above 0, or its interval includes 0.
    """
    expected, actual = means.expected, means.actual
    if expected <= 0:
        return unknown("the mean before is not above 0", n=n, confidence=confidence)
    furthest = max(reach)
    nearness = furthest * math.sqrt(means.expected_variance) / expected
    if nearness >= 1:
        return unknown("the interval of the mean before includes 0", n=n, confidence=confidence)
    clear = actual > furthest * math.sqrt(means.actual_variance) and nearness < _FAR_FROM_ZERO
    if actual > 0 and (is_positive or clear):
        found = _by_logarithm(means, reach, n, confidence)
        if _includes_none(found) == _includes_none(_difference(means, reach)):
            return found
    found = _by_fieller(means, reach, n, confidence)
    return replace(found, low=max(found.low or 0.0, -1.0)) if is_positive else found


def _includes_none(interval: Estimate) -> bool:
    return (interval.low or 0.0) <= 0 <= (interval.high or 0.0)


def _difference(means: Means, reach: tuple[float, float]) -> Estimate:
    variance = means.expected_variance + means.actual_variance - 2 * means.covariance
    error = math.sqrt(max(variance, 0.0))
    value = means.actual - means.expected
    return Estimate(value, value - reach[0] * error, value + reach[1] * error)


def _by_logarithm(
    means: Means, reach: tuple[float, float], n: float, confidence: float
) -> Estimate:
    ratio = means.actual / means.expected
    variance = (
        means.expected_variance / means.expected**2
        + means.actual_variance / means.actual**2
        - 2 * means.covariance / (means.expected * means.actual)
    )
    error = math.sqrt(max(variance, 0.0))
    down, up = (math.exp(min(side * error, 700.0)) for side in reach)
    return Estimate(ratio - 1, ratio / down - 1, ratio * up - 1, confidence, "log ratio", n)


def _by_fieller(means: Means, reach: tuple[float, float], n: float, confidence: float) -> Estimate:
    below, above = (_fieller_end(means, side) for side in (-reach[0], reach[1]))
    ratio = means.actual / means.expected
    return Estimate(ratio - 1, below - 1, above - 1, confidence, "Fieller", n)


def _fieller_end(means: Means, reach: float) -> float:
    """The ratio at which the difference is so many standard errors from 0; below it if negative."""
    ratio = means.actual / means.expected
    shrunk = reach**2 / means.expected**2
    nearness = shrunk * means.expected_variance
    middle = ratio - shrunk * means.covariance
    spread = middle**2 - (1 - nearness) * (ratio**2 - shrunk * means.actual_variance)
    width = math.sqrt(max(spread, 0.0))
    return (middle + math.copysign(width, reach)) / (1 - nearness)
