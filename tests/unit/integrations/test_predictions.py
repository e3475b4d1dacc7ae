# SPDX-License-Identifier: Apache-2.0
"""Predictions become rows: by hand, around a model's `predict`, as a decorator, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.integrations.outcomes import Outcome
from tidegauge.testing import Captured, capture

Rows = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def predictions(captured: Captured) -> Rows:
    """Reads the rows of the table of predictions with their labels, latencies left out."""

    def read() -> list[dict[str, Any]]:
        return [
            {
                **{name: value for name, value in fact.columns.items() if name != "latency_s"},
                **fact.labels,
            }
            for fact in captured.facts
            if fact.table == "predictions"
        ]

    return read


@pytest.fixture
def metrics() -> tg.MLMetrics:
    """The metrics of a service."""
    return tg.MLMetrics("fraud_service")


def test_a_prediction_is_a_row(captured: Captured, metrics: tg.MLMetrics) -> None:
    """Everything that is known of it is in its column, everything else is empty."""
    metrics.record_prediction("2.0.1", 0.87, 0.93, 0.012, 24)
    (fact,) = captured.facts
    assert fact.table == "predictions"
    assert fact.labels == {"model_version": "2.0.1"}
    assert fact.columns == {
        "endpoint": "/predict",
        "prediction": 0.87,
        "confidence": 0.93,
        "latency_s": 0.012,
        "feature_count": 24,
        "status": "success",
        "prefix": "fraud_service",
    }


def test_everything_can_be_said(captured: Captured) -> None:
    """The model, another endpoint, an id, an error and a trace have columns and dimensions."""
    metrics = tg.MLMetrics("fraud_service", model="fraud", endpoint="/score")
    metrics.record_prediction(
        "3",
        "stolen",
        None,
        0.5,
        None,
        "error",
        endpoint="/again",
        prediction_id="p1",
        error_type="ValueError",
        trace_id="ab" * 16,
    )
    metrics.record_prediction("3", None, None, 0.5, None)
    first, second = captured.facts
    assert first.labels == {"model": "fraud", "model_version": "3"}
    assert first.columns == {
        "endpoint": "/again",
        "prediction_text": "stolen",
        "latency_s": 0.5,
        "status": "error",
        "error_type": "ValueError",
        "prediction_id": "p1",
        "trace_id": "ab" * 16,
        "prefix": "fraud_service",
    }
    assert second.columns["endpoint"] == "/score"


def test_numbers_of_libraries_are_numbers(predictions: Rows, metrics: tg.MLMetrics) -> None:
    """Scalars of NumPy and bools are recorded as what they are worth."""
    metrics.record_prediction("1", np.float32(0.5), np.float64(0.25), np.float64(0.1), np.int64(3))
    metrics.record_prediction("1", np.bool_(True), 1, 1, 3)
    metrics.record_prediction("1", np.str_("cat"), 0, 0, 0)
    found = [(row.get("prediction"), row.get("prediction_text")) for row in predictions()]
    assert found == [(0.5, None), (1.0, None), (None, "cat")]
    assert [row["feature_count"] for row in predictions()] == [3, 3, 0]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"prediction": float("nan")}, "not_finite"),
        ({"prediction": float("inf")}, "not_finite"),
        ({"prediction": [1.0]}, "bad_value"),
        ({"prediction": "\ud800"}, "bad_value"),
        ({"confidence": 1.01}, "out_of_range"),
        ({"confidence": -0.01}, "out_of_range"),
        ({"confidence": "high"}, "bad_value"),
        ({"latency": -0.001}, "out_of_range"),
        ({"latency": float("nan")}, "not_finite"),
        ({"feature_count": 1.5}, "bad_value"),
        ({"feature_count": -1}, "out_of_range"),
        ({"status": 200}, "bad_value"),
        ({"endpoint": "x" * 10_001}, "bad_value"),
        ({"prediction_id": 17}, "bad_value"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    captured: Captured, metrics: tg.MLMetrics, given: dict[str, Any], reason: str
) -> None:
    """In strict mode it raises with the reason, and nothing is recorded."""
    usual: dict[str, Any] = {
        "prediction": 0.5,
        "confidence": 0.5,
        "latency": 0.1,
        "feature_count": 1,
    }
    with pytest.raises(tg.MetricValidationError) as raised:
        metrics.record_prediction("1", **{**usual, **given})
    assert raised.value.reason == reason
    assert captured.facts == []


def test_in_production_it_is_dropped_and_counted() -> None:
    """In lenient mode nothing raises, and the good ones are recorded."""
    metrics = tg.MLMetrics("fraud_service")
    with capture(strict=False) as captured:
        metrics.record_prediction("1", float("nan"), 0.5, 0.1, 1)
        metrics.record_prediction("1", 0.5, 2.0, 0.1, 1)
        metrics.record_prediction("1", 0.5, 0.5, 0.1, 1)
    assert len(captured.facts) == 1
    assert captured.dropped == {"not_finite": 1, "out_of_range": 1}


@pytest.mark.parametrize("name", ["", "2fast", "fraud-service", "fraud service", "a" * 101])
def test_a_service_name_begins_metric_names(name: str) -> None:
    """A name that Prometheus would not take is an error that says what would do."""
    with pytest.raises(tg.TidegaugeError, match="letters, digits and '_'"):
        tg.MLMetrics(name)


def test_a_batch_is_a_row_each(captured: Captured, metrics: tg.MLMetrics) -> None:
    """Latency, size and endpoint belong to the call and are with its first row only."""
    metrics.record_batch(
        "1", [0.1, "cat", None], [0.2, None, 0.9], 0.3, 5, prediction_ids=["a", "b", "c"]
    )
    assert [fact.columns for fact in captured.facts] == [
        {
            "endpoint": "/predict",
            "prediction": 0.1,
            "confidence": 0.2,
            "latency_s": 0.3,
            "feature_count": 5,
            "batch_size": 3,
            "status": "success",
            "prediction_id": "a",
            "prefix": "fraud_service",
        },
        {
            "prediction_text": "cat",
            "feature_count": 5,
            "status": "success",
            "prediction_id": "b",
            "prefix": "fraud_service",
        },
        {
            "confidence": 0.9,
            "feature_count": 5,
            "status": "success",
            "prediction_id": "c",
            "prefix": "fraud_service",
        },
    ]


def test_a_refused_item_does_not_take_the_call_with_it() -> None:
    """What is known of the call is with the first row that is recorded."""
    metrics = tg.MLMetrics("fraud_service")
    with capture(strict=False) as captured:
        metrics.record_batch("1", [float("nan"), 1.0, 2.0], None, 0.2, 4)
        metrics.record_batch("2", [float("nan")], None, 0.2, 4)
        metrics.record_batch("3", None, None, 0.2, 4)  # type: ignore[arg-type]
        metrics.record_prediction(["4"], 1.0, None, 0.2, 4)  # type: ignore[arg-type]
    told = [
        (fact.labels["model_version"], fact.columns.get("batch_size"), fact.columns.get("endpoint"))
        for fact in captured.facts
    ]
    assert told == [("1", 3, "/predict"), ("1", None, None), ("2", 1, "/predict")]
    assert captured.dropped == {"not_finite": 2, "bad_value": 1, "bad_label": 1}


def test_a_share_that_rounding_took_above_one_is_one(
    predictions: Rows, metrics: tg.MLMetrics
) -> None:
    """The confidences of a softmax in 32 bits are shares."""
    metrics.record_prediction("1", 1.0, 1.0000001, 0.1, 1)
    assert [row["confidence"] for row in predictions()] == [1.0]


def test_names_that_are_taken_are_refused() -> None:
    """A service cannot be called so that its counters would be those of the requests."""
    with pytest.raises(tg.TidegaugeError, match="'api:requests'"):
        tg.MLMetrics("ml_api")


def test_a_batch_has_columns_of_one_length(captured: Captured, metrics: tg.MLMetrics) -> None:
    """Confidences that are too few are an error, not predictions that are left out."""
    with pytest.raises(tg.MetricValidationError, match="differ in length"):
        metrics.record_batch("1", [0.1, 0.2], [0.5], 0.3)
    assert captured.facts == []


def test_two_arrays_are_predictions_and_confidences(predictions: Rows) -> None:
    """As some models return them."""

    class Both:
        def predict(self, _: Any) -> Any:
            return np.array([1.0, 2.0]), np.array([0.5, 0.75])

    tg.predict_with_metrics(Both(), np.ones((2, 3)), "fraud", "7")
    assert [(row["prediction"], row["confidence"]) for row in predictions()] == [
        (1.0, 0.5),
        (2.0, 0.75),
    ]


def test_features_of_any_kind_hurt_nobody(predictions: Rows) -> None:
    """The model's answer is returned, and the call is counted, whatever the features are."""

    class Odd:
        def __len__(self) -> int:
            raise RuntimeError

    class Echo:
        def predict(self, _: Any) -> float:
            return 0.5

    for features in (np.array(5.0), Odd(), 7, "text", None, iter([1])):
        assert tg.predict_with_metrics(Echo(), features, "fraud", "7") == 0.5
    assert [row.get("feature_count") for row in predictions()] == [None] * 6


