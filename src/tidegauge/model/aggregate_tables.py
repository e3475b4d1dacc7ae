# SPDX-License-Identifier: Apache-2.0
"""The tables that are made of other tables: rollups, daily aggregates, and the trail of changes."""

from __future__ import annotations

from tidegauge.model.columns import SUMMARY_COLUMNS, Column, Table

__all__ = ["CORRECTIONS", "DAILY_AGGREGATES", "ROLLUPS"]

ROLLUPS = Table(
    "rollups",
    "One row per series and hour, and one per series and day, UTC; `time` is its start.",
    (
        Column("source", "str", "the table that was rolled up", nullable=False),
        Column("metric", "str", "full metric name as recorded, if the source is points"),
        Column("feature", "str", "the part of the product"),
        Column("keys", "map", "the other columns that tell series apart", nullable=False),
        Column("measure", "str", "which number of the row; empty for its value", nullable=False),
        Column("interval_s", "f64", "3600 or 86400", nullable=False),
        Column("is_final", "bool", "whether the rows it was made of are gone", nullable=False),
        *SUMMARY_COLUMNS,
        Column("users", "i64_list", "sketch of the distinct users"),
        Column("contexts", "i64_list", "sketch of the distinct contexts of users"),
    ),
    recorded=False,
)

DAILY_AGGREGATES = Table(
    "daily_aggregates",
    "One row per day, feature and number that was measured of it. `date` is a day of `time_zone`.",
    (
        Column("feature", "str", "the part of the product; empty if unknown", nullable=False),
        Column(
            "metric_type",
            "str",
            "performance, satisfaction, usage, learning, optimization, resource or error",
            nullable=False,
        ),
        Column("metric_name", "str", "what was measured", nullable=False),
        Column("avg_value", "f64", "mean of the values"),
        Column("min_value", "f64", "the smallest"),
        Column("max_value", "f64", "the largest"),
        Column("stddev", "f64", "their sample standard deviation"),
        Column("count", "i64", "how many there were"),
        Column("percentile_50", "f64", "their median"),
        Column("percentile_95", "f64", "95 % are at most this"),
        Column("percentile_99", "f64", "99 % are at most this"),
        Column("sum", "f64", "their sum"),
        Column("percentile_error", "f64", "largest relative error of the percentiles; 0 if exact"),
        Column("time_zone", "str", "the zone whose day it is", nullable=False),
    ),
    recorded=False,
)

CORRECTIONS = Table(
    "corrections",
    "One row per change of what had been recorded, by `tidegauge.correct` or `tidegauge.forget`.",
    (
        Column("action", "str", "correct, retract or forget", nullable=False),
        Column("target", "str", "the table that was changed", nullable=False),
        Column(
            "conditions", "str", "which rows, a JSON document; no user is named", nullable=False
        ),
        Column("changes", "str", "what was changed, a JSON document"),
        Column("rows", "i64", "how many rows it was", nullable=False, least=0),
        Column("reason", "str", "why"),
        Column("author", "str", "who did it"),
        Column(
            "correction_id",
            "str",
            "tells changes apart; those of several tables in one call share it",
            nullable=False,
        ),
        Column("days", "i64", "how many days the rows were of", nullable=False, least=0),
    ),
)
