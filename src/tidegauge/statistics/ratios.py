# SPDX-License-Identifier: Apache-2.0
"""Ratios of sums: shares and averages, with intervals that know that facts come in clusters.

A cluster is a user, a day, whatever has facts that resemble each other. Only six sums of
clusters are needed, which add up over processes and time. The mean of ratios is never taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.welch import student_quantile
from tidegauge.statistics.wilson import wilson_interval

__all__ = ["Sums", "ratio", "share"]

_ONE_CLUSTER = "one cluster: how much clusters differ is not known"


@dataclass(frozen=True, slots=True)
class Sums:
    """What is known of clusters, of which each has a numerator and a denominator.

    Attributes:
        n: How many clusters.
        top: Sum of the numerators.
        bottom: Sum of the denominators, 0 or more each.
        top_squares: Sum of squares of how far numerators are from their mean.
        products: Sum of how far numerators are from theirs times denominators from theirs.
        bottom_squares: Sum of squares of how far denominators are from their mean.
    """

    n: int = 0
    top: float = 0.0
    bottom: float = 0.0
    top_squares: float = 0.0
    products: float = 0.0
    bottom_squares: float = 0.0

    @classmethod
    def of(cls, clusters: Iterable[tuple[float, float]]) -> Sums:
        """Sum clusters up, each of which is (numerator, denominator)."""
        pairs = list(clusters)
        if not pairs:
            return cls()
        n, sum_top = len(pairs), math.fsum(top for top, _ in pairs)
        sum_bottom = math.fsum(bottom for _, bottom in pairs)
        tops = [top - sum_top / n for top, _ in pairs]
        bottoms = [bottom - sum_bottom / n for _, bottom in pairs]
        return cls(
            n,
            sum_top,
            sum_bottom,
            math.fsum(top * top for top in tops),
            math.fsum(top * bottom for top, bottom in zip(tops, bottoms, strict=True)),
            math.fsum(bottom * bottom for bottom in bottoms),
        )

    def __add__(self, other: Sums) -> Sums:
        """Other clusters as well, none of which is in both (Chan, Golub and LeVeque 1979)."""
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        top = other.top / other.n - self.top / self.n
        bottom = other.bottom / other.n - self.bottom / self.n
        weight = self.n * other.n / n
        return Sums(
            n,
            self.top + other.top,
            self.bottom + other.bottom,
            self.top_squares + other.top_squares + weight * top * top,
            self.products + other.products + weight * top * bottom,
            self.bottom_squares + other.bottom_squares + weight * bottom * bottom,
        )

    @property
    def variance(self) -> float:
        """Variance of the ratio over two clusters or more, by the delta method (linearisation)."""
        share = self.top / self.bottom
        squares = self.top_squares - 2 * share * self.products + share**2 * self.bottom_squares
        return max(squares, 0.0) * self.n / (self.n - 1) / self.bottom**2


def ratio(
    sums: Sums, *, confidence: float = CONFIDENCE, least: float = -math.inf, what: str = "units"
) -> Estimate:
    """A ratio of sums, such as revenue per user, with Student's interval over the clusters.

    With denominators of 1 it is a mean with its usual interval.

    Args:
        sums: Of the clusters.
        confidence: Probability that such intervals cover the true ratio, 0 to 1, exclusive.
        least: What the ratio cannot be below.
        what: What is below the line, for the reason why there is no ratio.
    """
    if sums.bottom == 0:
        return unknown(f"no {what}", n=sums.n, confidence=confidence)
    value = sums.top / sums.bottom
    if sums.n < 2:
        return Estimate(value, confidence=confidence, n=sums.n, reason=_ONE_CLUSTER)
    quantile = student_quantile((1 + confidence) / 2, sums.n - 1)
    reach = quantile * math.sqrt(sums.variance)
    low, high = max(value - reach, least), value + reach
    return Estimate(value, low, high, confidence, "delta method", sums.n)


def share(
    successes: float,
    trials: float,
    *,
    clusters: Sums | None = None,
    confidence: float = CONFIDENCE,
    what: str = "trials",
) -> Estimate:
    """A share, with Wilson's interval.

    Trials of one cluster resemble each other, so that they are worth fewer. Their number is divided
    by how much larger the variance is than of independent ones (Kish's design effect, never below
    1), and by how much is lost by learning it from few clusters (Korn and Graubard 1998). Where the
    share is 0 or 1 nothing can be learned; then a cluster counts as one.

    Args:
        successes: How many trials succeeded.
        trials: How many there were.
        clusters: Of successes and trials, if it is known how they belong together. Of one there is
            no interval.
        confidence: Probability that such intervals cover the true share, 0 to 1, exclusive.
        what: What trials are called, for the reason why there is no share.
    """
    if trials <= 0:
        return unknown(f"no {what}", confidence=confidence)
    if not 0 <= successes <= trials:
        reason = f"more successes than {what}: they were not counted of the same"
        return unknown(reason, n=trials, confidence=confidence)
    value = successes / trials
    worth, method = float(trials), "wilson"
    if clusters is not None:
        if clusters.n < 2:
            return Estimate(value, confidence=confidence, n=clusters.n, reason=_ONE_CLUSTER)
        worth = _worth(value, trials, clusters, confidence)
        method = "wilson with design effect"
    low, high = wilson_interval(value * worth, worth, confidence=confidence)
    return Estimate(value, low, high, confidence, method, worth)


def _worth(value: float, trials: float, clusters: Sums, confidence: float) -> float:
    """How many independent trials there are as good as."""
    binomial = value * (1 - value) / trials
    if binomial == 0:
        squares = clusters.bottom_squares + clusters.bottom**2 / clusters.n
        worth = clusters.bottom**2 / squares
    else:
        worth = trials / max(clusters.variance / binomial, 1.0)
    normal = NormalDist().inv_cdf((1 + confidence) / 2)
    return worth * (normal / student_quantile((1 + confidence) / 2, clusters.n - 1)) ** 2