class Model:
    """Predicts the first column."""

    def predict(self, features: Any) -> Any:
        """Fail without features."""
        if features is None:
            raise ValueError("no features")
        return np.asarray(features)[..., 0]


def test_predict_records_what_the_model_said(predictions: Rows) -> None:
    """A single item is one row with the number of its features, and the result passes through."""
    assert tg.predict_with_metrics(Model(), [0.25, 1.0, 2.0], "fraud", "7") == 0.25
    assert predictions() == [
        {
            "prediction": 0.25,
            "feature_count": 3,
            "status": "success",
            "model": "fraud",
            "model_version": "7",
        }
    ]


def test_predict_of_rows_is_a_batch(predictions: Rows) -> None:
    """An array of two dimensions is as many predictions as it has rows, with ids if given."""
    ids = ["a", "b"]
    tg.predict_with_metrics(Model(), np.ones((2, 3)), "fraud", "7", prediction_ids=ids)
    rows = predictions()
    assert [row["prediction_id"] for row in rows] == ids
    assert [row.get("batch_size") for row in rows] == [2, None]
    assert [row["feature_count"] for row in rows] == [3, 3]


def test_a_failed_predict_is_no_success(predictions: Rows) -> None:
    """It is recorded with the class of the exception, which passes on unchanged."""
    with pytest.raises(ValueError, match="no features"):
        tg.predict_with_metrics(Model(), None, "fraud", "7")
    assert predictions() == [
        {
            "status": "error",
            "error_type": "ValueError",
            "model": "fraud",
            "model_version": "7",
        }
    ]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (0.5, (0.5, None, None)),
        ("cat", (None, "cat", None)),
        ((0.5, 0.9), (0.5, None, 0.9)),
        ({"prediction": 0.5, "confidence": 0.9}, (0.5, None, 0.9)),
        ({"prediction": "cat"}, (None, "cat", None)),
        (Outcome(1.0, 0.75), (1.0, None, 0.75)),
        (np.float64(0.5), (0.5, None, None)),
        (object(), (None, None, None)),
        (None, (None, None, None)),
        (([1.0], object()), (None, None, None)),
    ],
)
def test_results_of_many_shapes(
    predictions: Rows, metrics: tg.MLMetrics, result: object, expected: tuple[object, ...]
) -> None:
    """What a result says of itself is recorded; of anything else the call is."""

    @tg.track_prediction(metrics, "1")
    def predict(features: dict[str, float]) -> object:
        return result

    assert predict({"a": 1.0, "b": 2.0}) is result
    (row,) = predictions()
    found = row.get("prediction"), row.get("prediction_text"), row.get("confidence")
    assert found == expected
    assert (row["endpoint"], row["feature_count"], row["prefix"]) == (
        "/predict",
        2,
        "fraud_service",
    )


