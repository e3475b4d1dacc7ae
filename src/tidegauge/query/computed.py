# SPDX-License-Identifier: Apache-2.0
"""Columns that SQL can read by name although no table holds them.

A view has those that the statement names, and no others: numbering the rows means to read all of
them, whatever the statement chooses, and would cost every `SELECT *` a sort.
"""

from __future__ import annotations

from collections.abc import Collection

from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.tables import DAILY_AGGREGATES
from tidegauge.query.sql import quoted

__all__ = ["COMPUTED_COLUMNS", "computed_sql"]

_NUMBER = ("id", "row_number() OVER (ORDER BY time)", "BIGINT", "number of the row by time, from 1")
_TIME = ("timestamp", "time", "TIMESTAMPTZ", "the same as `time`")
_CREATED = ("created_at", "time", "TIMESTAMPTZ", "the same as `time`")

#: Table to name, expression, type and meaning of each.
COMPUTED_COLUMNS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    **{table.name: (_NUMBER, _TIME, _CREATED) for table in FEATURE_TABLES},
    DAILY_AGGREGATES.name: (_NUMBER, _CREATED),
}


def computed_sql(table: str, named: Collection[str]) -> str:
    """What follows `SELECT *` where a statement names computed columns of a table; else nothing.

    Args:
        table: Name of the table.
        named: Names of columns, lower case.
    """
    chosen = [each for each in COMPUTED_COLUMNS.get(table, ()) if each[0] in named]
    return "".join(f", {value} AS {quoted(name)}" for name, value, _, _ in chosen)
