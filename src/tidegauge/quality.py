# SPDX-License-Identifier: Apache-2.0
"""How good a model is: metrics of predictions, with reasons and intervals, and their recording.

`statistics/quality/` bound to the process's recorder. No library of models is imported here: a
model is whatever has `predict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tidegauge.model.errors import QueryError
from tidegauge.record.context import context
from tidegauge.record.front import log_model_metrics
from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.quality import measure
from tidegauge.statistics.quality.arrays import Label
from tidegauge.statistics.quality.confusion import ConfusionCounts
from tidegauge.statistics.quality.curve import Curve, Threshold
from tidegauge.statistics.quality.error_sums import ErrorSums
from tidegauge.statistics.quality.measure import Comparison, Task, compare_models, threshold_curve
from tidegauge.statistics.quality.metrics import Metrics
from tidegauge.statistics.quality.multilabel import stacked
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

#: Metrics that depend on `average`; one that is not the default becomes a submetric.
_AVERAGED = ("precision", "recall", "f1")


class ModelMetricsCalculator:
    """Metrics of what a model predicted. Nothing is recorded, and nothing is kept."""

    classification_metrics = staticmethod(measure.classification_metrics)
    regression_metrics = staticmethod(measure.regression_metrics)
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
    `model:f1_score`, `avg_precision` as `model:auc_pr`, `mape` as a fraction. Precision,
    recall and F1 of another average than `weighted` are submetrics, such as `model:f1_score.macro`.
    What is None is not recorded; why is in the answer.

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
        if isinstance(scores, list) and scores and getattr(scores[0], "ndim", 1) == 2:
            scores = stacked(scores, _classes_by_label(model))
        options.setdefault("labels", _classes(model, scores))
        result = measure.classification_metrics(test_labels, predicted, scores, **options)
    if log:
        dimensions = {"model": model_name, "model_version": model_version}
        known = {name: value for name, value in dimensions.items() if value is not None}
        with context(**known):
            log_model_metrics(dict(_logged(result, options.get("average", "weighted"))), step)
    return result


def _task(model: Any, labels: Any, task: Task | None) -> Task:
    """What was asked for, or what the model says it does, or what the labels look like."""
    if task is not None:
        return measure.task_of(labels, task)
    kind = getattr(model, "_estimator_type", None)
    if kind is None and hasattr(model, "__sklearn_tags__"):
        try:
            kind = model.__sklearn_tags__().estimator_type
        except AttributeError:  # a model made for another version of scikit-learn
            kind = None
    if kind == "regressor":
        return "regression"
    if kind == "classifier" or hasattr(model, "predict_proba") or _has_classes(model):
        return "classification"
    return measure.task_of(labels)


def _has_classes(model: Any) -> bool:
    """Whether it knows classes; a regressor of CatBoost has an empty array of them."""
    classes = getattr(model, "classes_", None)
    return classes is not None and len(classes) > 0


def _classes(model: Any, scores: Any) -> Sequence[Label] | None:
    """The classes in the order of the model's probabilities; None if it does not say."""
    classes = getattr(model, "classes_", None)
    if scores is None or isinstance(classes, list) or not _has_classes(model):
        return None
    return list(model.classes_)


def _classes_by_label(model: Any) -> list[Any] | None:
    """The classes of each label, of a model that learned several; None if it does not say."""
    classes = getattr(model, "classes_", None)
    return classes if isinstance(classes, list) else None


def _logged(result: Metrics, average: str) -> Iterator[tuple[str, float]]:
    for name, value in result.items():
        if value is not None:
            known = _LOGGED_AS.get(name, name)
            if average != "weighted" and name in _AVERAGED:
                known = f"{known}.{average}"
            yield known, value / 100 if name == "mape" else value
