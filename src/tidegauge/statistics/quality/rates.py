# SPDX-License-Identifier: Apache-2.0
"""Metrics of counts of right and wrong classes, for many tables of counts at once.

A table has a row per true class and a column per predicted one. What is undefined is NaN here, and
without a warning; whoever answers somebody makes None of it, with a reason.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["AVERAGES", "Average", "class_rates", "positive_rates", "rates", "ratio"]

#: How precision, recall and F1 of several classes become one number: weighted by how often a class
#: is true, all classes alike, of all rows together, or only that of the positive class.
Average = Literal["weighted", "macro", "micro", "binary"]

AVERAGES: tuple[Average, ...] = ("weighted", "macro", "micro", "binary")


def rates(
    counts: np.ndarray,
    *,
    average: Average = "weighted",
    positive: int | None = None,
    zero_division: float | None = None,
) -> dict[str, np.ndarray]:
    """Metrics of tables of counts.

    Args:
        counts: Shape (…, n_classes, n_classes): true class, predicted class.
        average: See `Average`.
        positive: Number of the positive class; None if there are not two classes.
        zero_division: What 0/0 counts as in precision, recall and F1; None for undefined.

    Returns:
        Metrics by name; shape (…) each.
    """
    total = counts.sum(axis=(-2, -1))
    right = np.trace(counts, axis1=-2, axis2=-1)
    support = counts.sum(axis=-1)
    predicted = counts.sum(axis=-2)
    by_class = class_rates(counts, zero_division=zero_division)
    has_two = (support > 0).sum(axis=-1) >= 2
    found = {"accuracy": ratio(right, total)}
    for name, values in by_class.items():
        found[name] = _averaged(values, support, predicted, found["accuracy"], average, positive)
    recall = class_rates(counts)["recall"]
    found["balanced_accuracy"] = np.where(
        has_two, ratio(np.nansum(recall, axis=-1), (support > 0).sum(axis=-1)), np.nan
    )
    found["mcc"] = _mcc(total, right, support, predicted)
    if positive is not None:
        found |= positive_rates(counts, positive, zero_division=zero_division)
    if average == "binary":
        found["f1"] = found["f1_positive"]
    return found


def class_rates(counts: np.ndarray, *, zero_division: float | None = None) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of each class against the rest; shape (…, n_classes) each."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    support = counts.sum(axis=-1)
    predicted = counts.sum(axis=-2)
    return {
        "precision": ratio(right, predicted, zero_division),
        "recall": ratio(right, support, zero_division),
        "f1": ratio(2 * right, support + predicted, zero_division),
    }


def positive_rates(
    counts: np.ndarray, positive: int, *, zero_division: float | None = None
) -> dict[str, np.ndarray]:
    """Metrics of one of two classes; shape (…) each."""
    by_class = class_rates(counts, zero_division=zero_division)
    support = counts.sum(axis=-1)
    negative = 1 - positive
    f1 = by_class["f1"][..., positive]
    if zero_division is None:
        f1 = np.where(support[..., positive] > 0, f1, np.nan)
    return {
        "precision_positive": by_class["precision"][..., positive],
        "recall_positive": by_class["recall"][..., positive],
        "f1_positive": f1,
        "specificity": ratio(
            counts[..., negative, negative], support[..., negative], zero_division
        ),
        "prevalence": ratio(support[..., positive], support.sum(axis=-1)),
    }


def ratio(above: np.ndarray, below: np.ndarray, zero_division: float | None = None) -> np.ndarray:
    """A quotient; NaN, or `zero_division`, where something is divided by 0."""
    nothing = np.nan if zero_division is None else zero_division
    quotient = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), float(nothing))
    np.divide(above, below, out=quotient, where=np.asarray(below) > 0)
    return quotient


def _averaged(
    values: np.ndarray,
    support: np.ndarray,
    predicted: np.ndarray,
    accuracy: np.ndarray,
    average: Average,
    positive: int | None,
) -> np.ndarray:
    match average:
        case "weighted":
            counted = np.where(support > 0, values * support, 0.0)  # a NaN that counts is kept
            return ratio(counted.sum(axis=-1), support.sum(axis=-1))
        case "macro":
            is_there = support + predicted > 0
            return ratio(np.where(is_there, values, 0.0).sum(axis=-1), is_there.sum(axis=-1))
        case "micro":  # with one class per row all three are the share of the rows that are right
            return accuracy
        case "binary":
            assert positive is not None
            return values[..., positive]


def _mcc(
    total: np.ndarray, right: np.ndarray, support: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Matthews' correlation coefficient of any number of classes (Gorodkin 2004)."""
    total, right = np.asarray(total, dtype=float), np.asarray(right, dtype=float)
    support, predicted = support.astype(float), predicted.astype(float)
    covariance = right * total - (support * predicted).sum(axis=-1)
    spread = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (support**2).sum(axis=-1))
    return ratio(covariance, np.sqrt(np.maximum(spread, 0)))
