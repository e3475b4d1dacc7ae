# SPDX-License-Identifier: Apache-2.0
"""Recording what features and their users do: one row of a typed table for each call."""

from __future__ import annotations

from collections.abc import Mapping

from tidegauge.catalog.derived_columns import check_recovery, relative_change
from tidegauge.catalog.scales import read_score
from tidegauge.model.tables import (
    ERRORS,
    FEATURE_USAGE,
    LEARNING_EFFECTIVENESS,
    OPTIMIZATION_IMPACT,
    RESOURCE_UTILIZATION,
    SYSTEM_PERFORMANCE,
    USER_SATISFACTION,
    Table,
)
from tidegauge.model.times import TimeLike, parse_time_ns
from tidegauge.record.cells import plain, shortened
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS
from tidegauge.record.rows import RowWriter, Values

__all__ = ["FeatureRecords"]

Metadata = Mapping[str, object]


class _Rows:
    """Records rows of one table."""

    def __init__(self, table: Table) -> None:
        self._name = table.name
        self.put = RowWriter(recorder, table).bind()

    def record(self, values: Values, time: TimeLike | None, metadata: Metadata | None) -> None:
        """Record a row that may have happened at another time than now."""
        try:
            recorder.get_ready()  # so that the mode is known to whoever refuses
            time_ns = None if time is None else parse_time_ns(time)
        except FAULTS as error:
            self.refuse(error)
        else:
            self.put(values, time_ns, metadata)

    def refuse(self, error: Exception) -> None:
        """Count a row that cannot be recorded; raises it in strict mode."""
        recorder.refuse(error, self._name)


_performance = _Rows(SYSTEM_PERFORMANCE)
_satisfaction = _Rows(USER_SATISFACTION)
_usage = _Rows(FEATURE_USAGE)
_learning = _Rows(LEARNING_EFFECTIVENESS)
_impact = _Rows(OPTIMIZATION_IMPACT)
_resource = _Rows(RESOURCE_UTILIZATION)
_error = _Rows(ERRORS)
_put_usage = _usage.put


