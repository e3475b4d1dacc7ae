# SPDX-License-Identifier: Apache-2.0
"""One definition per table of the store.

The journal's event records, the Arrow schema, the SQL views and the reference page of a table are
all derived from its `Table`.
"""

from __future__ import annotations

from tidegauge.model.aggregate_tables import CORRECTIONS, DAILY_AGGREGATES, ROLLUPS
from tidegauge.model.columns import (
    COMMON_COLUMNS,
    SUMMARY_COLUMNS,
    Column,
    ColumnKind,
    Condition,
    Derived,
    Measure,
    Rolled,
    Table,
)
from tidegauge.model.cost_tables import COSTS
from tidegauge.model.feature_tables import (
    ERRORS,
    FEATURE_USAGE,
    LEARNING_EFFECTIVENESS,
    OPTIMIZATION_IMPACT,
    RESOURCE_UTILIZATION,
    SYSTEM_PERFORMANCE,
    USER_SATISFACTION,
)
from tidegauge.model.llm_tables import LLM_CALLS, LLM_PRICES

__all__ = [
    "COMMON_COLUMNS",
    "CORRECTIONS",
    "COSTS",
    "DAILY_AGGREGATES",
    "ERRORS",
    "FEATURE_USAGE",
    "GROUND_TRUTHS",
    "INTERVALS",
    "LEARNING_EFFECTIVENESS",
    "LLM_CALLS",
    "LLM_PRICES",
    "OPTIMIZATION_IMPACT",
    "POINTS",
    "PREDICTIONS",
    "REQUESTS",
    "RESOURCE_UTILIZATION",
    "ROLLUPS",
    "SYSTEM_PERFORMANCE",
    "TABLES",
    "USER_SATISFACTION",
    "Column",
    "ColumnKind",
    "Condition",
    "Derived",
    "Table",
]

POINTS = Table(
    "points",
    "One row per recorded value.",
    (
        Column("metric", "str", "full metric name as recorded", nullable=False),
        Column("value", "f64", "the value, in the metric's unit", nullable=False),
        Column("step", "i64", "training step, where one was given"),
    ),
    rolled=Rolled(by=("metric",), measures=(Measure("", "value"),)),
)

INTERVALS = Table(
    "intervals",
    'One row per series and interval of a handle with `aggregate="10s"`; `time` is its start.',
    (
        Column("metric", "str", "full metric name as recorded", nullable=False),
        Column("interval_s", "f64", "length of the interval in seconds", nullable=False),
        *SUMMARY_COLUMNS,
    ),
    rolled=Rolled(by=("metric",), measures=(Measure("", "sum"),)),
)

_ENDPOINT = {"endpoint": "route"}
_HTTP = {
    "http.request.method": "method",
    "url.scheme": "scheme",
    "http.route": "route",
    "http.response.status_code": "status",
    "error.type": "error_type",
}

REQUESTS = Table(
    "requests",
    "One row per request that a service answered, written by `MetricsMiddleware`.",
    (
        Column("method", "str", "HTTP method; `_OTHER` for one that no standard knows"),
        Column(
            "route", "str", "the route's template, `__unmatched__` if none fits; never the path"
        ),
        Column("status", "i64", "HTTP status; 499 if the client went away first"),
        Column("outcome", "str", "ok, error, cancelled or disconnected", nullable=False),
        Column("error_type", "str", "class of the exception, or the status, of a failed request"),
        Column(
            "duration_s",
            "f64",
            "seconds until the last byte was handed on",
            nullable=False,
            least=0,
        ),
        Column("first_byte_s", "f64", "seconds until the response began", least=0),
        Column(
            "stream_s",
            "f64",
            "seconds between the first and the last part of the response",
            least=0,
        ),
        Column("request_bytes", "i64", "size of the request's body", least=0),
        Column("response_bytes", "i64", "size of the response's body", least=0),
        Column("scheme", "str", "http, https, ws or wss"),
        Column("trace_id", "str", "the trace it belongs to, 32 hex digits"),
    ),
    (
        Derived(
            metric="api:requests",
            labels={"method": "method", "endpoint": "route", "status": "status"},
        ),
        Derived(
            metric="api:request_duration_seconds",
            value="duration_s",
            labels=_ENDPOINT,
            only="prometheus",
        ),
        Derived(
            metric="api:server_request_duration_seconds",
            value="duration_s",
            labels=_HTTP,
            only="otlp",
        ),
        Derived(metric="api:time_to_first_byte_seconds", value="first_byte_s", labels=_ENDPOINT),
        Derived(metric="api:response_stream_seconds", value="stream_s", labels=_ENDPOINT),
        Derived(metric="api:request_size_bytes", value="request_bytes", labels=_ENDPOINT),
        Derived(metric="api:response_size_bytes", value="response_bytes", labels=_ENDPOINT),
    ),
)

