# SPDX-License-Identifier: Apache-2.0
"""Recording predictions: by hand and around a model's `predict`; and what turned out to be true.

Each prediction is one row of the table `predictions`, and feeds the live metrics that
`tidegauge.model.tables` declares there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Any

from tidegauge.catalog import builtin_catalog
from tidegauge.integrations.outcomes import Extract, Outcome, feature_count_of
from tidegauge.integrations.prediction_rows import (
    Call,
    number_or_text,
    predictions_of,
    put_call,
    put_failure,
    put_result,
)
from tidegauge.model.errors import ConfigError, MetricValidationError
from tidegauge.model.tables import GROUND_TRUTHS, PREDICTIONS
from tidegauge.model.times import TimeLike, parse_time_ns
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS
from tidegauge.record.rows import Put, RowWriter

__all__ = ["MLMetrics", "predict_with_metrics", "record_ground_truth"]

_PREFIX = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}\Z")
_MOST_BOUND = 1_000

_put_ground_truth = RowWriter(recorder, GROUND_TRUTHS).bind()


class MLMetrics:
    """The metrics of one service that makes predictions.

    In Prometheus they are `<service_name>_request_latency_seconds`, `_requests_total`,
    `_prediction_value`, `_prediction_confidence`, `_feature_count`, `_batch_size`,
    `_high_confidence_total` and `_low_confidence_total`. Every prediction is also a row of the
    table `predictions`, and counts in `ml_model_predictions_total`. Thread-safe.

    Args:
        service_name: The beginning of the metrics' names.
        endpoint: Where predictions are asked for, unless a call says otherwise.
        model: Name of the model, the dimension `model`.

    Raises:
        ConfigError: The name cannot begin a Prometheus name.

    Example:
        >>> from tidegauge import MLMetrics
        >>> metrics = MLMetrics("fraud_service")
        >>> metrics.record_prediction(
        ...     "2.0.1", prediction=0.87, confidence=0.93, latency=0.012, feature_count=24
        ... )
    """

    def __init__(
        self, service_name: str, *, endpoint: str = "/predict", model: str | None = None
    ) -> None:
        if not _PREFIX.match(str(service_name)):
            raise ConfigError(
                "the name of the service cannot begin a metric's name",
                got=service_name,
                allowed="letters, digits and '_', not beginning with a digit, at most 100",
                fix="Write for example MLMetrics('fraud_service').",
            )
        _check_free(service_name)
        self.service_name = service_name
        self.endpoint = endpoint
        self.model = model
        self._puts: dict[str, Put] = {}

    def record_prediction(
        self,
        model_version: str,
        prediction: float | str | None,
        confidence: float | None,
        latency: float,
        feature_count: int | None,
        status: str = "success",
        *,
        endpoint: str | None = None,
        prediction_id: str | None = None,
        error_type: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Record one prediction.

        Args:
            model_version: Version of the model.
            prediction: The predicted number or class; None if there is none.
            confidence: The model's confidence, 0 to 1; None if it has none.
            latency: Seconds that the prediction took.
            feature_count: Number of features; None if that is not known.
            status: `success` or `error`.
            endpoint: Where it was asked for, if not at the usual place.
            prediction_id: What `record_ground_truth` will name it by.
            error_type: Class of the exception of a failed one.
            trace_id: The trace it belongs to; becomes an exemplar.

        Raises:
            MetricValidationError: In strict mode, if a number is not finite, a confidence is
                outside 0 to 1, or a text or type does not fit. In lenient mode the row is dropped,
                counted and logged instead.
        """
        text = None
        if prediction.__class__ is not float and prediction is not None:
            try:
                prediction, text = number_or_text("prediction", prediction)
            except FAULTS as error:
                recorder.refuse(error, PREDICTIONS.name)
                return
        try:
            put = self._puts[model_version]
        except (KeyError, TypeError):
            put = self.bind(model_version)
        put(
            (
                self.endpoint if endpoint is None else endpoint,
                prediction,
                text,
                confidence,
                latency,
                feature_count,
                None,
                status,
                error_type,
                prediction_id,
                trace_id,
                self.service_name,
            )
        )

    def record_batch(
        self,
        model_version: str,
        predictions: Iterable[float | str | None],
        confidences: Iterable[float | None] | None,
        latency: float,
        feature_count: int | None = None,
        status: str = "success",
        *,
        endpoint: str | None = None,
        prediction_ids: Iterable[str] | None = None,
    ) -> None:
        """Record the predictions of one call for several items, a row each.

        The latency and the size of the batch count once. Otherwise as `record_prediction`.

        Args:
            model_version: Version of the model.
            predictions: The predicted numbers or classes, shape (n,).
            confidences: The model's confidence in each, shape (n,); None if it has none.
            latency: Seconds that the whole call took.
            feature_count: Number of features of an item.
            status: `success` or `error`.
            endpoint: Where it was asked for, if not at the usual place.
            prediction_ids: What `record_ground_truth` will name them by, shape (n,).

        Raises:
            MetricValidationError: As `record_prediction`, or if the lengths differ.
        """
        call = Call(
            endpoint=self.endpoint if endpoint is None else endpoint,
            prefix=self.service_name,
            latency_s=latency,
            feature_count=feature_count,
            status=status,
        )
        try:
            values = list(predictions)
            others = _column(confidences, len(values)), _column(prediction_ids, len(values))
            outcomes = [Outcome(*each) for each in zip(values, *others, strict=True)]
        except (TypeError, ValueError) as error:
            recorder.refuse(_no_columns(error), PREDICTIONS.name)
            return
        put = self.bind(model_version)
        put_call(put, call, outcomes, is_batch=True)

    def bind(self, model_version: str) -> Put:
        """What records predictions of a version; for whoever writes rows by himself."""
        if len(self._puts) >= _MOST_BOUND:
            self._puts.clear()
        put = predictions_of(self.model, model_version)
        with contextlib.suppress(TypeError):  # it is no text, and recording will say so
            self._puts[model_version] = put
        return put


