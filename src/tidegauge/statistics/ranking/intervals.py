# SPDX-License-Identifier: Apache-2.0
"""How sure a mean over queries is."""

from __future__ import annotations

import math

import numpy as np

from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.welch import student_quantile
from tidegauge.statistics.wilson import wilson_interval

__all__ = ["clustered_estimate", "mean_estimate", "share_estimate", "values_estimate"]

_UNBOUNDED = (-math.inf, math.inf)


def share_estimate(successes: int, n: int, confidence: float) -> Estimate:
    """A share of queries with Wilson's interval."""
    low, high = wilson_interval(successes, n, confidence=confidence)
    return Estimate(successes / n, low, high, confidence, "wilson", n)


def mean_estimate(
    mean: float,
    variance: float,
    *,
    n: int,
    confidence: float,
    bounds: tuple[float, float] = _UNBOUNDED,
    of: str = "query",
    method: str = "student",
) -> Estimate:
    """A mean with Student's interval.

    Args:
        mean: The mean.
        variance: The variance of the mean.
        n: How many independent things it is of.
        confidence: Probability that such intervals cover the true mean.
        bounds: What the mean can be at least and at most; the interval ends there.
        of: What the `n` are.
        method: Name of the method.
    """
    if n < 2:
        return Estimate(mean, confidence=confidence, n=n, reason=f"one {of} has no interval")
    if variance == 0:
        return Estimate(
            mean, confidence=confidence, n=n, reason=f"every {of} has the same value: no scatter"
        )
    reach = student_quantile((1 + confidence) / 2, n - 1) * math.sqrt(variance)
    low, high = max(bounds[0], mean - reach), min(bounds[1], mean + reach)
    return Estimate(mean, low, high, confidence, method, n)


def values_estimate(values: np.ndarray, confidence: float) -> Estimate:
    """The mean of a value per query, such as a difference; shape (n_queries,), one or more."""
    n = len(values)
    is_constant = values.min() == values.max()
    variance = 0.0 if is_constant else float(values.var(ddof=1)) / n
    return mean_estimate(float(values.mean()), variance, n=n, confidence=confidence)


def clustered_estimate(
    values: np.ndarray,
    clusters: np.ndarray,
    confidence: float,
    bounds: tuple[float, float] = _UNBOUNDED,
) -> Estimate:
    """The mean over queries of which those of a cluster may resemble each other.

    Sums of the deviations of each cluster scatter as they do, times g / (g - 1) for g clusters
    (Liang & Zeger 1986); Student's distribution with g - 1 degrees of freedom.

    Args:
        values: One per query; shape (n_queries,), one or more.
        clusters: Number of each query's cluster, 0 or more; of the same shape.
        confidence: Probability that such intervals cover the true mean.
        bounds: As for `mean_estimate`.
    """
    mean = float(values.mean())
    _, place = np.unique(clusters, return_inverse=True)
    sums = np.bincount(place, weights=values - mean)
    g = len(sums)
    # What rounding leaves of deviations that cancel out is no scatter.
    is_rounding = bool((np.abs(sums) <= 1e-15 * len(values)).all())
    variance = 0.0 if g < 2 or is_rounding else float(sums @ sums) * g / (g - 1) / len(values) ** 2
    return mean_estimate(
        mean,
        variance,
        n=g,
        confidence=confidence,
        bounds=bounds,
        of="cluster",
        method="student, clustered",
    )
