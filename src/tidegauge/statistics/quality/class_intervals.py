# SPDX-License-Identifier: Apache-2.0
"""Intervals of metrics of classes and their probabilities, of one model and of two."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.quality.bootstrap import Cells, Measure, count_estimates
from tidegauge.statistics.quality.classification import Rows
from tidegauge.statistics.quality.linear import (
    auc_influence,
    linear_estimate,
    mean_influence,
    precision_influence,
    ratio_influence,
    share_estimate,
)
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.rates import Average, rates
from tidegauge.statistics.quality.score_histogram import log_losses

__all__ = ["MOST_DRAWN", "class_differences", "class_intervals"]

#: With more classes than this, metrics that need drawing have no interval.
MOST_DRAWN = 200

_NO_INTERVAL = {
    "ece": "a sample of these rows would be calibrated worse than they are; compare ece_null",
    "ece_null": "it is computed, not estimated",
    "ks": "the largest of many distances moves one way; see auc_roc",
}
_ON_LOGIT = ("auc_roc", "avg_precision")


def class_intervals(
    rows: Rows,
    result: Metrics,
    clusters: np.ndarray | None,
    *,
    confidence: float,
    average: Average,
    zero_division: float | None,
) -> dict[str, Estimate]:
    """An estimate for each metric that is defined.

    Args:
        rows: What was measured.
        result: The metrics.
        clusters: What each row belongs to, as numbers from 0; None if rows are independent.
        confidence: Probability that such intervals cover the truth, 0 to 1, exclusive.
        average: As it was measured.
        zero_division: As it was measured.
    """
    found: dict[str, Estimate] = {}
    if rows.predicted is not None:
        measure = _measure(rows, average, zero_division)
        size = len(rows.classes)
        cells = Cells(rows.true * size + rows.predicted, size * size, clusters)
        if size <= MOST_DRAWN:
            found |= count_estimates(cells, measure, confidence=confidence)
        for name, (hits, chosen) in _shares(rows, average).items():
            mine = clusters if clusters is None or chosen is None else clusters[chosen]
            if result.get(name) is not None and len(hits):
                found[name] = share_estimate(hits, mine, confidence=confidence)
    for name, influence in _influences(rows).items():
        value = result.get(name)
        if value is not None:
            found[name] = _bounded(
                name,
                linear_estimate(
                    value,
                    influence,
                    clusters,
                    confidence=confidence,
                    on_logit=name in _ON_LOGIT,
                    method=_method(name),
                    sides=_sides(rows, name),
                ),
            )
    if rows.positive is not None and "prevalence" in result:
        found["prevalence"] = share_estimate(rows.is_positive, clusters, confidence=confidence)
    return {
        name: found.get(name) or _without(value, _NO_INTERVAL.get(name, _TOO_MANY), confidence)
        for name, value in result.items()
        if value is not None
    }


def class_differences(
    a: Rows,
    b: Rows,
    results: tuple[Metrics, Metrics],
    clusters: np.ndarray | None,
    *,
    confidence: float,
    average: Average,
    zero_division: float | None,
) -> dict[str, Estimate]:
    """How much higher each metric is for the second model, on the same rows.

    Args:
        a: What the first model predicted.
        b: What the second did, of the same classes.
        results: The metrics of both.
        clusters: As for `class_intervals`.
        confidence: As there.
        average: As there.
        zero_division: As there.
    """
    found: dict[str, Estimate] = {}
    if a.predicted is not None and b.predicted is not None and len(a.classes) <= MOST_DRAWN:
        cells, measure = _paired(a, b, clusters, average, zero_division)
        drawn = count_estimates(cells, measure, confidence=confidence)
        found |= {
            name: replace(each, method=f"paired {each.method}") for name, each in drawn.items()
        }
    of_a, of_b = _influences(a), _influences(b)
    differences: dict[str, Estimate] = {}
    for name in results[1]:
        first, second = results[0].get(name), results[1][name]
        if name not in results[0] or name == "prevalence":
            continue
        if first is None or second is None:
            reason = results[0].reasons.get(name) or results[1].reasons.get(name, "")
            differences[name] = Estimate(None, confidence=confidence, n=a.n, reason=reason)
        elif name in of_a and name in of_b:
            differences[name] = linear_estimate(
                second - first,
                of_b[name] - of_a[name],
                clusters,
                confidence=confidence,
                method=f"paired {_method(name)}",
                sides=_sides(a, name),
            )
        else:
            differences[name] = found.get(name) or _without(
                second - first, _NO_INTERVAL.get(name, _TOO_MANY), confidence
            )
    return differences


def _measure(rows: Rows, average: Average, zero_division: float | None) -> Measure:
    size, positive = len(rows.classes), rows.positive

    def measure(tables: np.ndarray) -> dict[str, np.ndarray]:
        counts = tables.reshape(-1, size, size)
        return rates(counts, average=average, positive=positive, zero_division=zero_division)

    return measure


def _paired(
    a: Rows, b: Rows, clusters: np.ndarray | None, average: Average, zero_division: float | None
) -> tuple[Cells, Measure]:
    """Cells of true class and both predictions, and the difference of the two models' metrics."""
    assert a.predicted is not None
    assert b.predicted is not None
    size = len(a.classes)
    joint = (a.true * size + a.predicted) * size + b.predicted
    filled, codes = np.unique(joint, return_inverse=True)
    true, of_a, of_b = filled // size**2, filled // size % size, filled % size
    tables = [
        csr_array(
            (np.ones(len(filled)), (np.arange(len(filled)), true * size + predicted)),
            shape=(len(filled), size * size),
        )
        for predicted in (of_a, of_b)
    ]
    of_one = _measure(a, average, zero_division)

    def measure(drawn: np.ndarray) -> dict[str, np.ndarray]:
        first, second = (of_one(drawn @ table) for table in tables)
        return {name: second[name] - first[name] for name in first}

    return Cells(codes, len(filled), clusters), measure