def predict_with_metrics(
    model: Any,
    input_data: Any,
    model_name: str,
    model_version: str,
    *,
    extract: Extract | None = None,
    prediction_ids: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> Any:
    """Call `model.predict(input_data)` and record what it predicted and how long it took.

    A failed call is recorded with `status="error"` and the class of the exception, which passes on.

    Args:
        model: Anything with a `predict` method.
        input_data: Its argument. Of an array of shape (n, k), or a frame, every row is a
            prediction.
        model_name: The dimension `model`.
        model_version: The dimension `model_version`.
        extract: Tells from the result what was predicted; see `track_prediction`.
        prediction_ids: What `record_ground_truth` will name the predictions by.
        kwargs: Further arguments of `predict`.

    Returns:
        What `predict` returned.

    Example:
        >>> import tidegauge as tg
        >>> class Doubler:
        ...     def predict(self, x):
        ...         return 2.0 * x
        >>> tg.predict_with_metrics(Doubler(), 21.0, "doubler", "1")
        42.0
    """
    put = predictions_of(model_name, model_version)
    started = perf_counter()
    try:
        result = model.predict(input_data, **kwargs)
    except BaseException as error:
        put_failure(put, Call(latency_s=perf_counter() - started), error)
        raise
    call = Call(latency_s=perf_counter() - started, feature_count=feature_count_of(input_data))
    put_result(put, call, result, extract, prediction_ids)
    return result


def record_ground_truth(
    prediction_id: str, y: float | str, *, time: TimeLike | None = None
) -> None:
    """Say what turned out to be true of a prediction, however late.

    The accuracy of each model version, `model:accuracy`, is computed anew within a minute or two.
    Of several truths for one prediction the latest holds. A truth may come before its prediction.

    Args:
        prediction_id: The id that the prediction was recorded with.
        y: The true number or class.
        time: When it was known, if not now.

    Raises:
        MetricValidationError: In strict mode, if the id is empty or the truth is neither a finite
            number nor a text.

    Example:
        >>> import tidegauge as tg
        >>> tg.record_ground_truth("request-17", 1)
    """
    try:
        if str(prediction_id) != prediction_id or not prediction_id:
            raise _bad_id(prediction_id)
        truth, text = number_or_text("truth", y)
        time_ns = None if time is None else parse_time_ns(time)
    except FAULTS as error:
        recorder.refuse(error, GROUND_TRUTHS.name)
        return
    _put_ground_truth((prediction_id, truth, text), time_ns)


def _column(values: Iterable[Any] | None, n: int) -> Iterable[Any]:
    return [None] * n if values is None else values


def _check_free(prefix: str) -> None:
    """Refuse a service whose metrics would be called like others of the vocabulary."""
    catalog = builtin_catalog()
    for derived in PREDICTIONS.metrics:
        name = f"{prefix}_{derived.suffix}"
        taken = None if derived.suffix is None else catalog.known_abroad_as(name)
        if taken is not None:
            raise ConfigError(
                f"a metric of the service would be called like {taken.name!r} in Prometheus",
                got=prefix,
                allowed=f"a name that does not make {name}",
                fix="Give the service another name.",
            )


def _bad_id(prediction_id: object) -> MetricValidationError:
    return MetricValidationError(
        "a ground truth needs the id of its prediction",
        reason="bad_value",
        got=prediction_id,
        allowed="the text that the prediction was recorded with",
        fix="Record predictions with a prediction_id.",
    )


def _no_columns(error: Exception) -> MetricValidationError:
    return MetricValidationError(
        f"the columns of a batch cannot be read, or differ in length ({error})",
        reason="bad_value",
        allowed="lists or arrays with as many confidences and ids as predictions, or None",
        fix="Pass None for what is not known.",
    )