_MODEL = {"model_name": "model"}
_VERSION = {"model_name": "model", "model_version": "model_version"}
_SUCCESS = Condition("status", "=", "success")

PREDICTIONS = Table(
    "predictions",
    "One row per prediction. The first of a batch carries what is known of the batch.",
    (
        Column("endpoint", "str", "where it was asked for; empty for all but the first of a batch"),
        Column("prediction", "f64", "the predicted number, or the class if that is a number"),
        Column("prediction_text", "str", "the predicted class, if that is a text"),
        Column("confidence", "f64", "the model's confidence, 0 to 1", least=0, most=1),
        Column("latency_s", "f64", "seconds that the call took", least=0),
        Column("feature_count", "i64", "number of features", least=0),
        Column("batch_size", "i64", "predictions of the call, if it was for a batch", least=0),
        Column("status", "str", "success or error", nullable=False),
        Column("error_type", "str", "class of the exception of a failed one"),
        Column("prediction_id", "str", "what a later ground truth names it by"),
        Column("trace_id", "str", "the trace it belongs to, 32 hex digits"),
        Column("prefix", "str", "beginning of its metrics' names in Prometheus; see `MLMetrics`"),
    ),
    (
        Derived(metric="model:predictions", labels=_VERSION),
        Derived(
            metric="model:prediction_errors",
            labels={**_VERSION, "error_type": "error_type"},
            where=Condition("status", "=", "error"),
        ),
        Derived(
            metric="model:prediction_seconds", value="latency_s", labels=_MODEL, where=_SUCCESS
        ),
        Derived(
            metric="model:request_latency_seconds",
            value="latency_s",
            labels={"endpoint": "endpoint", "model_version": "model_version"},
            needs=("endpoint",),
            where=_SUCCESS,
            suffix="request_latency_seconds",
        ),
        Derived(
            metric="model:prediction_requests",
            labels={
                "endpoint": "endpoint",
                "model_version": "model_version",
                "status": "status",
            },
            needs=("endpoint",),
            suffix="requests_total",
        ),
        *(
            Derived(
                metric=f"model:{name}",
                value=column,
                labels=_VERSION,
                where=_SUCCESS,
                suffix=name,
            )
            for name, column in (
                ("prediction_value", "prediction"),
                ("prediction_confidence", "confidence"),
                ("feature_count", "feature_count"),
                ("batch_size", "batch_size"),
            )
        ),
        Derived(
            metric="model:high_confidence",
            labels=_VERSION,
            where=Condition("confidence", ">", 0.9),
            suffix="high_confidence_total",
        ),
        Derived(
            metric="model:low_confidence",
            labels=_VERSION,
            where=Condition("confidence", "<", 0.5),
            suffix="low_confidence_total",
        ),
    ),
)

GROUND_TRUTHS = Table(
    "ground_truths",
    "What turned out to be true of a prediction, however late. Of several the last one holds.",
    (
        Column("prediction_id", "str", "the prediction's id", nullable=False),
        Column("truth", "f64", "the true number, or the class if that is a number"),
        Column("truth_text", "str", "the true class, if that is a text"),
    ),
)

#: Every table of the store, by name.
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        POINTS,
        INTERVALS,
        REQUESTS,
        PREDICTIONS,
        GROUND_TRUTHS,
        SYSTEM_PERFORMANCE,
        USER_SATISFACTION,
        FEATURE_USAGE,
        LEARNING_EFFECTIVENESS,
        OPTIMIZATION_IMPACT,
        RESOURCE_UTILIZATION,
        ERRORS,
        LLM_CALLS,
        LLM_PRICES,
        COSTS,
        CORRECTIONS,
        ROLLUPS,
        DAILY_AGGREGATES,
    )
}