def test_an_extractor_reads_any_result(predictions: Rows, metrics: tg.MLMetrics) -> None:
    """It gives a prediction, or a list for a batch, in any of the shapes that results may have."""

    @tg.track_prediction(metrics, "1", extract=lambda result: result["scores"], endpoint="/rank")
    def rank(features: list[float]) -> dict[str, object]:
        return {"scores": [(0.5, 0.9), 0.25]}

    rank([1.0])
    found = [(row["prediction"], row.get("confidence")) for row in predictions()]
    assert found == [(0.5, 0.9), (0.25, None)]
    assert [row.get("batch_size") for row in predictions()] == [2, None]
    assert [row.get("endpoint") for row in predictions()] == ["/rank", None]


def test_an_extractor_that_fails_loses_no_call() -> None:
    """The prediction went well and is counted; what could not be read is counted as dropped."""
    metrics = tg.MLMetrics("fraud_service")

    @tg.track_prediction(metrics, "1", extract=lambda result: result["missing"])
    def predict(features: list[float]) -> dict[str, float]:
        return {}

    with capture(strict=False) as captured:
        assert predict([1.0]) == {}
    (fact,) = captured.facts
    assert fact.columns["status"] == "success"
    assert captured.dropped == {"internal": 1}


def test_coroutines_are_timed_to_their_end(captured: Captured, metrics: tg.MLMetrics) -> None:
    """An async function stays one, and its latency covers what it awaited."""

    @tg.track_prediction(metrics, "1")
    async def predict(features: list[float]) -> float:
        await asyncio.sleep(0.02)
        return 0.5

    assert asyncio.run(predict([1.0])) == 0.5
    (fact,) = captured.facts
    assert fact.columns["latency_s"] >= 0.02


def test_a_cancelled_coroutine_is_recorded(captured: Captured, metrics: tg.MLMetrics) -> None:
    """Cancellation passes on, and is a failed prediction."""

    @tg.track_prediction(metrics, "1")
    async def predict(features: list[float]) -> float:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(predict([1.0]))
    (fact,) = captured.facts
    assert (fact.columns["status"], fact.columns["error_type"]) == ("error", "CancelledError")


