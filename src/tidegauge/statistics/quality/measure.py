# SPDX-License-Identifier: Apache-2.0
"""What is asked: metrics of classes or numbers, by group, with intervals, and of two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import check_confidence
from tidegauge.statistics.estimate import CONFIDENCE, Estimate
from tidegauge.statistics.quality.arrays import Label, array_of, code_labels, code_names
from tidegauge.statistics.quality.class_intervals import class_differences, class_intervals
from tidegauge.statistics.quality.classification import (
    Rows,
    column_classes,
    curve_of,
    group_rows,
    measured,
    rows_of,
)
from tidegauge.statistics.quality.curve import Curve
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.multilabel import several_labels
from tidegauge.statistics.quality.rates import Average
from tidegauge.statistics.quality.regression import (
    Forecasts,
    forecasts_of,
    number_differences,
    number_intervals,
    numbers_measured,
)

__all__ = [
    "Comparison",
    "Task",
    "classification_metrics",
    "compare_models",
    "regression_metrics",
    "task_of",
    "threshold_curve",
]

#: What a model predicts.
Task = Literal["classification", "regression"]

TASKS: tuple[Task, ...] = ("classification", "regression")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        differences: How much higher each metric is for the second model, by name.
        a: Metrics of the first.
        b: Metrics of the second.
    """

    differences: dict[str, Estimate]
    a: Metrics
    b: Metrics

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary ready to be written as JSON."""
        differences = {name: each.as_dict() for name, each in self.differences.items()}
        return {"differences": differences, "a": self.a.as_dict(), "b": self.b.as_dict()}

    def summary(self) -> str:
        """A line for each metric: both values, their difference, and its interval."""
        width = max(map(len, self.differences), default=0)
        return "\n".join(
            f"{name:<{width}}  {_shown(self.a[name])} -> {_shown(self.b[name])}  {_told(each)}"
            for name, each in self.differences.items()
        )


@np.errstate(all="ignore")  # what is undefined is told, not warned of
def classification_metrics(
    y_true: Any,
    y_pred: Any,
    y_prob: Any = None,
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
    average: Average = "weighted",
    zero_division: float | None = None,
    threshold: float | None = None,
    groups: Any = None,
    clusters: Any = None,
    confidence: float | None = None,
) -> Metrics:
    """Measure predicted classes.

    Args:
        y_true: True classes, texts, booleans or whole numbers; shape (n,). Or a column of 0 and
            1 per label, shape (n, n_labels), if rows may have several.
        y_pred: Predicted classes, likewise; None if there are only probabilities.
        y_prob: Probability of the positive class, shape (n,); or of each class, shape
            (n, n_classes), as `predict_proba` has it.
        labels: All classes in the order of the columns of `y_prob`; those that occur, in
            ascending order, if None. Name them where one may not occur.
        positive: The positive one of two classes; the last one if None.
        average: How precision, recall and F1 of classes become one number: `weighted` by how
            often a class is true, `macro`, `micro`, or `binary`, that of the positive class.
            `auc_roc` and `avg_precision` of more than two classes are the plain mean of each
            class against the rest.
        zero_division: What 0/0 counts as in precision, recall and F1; None makes it None.
        threshold: Predict the positive class where its probability is this or more, whatever
            `y_pred` says.
        groups: What each row belongs to, for `per_group`; shape (n,).
        clusters: What makes rows depend on each other, such as the user; shape (n,). Intervals
            take it into account.
        confidence: Of `intervals`, such as 0.95; None for none. They take longer than all else.

    Returns:
        `accuracy`, `precision`, `recall`, `f1`, `balanced_accuracy` and `mcc`; with two classes
        also `precision_positive`, `recall_positive`, `f1_positive`, `specificity` and
        `prevalence`; with `y_prob` also `auc_roc`, `avg_precision`, `log_loss`, `brier`, `ece`,
        `ece_null`, `calibration_ratio`, and with two classes `ks`. What is undefined is None,
        and why is in `reasons`.

    Raises:
        QueryError: The columns cannot be compared; something is missing, or no probability.

    Example:
        >>> from tidegauge.quality import ModelMetricsCalculator
        >>> metrics = ModelMetricsCalculator.classification_metrics([0, 1, 1, 0], [0, 1, 0, 0])
        >>> metrics["accuracy"], metrics["recall_positive"]
        (0.75, 0.5)
    """
    if confidence is not None:
        check_confidence(confidence)
    y_true = array_of(y_true, "y_true")
    if y_true.ndim == 2:
        if groups is not None or clusters is not None or confidence is not None:
            raise QueryError(
                "rows with several labels have neither groups nor intervals",
                fix="Measure each label by itself.",
            )
        if positive is not None:
            raise QueryError(
                "rows with several labels have no positive one", got=positive, fix="See per_class."
            )
        return several_labels(
            y_true,
            y_pred,
            y_prob,
            labels=labels,
            average=average,
            zero_division=zero_division,
            threshold=threshold,
        )
    rows = rows_of(y_true, y_pred, y_prob, labels=labels, positive=positive, threshold=threshold)
    cluster_codes = _codes(clusters, rows.n)

    def measure(rows: Rows, cluster_codes: np.ndarray | None) -> Metrics:
        result = measured(rows, average=average, zero_division=zero_division)
        if confidence is not None:
            result.intervals = class_intervals(
                rows,
                result,
                cluster_codes,
                confidence=confidence,
                average=average,
                zero_division=zero_division,
            )
        return result

    result = measure(rows, cluster_codes)
    if groups is not None:
        for name, chosen in group_rows(groups, rows.n):
            mine = None if cluster_codes is None else cluster_codes[chosen]
            result.per_group[name] = measure(rows.subset(chosen), mine)
    return result


@np.errstate(all="ignore")  # what is undefined is told, not warned of
def regression_metrics(
    y_true: Any,
    y_pred: Any,
    *,
    y_low: Any = None,
    y_high: Any = None,
    quantiles: Mapping[float, Any] | None = None,
    training: Any = None,
    season: int | None = None,
    groups: Any = None,
    clusters: Any = None,
    confidence: float | None = None,
) -> Metrics:
    """Measure predicted numbers.

    Args:
        y_true: True values; shape (n,).
        y_pred: Predicted values.
        y_low: Lower ends of prediction intervals.
        y_high: Upper ends.
        quantiles: Predicted quantiles, by their probability: `{0.9: y_90}`.
        training: Past values of the series, the oldest first, for `mase`; `y_true` itself if
            None and `season` is given.
        season: After how many values the series begins anew; 1 if None.
        groups: As for `classification_metrics`.
        clusters: As for `classification_metrics`.
        confidence: As for `classification_metrics`.

    Returns:
        `mae`, `mse`, `rmse`, `r2`, `mape` in percent, `wape`, `smape` from 0 to 2, `bias` (mean
        of predicted less true) and `median_absolute_error`; if asked for, `mase`, `pinball.p90`
        and the like, `interval_coverage` and `interval_width`. What is undefined is None, and
        why is in `reasons`.

    Raises:
        QueryError: The columns cannot be compared, or something is missing.

    Example:
        >>> from tidegauge.quality import ModelMetricsCalculator
        >>> metrics = ModelMetricsCalculator.regression_metrics([0.0, 2.0], [1.0, 2.0])
        >>> metrics["mae"], metrics["mape"], metrics.reasons["mape"]
        (0.5, None, '1 of 2 true values are 0; see wape')
    """
    if confidence is not None:
        check_confidence(confidence)
    rows = forecasts_of(
        y_true,
        y_pred,
        y_low=y_low,
        y_high=y_high,
        quantiles=quantiles,
        training=training,
        season=season,
    )
    n = len(rows.true)
    cluster_codes = _codes(clusters, n)

    def measure(rows: Forecasts, cluster_codes: np.ndarray | None) -> Metrics:
        result = numbers_measured(rows)
        if confidence is not None:
            result.intervals = number_intervals(rows, result, cluster_codes, confidence=confidence)
        return result

    result = measure(rows, cluster_codes)
    if groups is not None:
        for name, chosen in group_rows(groups, n):
            mine = None if cluster_codes is None else cluster_codes[chosen]
            result.per_group[name] = measure(rows.subset(chosen), mine)
    return result


@np.errstate(all="ignore")  # what is undefined is told, not warned of
def compare_models(
    y_true: Any,
    a: Any,
    b: Any,
    *,
    prob_a: Any = None,
    prob_b: Any = None,
    task: Task | None = None,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
    average: Average = "weighted",
    zero_division: float | None = None,
    clusters: Any = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Tell how two models differ on the same rows, and how much of it may be chance.

    Rows that both get right or wrong say nothing about the difference, so it is known much better
    than two intervals side by side suggest.

    Args:
        y_true: True classes or values; shape (n,).
        a: What the first model predicted; None if there are only probabilities.
        b: What the second did.
        prob_a: Probabilities of the first, as for `classification_metrics`.
        prob_b: Those of the second.
        task: `classification` or `regression`; by the looks of `y_true` if None.
        labels: As for `classification_metrics`.
        positive: As there.
        average: As there.
        zero_division: As there.
        clusters: As there.
        confidence: Probability that such intervals cover the true difference, 0 to 1, exclusive.

    Returns:
        For each metric how much higher it is for the second, and the metrics of both.

    Raises:
        QueryError: The columns cannot be compared.

    Example:
        >>> import tidegauge as tg
        >>> compared = tg.compare_models([1, 0, 1, 1, 0], [1, 0, 0, 0, 0], [1, 0, 1, 1, 0])
        >>> round(compared.differences["accuracy"].value, 6)
        0.4
    """
    check_confidence(confidence)
    chosen = task_of(y_true, task)
    cluster_codes = _codes(clusters, len(array_of(y_true, "y_true")))
    if chosen == "regression":
        first, second = forecasts_of(y_true, a), forecasts_of(y_true, b)
        results = numbers_measured(first), numbers_measured(second)
        differences = number_differences(
            first, second, results, cluster_codes, confidence=confidence
        )
        return Comparison(differences, *results)
    is_named = labels is not None
    if labels is None:
        labels = _classes(y_true, a, b, (prob_a, prob_b))
    of_a = rows_of(y_true, a, prob_a, labels=labels, positive=positive, is_named=is_named)
    of_b = rows_of(y_true, b, prob_b, labels=labels, positive=positive, is_named=is_named)
    both = (
        measured(of_a, average=average, zero_division=zero_division),
        measured(of_b, average=average, zero_division=zero_division),
    )
    differences = class_differences(
        of_a,
        of_b,
        both,
        cluster_codes,
        confidence=confidence,
        average=average,
        zero_division=zero_division,
    )
    return Comparison(differences, *both)


