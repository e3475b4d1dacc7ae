# SPDX-License-Identifier: Apache-2.0
"""Metrics of features and their users: what a program records, and what it asks of it later.

`integrations/` and `query/` bound to the process's store.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from tidegauge.config import parts
from tidegauge.integrations.feature_records import FeatureRecords
from tidegauge.record.front import recorder

if TYPE_CHECKING:
    from tidegauge.query.calendar import Every
    from tidegauge.query.features import Features

__all__ = [
    "AdvancedMetrics",
    "MetricsCollector",
    "get_advanced_metrics",
    "get_metrics_collector",
]

#: A dictionary ready to be written as JSON; docs/reference/feature-statistics.md says what is in.
Document = dict[str, Any]


class AdvancedMetrics(FeatureRecords):
    """Records what features and their users do, and tells its statistics.

    The questions have this in common:

    - `feature` is one feature; None is all of them together.
    - They look at the last `hours` up to `end`, or now; at everything if it is None. Instead of it,
      `days`, or `start` and `end`, may be given.
    - Further keyword arguments choose by a column that tells series of the table apart
      (`action="search"`), a dimension or a label (`environment="production"`): a text, a list of
      texts of which any may be, or None for facts without it. What nearly has the name of an
      argument is an error; labels of such a name go into `labels`.
    - Answers are dictionaries that can be written as JSON. A number that cannot be told is None,
      and `reason` says why: an average of nothing is never 0.
    - They raise `QueryError` for a question that makes no sense, and `StoreError` if the store
      cannot be read.
    """

    def get_performance_metrics(
        self,
        feature: str | None = None,
        metric_category: str | None = None,
        hours: float | None = 24,
        limit: int = 1000,
        **asked: Any,
    ) -> Document:
        """Statistics of what was measured, by category and metric, and the newest rows of it.

        Args:
            feature: The part of the product.
            metric_category: Only this category.
            hours: How far to look back.
            limit: Most rows in `records`; none if 0.
            asked: A range, dimensions and labels.
        """
        return _features().performance(
            feature, metric_category, limit=limit, **_within(hours, asked)
        )

    def get_satisfaction_metrics(
        self,
        feature: str | None = None,
        satisfaction_type: str | None = None,
        hours: float | None = 24,
        **asked: Any,
    ) -> Document:
        """What users think: mean score, share of the satisfied, distribution, NPS and CSAT.

        Args:
            feature: The part of the product.
            satisfaction_type: Only this one.
            hours: How far to look back.
            asked: A range, dimensions and labels.
        """
        return _features().satisfaction(feature, satisfaction_type, **_within(hours, asked))

    def get_feature_usage_stats(
        self,
        feature: str | None = None,
        hours: float | None = 24,
        action: str | None = None,
        **asked: Any,
    ) -> Document:
        """How often a feature was used, for how long, by how many users, and whether it worked.

        Args:
            feature: The part of the product.
            hours: How far to look back.
            action: Only this action.
            asked: A range, dimensions and labels.
        """
        return _features().usage(feature, action, **_within(hours, asked))

    def get_error_stats(
        self, feature: str | None = None, hours: float | None = 24, **asked: Any
    ) -> Document:
        """Errors by type, severity and impact, how many were recovered from, and how many per use.

        Args:
            feature: The part of the product.
            hours: How far to look back.
            asked: A range, dimensions and labels.
        """
        return _features().errors(feature, **_within(hours, asked))

    def get_learning_stats(
        self,
        feature: str | None = None,
        learning_type: str | None = None,
        hours: float | None = 24,
        **asked: Any,
    ) -> Document:
        """How well things were learned: accuracy, confidence, improvement, by type.

        Args:
            feature: The part of the product.
            learning_type: Only this one.
            hours: How far to look back.
            asked: A range, dimensions and labels.
        """
        return _features().learning(feature, learning_type, **_within(hours, asked))

    def get_optimization_stats(
        self,
        feature: str | None = None,
        impact_category: str | None = None,
        hours: float | None = 24,
        **asked: Any,
    ) -> Document:
        """What optimizations changed: values before and after, relative change, impact on users.

        Args:
            feature: The part of the product.
            impact_category: Only this one.
            hours: How far to look back.
            asked: A range, dimensions and labels.
        """
        return _features().optimization(feature, impact_category, **_within(hours, asked))

    def get_resource_stats(
        self,
        resource_type: str | None = None,
        resource_name: str | None = None,
        hours: float | None = 24,
        feature: str | None = None,
        **asked: Any,
    ) -> Document:
        """How full or busy resources were.

        Args:
            resource_type: Only this type.
            resource_name: Only this resource.
            hours: How far to look back.
            feature: The part of the product that uses it.
            asked: A range, dimensions and labels.
        """
        return _features().resources(resource_type, resource_name, feature, **_within(hours, asked))

    def get_comprehensive_dashboard(
        self, feature: str | None = None, hours: float | None = 24, **asked: Any
    ) -> Document:
        """All of the above in one dictionary.

        Args:
            feature: The part of the product.
            hours: How far to look back.
            asked: A range, dimensions and labels.
        """
        return _features().dashboard(feature, **_within(hours, asked))

    def get_trend(
        self,
        what: str,
        feature: str | None = None,
        *,
        every: Every = "day",
        by: str | Sequence[str] = (),
        **asked: Any,
    ) -> list[Document]:
        """How a number goes on over time: a row for each hour, day or week.

        A gap is a row whose count is 0 and whose numbers are None.

        Args:
            what: `performance`, `satisfaction`, `usage.duration_ms`, `usage.success`, `error`,
                `learning.accuracy`, `resource`, …; an unknown name's error lists them.
            feature: The part of the product.
            every: `hour`, `day` or `week`; days and weeks are of the setting `time_zone`.
            by: Columns of the table (`action`), dimensions or labels to tell apart.
            asked: A range, 30 days if there is none; what columns of the table, dimensions and
                labels must hold. An open range begins with the first fact and ends now; the first
                and the last row have only what is in the range.
        """
        return _features().trend(what, feature, every=every, by=by, **asked)

    def compare_periods(
        self, what: str, feature: str | None = None, *, days: float = 7, **asked: Any
    ) -> Document:
        """The last `days` (`b`) against as many before them (`a`): this week against the last.

        Means are compared; of `usage`, `error` and what else counts rows, how many there are in 24
        hours. `low` and `high` are Welch's interval for the difference, 95 %, of the days; `reason`
        says by key why a number is None.

        Args:
            what: As for `get_trend`.
            feature: The part of the product.
            days: How many.
            asked: As for `get_trend`.
        """
        return _features().compare_periods(what, feature, days=days, **asked)

    def compare_features(
        self, what: str, a: str, b: str, *, days: float = 7, **asked: Any
    ) -> Document:
        """One feature against another over the same days; otherwise as `compare_periods`.

        Args:
            what: As for `get_trend`.
            a: What is compared with.
            b: What is compared.
            days: How many days.
            asked: As for `get_trend`.
        """
        return _features().compare_features(what, a, b, days=days, **asked)

    def get_features(
        self, text: str = "", *, by: str | Sequence[str] = (), **asked: Any
    ) -> list[Document]:
        """The features of which something was recorded: how much, and when first and last.

        Args:
            text: Only features with this in their name.
            by: Dimensions or labels to tell apart, such as `product`.
            asked: A range, everything if there is none; dimensions and labels.
        """
        return _features().listed(text, by=by, **asked)

    def aggregate_daily_metrics(self, date: str | dt.date | None = None) -> int:
        """Aggregate a day into the table `daily_aggregates`, in place of what was there of it.

        The background does it for every day whose facts have changed; this is for who wants it now.

        Args:
            date: A date or its text, `2025-12-14`, in the setting `time_zone`; today if None.

        Returns:
            How many rows the day has.

        Raises:
            QueryError: It is no day.
            StoreError: The store cannot be used.
        """
        return parts().aggregate_day(date)


class MetricsCollector:
    """Records single numbers of features, and tells their statistics.

    Each is a point of a metric with the label `feature`: `feature:<name>` for performance,
    `learning:<name>` and `optimization:<name>`. So `tidegauge.stats`, MLflow and Prometheus know it
    as well. Thread-safe; never waits for the network, a database or another process.
    """

    def record_performance_metric(
        self,
        feature: str,
        metric_name: str,
        value: float,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Record a number about how a feature performs, as `feature:<metric_name>`.

        Args:
            feature: The part of the product.
            metric_name: What was measured: letters, digits and `_`.
            value: A finite number.
            metadata: Whatever else is known, to be written as JSON. Its `timestamp` becomes the
                time of the fact; `model`, `model_version` and the like become dimensions.

        Raises:
            MetricValidationError: In strict mode, if one of them is not allowed. In lenient mode
                the fact is dropped, counted and logged instead.
        """
        _record(f"feature:{metric_name}", feature, value, metadata)

    def record_learning_metric(
        self,
        feature: str,
        metric_name: str,
        value: float,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Record a number about how a feature learns; otherwise as `record_performance_metric`."""
        _record(f"learning:{metric_name}", feature, value, metadata)

    def record_optimization_metric(
        self,
        feature: str,
        metric_name: str,
        value: float,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Record a number about an optimization; otherwise as `record_performance_metric`."""
        _record(f"optimization:{metric_name}", feature, value, metadata)

    def get_metric_statistics(
        self, feature: str, metric_name: str, hours: float | None = 24
    ) -> Document:
        """Statistics of one number of a feature: count, avg, min, max, stddev, p50, p95, p99, last.

        Args:
            feature: The part of the product.
            metric_name: As it was recorded; with its category (`learning:accuracy`) where the
                feature has numbers of that name in several.
            hours: How far to look back; at everything if None.

        Raises:
            QueryError: The feature has numbers of that name in several categories.
            StoreError: The store cannot be read.
        """
        return _features().metric_statistics(feature, metric_name, hours=hours)


@cache
def get_advanced_metrics() -> AdvancedMetrics:
    """The tracker of this process.

    Example:
        >>> from tidegauge import get_advanced_metrics
        >>> advanced = get_advanced_metrics()
        >>> advanced.record_feature_usage(
        ...     feature="learning-engine", action="recognize_pattern", duration_ms=125.5
        ... )
        >>> advanced.get_feature_usage_stats(feature="learning-engine")["total_usage"]
        1
    """
    return AdvancedMetrics()


@cache
def get_metrics_collector() -> MetricsCollector:
    """The basic collector of this process.

    Example:
        >>> from tidegauge import get_metrics_collector
        >>> metrics = get_metrics_collector()
        >>> metrics.record_learning_metric(
        ...     "learning-engine", "accuracy", 0.92, {"training_samples": 1000}
        ... )
        >>> metrics.get_metric_statistics("learning-engine", "accuracy")["count"]
        1
    """
    return MetricsCollector()


def _features() -> Features:
    return parts().query.features


def _within(hours: float | None, asked: dict[str, Any]) -> dict[str, Any]:
    """A range given in another way replaces the usual `hours`, and contradicts others."""
    other = any(asked.get(name) is not None for name in ("days", "start"))
    return asked if other and hours in (None, 24) else {**asked, "hours": hours}


def _record(name: str, feature: Any, value: Any, metadata: Mapping[str, object] | None) -> None:
    if metadata:
        recorder.with_metadata(name, value, metadata, None, feature=feature)
    else:
        recorder.hot.log_metric(name, value, feature=feature)
