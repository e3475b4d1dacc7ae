# SPDX-License-Identifier: Apache-2.0
"""Intervals of metrics of classes, against other ways to them, and what they do at the edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from tidegauge.quality import ModelMetricsCalculator
from tidegauge.statistics.quality.calibration import calibration_null
from tidegauge.statistics.quality.linear import auc_influence, precision_influence

measure = ModelMetricsCalculator.classification_metrics


def some_rows(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True classes, predicted ones and probabilities with a few ties."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n).round(2)
    y = (rng.random(n) < p).astype(int)
    return y, (p > 0.45).astype(int), p


def test_shares_have_wilsons_interval() -> None:
    """Of all rows, of those taken for positive, of the positive, of the negative."""
    y, predicted, p = some_rows(1, 120)
    intervals = measure(y, predicted, p, confidence=0.9).intervals
    hits = {
        "accuracy": (y == predicted, 120),
        "recall": (y == predicted, 120),
        "precision_positive": (y[predicted == 1] == 1, predicted.sum()),
        "recall_positive": (predicted[y == 1] == 1, y.sum()),
        "specificity": (predicted[y == 0] == 0, (y == 0).sum()),
        "prevalence": (y, 120),
    }
    for name, (hit, count) in hits.items():
        expected = proportion_confint(hit.sum(), count, alpha=0.1, method="wilson")
        assert (intervals[name].low, intervals[name].high) == pytest.approx(expected), name
        assert intervals[name].method == "wilson"
        assert intervals[name].n == count


def test_the_area_has_delongs_variance_on_the_logit_scale() -> None:
    """The variance of the placements, pair by pair."""
    y, predicted, p = some_rows(2, 90)
    pairs = np.sign(p[y == 1][:, None] - p[y == 0][None, :]) / 2 + 0.5
    area = pairs.mean()
    sizes = y.sum(), (y == 0).sum()
    parts = [pairs.mean(axis=1 - side).var(ddof=1) / sizes[side] for side in (0, 1)]
    variance = sum(parts)
    freedom = variance**2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True)
    )
    estimate = measure(y, predicted, p, confidence=0.95).intervals["auc_roc"]
    reach = scipy.stats.t.ppf(0.975, freedom) * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    expected = [1 / (1 + math.exp(-(middle + side * reach))) for side in (-1, 1)]
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-9)
    assert estimate.method == "logit delong"


@pytest.mark.parametrize(
    ("influence", "score"),
    [(auc_influence, sk.roc_auc_score), (precision_influence, sk.average_precision_score)],
)
def test_an_influence_is_what_a_row_moves(influence: Any, score: Any) -> None:
    """The metric's derivative by the weight of each row, taken by weighing it a little more."""
    y, _, p = some_rows(3, 60)
    found = influence(y == 1, p)
    correction = np.where(
        y == 1, math.sqrt(y.sum() / (y.sum() - 1)), math.sqrt((y == 0).sum() / ((y == 0).sum() - 1))
    )
    if influence is precision_influence:
        correction = math.sqrt(60 / 59)
    for at in range(60):
        weights = np.ones(60)
        weights[at] += 1e-5
        more = score(y, p, sample_weight=weights)
        weights[at] -= 2e-5
        moved = (more - score(y, p, sample_weight=weights)) / 2e-5
        assert found[at] == pytest.approx(moved * np.broadcast_to(correction, 60)[at], abs=1e-7)


def test_drawn_intervals_are_those_of_drawing_rows() -> None:
    """F1 and MCC by SciPy's BCa bootstrap of single rows; ours draws counts."""
    y, predicted, _ = some_rows(4, 150)
    intervals = measure(y, predicted, confidence=0.9).intervals

    def f1(y: np.ndarray, predicted: np.ndarray, axis: int = -1) -> np.ndarray:
        return 2 * (y * predicted).sum(axis) / (y.sum(axis) + predicted.sum(axis))

    def mcc(y: np.ndarray, predicted: np.ndarray, axis: int = -1) -> np.ndarray:
        apart = (y * predicted).mean(axis) - y.mean(axis) * predicted.mean(axis)
        return apart / y.std(axis) / predicted.std(axis)

    for name, score in (("f1_positive", f1), ("mcc", mcc)):
        drawn = scipy.stats.bootstrap(
            (y, predicted),
            score,
            paired=True,
            vectorized=True,
            n_resamples=4000,
            confidence_level=0.9,
            rng=np.random.default_rng(0),
        ).confidence_interval
        assert intervals[name].method == "bca bootstrap"
        assert (intervals[name].low, intervals[name].high) == pytest.approx(drawn, abs=0.015), name


