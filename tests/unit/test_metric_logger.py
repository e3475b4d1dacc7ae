# SPDX-License-Identifier: Apache-2.0
"""The object form: its own strictness, legacy names, and its two helpers."""

from __future__ import annotations

import logging

import pytest

import tidegauge as tg
from tidegauge.model.errors import MetricValidationError
from tidegauge.testing import capture


def test_raises_whatever_the_mode_of_the_process() -> None:
    """`raise_on_error` is the logger's own, and each call may say otherwise."""
    with capture(strict=False) as captured:
        logger = tg.MetricLogger()
        with pytest.raises(MetricValidationError):
            logger.log_metric("model:accuracy", 7)
        logger.log_metric("model:accuracy", 7, raise_on_error=False)
        quiet = tg.MetricLogger(raise_on_error=False)
        quiet.log_metric("model:accuracy", 7)
        with pytest.raises(MetricValidationError):
            quiet.log_metrics({"model:accuracy": 7}, raise_on_error=True)
    assert captured.facts == []
    assert captured.dropped == {"out_of_range": 2}


def test_quiet_logger_does_not_raise_in_strict_mode(caplog: pytest.LogCaptureFixture) -> None:
    """`raise_on_error=False` logs instead, and records what is good of a batch."""
    with capture() as captured, caplog.at_level(logging.WARNING, "tidegauge"):
        logger = tg.MetricLogger(raise_on_error=False)
        logger.log_metrics({"model:accuracy": 7, "reply_rate": 0.5}, step=3)
        logger.log_metric_with_metadata("!?", 1, {"k": "v"})
    assert [(f.metric, f.columns["step"]) for f in captured.facts] == [("usage:reply_rate", 3)]
    assert "out_of_range" in caplog.text


def test_legacy_names_are_migrated() -> None:
    """Names from before the convention are recorded under the names it gives them."""
    with capture() as captured:
        logger = tg.MetricLogger(allow_legacy_names=True)
        logger.log_metric("my-old-metric", 0.75)
        logger.log_metric("AnotherOldMetric", 0.82)
        logger.log_metric("metric with spaces", 0.91)
        logger.log_metric("Reply Rate", 0.5)
        with pytest.raises(MetricValidationError):
            tg.MetricLogger().log_metric("metric with spaces", 0.91)
    assert [fact.metric for fact in captured.facts] == [
        "custom:my_old_metric",
        "custom:another_old_metric",
        "custom:metric_with_spaces",
        "usage:reply_rate",
    ]


def test_metadata_goes_with_the_fact() -> None:
    """The object form of `log_metric_with_metadata`."""
    with capture() as captured:
        tg.MetricLogger().log_metric_with_metadata("reply_rate", 0.5, {"model_version": "2"}, 4)
    (fact,) = captured.facts
    assert fact.labels == {"model_version": "2"}
    assert fact.columns == {"value": 0.5, "step": 4, "metadata": '{"model_version":"2"}'}


def test_metrics_by_prefix_of_a_dict() -> None:
    """Selects by the beginning of the full name."""
    metrics = {"usage:reply_rate": 0.1, "usage:conversion_rate": 0.2, "model:accuracy": 0.9}
    assert tg.MetricLogger().get_metrics_by_prefix(metrics, "usage:") == {
        "usage:reply_rate": 0.1,
        "usage:conversion_rate": 0.2,
    }


def test_metrics_by_prefix_of_a_run() -> None:
    """The latest values of a run are read from the store, before anything was drained."""
    with capture():
        for step, value in enumerate((0.7, 0.8, 0.9)):
            tg.log_metric("model:accuracy", value, step=step, run_id="r1")
        tg.log_metric("usage:reply_rate", 0.5, run_id="r1")
        tg.log_metric("model:f1_score", 0.1, run_id="r2")
        assert tg.MetricLogger().get_metrics_by_prefix("r1", "model:") == {"model:accuracy": 0.9}


def test_aggregate_over_runs() -> None:
    """A run that lacks a metric does not count for it; no runs give nothing."""
    logger = tg.MetricLogger()
    runs = [{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0}]
    assert logger.aggregate_metrics(runs) == {
        "a": {"mean": 3.0, "min": 1.0, "max": 6.0, "median": 2.0, "count": 3},
        "b": {"mean": 5.0, "min": 5.0, "max": 5.0, "median": 5.0, "count": 1},
    }
    assert logger.aggregate_metrics([]) == {}
