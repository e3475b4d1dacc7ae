# SPDX-License-Identifier: Apache-2.0
"""The rollups of some data files of one day: rows of `rollups`, not written yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.series import DIMENSIONS
from tidegauge.model.tables import INTERVALS, ROLLUPS, Table
from tidegauge.store.arrays import from_list, from_numpy, to_numpy
from tidegauge.store.files import FileList
from tidegauge.store.grouped import Grouped, summary_columns
from tidegauge.store.instance import working
from tidegauge.store.measured import (
    SKETCHES,
    key_columns,
    keys_sql,
    measured_sql,
    merged_sketches,
    rolled_of,
    sketches_sql,
)
from tidegauge.store.rolling_intervals import rolled_intervals
from tidegauge.store.schema import KINDS, PARTITION, arrow_schema
from tidegauge.store.snapshot import stored_rows
from tidegauge.store.stored_table import StoredTable

__all__ = ["DAY_S", "HOUR_S", "rolled_rows"]

HOUR_S = 3600
DAY_S = 86_400

_HOUR_US = HOUR_S * 10**6
_DAY_US = DAY_S * 10**6
# The columns of a series that have one of their own in `rollups`.
_NAMED = ("metric", "feature")


def rolled_rows(
    table: Table,
    stored: StoredTable,
    files: FileList,
    *,
    where: str = "true",
    is_final: bool = False,
) -> pa.Table:
    """Roll up some files of one day, by hour and as a whole.

    Args:
        table: The table.
        stored: The same.
        files: Files of one day. Their numbers are held in memory, 16 bytes each.
        where: SQL that is true for the rows that count.
        is_final: What to note of the rollups.

    Returns:
        Rows of `rollups`.
    """
    with working() as connection:
        stored_rows(stored.location, table, files).register(connection, "stored")
        connection.execute(f"CREATE TEMP VIEW facts AS SELECT * FROM stored WHERE {where}")
        if table is INTERVALS:
            rows = pa.concat_tables([_intervals(connection, each) for each in (HOUR_S, DAY_S)])
        else:
            groups = connection.sql(_groups_sql(table)).to_arrow_table().combine_chunks()
            rows = _by_hour_and_day(table, groups)
    column = rows.schema.get_field_index("is_final")
    marks = from_list([is_final] * len(rows), pa.bool_())
    return rows.set_column(column, rows.schema.field(column), marks)


def _intervals(connection: duckdb.DuckDBPyConnection, length_s: int) -> pa.Table:
    summed = rolled_intervals(connection, length_s * 10**6)
    columns = dict(zip(summed.column_names, summed.columns, strict=True))
    return _rows(INTERVALS, columns, to_numpy(summed["start_us"]), length_s)


def _by_hour_and_day(table: Table, groups: pa.Table) -> pa.Table:
    hours = to_numpy(groups["hour"])
    first_of = np.flatnonzero(np.diff(to_numpy(groups["series"]), prepend=-1))
    grouped = Grouped.of(groups["values"], groups["times_us"])
    columns = dict(zip(groups.column_names, groups.columns, strict=True))
    by_hour = _rows(table, columns | summary_columns(grouped), hours * _HOUR_US, HOUR_S)
    whole_days = groups.take(from_numpy(first_of, pa.int64()))
    for name in SKETCHES:
        merged = merged_sketches(_whole(groups[name]), first_of)
        at = whole_days.schema.get_field_index(name)
        whole_days = whole_days.set_column(at, name, merged)
    days_us = hours[first_of] * _HOUR_US // _DAY_US * _DAY_US
    columns = dict(zip(whole_days.column_names, whole_days.columns, strict=True))
    columns |= summary_columns(grouped.joined(first_of))
    return pa.concat_tables([by_hour, _rows(table, columns, days_us, DAY_S)])


def _groups_sql(table: Table) -> str:
    """The values of each series and hour, in the order of the series."""
    rolled = rolled_of(table)
    series = ", ".join([*DIMENSIONS, "labels", *rolled.by, "measure"])
    known = {name: name if name in rolled.by else "NULL::VARCHAR" for name in _NAMED}
    named = ", ".join(f"{column} AS {name}" for name, column in known.items())
    keys = keys_sql(key_columns(table))
    counted = [*sketches_sql(table), "NULL::BIGINT[]", "NULL::BIGINT[]"]
    sketches = ", ".join(
        f"{column} AS {name}" for name, column in zip(SKETCHES, counted, strict=False)
    )
    return f"""
        WITH measured AS ({measured_sql(table, "facts")}), grouped AS (
            SELECT {series}, epoch_us(time) // {_HOUR_US} AS hour, list(value) AS "values",
                   list(epoch_us(time)) AS times_us, {sketches}
            FROM measured GROUP BY ALL)
        SELECT * EXCLUDE ({", ".join(rolled.by)}), {named}, {keys} AS keys,
               dense_rank() OVER (ORDER BY {series}) AS series
        FROM grouped ORDER BY series, hour
    """


def _rows(
    table: Table, summed: Mapping[str, Any], times_us: npt.NDArray[np.int64], interval_s: float
) -> pa.Table:
    """Rows of `rollups`.

    Args:
        table: What was rolled up.
        summed: What tells series apart, and the columns of a summary; what is missing is empty.
        times_us: When each begins, of shape (n_rows,).
        interval_s: How long they are.
    """
    n = len(times_us)
    columns = {
        "slot": _same("", n),
        "labels": from_list([()] * n, KINDS["map"]),
        "keys": from_list([()] * n, KINDS["map"]),
        "measure": _same("", n),
        **summed,
        "time": from_numpy(times_us, KINDS["time"]),
        PARTITION: from_numpy((times_us // _DAY_US).astype(np.int32), KINDS["date"]),
        "interval_s": from_numpy(np.full(n, float(interval_s)), pa.float64()),
        "source": _same(table.name, n),
        "is_final": from_list([False] * n, pa.bool_()),
    }
    schema = arrow_schema(ROLLUPS)
    arrays = [columns.get(field.name, pa.nulls(n, field.type)) for field in schema]
    return pa.table(arrays, names=schema.names).cast(schema)


def _same(text: str, n: int) -> pa.Array:
    return from_list([text] * n, pa.string())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