def test_the_same_rows_have_the_same_intervals() -> None:
    """Drawing begins with the same seed."""
    y, predicted, p = some_rows(5, 80)
    assert (
        measure(y, predicted, p, confidence=0.95).intervals
        == measure(y, predicted, p, confidence=0.95).intervals
    )


def test_rows_of_one_user_widen_every_interval() -> None:
    """Ten copies of each row say no more than the row, in every metric."""
    y, predicted, p = some_rows(6, 100)
    users = np.repeat([f"user-{at}" for at in range(100)], 10)
    copies = [np.repeat(each, 10) for each in (y, predicted, p)]
    once = measure(y, predicted, p, confidence=0.95).intervals
    clustered = measure(*copies, clusters=users, confidence=0.95).intervals
    for name, estimate in once.items():
        if estimate.low is None:
            continue
        width = estimate.high - estimate.low
        wide = clustered[name].high - clustered[name].low
        assert wide == pytest.approx(width, rel=0.12), name
        assert "clustered" in clustered[name].method


def test_many_classes_have_intervals_too() -> None:
    """The mean area of three classes is covered in 90 % of 100 samples or more."""
    rng = np.random.default_rng(9)

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(3, size=n)
        logits = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[y]
        scores = np.exp(logits)
        return y, scores / scores.sum(axis=1, keepdims=True)

    y, scores = sample(200_000)
    truth = measure(y, scores.argmax(axis=1), scores)
    hits = {"auc_roc": 0, "avg_precision": 0, "log_loss": 0, "brier": 0}
    for _ in range(100):
        y, scores = sample(150)
        intervals = measure(y, None, scores, confidence=0.95).intervals
        for name in hits:
            hits[name] += intervals[name].low <= truth[name] <= intervals[name].high
    assert min(hits.values()) >= 90, hits


def test_without_a_single_error_there_is_no_interval_to_be_drawn() -> None:
    """A perfect score is no certainty: a share has an interval, what is drawn has a reason."""
    intervals = measure([0, 1] * 10, [0, 1] * 10, [0.2, 0.8] * 10, confidence=0.95).intervals
    assert intervals["accuracy"].low == pytest.approx(0.8389, abs=1e-4)
    for name in ("f1", "mcc", "auc_roc", "avg_precision"):
        assert intervals[name].value == 1.0
        assert intervals[name].low is None
        assert intervals[name].reason == ("there is no spread that could tell how far chance goes")


def test_calibration_error_has_its_null_instead_of_an_interval() -> None:
    """Samples of the rows are calibrated worse than the rows; so nothing is drawn."""
    intervals = measure([0, 1, 1], [0, 1, 1], [0.2, 0.7, 0.9], confidence=0.95).intervals
    assert intervals["ece"].low is None
    assert "compare ece_null" in intervals["ece"].reason


def test_one_cluster_has_no_interval() -> None:
    """However many rows it has."""
    intervals = measure([0, 1, 1], [0, 1, 0], clusters=["u"] * 3, confidence=0.95).intervals
    assert intervals["accuracy"].reason == "there is one cluster only"
    assert intervals["f1"].reason == "one row or cluster has no spread"


def test_what_chance_does_to_calibration_is_computed_exactly() -> None:
    """The mean of a million draws of binomial numbers, in bins of many rows and of few."""
    counts, sums = np.array([1, 3, 40, 0, 500]), np.array([0.5, 0.3, 31.0, 0.0, 500.0])
    rng = np.random.default_rng(0)
    shares = sums[counts > 0] / counts[counts > 0]
    drawn = rng.binomial(counts[counts > 0], shares, size=(1_000_000, 4))
    mean = np.abs(drawn - sums[counts > 0]).sum(axis=1).mean() / counts.sum()
    assert calibration_null(counts, sums) == pytest.approx(mean, rel=2e-3)
