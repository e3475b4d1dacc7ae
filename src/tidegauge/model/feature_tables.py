# SPDX-License-Identifier: Apache-2.0
"""The tables of what people and features do: performance, satisfaction, usage, learning, errors.

Written by `tidegauge.get_advanced_metrics()`.
"""

from __future__ import annotations

from tidegauge.model.columns import Column, Condition, Derived, Measure, Rolled, Table

__all__ = [
    "ERRORS",
    "FEATURE_TABLES",
    "FEATURE_USAGE",
    "LEARNING_EFFECTIVENESS",
    "OPTIMIZATION_IMPACT",
    "RESOURCE_UTILIZATION",
    "SYSTEM_PERFORMANCE",
    "USER_SATISFACTION",
]

_FEATURE = Column("feature", "str", "the part of the product", nullable=False)
_USER = Column("user_id", "str", "who it was, as the setting `user_ids` lets it be kept")


def _fed(metric: str, value: str | None, *labels: str, where: Condition | None = None) -> Derived:
    return Derived(
        metric=metric, value=value, labels={label: label for label in labels}, where=where
    )


SYSTEM_PERFORMANCE = Table(
    "system_performance",
    "One row per value measured of a feature: response times, throughput, latency and the like.",
    (
        _FEATURE,
        Column("metric_category", "str", "response_time, throughput, latency, …", nullable=False),
        Column("metric_name", "str", "what was measured", nullable=False),
        Column("value", "f64", "the value", nullable=False),
        Column("unit", "str", "its unit"),
        Column("context", "str", "where it was measured, such as production"),
    ),
    (
        _fed(
            "feature:performance",
            "value",
            "feature",
            "metric_category",
            "metric_name",
            "unit",
        ),
    ),
    Rolled(
        kind="performance",
        by=("feature", "metric_category", "metric_name", "unit"),
        name=("metric_category", "metric_name"),
        measures=(Measure("", "value"),),
    ),
)

USER_SATISFACTION = Table(
    "user_satisfaction",
    "One row per opinion of a user.",
    (
        _FEATURE,
        Column("satisfaction_type", "str", "what was asked about", nullable=False),
        Column("score", "f64", "the score, on its scale", nullable=False, least=0, most=10),
        Column("feedback", "str", "what the user wrote, as `free_text` lets it be kept"),
        Column("interaction_id", "str", "what the opinion is about"),
        Column(
            "score_scale",
            "str",
            "the scale of the score",
            nullable=False,
            values=("0-1", "1-5", "0-10"),
        ),
        Column(
            "normalized_score",
            "f64",
            "the score from 0, the worst of its scale, to 1, the best",
            nullable=False,
            least=0,
            most=1,
        ),
        Column(
            "rating",
            "i64",
            "the score to the nearest whole number of its scale; tenths, rounded down to 9, of 0-1",
            nullable=False,
            least=0,
            most=10,
        ),
        _USER,
    ),
    (_fed("satisfaction:score", "normalized_score", "feature", "satisfaction_type"),),
    Rolled(
        kind="satisfaction",
        by=("feature", "satisfaction_type", "score_scale", "rating"),
        name=("satisfaction_type",),
        measures=(Measure("", "normalized_score"),),
    ),
)

FEATURE_USAGE = Table(
    "feature_usage",
    "One row per use of a feature.",
    (
        _FEATURE,
        Column("action", "str", "what was done", nullable=False),
        Column("duration_ms", "f64", "milliseconds that it took", least=0),
        Column("success", "bool", "whether it worked"),
        Column("error_type", "str", "why not: the class of the exception"),
        Column("user_context", "str", "the situation of the user"),
        _USER,
    ),
    (
        _fed("feature:uses", None, "feature", "action", "success"),
        _fed("feature:duration_ms", "duration_ms", "feature", "action", "success"),
    ),
    Rolled(
        kind="usage",
        by=("feature", "action"),
        name=("action",),
        measures=(
            Measure("uses"),
            Measure("duration_ms", "duration_ms"),
            Measure("success", "success"),
        ),
        distinct=("user_id", "user_context"),
    ),
)

_LEARNING = ("feature", "learning_type")

LEARNING_EFFECTIVENESS = Table(
    "learning_effectiveness",
    "One row per judgement of how well something was learned.",
    (
        _FEATURE,
        Column("learning_type", "str", "pattern_recognition, prediction, …", nullable=False),
        Column("accuracy", "f64", "accuracy, 0 to 1", least=0, most=1),
        Column("confidence", "f64", "confidence, 0 to 1", least=0, most=1),
        Column("sample_size", "i64", "samples that it is based on", least=0),
        Column("improvement_rate", "f64", "improvement over the time before, 0.05 for 5 percent"),
    ),
    tuple(
        _fed(f"learning:effectiveness.{name}", name, *_LEARNING)
        for name in ("accuracy", "confidence", "sample_size", "improvement_rate")
    ),
    Rolled(
        kind="learning",
        by=_LEARNING,
        name=("learning_type",),
        measures=(
            Measure("records"),
            *(
                Measure(name, name)
                for name in ("accuracy", "confidence", "sample_size", "improvement_rate")
            ),
        ),
    ),
)

