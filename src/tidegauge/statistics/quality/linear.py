# SPDX-License-Identifier: Apache-2.0
"""Intervals from what each row contributes: of means, ratios, and areas under curves.

Near the truth most metrics are sums over rows: a row's influence says how much the metric would
move if it counted a little more. Influences are scaled so that their squares add up to the variance
of the metric. Rows of one user are not independent; their influences are added up first, and the
users are. The difference of two models on the same rows has the differences of their influences.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, logit, stdtrit

from tidegauge.statistics.estimate import CONFIDENCE, Estimate
from tidegauge.statistics.wilson import wilson_interval

__all__ = [
    "auc_influence",
    "linear_estimate",
    "mean_influence",
    "precision_influence",
    "ratio_influence",
    "share_estimate",
]


def linear_estimate(
    value: float,
    influence: np.ndarray,
    clusters: np.ndarray | None = None,
    *,
    confidence: float = CONFIDENCE,
    on_logit: bool = False,
    method: str = "t",
    sides: np.ndarray | None = None,
) -> Estimate:
    """An interval of a metric from the influence of each row on it.

    Args:
        value: The metric.
        influence: See above; shape (n,).
        clusters: What each row belongs to, as numbers from 0; None if rows are independent.
        confidence: Probability that such intervals cover the truth, 0 to 1, exclusive.
        on_logit: Whether the interval is made of log(value / (1 - value)), which a metric between 0
            and 1 needs that is close to one of them.
        method: What the interval is called.
        sides: Which of two samples each row is from, shape (n,), bool, if the metric compares two
            of very different sizes, such as positives and negatives. With few rows on the side
            that scatters, the variance itself is uncertain (Welch 1947, Satterthwaite 1946).
    """
    units, variance = _variance(influence, clusters)
    if clusters is not None:
        method = f"{method}, clustered"
    if units < 2:
        return Estimate(
            value, confidence=confidence, n=units, reason="one row or cluster has no spread"
        )
    if not 0 < variance < math.inf or (on_logit and not 0 < value < 1):
        return Estimate(
            value,
            confidence=confidence,
            n=units,
            reason="there is no spread that could tell how far chance goes",
        )
    freedom = units - 1.0 if sides is None or clusters is not None else _freedom(influence, sides)
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance)
    if not on_logit:
        return Estimate(value, value - reach, value + reach, confidence, method, units)
    middle, reach = float(logit(value)), reach / (value * (1 - value))
    low, high = float(expit(middle - reach)), float(expit(middle + reach))
    return Estimate(value, low, high, confidence, f"logit {method}", units)


def share_estimate(
    hits: np.ndarray, clusters: np.ndarray | None = None, *, confidence: float = CONFIDENCE
) -> Estimate:
    """Wilson's interval of a share; with clusters, for as many rows as they are worth.

    Args:
        hits: Of each row, whether it counts; shape (n,), bool. One row or more.
        clusters: What each row belongs to, as numbers from 0; None if rows are independent.
        confidence: Probability that such intervals cover the truth, 0 to 1, exclusive.
    """
    n = len(hits)
    share = float(hits.mean())
    if clusters is None:
        low, high = wilson_interval(int(hits.sum()), n, confidence=confidence)
        return Estimate(share, low, high, confidence, "wilson", n)
    units, variance = _variance(mean_influence(hits), clusters)
    if units < 2:
        return Estimate(share, confidence=confidence, n=units, reason="there is one cluster only")
    # All rows alike say no more than as many clusters.
    worth = min(share * (1 - share) / variance, n) if variance > 0 else units
    tail = (1 + confidence) / 2
    worth = max(worth * float(stdtrit(math.inf, tail) / stdtrit(units - 1, tail)) ** 2, 1.0)
    low, high = wilson_interval(share * worth, worth, confidence=confidence)
    return Estimate(share, low, high, confidence, "wilson, clustered", units)


def mean_influence(values: np.ndarray) -> np.ndarray:
    """Influence of each row on the mean of values."""
    n = len(values)
    influence: np.ndarray = (values - values.mean()) / math.sqrt(n * max(n - 1, 1))
    return influence


def ratio_influence(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Influence of each row on a sum divided by another, which is not 0."""
    n = len(above)
    off = above - (above.sum() / below.sum()) * below
    influence: np.ndarray = off / below.sum() * math.sqrt(n / max(n - 1, 1))
    return influence


def auc_influence(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Influence of each row on the area under the ROC curve (DeLong et al. 1988, Sun and Xu 2014).

    Args:
        is_positive: Shape (n,), bool; both kinds of rows are there.
        scores: Shape (n,).
    """
    group, positives, negatives = _groups(is_positive, scores)
    n_positive, n_negative = positives.sum(), negatives.sum()
    below = (np.cumsum(negatives) - negatives / 2) / n_negative
    above = (n_positive - np.cumsum(positives) + positives / 2) / n_positive
    area = float((positives * below).sum() / n_positive)
    of_positive = (below - area) / math.sqrt(n_positive * max(n_positive - 1, 1))
    of_negative = (above - area) / math.sqrt(n_negative * max(n_negative - 1, 1))
    influence: np.ndarray = np.where(is_positive, of_positive[group], of_negative[group])
    return influence


def precision_influence(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Influence of each row on average precision.

    A row counts by the precision at its own score, if it is positive, and by how it changes that at
    every lower score.

    Args:
        is_positive: Shape (n,), bool; both kinds of rows are there.
        scores: Shape (n,).
    """
    group, positives, negatives = _groups(is_positive, scores)
    found = np.cumsum(positives[::-1])[::-1]
    taken = np.cumsum((positives + negatives)[::-1])[::-1]
    precision = found / taken
    n, n_positive = len(scores), int(found[0])
    average = float((positives * precision).sum() / n_positive)
    if_positive = np.cumsum(positives * (1 - precision) / taken)
    if_negative = np.cumsum(positives * precision / taken)
    moved = np.where(is_positive, precision[group] - average + if_positive[group], 0.0)
    moved = np.where(is_positive, moved, -if_negative[group])
    influence: np.ndarray = moved / n_positive * math.sqrt(n / max(n - 1, 1))
    return influence


def _variance(influence: np.ndarray, clusters: np.ndarray | None) -> tuple[int, float]:
    """How many independent units there are, and the variance of what they influence."""
    if clusters is None:
        return len(influence), float(influence @ influence)
    sums = np.bincount(clusters, weights=influence)
    units = int(np.count_nonzero(np.bincount(clusters)))
    return units, float(sums @ sums) * units / max(units - 1, 1)


def _freedom(influence: np.ndarray, sides: np.ndarray) -> float:
    """Degrees of freedom of a variance to which two samples contribute."""
    total, below = 0.0, 0.0
    for side in (influence[sides], influence[~sides]):
        variance = float(side @ side)
        total += variance
        below += variance**2 / max(len(side) - 1, 1)
    return total**2 / below


def _groups(
    is_positive: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The group of each row, and how many of either kind each group has, from the lowest score."""
    values, group = np.unique(scores, return_inverse=True)
    positives = np.bincount(group[is_positive], minlength=len(values))
    return group, positives, np.bincount(group, minlength=len(values)) - positives