class FeatureRecords:
    """The calls that record. Each is safe on disk when it returns, and never waits for anything.

    They may be called from threads and from coroutines. What they have in common:

    - `metadata` is whatever else is known, a dict that can be written as JSON.
    - `time` is when it happened, if not now: a datetime, ISO 8601 text, or seconds since 1970.
      A fact may come late; statistics and daily aggregates take it in where it belongs.
    - Labels in force (`tidegauge.context(product="search")`) are recorded with it.
    - Numbers and bools may be NumPy's or PyTorch's. A bool is no number.
    - A text has at most 10,000 characters, and what must be given at least one. Feedback and the
      message of an error are cut to that, and then end in "…".
    - They raise `MetricValidationError` in strict mode if something does not fit: an empty name, a
      severity, level or score that does not exist, a negative duration, a percentage above 100, a
      number that is not finite. In lenient mode the row is dropped, counted by reason and logged
      instead.
    """

    def record_performance_metric(
        self,
        feature: str,
        metric_category: str,
        metric_name: str,
        value: float,
        unit: str | None = None,
        context: str | None = None,
        metadata: Metadata | None = None,
        *,
        time: TimeLike | None = None,
    ) -> None:
        """Record a measured value of a feature.

        Args:
            feature: The part of the product.
            metric_category: `response_time`, `throughput`, `latency`, `cpu_usage`, `memory_usage`,
                `disk_io`, or another.
            metric_name: What was measured.
            value: The value, in `unit`.
            unit: Its unit.
            context: Where it was measured, such as `production`.
            metadata: Whatever else is known.
            time: When it was measured, if not now.
        """
        values = (feature, metric_category, metric_name, value, unit, context)
        _performance.record(values, time, metadata)

    def record_satisfaction(
        self,
        feature: str,
        satisfaction_type: str,
        score: float,
        feedback: str | None = None,
        interaction_id: str | None = None,
        metadata: Metadata | None = None,
        *,
        scale: str | None = None,
        user: str | None = None,
        time: TimeLike | None = None,
    ) -> None:
        """Record what a user thinks of a feature.

        Args:
            feature: The part of the product.
            satisfaction_type: `task_completion`, `ease_of_use`, `accuracy`, `speed`, `overall`, or
                another.
            score: The score. Kept as it is together with its scale, and normalised to 0 to 1, so
                that scores of several scales can be averaged.
            feedback: What the user wrote; see the setting `free_text`.
            interaction_id: What the opinion is about.
            metadata: Whatever else is known.
            scale: `0-1`, `1-5` or `0-10`. If it is not given, a score above 1 is on 1-5; so is the
                whole number 1, while 1.0 is the best of 0-1.
            user: Who it was; see the setting `user_ids`.
            time: When it was said, if not now.
        """
        try:
            recorder.get_ready()
            scored = read_score(score, scale)
            feedback, user = _free_text(feedback), recorder.privacy.user(user)
        except FAULTS as error:
            _satisfaction.refuse(error)
            return
        values = (
            feature,
            satisfaction_type,
            scored.score,
            feedback,
            interaction_id,
            scored.scale,
            scored.normalized,
            scored.rating,
            user,
        )
        _satisfaction.record(values, time, metadata)

    def record_feature_usage(
        self,
        feature: str,
        action: str,
        duration_ms: float | None = None,
        success: bool | None = True,  # noqa: FBT001, FBT002  (its place is the document's)
        error_type: str | None = None,
        user_context: str | None = None,
        metadata: Metadata | None = None,
        *,
        user: str | None = None,
        time: TimeLike | None = None,
    ) -> None:
        """Record a use of a feature. `track_feature` does it for a block or function.

        Args:
            feature: The part of the product.
            action: What was done with it.
            duration_ms: Milliseconds that it took, 0 or more.
            success: Whether it worked; None if that is not known.
            error_type: Why not: the class of the exception.
            user_context: The situation of the user, such as `morning_session`.
            metadata: Whatever else is known.
            user: Who it was; see the setting `user_ids`.
            time: When it happened, if not now.
        """
        if time is None and user is None:
            _put_usage(
                (feature, action, duration_ms, success, error_type, user_context, None),
                None,
                metadata,
            )
            return
        try:
            recorder.get_ready()
            user = recorder.privacy.user(user)
        except FAULTS as error:
            _usage.refuse(error)
            return
        values = (feature, action, duration_ms, success, error_type, user_context, user)
        _usage.record(values, time, metadata)

    def record_learning_effectiveness(
        self,
        feature: str,
        learning_type: str,
        accuracy: float | None = None,
        confidence: float | None = None,
        sample_size: int | None = None,
        improvement_rate: float | None = None,
        metadata: Metadata | None = None,
        *,
        time: TimeLike | None = None,
    ) -> None:
        """Record how well something was learned.

        Args:
            feature: The part of the product.
            learning_type: `pattern_recognition`, `prediction`, `classification`, or another.
            accuracy: Accuracy, 0 to 1.
            confidence: Confidence, 0 to 1.
            sample_size: Samples that it is based on, 0 or more.
            improvement_rate: Improvement over the time before, 0.05 for 5 percent.
            metadata: Whatever else is known.
            time: When it was judged, if not now.
        """
        values = (feature, learning_type, accuracy, confidence, sample_size, improvement_rate)
        _learning.record(values, time, metadata)

    def record_optimization_impact(
        self,
        feature: str,
        optimization_id: str,
        impact_category: str,
        before_value: float,
        after_value: float,
        user_impact_score: float | None = None,
        metadata: Metadata | None = None,
        *,
        time: TimeLike | None = None,
    ) -> None:
        """Record what an optimization has changed.

        Args:
            feature: The part of the product.
            optimization_id: Which optimization.
            impact_category: `task_completion_time`, `resource_usage`, `accuracy`,
                `user_experience`, or another.
            before_value: The value before.
            after_value: The value after, in the same unit. The change relative to the value before
                is recorded with it, if there is one.
            user_impact_score: Impact on users, 0 to 1.
            metadata: Whatever else is known.
            time: When it was measured, if not now.
        """
        values = (
            feature,
            optimization_id,
            impact_category,
            before_value,
            after_value,
            user_impact_score,
            relative_change(before_value, after_value),
        )
        _impact.record(values, time, metadata)

    def record_resource_utilization(
        self,
        resource_type: str,
        resource_name: str,
        utilization_percent: float,
        allocated: float | None = None,
        used: float | None = None,
        unit: str | None = None,
        metadata: Metadata | None = None,
        *,
        feature: str | None = None,
        time: TimeLike | None = None,
    ) -> None:
        """Record how full or busy a resource is.

        Args:
            resource_type: `cpu`, `memory`, `disk`, `network`, `cache`, or another.
            resource_name: Which one.
            utilization_percent: Share of it in use, 0 to 100.
            allocated: Its size, in `unit`.
            used: What of it is in use, in `unit`.
            unit: The unit of both.
            metadata: Whatever else is known.
            feature: The part of the product that uses it.
            time: When it was looked at, if not now.
        """
        values = (resource_type, resource_name, utilization_percent, allocated, used, unit, feature)
        _resource.record(values, time, metadata)

    def record_error(
        self,
        feature: str,
        error_type: str,
        error_severity: str = "error",
        error_message: str | None = None,
        recovery_attempted: bool = False,  # noqa: FBT001, FBT002  (its place is the document's)
        recovery_successful: bool | None = None,  # noqa: FBT001
        impact_level: str | None = None,
        metadata: Metadata | None = None,
        *,
        user: str | None = None,
        time: TimeLike | None = None,
    ) -> None:
        """Record an error, and what became of it.

        Args:
            feature: The part of the product.
            error_type: The class of the error.
            error_severity: `critical`, `error`, `warning` or `info`.
            error_message: Its message; see the setting `free_text`.
            recovery_attempted: Whether a recovery was tried.
            recovery_successful: Whether it worked; None if none was tried, or nobody knows.
            impact_level: `high`, `medium` or `low`.
            metadata: Whatever else is known.
            user: Whom it hit; see the setting `user_ids`.
            time: When it happened, if not now.
        """
        try:
            recorder.get_ready()
            attempted, successful = plain(recovery_attempted), plain(recovery_successful)
            check_recovery(attempted, successful)
            if attempted is False:
                successful = None if successful is False else successful
            error_message, user = _free_text(error_message), recorder.privacy.user(user)
        except FAULTS as error:
            _error.refuse(error)
            return
        values = (
            feature,
            error_type,
            error_severity,
            error_message,
            attempted,
            successful,
            impact_level,
            user,
        )
        _error.record(values, time, metadata)


def _free_text(text: str | None) -> str | None:
    """What may be kept of what somebody wrote; that it is long must not cost the fact."""
    kept = recorder.privacy.text(text)
    return shortened(kept) if isinstance(kept, str) else kept
