# SPDX-License-Identifier: Apache-2.0
"""What a table is made of: columns, the live metrics its rows feed, and what is rolled up of them.

The tables themselves are in `tidegauge.model.tables`. Column kinds are names, so that this module
needs no Arrow.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "COMMON_COLUMNS",
    "SUMMARY_COLUMNS",
    "Column",
    "ColumnKind",
    "Condition",
    "Derived",
    "Measure",
    "Rolled",
    "Table",
]

ColumnKind = Literal[
    "time", "date", "str", "bool", "f64", "i64", "i32", "decimal", "i64_list", "map", "json"
]


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: Its name, with the unit where it has one.
        kind: `time` is a UTC timestamp in microseconds, `date` a UTC day, `map` string to string,
            `json` a JSON document as text, `i64_list` a list of 64-bit integers, `decimal` an
            exact number with eight places, which rows in journals hold in units of 10⁻⁸.
        description: One line for people.
        nullable: Whether it may be empty.
        least: Smallest number that may be recorded, inclusive; any if None.
        most: Largest number that may be recorded, inclusive; any if None.
        values: The texts that may be recorded; any if empty.
    """

    name: str
    kind: ColumnKind
    description: str
    nullable: bool = True
    least: float | None = None
    most: float | None = None
    values: tuple[str, ...] = ()


class Condition(msgspec.Struct, frozen=True):
    """What the value of a column must be; an empty one never is.

    Attributes:
        column: The column.
        op: How to compare.
        value: With what.
    """

    column: str
    op: Literal["=", "<", ">"]
    value: float | str | bool


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """A live metric that the rows of a table feed. Its kind and buckets are the catalogue's.

    Attributes:
        metric: Full name in the catalogue.
        value: Column with the value; a row in which it is empty does not count. None for 1.
        labels: Label to the column or dimension it is taken from; absent where that is empty.
        fixed: Further labels, with their values.
        needs: Columns that must hold something.
        where: What else must hold.
        suffix: Where the row has a `prefix`, the Prometheus name is the prefix, `_` and this. None
            keeps the usual name.
        only: The one system that gets it, where the others know the same under another metric.
    """

    metric: str
    value: str | None = None
    labels: dict[str, str] = {}
    fixed: dict[str, str] = {}
    needs: tuple[str, ...] = ()
    where: Condition | None = None
    suffix: str | None = None
    only: Literal["prometheus", "otlp"] | None = None


class Measure(msgspec.Struct, frozen=True):
    """A number of a row that is summed up.

    Attributes:
        name: What it is called; empty for the one that the row is about.
        column: Where it is, a number or a bool; None for 1, which counts the rows.
    """

    name: str
    column: str | None = None


class Rolled(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the rows of a table, by hour and day, for longer than the rows themselves.

    Attributes:
        kind: What such rows are called in `daily_aggregates.metric_type`; empty if the table has no
            part in it.
        by: The columns that tell the series of its rows apart, besides dimensions and labels.
        name: Those of them that make the name in `daily_aggregates.metric_name`.
        measures: The numbers.
        distinct: Columns whose distinct values are counted.
    """

    kind: str = ""
    by: tuple[str, ...]
    name: tuple[str, ...] = ()
    measures: tuple[Measure, ...]
    distinct: tuple[str, ...] = ()


class Table(msgspec.Struct, frozen=True):
    """One table: its own columns follow the common ones.

    Attributes:
        name: Name of the Delta table, of its SQL view and of its event records.
        description: One line for people.
        columns: The columns beyond `COMMON_COLUMNS`. Rows in journals rely on their order: add at
            the end, and never take one away.
        metrics: The live metrics that its rows feed.
        rolled: What is rolled up of its rows; None for nothing.
        recorded: Whether its rows come through the journal. The others are computed from those.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    metrics: tuple[Derived, ...] = ()
    rolled: Rolled | None = None
    recorded: bool = True


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

#: What is kept of many values: moments, extremes, ends and the buckets of a histogram.
SUMMARY_COLUMNS = (
    Column("count", "i64", "how many values there were", nullable=False),
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
)
