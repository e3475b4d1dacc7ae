# SPDX-License-Identifier: Apache-2.0
"""Metrics of rows that may have several labels at once: a column of 0 and 1 per label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.given import column_array
from tidegauge.statistics.quality.arrays import Label, array_of, probabilities
from tidegauge.statistics.quality.classification import measured, rows_of
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.rates import Average

__all__ = ["several_labels", "stacked"]

_OF_LABELS = {
    "precision": "precision_positive",
    "recall": "recall_positive",
    "f1": "f1_positive",
    "auc_roc": "auc_roc",
    "avg_precision": "avg_precision",
    "log_loss": "log_loss",
    "brier": "brier",
    "ece": "ece",
    "ece_null": "ece_null",
}
_RATES = ("precision", "recall", "f1")


def several_labels(
    y_true: Any,
    y_pred: Any,
    y_prob: Any = None,
    *,
    labels: Sequence[Label] | None = None,
    average: Average = "weighted",
    zero_division: float | None = None,
    threshold: float | None = None,
) -> Metrics:
    """Measure each label by itself, and all of them together.

    `accuracy` is the share of rows with all labels right, `hamming_loss` the share of labels that
    are wrong. Precision, recall and F1 are averaged over labels as asked for, and all else is the
    plain mean over labels. `per_class` has the metrics of each label.

    Args:
        y_true: 1 where a row has a label, else 0; shape (n, n_labels).
        y_pred: The same as predicted; None if `threshold` is given.
        y_prob: Probability of each label; shape (n, n_labels).
        labels: Names of the columns; their numbers if None.
        average: `weighted` by how often a label is true, `macro`, or `micro`, over all cells.
        zero_division: What 0/0 counts as; None makes it None, with a reason.
        threshold: A label is predicted where its probability is this or more.

    Raises:
        QueryError: The columns cannot be compared, or there is no such average.
    """
    true = _indicators(y_true, "y_true", None)
    n, count = true.shape
    scores = None if y_prob is None else probabilities(y_prob, "y_prob", n=n)
    if scores is not None and scores.shape != true.shape:
        raise _another_shape("y_prob", scores.shape, true.shape)
    names = tuple(range(count)) if labels is None else tuple(array_of(labels, "labels").tolist())
    if len(names) != count:
        raise QueryError("labels has not a name per column", got=len(names), allowed=str(count))
    if average == "binary":
        raise QueryError(
            "several labels have no positive one", got=average, allowed="weighted, macro, micro"
        )
    result = Metrics(n)
    predicted = None if y_pred is None else _indicators(y_pred, "y_pred", true.shape)
    for at, name in enumerate(names):
        rows = rows_of(
            true[:, at],
            None if predicted is None else predicted[:, at],
            None if scores is None else scores[:, at],
            labels=(0, 1),
            threshold=threshold,
        )
        row = measured(rows, zero_division=zero_division)
        row.put("support", float(true[:, at].sum()))
        result.per_class[name] = row
    if threshold is not None and scores is not None:
        predicted = (scores >= threshold).astype(np.int64)
    if predicted is not None:
        result.put("accuracy", float((true == predicted).all(axis=1).mean()))
        result.put("hamming_loss", float((true != predicted).mean()))
    together = true.reshape(-1), None if predicted is None else predicted.reshape(-1)
    _put_averages(result, average)
    if average == "micro" and predicted is not None:
        cells = measured(rows_of(*together, labels=(0, 1)), zero_division=zero_division)
        for name in _RATES:
            source = _OF_LABELS[name]
            result.put(name, cells[source], cells.reasons.get(source, ""))
    return result


def stacked(columns: Sequence[Any], classes: Sequence[Any] | None = None) -> np.ndarray:
    """Probabilities of labels, one array per label as forests have them, as one array.

    Args:
        columns: Probabilities of 0 and of 1, shape (n, 2), or of 1 alone, shape (n,), per label.
        classes: What the columns of each array are of, as forests say it in `classes_`: of a label
            that training never had, or always, there is one column only.

    Raises:
        QueryError: It is not known which column is that of 1.
    """
    known = [None] * len(columns) if classes is None else list(classes)
    if len(known) != len(columns):
        raise QueryError(
            "classes_ has not an entry per label", got=len(known), allowed=str(len(columns))
        )
    return np.column_stack(list(map(_of_one, columns, known)))


def _of_one(column: Any, classes: Any) -> np.ndarray:
    """The probability that a row has a label; shape (n,)."""
    array = column_array(column, "y_prob")
    if array.ndim == 1:
        return array
    named = [0, 1] if classes is None else list(classes)
    if array.ndim != 2 or array.shape[1] != len(named) or not set(named) <= {0, 1}:
        raise QueryError(
            "a label has not the probabilities of 0 and of 1",
            got=f"shape {array.shape}, classes {'unknown' if classes is None else named}",
            allowed="a column per class, and the classes 0 and 1",
            fix="Give the model `classes_`, a list with the classes of each label.",
        )
    found: np.ndarray = array[:, named.index(1)] if 1 in named else np.zeros(len(array))
    return found


def _put_averages(result: Metrics, average: Average) -> None:
    tables = result.per_class
    for name, source in _OF_LABELS.items():
        if not any(source in row for row in tables.values()):
            continue
        is_weighted = average == "weighted" and name in _RATES
        total = weights = 0.0
        reason = ""
        for label, row in tables.items():
            weight = (row["support"] or 0.0) if is_weighted else 1.0
            value = row[source]
            if value is None and weight:
                reason = reason or f"label {label!r}: {row.reasons[source]}"
            total += (value or 0.0) * weight
            weights += weight
        if not weights:
            reason = "no row has a label"
        result.put(name, None if reason else total / weights, reason)


def _indicators(values: Any, name: str, shape: tuple[int, ...] | None) -> np.ndarray:
    array = column_array(values, name)
    if array.ndim != 2 or (shape is not None and array.shape != shape):
        raise _another_shape(name, array.shape, shape)
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise QueryError(
            f"{name} has something else than 0 and 1",
            allowed="a column per label, 1 where a row has it",
        )
    return array.astype(np.int64)


def _another_shape(name: str, got: tuple[int, ...], allowed: tuple[int, ...] | None) -> QueryError:
    return QueryError(
        f"{name} has not a column per label",
        got=got,
        allowed=str(allowed) if allowed else "two dimensions",
    )
