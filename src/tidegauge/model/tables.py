# SPDX-License-Identifier: Apache-2.0
"""One definition per table of the store.

The journal's event records, the Arrow schema, the SQL views and the reference page of a table are
all derived from its `Table`. Column kinds are names, so that this module needs no Arrow.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["COMMON_COLUMNS", "INTERVALS", "POINTS", "TABLES", "Column", "ColumnKind", "Table"]

ColumnKind = Literal["time", "date", "str", "f64", "i64", "i32", "i64_list", "map", "json"]


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: Its name, with the unit where it has one.
        kind: `time` is a UTC timestamp in microseconds, `date` a UTC day, `map` string to string,
            `json` a JSON document as text, `i64_list` a list of 64-bit integers.
        description: One line for people.
        nullable: Whether it may be empty.
    """

    name: str
    kind: ColumnKind
    description: str
    nullable: bool = True


class Table(msgspec.Struct, frozen=True):
    """One table: its own columns follow the common ones.

    Attributes:
        name: Name of the Delta table, of its SQL view and of its event records.
        description: One line for people.
        columns: The columns beyond `COMMON_COLUMNS`.
    """

    name: str
    description: str
    columns: tuple[Column, ...]


COMMON_COLUMNS = (
    Column("time", "time", "when it happened, UTC", nullable=False),
    Column("date", "date", "the UTC day of `time`; the partition", nullable=False),
    Column("slot", "str", "the journal the fact came through, `<journal>/<slot>`", nullable=False),
    Column("service", "str", "the program that recorded it"),
    Column("model", "str", "the model it is about"),
    Column("model_version", "str", "the version of that model"),
    Column("experiment", "str", "the experiment it belongs to"),
    Column("run_id", "str", "the MLflow run it belongs to"),
    Column("environment", "str", "production, staging, …"),
    Column("labels", "map", "all other labels", nullable=False),
    Column("metadata", "json", "whatever the caller attached"),
)

POINTS = Table(
    "points",
    "One row per recorded value.",
    (
        Column("metric", "str", "full metric name as recorded", nullable=False),
        Column("value", "f64", "the value, in the metric's unit", nullable=False),
        Column("step", "i64", "training step, where one was given"),
    ),
)

INTERVALS = Table(
    "intervals",
    'One row per series and interval of a handle with `aggregate="10s"`; `time` is its start.',
    (
        Column("metric", "str", "full metric name as recorded", nullable=False),
        Column("interval_s", "f64", "length of the interval in seconds", nullable=False),
        Column("count", "i64", "how many values were recorded", nullable=False),
        Column("sum", "f64", "their sum", nullable=False),
        Column("sum_squares", "f64", "the sum of their squares", nullable=False),
        Column("min", "f64", "the smallest", nullable=False),
        Column("max", "f64", "the largest", nullable=False),
        Column("first", "f64", "the first recorded", nullable=False),
        Column("last", "f64", "the last recorded", nullable=False),
        Column("scale", "i32", "scale of the exponential histogram", nullable=False),
        Column("zero_count", "i64", "values equal to zero", nullable=False),
        Column("positive_offset", "i32", "index of the first positive bucket", nullable=False),
        Column("positive_counts", "i64_list", "counts of positive buckets", nullable=False),
        Column("negative_offset", "i32", "index of the first negative bucket", nullable=False),
        Column("negative_counts", "i64_list", "counts of negative buckets", nullable=False),
    ),
)

#: Every table of the store, by name.
TABLES: dict[str, Table] = {table.name: table for table in (POINTS, INTERVALS)}
