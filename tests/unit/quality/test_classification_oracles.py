# SPDX-License-Identifier: Apache-2.0
"""Where scikit-learn has an answer, ours is the same to nine digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tidegauge.quality import ModelMetricsCalculator, threshold_curve

measure = ModelMetricsCalculator.classification_metrics


def two_classes(seed: int, n: int, *, digits: int | None) -> tuple[np.ndarray, ...]:
    """True classes, predicted ones, and probabilities, tied if rounded."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    y = (rng.random(n) < p).astype(int)
    y[:2] = 0, 1
    p = p if digits is None else p.round(digits)
    return y, (p > 0.45).astype(int), p


@pytest.mark.parametrize(("n", "digits"), [(40, 1), (300, 2), (5000, None), (5000, 1)])
def test_two_classes(n: int, digits: int | None) -> None:
    """Every metric of two classes, with ties and without."""
    y, predicted, p = two_classes(n, n, digits=digits)
    metrics = measure(y, predicted, p)
    expected = {
        "accuracy": sk.accuracy_score(y, predicted),
        "precision": sk.precision_score(y, predicted, average="weighted"),
        "recall": sk.recall_score(y, predicted, average="weighted"),
        "f1": sk.f1_score(y, predicted, average="weighted"),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "precision_positive": sk.precision_score(y, predicted),
        "recall_positive": sk.recall_score(y, predicted),
        "f1_positive": sk.f1_score(y, predicted),
        "specificity": sk.recall_score(y, predicted, pos_label=0),
        "auc_roc": sk.roc_auc_score(y, p),
        "avg_precision": sk.average_precision_score(y, p),
        "log_loss": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-9), name
    fpr, tpr, _ = sk.roc_curve(y, p)
    assert metrics["ks"] == pytest.approx(np.abs(tpr - fpr).max(), abs=1e-9)


@pytest.mark.parametrize("average", ["weighted", "macro", "micro"])
@pytest.mark.parametrize("names", [["a", "b", "c", "d"], [0, 1, 2, 3], [10, -5, 70000, 3]], ids=str)
def test_many_classes(average: Any, names: list[Any]) -> None:
    """Four classes, of texts or numbers near and far, with a matrix of probabilities."""
    rng = np.random.default_rng(5)
    scores = rng.dirichlet(np.ones(4), size=600).round(3)
    scores /= scores.sum(axis=1, keepdims=True)
    classes = np.array(sorted(names))
    y = classes[(scores.cumsum(axis=1) > rng.random((600, 1))).argmax(axis=1)]
    predicted = classes[scores.argmax(axis=1)]
    metrics = measure(y, predicted, scores, average=average)
    expected = {
        "accuracy": sk.accuracy_score(y, predicted),
        "precision": sk.precision_score(y, predicted, average=average),
        "recall": sk.recall_score(y, predicted, average=average),
        "f1": sk.f1_score(y, predicted, average=average),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "auc_roc": sk.roc_auc_score(y, scores, multi_class="ovr"),
        "avg_precision": sk.average_precision_score(y, scores),
        "log_loss": sk.log_loss(y, scores),
        "brier": sk.brier_score_loss(y, scores, labels=classes),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-9), name
    assert metrics.confusion is not None
    assert metrics.confusion.array.tolist() == sk.confusion_matrix(y, predicted).tolist()
    report = sk.classification_report(y, predicted, output_dict=True)
    for label, row in metrics.per_class.items():
        assert row["f1"] == pytest.approx(report[str(label)]["f1-score"], abs=1e-9)


@pytest.mark.parametrize("average", ["weighted", "macro", "micro"])
def test_several_labels_at_once(average: Any) -> None:
    """A column of 0 and 1 per label, with a probability each."""
    rng = np.random.default_rng(8)
    scores = rng.random((500, 3))
    y = (rng.random((500, 3)) < scores).astype(int)
    predicted = (scores > 0.6).astype(int)
    metrics = measure(y, predicted, scores, average=average, labels=["x", "y", "z"])
    expected = {
        "accuracy": sk.accuracy_score(y, predicted),
        "hamming_loss": sk.hamming_loss(y, predicted),
        "precision": sk.precision_score(y, predicted, average=average),
        "recall": sk.recall_score(y, predicted, average=average),
        "f1": sk.f1_score(y, predicted, average=average),
        "auc_roc": sk.roc_auc_score(y, scores),
        "avg_precision": sk.average_precision_score(y, scores),
        "log_loss": np.mean([sk.log_loss(y[:, at], scores[:, at]) for at in range(3)]),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-9), name
    assert list(metrics.per_class) == ["x", "y", "z"]
    assert measure(y, None, scores, threshold=0.6)["hamming_loss"] == pytest.approx(
        (y != (scores >= 0.6)).mean()
    )


def test_single_precision_is_clipped_as_such() -> None:
    """The smallest probability is that of the kind of float."""
    y, p = np.array([0, 1, 1]), np.array([1.0, 0.0, 0.5], dtype=np.float32)
    assert measure(y, y, p)["log_loss"] == pytest.approx(sk.log_loss(y, p), rel=1e-6)


def test_thresholds_are_those_of_the_precision_recall_curve() -> None:
    """At every distinct score the same precision and recall; the best F1 is the largest."""
    y, _, p = two_classes(3, 400, digits=2)
    curve = threshold_curve(y, p)
    precision, recall, cuts = sk.precision_recall_curve(y, p)
    table = curve.table(most=1000)
    assert [each.threshold for each in table] == cuts[::-1].tolist()
    assert [each.precision for each in table] == pytest.approx(precision[-2::-1], abs=1e-12)
    assert [each.recall for each in table] == pytest.approx(recall[-2::-1], abs=1e-12)
    best = curve.best("f1")
    assert best is not None
    assert best.f1 == max(each.f1 or 0.0 for each in table)
    assert curve.at(best.threshold) == best
    assert len(curve.table(most=20)) <= 22
    assert curve.at(1.1).recall == 0.0
    assert curve.at(1.1).precision is None
