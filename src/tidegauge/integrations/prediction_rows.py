# SPDX-License-Identifier: Apache-2.0
"""From calls of models to rows of the table `predictions`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from tidegauge.integrations.outcomes import Extract, Outcome, outcomes_of
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.tables import PREDICTIONS
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS
from tidegauge.record.rows import Put, RowWriter, Values

__all__ = [
    "Call",
    "number_or_text",
    "predictions_of",
    "put_call",
    "put_failure",
    "put_result",
]

#: The number or text that was predicted, and the confidence.
_Said = tuple[float | None, str | None, float | None]
_NOTHING: _Said = (None, None, None)

_predictions = RowWriter(recorder, PREDICTIONS)


def predictions_of(model: str | None, model_version: str | None) -> Put:
    """What records predictions of a version of a model."""
    try:
        return _bound(model, model_version)
    except TypeError:  # what cannot be a key cannot be a label either: recording will say so
        return _bound.__wrapped__(model, model_version)


@functools.lru_cache(maxsize=1_000)
def _bound(model: str | None, model_version: str | None) -> Put:
    given = (("model", model), ("model_version", model_version))
    return _predictions.bind(tuple((name, text) for name, text in given if text is not None))


class Call(NamedTuple):
    """What is known of one call of a model.

    Attributes:
        latency_s: Seconds that it took.
        feature_count: Number of features of an item.
        endpoint: Where it was asked for.
        prefix: Beginning of the metrics' names in Prometheus.
        status: `success` or `error`.
        error_type: Class of the exception of a failed one.
    """

    latency_s: float
    feature_count: int | None = None
    endpoint: str | None = None
    prefix: str | None = None
    status: str = "success"
    error_type: str | None = None


def put_result(
    put: Put,
    call: Call,
    result: Any,
    extract: Extract | None,
    prediction_ids: str | Sequence[str] | None = None,
) -> None:
    """Record what a call returned."""
    try:
        outcomes, is_batch = outcomes_of(result if extract is None else extract(result))
        if prediction_ids is not None:
            outcomes = _with_ids(outcomes, prediction_ids)
    except Exception as error:  # noqa: BLE001  (somebody's extractor; the call itself succeeded)
        recorder.refuse(error, PREDICTIONS.name)
        outcomes, is_batch = [Outcome()], False
    put_call(put, call, outcomes, is_batch=is_batch)


def put_call(put: Put, call: Call, outcomes: Sequence[Outcome], *, is_batch: bool) -> None:
    """Record the rows of one call; what is known of the call alone is with the first of them."""
    batch_size = len(outcomes) if is_batch else None
    is_told = False
    for outcome in outcomes:
        try:
            number, text = None, None
            if outcome.prediction is not None:
                number, text = number_or_text("prediction", outcome.prediction)
        except FAULTS as error:
            recorder.refuse(error, PREDICTIONS.name)
            continue
        said = number, text, outcome.confidence
        is_told |= put(_row(call, said, batch_size, outcome.prediction_id, is_first=not is_told))
    if not is_told and outcomes:  # all were refused, and the call took place
        put(_row(call, _NOTHING, batch_size))


def put_failure(put: Put, call: Call, error: BaseException) -> None:
    """Record a call that raised."""
    failed = call._replace(status="error", error_type=type(error).__qualname__)
    put(_row(failed, _NOTHING, None))


def _row(
    call: Call,
    said: _Said,
    batch_size: int | None,
    prediction_id: str | None = None,
    *,
    is_first: bool = True,
) -> Values:
    return (
        call.endpoint if is_first else None,
        *said,
        call.latency_s if is_first else None,
        call.feature_count,
        batch_size if is_first else None,
        call.status,
        call.error_type,
        prediction_id,
        None,
        call.prefix,
    )


def _with_ids(outcomes: Sequence[Outcome], prediction_ids: str | Sequence[str]) -> list[Outcome]:
    ids = [prediction_ids] if isinstance(prediction_ids, str) else list(prediction_ids)
    if len(ids) != len(outcomes):
        raise _ids_differ(len(outcomes), len(ids))
    pairs = zip(outcomes, ids, strict=True)
    return [outcome._replace(prediction_id=each) for outcome, each in pairs]


def number_or_text(name: str, value: object) -> tuple[float | None, str | None]:
    """The number or the text that something predicted or true is.

    Raises:
        MetricValidationError: It is neither.
    """
    item = getattr(value, "item", None)  # of NumPy and PyTorch
    plain = item() if callable(item) else value
    if isinstance(plain, str):
        return None, str(plain)
    if isinstance(plain, int | float):
        return float(plain), None
    raise MetricValidationError(
        f"a {name} is neither a number nor a text",
        reason="bad_value",
        got=value,
        allowed="a finite number, a bool, or a text",
        fix="Pass `extract`, a function that takes it from the result.",
    )


def _ids_differ(n: int, got: int) -> MetricValidationError:
    return MetricValidationError(
        "there are not as many ids as predictions",
        reason="bad_value",
        got=got,
        allowed=str(n),
        fix="Pass one id for each prediction.",
    )