def test_an_async_callable_is_timed_to_its_end(captured: Captured, metrics: tg.MLMetrics) -> None:
    """An object whose call is a coroutine is one, too, and so is a result that can be awaited."""

    class Predictor:
        async def __call__(self, _: list[float]) -> float:
            await asyncio.sleep(0.02)
            return 0.5

    predictor = Predictor()

    def by_result(features: list[float]) -> Any:
        return predictor(features)

    for call in (predictor, by_result):
        assert asyncio.run(tg.track_prediction(metrics, "1")(call)([1.0])) == 0.5
    assert all(float(str(fact.columns["latency_s"])) >= 0.02 for fact in captured.facts)
    assert [fact.columns["prediction"] for fact in captured.facts] == [0.5, 0.5]


def test_generators_are_timed_to_their_end(captured: Captured, metrics: tg.MLMetrics) -> None:
    """The last item is the result, whether the generator was exhausted or closed before."""

    @tg.track_prediction(metrics, "1")
    def predict(features: list[float]) -> Iterator[float]:
        yield 0.25
        yield 0.5

    @tg.track_prediction(metrics, "1")
    async def predict_slowly(features: list[float]) -> AsyncIterator[float]:
        yield 0.75
        await asyncio.sleep(0.02)
        raise ValueError

    assert list(predict([1.0])) == [0.25, 0.5]
    early = predict([1.0])
    assert next(early) == 0.25
    early.close()

    async def run() -> list[float]:
        return [item async for item in predict_slowly([1.0])]

    with pytest.raises(ValueError):
        asyncio.run(run())
    found = [(fact.columns["status"], fact.columns.get("prediction")) for fact in captured.facts]
    assert found == [("success", 0.5), ("success", 0.25), ("error", None)]
    assert captured.facts[2].columns["latency_s"] >= 0.02  # type: ignore[operator]


def test_generators_stay_what_they_are(captured: Captured, metrics: tg.MLMetrics) -> None:
    """What is sent and thrown in gets there, and what is returned comes back."""
    heard: list[object] = []

    @tg.track_prediction(metrics, "1")
    def talk(features: list[float]) -> Generator[float, str, str]:
        heard.append((yield 0.25))
        try:
            yield 0.5
        except KeyError:
            heard.append("thrown")
        return "done"

    talking = talk([1.0])
    assert next(talking) == 0.25
    assert talking.send("hello") == 0.5
    with pytest.raises(StopIteration) as ended:
        talking.throw(KeyError)
    assert (heard, ended.value.value) == (["hello", "thrown"], "done")
    (fact,) = captured.facts
    assert (fact.columns["status"], fact.columns["prediction"]) == ("success", 0.5)


def test_methods_have_their_features_after_self(predictions: Rows, metrics: tg.MLMetrics) -> None:
    """`self` is not the features; another argument can be named."""

    class Service:
        @tg.track_prediction(metrics, "1")
        def predict(self, features: list[float]) -> float:
            return sum(features)

        @tg.track_prediction(metrics, "1", features="rows")
        def score(self, _: str, *, rows: list[float]) -> float:
            return sum(rows)

    Service().predict([1.0, 2.0])
    Service().score("u", rows=[1.0, 2.0, 3.0])
    assert [row["feature_count"] for row in predictions()] == [2, 3]


def test_the_context_applies(predictions: Rows, metrics: tg.MLMetrics) -> None:
    """Labels of the context in force are the row's, beside those of the call."""
    with tg.context(experiment="b", tenant="t"):
        metrics.record_prediction("1", 0.5, 0.5, 0.1, 1)
    (row,) = predictions()
    assert (row["experiment"], row["tenant"], row["model_version"]) == ("b", "t", "1")


def test_ground_truths_are_rows(captured: Captured) -> None:
    """A number, a bool or a class, for an id, at a time."""
    tg.record_ground_truth("a", 1, time="2026-01-02T03:04:05Z")
    tg.record_ground_truth("b", "cat")
    tg.record_ground_truth("c", np.bool_(False))
    assert [fact.table for fact in captured.facts] == ["ground_truths"] * 3
    assert [fact.columns for fact in captured.facts] == [
        {"prediction_id": "a", "truth": 1.0},
        {"prediction_id": "b", "truth_text": "cat"},
        {"prediction_id": "c", "truth": 0.0},
    ]
    assert captured.facts[0].time_ns == 1_767_323_045 * 10**9


@pytest.mark.parametrize(
    ("prediction_id", "truth", "reason"),
    [
        ("", 1, "bad_value"),
        (17, 1, "bad_value"),
        ("a", None, "bad_value"),
        ("a", float("nan"), "not_finite"),
    ],
)
def test_a_ground_truth_without_id_or_truth(
    captured: Captured, prediction_id: Any, truth: Any, reason: str
) -> None:
    """It is refused with the reason."""
    with pytest.raises(tg.MetricValidationError) as raised:
        tg.record_ground_truth(prediction_id, truth)
    assert raised.value.reason == reason
    assert captured.facts == []
