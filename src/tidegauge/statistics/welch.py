# SPDX-License-Identifier: Apache-2.0
"""The uncertainty of a difference of two means: Welch's interval, and Student's distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "Interval",
    "Sample",
    "independent_count",
    "student_quantile",
    "student_tail",
    "welch_freedom",
    "welch_interval",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of one side of a comparison.

    Attributes:
        mean: Mean of its values.
        std: Their sample standard deviation.
        count: How many independent values it is worth, above 1; see `independent_count`.
    """

    mean: float
    std: float
    count: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of two means with its uncertainty, in the unit of the values.

    Attributes:
        difference: The second mean less the first.
        standard_error: Standard error of the difference.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    difference: float
    standard_error: float
    low: float
    high: float


def welch_interval(first: Sample, second: Sample, *, confidence: float) -> Interval:
    """Interval for the difference of two means, variances not assumed equal (Welch 1947).

    Args:
        first: What is compared with.
        second: What is compared.
        confidence: Probability that such intervals cover the true difference, 0 to 1, exclusive.

    Raises:
        ValueError: A sample is worth one value or less.
    """
    if first.count <= 1 or second.count <= 1:
        raise ValueError("an interval needs more than one value on both sides")
    variance_1 = first.std**2 / first.count
    variance_2 = second.std**2 / second.count
    variance = variance_1 + variance_2
    difference = second.mean - first.mean
    if variance == 0:
        return Interval(difference, 0.0, difference, difference)
    freedom = welch_freedom(variance_1, first.count, variance_2, second.count)
    standard_error = math.sqrt(variance)
    reach = student_quantile((1 + confidence) / 2, freedom) * standard_error
    return Interval(difference, standard_error, difference - reach, difference + reach)


def welch_freedom(variance_1: float, count_1: float, variance_2: float, count_2: float) -> float:
    """Degrees of freedom of a sum of two estimates, of which one varies at least (Satterthwaite).

    Args:
        variance_1: Variance of the one estimate.
        count_1: Of how many independent values it is, above 1.
        variance_2: Variance of the other.
        count_2: Of how many independent values that is, above 1.
    """
    squares = variance_1**2 / (count_1 - 1) + variance_2**2 / (count_2 - 1)
    return (variance_1 + variance_2) ** 2 / squares


def independent_count(count: int, autocorrelation: float) -> float:
    """How many independent values a sequence is worth that follows itself.

    For a sequence whose neighbours correlate by `p`, and whose memory fades by `p` with each step,
    it is `count * (1 - p) / (1 + p)`. Estimates of `p` from `count` values come out too low by
    about `(1 + 3 p) / count` (Kendall 1954); that is made good first. A negative correlation is
    taken as none, so that the answer never exceeds `count`.

    Args:
        count: Number of values, 1 or more.
        autocorrelation: Correlation of each value with the one before it.
    """
    if autocorrelation <= 0:
        return float(count)
    p = min(autocorrelation + (1 + 3 * autocorrelation) / count, 0.9999)
    return count * (1 - p) / (1 + p)


def student_quantile(probability: float, freedom: float) -> float:
    """The value that Student's t stays below with a probability.

    Args:
        probability: 0 to 1, exclusive.
        freedom: Degrees of freedom, above 0; need not be whole.

    Raises:
        ValueError: An argument is outside its bounds.
    """
    if not 0 < probability < 1 or not freedom > 0:
        raise ValueError(f"no quantile for probability {probability} and freedom {freedom}")
    from scipy.special import stdtrit  # late: comparing means is rare, and loading it is slow

    return float(stdtrit(freedom, probability))


def student_tail(statistic: float, freedom: float) -> float:
    """Probability that Student's t is above a value.

    Args:
        statistic: The value.
        freedom: Degrees of freedom, above 0; need not be whole.
    """
    from scipy.special import stdtr  # late, as above

    return float(stdtr(freedom, -statistic))