_IMPACT = ("feature", "impact_category")

OPTIMIZATION_IMPACT = Table(
    "optimization_impact",
    "One row per measured effect of an optimization.",
    (
        _FEATURE,
        Column("optimization_id", "str", "which optimization", nullable=False),
        Column("impact_category", "str", "task_completion_time, accuracy, …", nullable=False),
        Column("before_value", "f64", "the value before", nullable=False),
        Column("after_value", "f64", "the value after", nullable=False),
        Column("user_impact_score", "f64", "impact on users, 0 to 1", least=0, most=1),
        Column("relative_change", "f64", "(after - before) / |before|; empty if before is 0"),
    ),
    (
        _fed("optimization:impact.before", "before_value", *_IMPACT, "optimization_id"),
        _fed("optimization:impact.after", "after_value", *_IMPACT, "optimization_id"),
        _fed("optimization:impact.change_ratio", "relative_change", *_IMPACT, "optimization_id"),
        _fed("optimization:impact.user_score", "user_impact_score", *_IMPACT, "optimization_id"),
    ),
    Rolled(
        kind="optimization",
        by=_IMPACT,
        name=("impact_category",),
        measures=(
            Measure("records"),
            *(
                Measure(name, name)
                for name in ("before_value", "after_value", "relative_change", "user_impact_score")
            ),
        ),
    ),
)

_RESOURCE = ("resource_type", "resource_name")

RESOURCE_UTILIZATION = Table(
    "resource_utilization",
    "One row per look at how full or busy a resource is.",
    (
        Column("resource_type", "str", "cpu, memory, disk, network, cache, …", nullable=False),
        Column("resource_name", "str", "which one", nullable=False),
        Column(
            "utilization_percent",
            "f64",
            "share in use, 0 to 100",
            nullable=False,
            least=0,
            most=100,
        ),
        Column("allocated", "f64", "its size, in `unit`", least=0),
        Column("used", "f64", "what of it is in use, in `unit`", least=0),
        Column("unit", "str", "the unit of `allocated` and `used`"),
        Column("feature", "str", "the part of the product that uses it"),
    ),
    (_fed("resource:utilization_percent", "utilization_percent", *_RESOURCE),),
    Rolled(
        kind="resource",
        by=("feature", *_RESOURCE, "unit"),
        name=_RESOURCE,
        measures=tuple(
            Measure(name, name) for name in ("utilization_percent", "allocated", "used")
        ),
    ),
)

_ERROR = ("feature", "error_type", "error_severity", "impact_level")

ERRORS = Table(
    "errors",
    "One row per error, and what became of it.",
    (
        _FEATURE,
        Column("error_type", "str", "the class of the error", nullable=False),
        Column(
            "error_severity",
            "str",
            "critical, error, warning or info",
            nullable=False,
            values=("critical", "error", "warning", "info"),
        ),
        Column("error_message", "str", "its message, as `free_text` lets it be kept"),
        Column("recovery_attempted", "bool", "whether a recovery was tried", nullable=False),
        Column("recovery_successful", "bool", "whether it worked; empty if none was tried"),
        Column("impact_level", "str", "high, medium or low", values=("high", "medium", "low")),
        _USER,
    ),
    (
        _fed("error:occurrences", None, *_ERROR),
        _fed(
            "error:recoveries_attempted",
            None,
            *_ERROR,
            where=Condition("recovery_attempted", "=", value=True),
        ),
        _fed(
            "error:recoveries_succeeded",
            None,
            *_ERROR,
            where=Condition("recovery_successful", "=", value=True),
        ),
    ),
    Rolled(
        kind="error",
        by=_ERROR,
        name=("error_type",),
        measures=(
            Measure("errors"),
            Measure("recovery_attempted", "recovery_attempted"),
            Measure("recovery_successful", "recovery_successful"),
        ),
        distinct=("user_id",),
    ),
)

#: The tables of this module.
FEATURE_TABLES = (
    SYSTEM_PERFORMANCE,
    USER_SATISFACTION,
    FEATURE_USAGE,
    LEARNING_EFFECTIVENESS,
    OPTIMIZATION_IMPACT,
    RESOURCE_UTILIZATION,
    ERRORS,
)