def threshold_curve(
    y_true: Any,
    y_prob: Any,
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
) -> Curve:
    """What becomes of rows when a probability is cut at each height; see `tidegauge.quality`."""
    return curve_of(rows_of(y_true, None, y_prob, labels=labels, positive=positive))


def task_of(y_true: Any, task: str | None = None) -> Task:
    """What is predicted: numbers with fractions are regression, all else is classes.

    Raises:
        QueryError: There is no such task.
    """
    if task is None:
        true = array_of(y_true, "y_true")
        is_fraction = true.dtype.kind == "f" and bool((np.floor(true) != true).any())
        return "regression" if is_fraction else "classification"
    for each in TASKS:
        if task == each:
            return each
    raise QueryError("there is no such task", got=task, allowed=", ".join(TASKS))


def _classes(y_true: Any, a: Any, b: Any, scores: Sequence[Any]) -> tuple[Label, ...]:
    """All classes that any column has, so that both models are measured alike."""
    given = {"y_true": y_true, "a": a, "b": b}
    columns = {name: array_of(each, name) for name, each in given.items() if each is not None}
    classes = code_labels(list(columns.values()), list(columns)).names
    for each in scores:
        array = None if each is None else array_of(each, "y_prob")
        if array is not None and array.ndim == 2:
            classes = column_classes(classes, array.shape[1], is_named=False)
    return classes


def _codes(clusters: Any, n: int) -> np.ndarray | None:
    return None if clusters is None else code_names(clusters, "clusters", n=n).codes[0]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _told(difference: Estimate) -> str:
    if difference.value is None:
        return f"({difference.reason})"
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.4g}  ({difference.reason})"
    return f"{difference.value:+.4g}  [{difference.low:+.4g}, {difference.high:+.4g}]"