def _shares(rows: Rows, average: Average) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Metrics that are shares of rows: which rows count, and of which rows; None for all."""
    assert rows.predicted is not None
    is_right: np.ndarray = rows.true == rows.predicted
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {"accuracy": (is_right, None)}
    if average == "weighted":
        found["recall"] = is_right, None
    elif average == "micro":
        found |= dict.fromkeys(("precision", "recall", "f1"), (is_right, None))
    if rows.positive is not None:
        is_positive = rows.is_positive
        is_taken: np.ndarray = rows.predicted == rows.positive
        found |= {
            "precision_positive": (is_positive[is_taken], is_taken),
            "recall_positive": (is_taken[is_positive], is_positive),
            "specificity": (~is_taken[~is_positive], ~is_positive),
        }
        if average == "binary":
            found["precision"] = found["precision_positive"]
            found["recall"] = found["recall_positive"]
    return found


def _influences(rows: Rows) -> dict[str, np.ndarray]:
    """How much each row moves the metrics of probabilities; shape (n,) each."""
    scores = rows.probabilities
    if scores is None:
        return {}
    if rows.positive is not None:
        is_positive = rows.is_positive
        sides = [(is_positive, scores)] if 0 < is_positive.sum() < rows.n else []
        found = {
            "log_loss": mean_influence(log_losses(is_positive, scores)),
            "brier": mean_influence(np.square(scores.astype(float) - is_positive)),
        }
        if scores.any():
            found["calibration_ratio"] = ratio_influence(is_positive, scores.astype(float))
    else:
        numbers = range(len(rows.classes))
        sides = [(rows.true == at, scores[:, at]) for at in numbers]
        if not all(is_it.any() for is_it, _ in sides):
            sides = []
        of_true = scores[np.arange(rows.n), rows.true]
        squares = np.square(scores, dtype=float).sum(axis=1) - 2 * of_true + 1
        is_right = scores.argmax(axis=1) == rows.true
        found = {
            "log_loss": mean_influence(log_losses(np.ones(rows.n, dtype=bool), of_true)),
            "brier": mean_influence(squares),
            "calibration_ratio": ratio_influence(is_right, scores.max(axis=1).astype(float)),
        }
    if sides:
        found["auc_roc"] = np.mean([auc_influence(*side) for side in sides], axis=0)
        found["avg_precision"] = np.mean([precision_influence(*side) for side in sides], axis=0)
    return found


def _sides(rows: Rows, name: str) -> np.ndarray | None:
    """Positives and negatives, if the metric ranks them against each other."""
    return rows.is_positive if name in _ON_LOGIT and rows.positive is not None else None


def _method(name: str) -> str:
    return {"auc_roc": "delong", "avg_precision": "delta", "calibration_ratio": "delta"}.get(
        name, "t"
    )


_TOO_MANY = f"there are more than {MOST_DRAWN} classes"


def _bounded(name: str, estimate: Estimate) -> Estimate:
    """Without ends that the metric cannot have."""
    if estimate.low is None or estimate.high is None:
        return estimate
    most = 2.0 if name == "brier" else math.inf
    return replace(estimate, low=max(estimate.low, 0.0), high=min(estimate.high, most))


def _without(value: float, reason: str, confidence: float) -> Estimate:
    return Estimate(value, confidence=confidence, reason=reason)
