# SPDX-License-Identifier: Apache-2.0
"""The SQLite file that history is brought in and taken away in: which tables it has, and of what.

Other programs read and write such files, so the shape of a table never changes. What our tables
have beyond it is kept in the column `metadata`; see `tidegauge.model.sqlite_metadata`.
"""

from __future__ import annotations

import msgspec

from tidegauge.model.columns import Column, ColumnKind, Table
from tidegauge.model.tables import (
    DAILY_AGGREGATES,
    ERRORS,
    FEATURE_USAGE,
    LEARNING_EFFECTIVENESS,
    OPTIMIZATION_IMPACT,
    RESOURCE_UTILIZATION,
    SYSTEM_PERFORMANCE,
    USER_SATISFACTION,
)

__all__ = ["APPLICATION_ID", "DAILY_COLUMNS", "SHAPES", "Shape", "create_statements"]

#: The application id in the header of a file that was exported from here: "Tgau".
APPLICATION_ID = 0x54676175

_TYPES: dict[ColumnKind, str] = {"str": "TEXT", "f64": "REAL", "i64": "INTEGER", "bool": "BOOLEAN"}
_ID = "id INTEGER PRIMARY KEY AUTOINCREMENT"
_TIME = "timestamp TEXT NOT NULL"
_CREATED = "created_at TEXT DEFAULT CURRENT_TIMESTAMP"
_KEY_OF_A_DAY = "UNIQUE(date, feature, metric_type, metric_name)"


class Shape(msgspec.Struct, frozen=True):
    """A table of the file whose rows are facts.

    Attributes:
        table: The table of the store.
        columns: Those of its own columns that the file has, in order.
        beyond: Those that it has not.
    """

    table: Table
    columns: tuple[Column, ...]
    beyond: tuple[Column, ...]

    @property
    def create(self) -> str:
        """The statement that creates it."""
        own = [_declared(column) for column in self.columns]
        return _create(self.table.name, [_ID, _TIME, *own, "metadata TEXT", _CREATED])


def _shape(table: Table, *beyond: str) -> Shape:
    return Shape(
        table,
        tuple(column for column in table.columns if column.name not in beyond),
        tuple(column for column in table.columns if column.name in beyond),
    )


#: By name, in the order of the file.
SHAPES = {
    shape.table.name: shape
    for shape in (
        _shape(SYSTEM_PERFORMANCE),
        _shape(USER_SATISFACTION, "score_scale", "normalized_score", "rating", "user_id"),
        _shape(FEATURE_USAGE, "user_id"),
        _shape(LEARNING_EFFECTIVENESS),
        _shape(OPTIMIZATION_IMPACT, "relative_change"),
        _shape(RESOURCE_UTILIZATION, "feature"),
        _shape(ERRORS, "user_id"),
    )
}

#: The columns of `daily_aggregates` in the file, after `date`.
DAILY_COLUMNS = tuple(
    column
    for column in DAILY_AGGREGATES.columns
    if column.name not in {"sum", "percentile_error", "time_zone"}
)


def create_statements() -> list[str]:
    """The statements that create all tables of the file, in its order."""
    own = [_declared(column) for column in DAILY_COLUMNS]
    daily = [_ID, "date TEXT NOT NULL", *own, _CREATED, _KEY_OF_A_DAY]
    return [*(shape.create for shape in SHAPES.values()), _create(DAILY_AGGREGATES.name, daily)]


def _declared(column: Column) -> str:
    return f"{column.name} {_TYPES[column.kind]}{'' if column.nullable else ' NOT NULL'}"


def _create(name: str, parts: list[str]) -> str:
    lines = ",\n".join(f"    {part}" for part in parts)
    return f"CREATE TABLE {name} (\n{lines}\n)"
