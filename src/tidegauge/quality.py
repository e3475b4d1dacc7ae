# SPDX-License-Identifier: Apache-2.0
"""How good a model is: metrics of predictions, with reasons and intervals, and their recording.

`statistics/quality/` bound to the process's recorder. No library of models is imported here: a
model is whatever has `predict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegauge.model.errors import QueryError
from tidegauge.record.context import context
from tidegauge.record.front import log_model_metrics
from tidegauge.statistics.estimate import CONFIDENCE, Estimate
from tidegauge.statistics.quality import measure
from tidegauge.statistics.quality.arrays import Label
from tidegauge.statistics.quality.confusion import ConfusionCounts
from tidegauge.statistics.quality.curve import Curve, Threshold
from tidegauge.statistics.quality.error_sums import ErrorSums
from tidegauge.statistics.quality.measure import Comparison, Task, threshold_curve
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.multilabel import stacked
from tidegauge.statistics.quality.rates import Average
from tidegauge.statistics.quality.residuals import Residuals, residuals
from tidegauge.statistics.quality.score_histogram import ScoreHistogram
from tidegauge.statistics.ranking import ranking_metrics

__all__ = [
    "Comparison",
    "ConfusionCounts",
    "Curve",
    "ErrorSums",
    "Estimate",
    "Metrics",
    "ModelMetricsCalculator",
    "Residuals",
    "ScoreHistogram",
    "Threshold",
    "compare_models",
    "evaluate_model_performance",
    "residuals",
    "threshold_curve",
]

#: Metrics that the catalogue knows by another name.
_LOGGED_AS = {"f1": "f1_score", "avg_precision": "auc_pr"}


class ModelMetricsCalculator:
    """Metrics of what a model predicted. Nothing is recorded, and nothing is kept."""

    @staticmethod
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
        return measure.classification_metrics(
            y_true,
            y_pred,
            y_prob,
            labels=labels,
            positive=positive,
            average=average,
            zero_division=zero_division,
            threshold=threshold,
            groups=groups,
            clusters=clusters,
            confidence=confidence,
        )

    @staticmethod
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
        return measure.regression_metrics(
            y_true,
            y_pred,
            y_low=y_low,
            y_high=y_high,
            quantiles=quantiles,
            training=training,
            season=season,
            groups=groups,
            clusters=clusters,
            confidence=confidence,
        )

    ranking_metrics = staticmethod(ranking_metrics)


def evaluate_model_performance(
    model: Any,
    test_data: Any,
    test_labels: Any,
    *,
    task: Task | None = None,
    model_name: str | None = None,
    model_version: str | None = None,
    step: int | None = None,
    log: bool = True,
    **options: Any,
) -> Metrics:
    """Have a model predict, measure that, and record every metric that is defined.

    Metrics are recorded in the category `model` under their names in the catalogue: `f1` as
    `model:f1_score`, `avg_precision` as `model:auc_pr`, `mape` as a fraction. What is None is not
    recorded; why is in the answer.

    Args:
        model: Has `predict`, and maybe `predict_proba` and `classes_`, as those of scikit-learn,
            XGBoost and LightGBM have.
        test_data: Is handed to the model as it is.
        test_labels: True classes or values; one per row.
        task: `classification` or `regression`; what the model says it does if None, or else what
            the labels look like.
        model_name: The dimension `model` of what is recorded.
        model_version: Its dimension `model_version`.
        step: As for `log_metric`.
        log: Whether to record.
        options: As for `ModelMetricsCalculator.classification_metrics` or `regression_metrics`.

    Returns:
        What those return.

    Raises:
        QueryError: The model cannot predict, or what it predicts cannot be compared.
        MetricValidationError: In strict mode, as `log_metric`.
    """
    if not callable(getattr(model, "predict", None)):
        raise QueryError(
            "this is no model", got=type(model), allowed="an object with a method `predict`"
        )
    predicted = model.predict(test_data)
    if _task(model, test_labels, task) == "regression":
        result = measure.regression_metrics(test_labels, predicted, **options)
    else:
        probable = getattr(model, "predict_proba", None)
        scores = probable(test_data) if callable(probable) else None
        if isinstance(scores, list) and getattr(scores[0], "ndim", 1) == 2:
            scores = stacked(scores)
        options.setdefault("labels", _classes(model, scores))
        result = measure.classification_metrics(test_labels, predicted, scores, **options)
    if log:
        dimensions = {"model": model_name, "model_version": model_version}
        known = {name: value for name, value in dimensions.items() if value is not None}
        with context(**known):
            log_model_metrics(dict(_logged(result)), step)
    return result


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
    return measure.compare_predictions(
        y_true,
        a,
        b,
        prob_a=prob_a,
        prob_b=prob_b,
        task=task,
        labels=labels,
        positive=positive,
        average=average,
        zero_division=zero_division,
        clusters=clusters,
        confidence=confidence,
    )


def _task(model: Any, labels: Any, task: Task | None) -> Task:
    """What was asked for, or what the model says it does, or what the labels look like."""
    if task is not None:
        return measure.task_of(labels, task)
    if hasattr(model, "predict_proba") or hasattr(model, "classes_"):
        return "classification"
    kind = getattr(model, "_estimator_type", None)
    if kind is None and hasattr(model, "__sklearn_tags__"):
        try:
            kind = model.__sklearn_tags__().estimator_type
        except AttributeError:  # a model made for another version of scikit-learn
            kind = None
    if kind == "regressor":
        return "regression"
    return "classification" if kind == "classifier" else measure.task_of(labels)


def _classes(model: Any, scores: Any) -> Sequence[Label] | None:
    """The classes in the order of the model's probabilities; None if it does not say."""
    classes = getattr(model, "classes_", None)
    if classes is None or scores is None or isinstance(classes, list):
        return None
    return list(classes)


def _logged(result: Metrics) -> Iterator[tuple[str, float]]:
    for name, value in result.items():
        if value is not None:
            yield _LOGGED_AS.get(name, name), value / 100 if name == "mape" else value
