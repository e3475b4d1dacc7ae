# SPDX-License-Identifier: Apache-2.0
"""Recording predictions: by hand, around a model's `predict`, and as a decorator.

Each prediction is one row of the table `predictions`, and feeds the live metrics that
`tidegauge.model.tables` declares there.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, TypeVar, cast

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

__all__ = ["MLMetrics", "predict_with_metrics", "record_ground_truth", "track_prediction"]

F = TypeVar("F", bound=Callable[..., Any])

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
        except KeyError:
            put = self._bind(model_version)
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
        values = list(predictions)
        call = Call(
            endpoint=self.endpoint if endpoint is None else endpoint,
            prefix=self.service_name,
            latency_s=latency,
            feature_count=feature_count,
            status=status,
        )
        try:
            outcomes = [
                Outcome(value, confidence, prediction_id)
                for value, confidence, prediction_id in zip(
                    values,
                    _column(confidences, len(values)),
                    _column(prediction_ids, len(values)),
                    strict=True,
                )
            ]
        except ValueError as error:
            recorder.refuse(_lengths_differ(len(values), error), PREDICTIONS.name)
            return
        put = self._bind(model_version)
        put_call(put, call, outcomes, is_batch=True)

    def _bind(self, model_version: str) -> Put:
        if len(self._puts) >= _MOST_BOUND:
            self._puts.clear()
        put = self._puts[model_version] = predictions_of(self.model, model_version)
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


def track_prediction(
    metrics: MLMetrics,
    model_version: str,
    *,
    extract: Extract | None = None,
    endpoint: str | None = None,
    features: int | str | None = None,
) -> Callable[[F], F]:
    """Record every call of a function that predicts, plain or a coroutine function.

    Args:
        metrics: What to record with.
        model_version: Version of the model.
        extract: Tells from the result what was predicted: an `Outcome`, a number or text, a pair of
            prediction and confidence, a mapping with these keys, or a list of any of them for a
            batch. Without it the result itself must be one of these; of anything else only the
            call is recorded.
        endpoint: Where predictions are asked for, if not at the usual place.
        features: Which argument holds the features, by position or name; the first one, not
            counting `self`, if None. Its length, or its second dimension, is the feature count.

    Example:
        >>> from tidegauge import MLMetrics, track_prediction
        >>> @track_prediction(MLMetrics("fraud_service"), "2.0.1")
        ... def predict(features):
        ...     return {"prediction": 0.87, "confidence": 0.93}
        >>> predict({"amount": 12.5, "country": "NL"})["prediction"]
        0.87
    """

    def decorate(function: F) -> F:
        if not callable(function):
            raise TypeError(f"track_prediction decorates functions; {function!r} cannot be called")
        find = _finder(function, features)
        place = metrics.endpoint if endpoint is None else endpoint
        put = metrics._bind(model_version)  # noqa: SLF001  (the two belong together)

        def call(latency_s: float, args: Any, kwargs: Any) -> Call:
            return Call(
                endpoint=place,
                prefix=metrics.service_name,
                latency_s=latency_s,
                feature_count=feature_count_of(find(args, kwargs)),
            )

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def tracked_coroutine(*args: Any, **kwargs: Any) -> Any:
                started = perf_counter()
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    put_failure(put, call(perf_counter() - started, args, kwargs), error)
                    raise
                put_result(put, call(perf_counter() - started, args, kwargs), result, extract)
                return result

            return cast(F, tracked_coroutine)

        @functools.wraps(function)
        def tracked(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                put_failure(put, call(perf_counter() - started, args, kwargs), error)
                raise
            put_result(put, call(perf_counter() - started, args, kwargs), result, extract)
            return result

        return cast(F, tracked)

    return decorate


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


def _finder(
    function: Callable[..., Any], features: int | str | None
) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """What takes the features from the arguments of a call; None where there are none."""
    names = list(inspect.signature(function).parameters)
    at = features
    if at is None:
        at = 1 if names[:1] in (["self"], ["cls"]) else 0
    if isinstance(at, str):
        name, place = at, names.index(at) if at in names else len(names)
    else:
        name, place = names[at] if at < len(names) else "", at

    def find(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[place] if place < len(args) else kwargs.get(name)

    return find


def _bad_id(prediction_id: object) -> MetricValidationError:
    return MetricValidationError(
        "a ground truth needs the id of its prediction",
        reason="bad_value",
        got=prediction_id,
        allowed="the text that the prediction was recorded with",
        fix="Record predictions with a prediction_id.",
    )


def _lengths_differ(n: int, error: ValueError) -> MetricValidationError:
    return MetricValidationError(
        f"the columns of a batch of {n} predictions differ in length ({error})",
        reason="bad_value",
        allowed="as many confidences and ids as predictions, or none",
        fix="Pass None for what is not known.",
    )
