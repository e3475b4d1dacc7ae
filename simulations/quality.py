# SPDX-License-Identifier: Apache-2.0
"""Do intervals of model quality cover what they say, and does calibration error tell of a model?"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom, norm

from simulations.study import Study, Table
from tidegauge.quality import ModelMetricsCalculator, ScoreHistogram
from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.quality.linear import auc_influence
from tidegauge.statistics.wilson import wilson_interval

__all__ = ["STUDIES"]

measure = ModelMetricsCalculator.classification_metrics

_Z = float(norm.ppf(0.975))
_CONFIDENCE = 0.95


def areas() -> Table:
    """Few positives and a good model, where the plain interval reaches beyond 1."""
    repeats = 2_000
    table = Table(
        "How often a 95 % interval of ROC AUC covers the true one, 0.90: "
        f"{repeats:,} samples with ten times as many negatives as positives.",
        ("10 positives", "30 positives"),
    )
    rng = np.random.default_rng(11)
    apart = math.sqrt(2) * float(norm.ppf(0.9))
    covered: dict[str, list[float]] = {"ours": [], "plain": []}
    for n_positive in (10, 30):
        is_positive = np.arange(11 * n_positive) < n_positive
        ours = plain = 0
        for _ in range(repeats):
            scores = norm.cdf(rng.normal(size=len(is_positive)) + apart * (is_positive - 0.5))
            metrics = measure(is_positive, None, scores, confidence=_CONFIDENCE)
            ours += _covers(metrics.intervals["auc_roc"], 0.9)
            influence = auc_influence(is_positive, scores)
            reach = _Z * math.sqrt(float(influence @ influence))
            plain += abs(metrics["auc_roc"] - 0.9) <= reach
        covered["ours"].append(ours / repeats)
        covered["plain"].append(plain / repeats)
    table.add("DeLong on the logit scale", covered["ours"], least=0.92)
    table.add("DeLong", covered["plain"])
    return table


def shares() -> Table:
    """Rare errors and few rows, where the usual interval has hardly any width."""
    table = Table(
        "How often a 95 % interval of a share, such as accuracy, covers the true one. "
        "Computed over all outcomes, not drawn.",
        ("0.99 of 50", "0.95 of 30", "0.999 of 1000"),
    )
    cases = ((0.99, 50), (0.95, 30), (0.999, 1000))
    table.add("Wilson", [_coverage(p, n, wilson_interval) for p, n in cases], least=0.90)
    table.add("p ± 1.96 √(p(1-p)/n)", [_coverage(p, n, _wald) for p, n in cases])
    return table


def calibration() -> Table:
    """A perfectly calibrated model: what its calibration error is, and what is left of it."""
    repeats, sizes = 200, (100, 1_000, 20_000)
    table = Table(
        "The mean expected calibration error of a perfectly calibrated model, scores of a "
        f"Beta(2, 5), 15 bins, {repeats} samples.",
        tuple(f"{n:,} rows" for n in sizes),
        digits=4,
    )
    rng = np.random.default_rng(12)
    naive, ours = [], []
    for n in sizes:
        errors, nulls = np.empty(repeats), np.empty(repeats)
        for at in range(repeats):
            scores = rng.beta(2, 5, n)
            metrics = ScoreHistogram.of(rng.random(n) < scores, scores).metrics()
            errors[at], nulls[at] = metrics["ece"], metrics["ece_null"]
        naive.append(errors.mean())
        ours.append((errors - nulls).mean())
    table.add("ece - ece_null", ours, least=-0.003, most=0.003)
    table.add("ece", naive)
    return table


def clusters() -> Table:
    """Rows of one user resemble each other; intervals that do not know it are too narrow."""
    repeats, users, each = 250, 60, 20
    table = Table(
        "How often a 95 % interval covers the true value, if some users are harder to predict for: "
        f"{users} users with {each} rows each, {repeats} samples.",
        ("accuracy", "f1", "auc_roc", "log_loss"),
    )
    rng = np.random.default_rng(13)
    truth = measure(*_of_users(rng, 20_000, each)[:3])
    hits = {"with": np.zeros(4), "without": np.zeros(4)}
    for _ in range(repeats):
        y, predicted, scores, user = _of_users(rng, users, each)
        for name, told in (("with", user), ("without", None)):
            intervals = measure(
                y, predicted, scores, clusters=told, confidence=_CONFIDENCE
            ).intervals
            hits[name] += [_covers(intervals[metric], truth[metric]) for metric in table.columns]
    table.add("with `clusters`", hits["with"] / repeats, least=0.90)
    table.add("without", hits["without"] / repeats)
    return table


STUDIES: tuple[Study, ...] = (areas, shares, calibration, clusters)


def _of_users(
    rng: np.random.Generator, users: int, each: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, predictions and probabilities of a model that is good for some users only."""
    user = np.repeat(np.arange(users), each)
    y = rng.random(users * each) < rng.beta(2, 2, users)[user]
    skill = rng.gamma(1.0, 1.5, users)[user]
    logit = skill * (y - 0.5) + rng.normal(size=len(y))
    return y, logit > 0, 1 / (1 + np.exp(-logit)), user


def _covers(estimate: Estimate, truth: float) -> bool:
    """Whether there is an interval that covers; none covers nothing."""
    return estimate.low is not None and estimate.low <= truth <= estimate.high


def _coverage(p: float, n: int, interval) -> float:
    counts = np.arange(n + 1)
    ends = [interval(int(each), n) for each in counts]
    return sum(
        float(binom.pmf(count, n, p))
        for count, (low, high) in zip(counts, ends, strict=True)
        if low <= p <= high
    )


def _wald(hits: int, n: int) -> tuple[float, float]:
    share = hits / n
    reach = _Z * math.sqrt(share * (1 - share) / n)
    return share - reach, share + reach
