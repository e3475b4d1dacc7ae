# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted classes and of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import is_share
from tidegauge.statistics.quality.arrays import (
    Coded,
    Label,
    array_of,
    check_length,
    check_rows_sum,
    code_labels,
    code_names,
    probabilities,
)
from tidegauge.statistics.quality.confusion import (
    ConfusionCounts,
    check_average,
    check_zero_division,
    positive_index,
)
from tidegauge.statistics.quality.curve import Curve, exact_curve
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.rates import Average
from tidegauge.statistics.quality.score_histogram import ScoreHistogram

__all__ = ["Rows", "column_classes", "curve_of", "group_rows", "measured", "rows_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What was predicted of each row, checked and as numbers.

    Attributes:
        classes: The classes.
        true: The true class of each row, as a number; shape (n,).
        predicted: The predicted one; None if there are only probabilities.
        probabilities: Probability of the positive class, shape (n,); or of each class, shape
            (n, n_classes), if there are more than two; None if there are none.
        positive: Number of the positive class, if there are two; None otherwise.
        named: Whether the classes were named, so that one that does not occur is known.
    """

    classes: tuple[Label, ...]
    true: np.ndarray
    predicted: np.ndarray | None
    probabilities: np.ndarray | None
    positive: int | None
    named: bool

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.true)

    @property
    def is_positive(self) -> np.ndarray:
        """Whether each row is of the positive class; shape (n,), bool."""
        found: np.ndarray = self.true == self.positive
        return found

    @property
    def counts(self) -> ConfusionCounts:
        """How often each class was taken for each."""
        assert self.predicted is not None
        coded = Coded(self.classes, (self.true, self.predicted))
        positive = None if self.positive is None else self.classes[self.positive]
        return ConfusionCounts.of_codes(coded, positive=positive)

    def subset(self, chosen: np.ndarray) -> Rows:
        """Some of the rows."""
        return replace(
            self,
            true=self.true[chosen],
            predicted=None if self.predicted is None else self.predicted[chosen],
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
        )


def rows_of(
    y_true: Any,
    y_pred: Any = None,
    y_prob: Any = None,
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
    threshold: float | None = None,
    is_named: bool = True,
) -> Rows:
    """Check columns.

    Args:
        y_true: True classes; shape (n,).
        y_pred: Predicted classes; None if `threshold` is given, or there are none.
        y_prob: Probabilities: of the positive class, shape (n,), or of all classes, shape
            (n, n_classes), in the order of `labels`, or else ascending.
        labels: All classes.
        positive: The positive one of two classes; the last one if None.
        threshold: The positive class is predicted where its probability is this or more.
        is_named: Whether somebody named `labels`; False if they are those that occur.

    Raises:
        QueryError: The columns cannot be compared.
    """
    named = labels is not None and is_named
    true = array_of(y_true, "y_true")
    columns, names = [true], ["y_true"]
    if y_pred is not None and threshold is None:
        columns.append(array_of(y_pred, "y_pred"))
        names.append("y_pred")
        check_length(columns[1], "y_pred", len(true))
    coded = code_labels(columns, names, labels=labels)
    scores = None if y_prob is None else probabilities(y_prob, "y_prob", n=len(true))
    if scores is not None and scores.ndim == 2:
        wanted = column_classes(coded.names, scores.shape[1], is_named=named)
        if wanted != coded.names:
            coded = code_labels(columns, names, labels=wanted)
    classes = coded.names
    at = positive_index(classes, positive)
    if scores is not None:
        scores = _of_classes(scores, classes, at)
    elif len(columns) == 1 and threshold is None:
        raise QueryError("there is nothing to be measured", fix="Pass y_pred, y_prob or both.")
    predicted = coded.codes[1] if len(coded.codes) > 1 else None
    if threshold is not None:
        predicted = _cut(scores, at, threshold)
    return Rows(classes, coded.codes[0], predicted, scores, at, named)


def measured(
    rows: Rows,
    *,
    average: Average = "weighted",
    zero_division: float | None = None,
) -> Metrics:
    """All metrics of rows.

    Args:
        rows: From `rows_of`.
        average: See `ConfusionCounts.metrics`.
        zero_division: As there.

    Raises:
        QueryError: There is no such average.
    """
    check_average(average, rows.positive)
    check_zero_division(zero_division)
    result = Metrics(rows.n)
    if rows.predicted is not None:
        counted = rows.counts.metrics(average=average, zero_division=zero_division)
        result.take(counted)
        result.confusion, result.per_class = counted.confusion, counted.per_class
    if rows.probabilities is None:
        return result
    if rows.positive is not None:
        _put_two_classes(result, rows)
    else:
        _put_many_classes(result, rows)
    if np.ptp(rows.true) == 0 and not rows.named:
        label = rows.classes[int(rows.true[0])]
        for name in ("log_loss", "brier", "ece", "ece_null"):
            result.put(name, None, f"y_true has one class only, {label!r}; name all with `labels`")
    return result


def curve_of(rows: Rows) -> Curve:
    """What becomes of the rows when the probability of the positive class is cut.

    Raises:
        QueryError: There are not two classes, or no probabilities.
    """
    if rows.positive is None or rows.probabilities is None:
        raise QueryError(
            "only the probability of one of two classes can be cut",
            got=f"{len(rows.classes)} classes",
            fix="Pass y_prob; name both classes with `labels` if one does not occur.",
        )
    return exact_curve(rows.is_positive, rows.probabilities)


def column_classes(
    classes: tuple[Label, ...], columns: int, *, is_named: bool
) -> tuple[Label, ...]:
    """The classes that the columns of probabilities stand for: with numbers from 0, those.

    Raises:
        QueryError: There are more or fewer classes than columns.
    """
    if len(classes) == columns:
        return classes
    if not is_named and set(classes) <= set(range(columns)):
        return tuple(range(columns))
    raise QueryError(
        "y_prob has not one column per class",
        got=f"{columns} columns, {len(classes)} classes",
        allowed="one per class; with two, also the positive one's alone",
        fix="Name all classes in the order of the columns: labels=model.classes_.",
    )


def group_rows(groups: Any, n: int) -> list[tuple[Label, np.ndarray]]:
    """The groups in ascending order, and which rows are theirs.

    Raises:
        QueryError: A row has no group, or there are more or fewer than rows.
    """
    coded = code_names(groups, "groups", n=n)
    codes = coded.codes[0]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.names)))
    return list(zip(coded.names, np.split(order, ends[:-1]), strict=True))


def _put_two_classes(result: Metrics, rows: Rows) -> None:
    assert rows.probabilities is not None
    curve = exact_curve(rows.is_positive, rows.probabilities)
    scores = ScoreHistogram.of_scores(rows.is_positive, rows.probabilities)
    reason = scores.why_no_ranks() or ""
    result.put("auc_roc", curve.auc(), reason)
    result.put("avg_precision", curve.average_precision(), reason)
    result.put("ks", curve.ks(), reason)
    result.take(scores.probability_metrics())
    result.scores = scores


def _put_many_classes(result: Metrics, rows: Rows) -> None:
    """Each class against the rest, and their plain mean; calibration of the most likely class."""
    scores = rows.probabilities
    assert scores is not None
    of_true = scores[np.arange(rows.n), rows.true]
    likely = scores.argmax(axis=1)
    confidences = ScoreHistogram.of_scores(likely == rows.true, scores.max(axis=1))
    losses = ScoreHistogram.of_scores(np.ones(rows.n, dtype=bool), of_true)
    areas: dict[str, list[float | None]] = {"auc_roc": [], "avg_precision": []}
    for at, label in enumerate(rows.classes):
        is_it = rows.true == at
        curve = exact_curve(is_it, scores[:, at])
        row = result.per_class.setdefault(label, Metrics(rows.n))
        reason = f"the class {label!r} is not in y_true" if not is_it.any() else "no other class is"
        for name, area in (("auc_roc", curve.auc()), ("avg_precision", curve.average_precision())):
            row.put(name, area, reason)
            areas[name].append(area)
    reasons = (row.reasons.get("auc_roc") for row in result.per_class.values())
    reason = next((why for why in reasons if why), "")
    for name, each in areas.items():
        known = [area for area in each if area is not None]
        result.put(name, None if reason else sum(known) / len(known), reason)
    squares = np.square(scores, dtype=float).sum() - 2 * of_true.sum(dtype=float) + rows.n
    result.put("log_loss", losses.sum_log_loss / rows.n)
    result.put("brier", float(squares) / rows.n)
    calibration = confidences.probability_metrics()
    for name in ("ece", "ece_null", "calibration_ratio"):
        result.put(name, calibration[name], calibration.reasons.get(name, ""))
    result.confidences = confidences


def _of_classes(scores: np.ndarray, classes: tuple[Label, ...], positive: int | None) -> np.ndarray:
    if scores.ndim == 2:
        check_rows_sum(scores, "y_prob")
        return scores if positive is None else scores[:, positive]
    if positive is None:
        raise QueryError(
            "one probability per row is not enough",
            got=f"{len(classes)} classes",
            allowed="two classes, or a column per class",
            fix="Name all classes with `labels` if one does not occur.",
        )
    return scores


def _cut(scores: np.ndarray | None, positive: int | None, threshold: float) -> np.ndarray:
    if scores is None or positive is None:
        raise QueryError(
            "a threshold cuts the probability of the positive one of two classes",
            got=threshold,
            fix="Pass y_prob; leave `threshold` out for more classes.",
        )
    if not is_share(threshold):
        raise QueryError("this is no threshold", got=threshold, allowed="0 to 1")
    return np.where(scores >= threshold, positive, 1 - positive)
