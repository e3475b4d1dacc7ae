# SPDX-License-Identifier: Apache-2.0
"""The functions programs call, bound to the one recorder of the process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import overload

from tidegauge.model.errors import MetricValidationError
from tidegauge.record.aggregate import IntervalMetric
from tidegauge.record.handle import Metric
from tidegauge.record.recorder import Recorder
from tidegauge.record.timing import Timer

__all__ = [
    "log_metric",
    "log_metric_with_metadata",
    "log_metrics",
    "log_model_metrics",
    "log_pipeline_metrics",
    "log_usage_metrics",
    "metric",
    "recorder",
    "timer",
]

#: The recorder of this process. `tidegauge.config` tells it where to write.
recorder = Recorder(Path(".tidegauge/journal"))

log_metric = recorder.hot.log_metric
log_metrics = recorder.hot.log_metrics


def log_metric_with_metadata(
    name: str, value: float, metadata: Mapping[str, object], step: int | None = None
) -> None:
    """Record one value together with whatever else is known about it.

    Args:
        name: As for `log_metric`.
        value: As for `log_metric`.
        metadata: Anything JSON can carry; all of it is stored with the fact. Its `timestamp`
            becomes the fact's time; `model`, `model_version`, `experiment`, `run_id`, `service` and
            `environment` become its dimensions.
        step: As for `log_metric`.

    Raises:
        MetricValidationError: In strict mode, as `log_metric`, or if the metadata cannot be
            written as JSON or takes more than 1 MiB.

    Example:
        >>> import tidegauge as tg
        >>> tg.log_metric_with_metadata(
        ...     "usage:reply_rate", 0.1523, {"model_version": "2.0.1", "cohort": "beta"}
        ... )
    """
    recorder.with_metadata(name, value, metadata, step)


def log_usage_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Record a batch of metrics of the category `usage`; names may leave the category out."""
    _log_category("usage", metrics, step)


def log_model_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Record a batch of metrics of the category `model`; names may leave the category out."""
    _log_category("model", metrics, step)


def log_pipeline_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Record a batch of metrics of the category `pipeline`; names may leave the category out."""
    _log_category("pipeline", metrics, step)


@overload
def metric(name: str, *, aggregate: None = None, **labels: object) -> Metric: ...
@overload
def metric(name: str, *, aggregate: str | float, **labels: object) -> IntervalMetric: ...
def metric(
    name: str, *, aggregate: str | float | None = None, **labels: object
) -> Metric | IntervalMetric:
    """Look a metric and its labels up once, for code that records it often.

    May be called before `configure`, such as at the top of a module; the name and labels are
    checked with the first value.

    Args:
        name: As for `log_metric`.
        aggregate: Record a count, sum, smallest, largest and histogram per interval of this
            length (`"10s"`, or seconds; 1 ms to 365 days) instead of every value. Killing the
            process then loses the open interval.
        labels: As for `log_metric`.

    Returns:
        A handle with `record(value)` and `timer()`.

    Raises:
        ConfigError: `aggregate` is no length of an interval.

    Example:
        >>> import tidegauge as tg
        >>> latency = tg.metric("model:latency_ms", model="fraud")
        >>> latency.record(12.3)
    """
    if aggregate is None:
        return Metric(recorder, name, labels)
    return IntervalMetric(recorder, name, labels, aggregate)


def timer(name: str, **labels: object) -> Timer:
    """Record how long a block or each call of a function takes, in the metric's own unit.

    Works on plain functions, coroutines and generators, and records what raised as well. May be
    made before `configure`, such as at the top of a module; the metric is looked up when something
    was timed. The unit of a metric that is not declared is what its name ends in
    (`custom:load_ms`), else seconds.

    Raises:
        MetricValidationError: In strict mode, at the end of a block or call, as `log_metric`, or if
            the metric's unit is not a unit of time. In lenient mode the fact is dropped, counted
            and logged instead.

    Example:
        >>> import tidegauge as tg
        >>> with tg.timer("pipeline:duration_seconds"):
        ...     total = sum(range(1000))
        >>> @tg.timer("model:latency_ms", model="fraud")
        ... def predict(features):
        ...     return 0.5
    """
    return Metric(recorder, name, labels).timer()


def _log_category(category: str, metrics: object, step: int | None) -> None:
    """Record a batch after putting the category before every name that has none."""
    if not isinstance(metrics, Mapping):
        recorder.many(metrics, step)  # which says what is wrong
        return
    pairs = []
    for name, value in metrics.items():
        given, colon, _ = str(name).partition(":")
        if colon and given != category:
            recorder.refuse(_of_another(category, name), name)
        else:
            pairs.append((name if colon else f"{category}:{name}", value))
    named = dict(pairs)
    if len(named) == len(pairs):
        log_metrics(named, step)
    else:  # one metric twice, with and without its category
        recorder.many(pairs, step)


def _of_another(category: str, name: str) -> MetricValidationError:
    return MetricValidationError(
        f"a batch of the category {category!r} has a metric of another",
        reason="bad_name",
        got=name,
        allowed=f"names without category, or with {category!r}",
        fix="Use log_metrics for batches of several categories.",
    )
