# SPDX-License-Identifier: Apache-2.0
"""What a question about a typed table is answered from: its rows, its rollups, or both.

Few rows are read as they are, so that everything about them is exact. Of many, rollups stand for
rows, so that the cost does not grow with the traffic; the range is widened to whole hours then.
Where rows are gone, their rollups stand for them always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from tidegauge.model.columns import SUMMARY_COLUMNS, Table
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.tables import ROLLUPS
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.selection import about_time
from tidegauge.query.settled import settled
from tidegauge.store.arrays import from_numpy, from_rows, to_numpy
from tidegauge.store.files import FileList
from tidegauge.store.measured import (
    SKETCHES,
    key_columns,
    measured_columns,
    measured_sql,
    rolled_of,
)
from tidegauge.store.rolled import Cover, RolledFiles, RolledPart, final_rows
from tidegauge.store.rolling import DAY_S, HOUR_S
from tidegauge.store.schema import DICTIONARY, PARTITION, arrow_schema
from tidegauge.store.store import Store

__all__ = ["FEW_ROWS", "Basis", "Source", "view_measures", "whole_hours"]

#: Rows that are read as they are, some 20 ms of work.
FEW_ROWS = 200_000

#: Opening a file costs as much as so many rows of it.
_ROWS_OF_A_FILE = 2_000

#: What was read.
Source = Literal["raw", "rollup", "raw+rollup"]

_LISTS = ("positive_counts", "negative_counts")
_LEFT_OUT = (PARTITION, "keys", *_LISTS, *SKETCHES)
_DAY_NS = DAY_S * 10**9
_HOUR_NS = HOUR_S * 10**9


class Basis(NamedTuple):
    """What was read for an answer.

    Attributes:
        rows: How many rows of the table, about; none of them if 0.
        rollups: The rollups.
        parts: The same in pieces, one after the other, with histograms and sketches.
        time_range: The range that the answer is about.
    """

    rows: int
    rollups: pa.Table
    parts: list[RolledPart]
    time_range: TimeRange

    @property
    def source(self) -> Source:
        """The same in a word."""
        if not len(self.rollups):
            return "raw"
        return "raw+rollup" if self.rows else "rollup"


def view_measures(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    rolled: RolledFiles,
    table: Table,
    time_range: TimeRange,
    *,
    grain_s: int = DAY_S,
    few_rows: int = FEW_ROWS,
) -> Basis:
    """Give a connection views of what a table's rows measure, within a range of time.

    `points` has the columns of `measured_sql`; `intervals` has, of each rollup, its `place` in
    `Basis.rollups`, the columns that tell series apart, `measure`, and those of a summary but for
    the buckets. Each fact is in one of both. A view that would be empty is not made.

    Args:
        connection: From `Engine.connect`; nobody else has used it.
        store: The store.
        rolled: Reads rollups.
        table: A table of which something is rolled up.
        time_range: Which rows.
        grain_s: Longest time that a rollup may stand for, an hour or a day.
        few_rows: Of about so many rows, rollups are not used, unless the rows are gone.

    Raises:
        StoreError: The store cannot be read.
    """
    hours = whole_hours(time_range)
    taken_together = settled(store, rolled, table.name, hours)
    taken, stored, days, covers = taken_together
    found: list[RolledPart] = []
    gone: set[str] = set()
    if stored is not None:
        touched = taken.files.within(hours)
        cost = int(touched.rows.sum()) + len(taken.tail) + _ROWS_OF_A_FILE * len(touched)
        usable = _usable(taken.files, covers) if cost > few_rows else set()
        for path, day in zip(days.paths, days.dates.tolist(), strict=True):
            if day in usable:
                gone.update(covers[day].files)
                is_whole = _is_whole(day, hours, taken.files, covers[day])
                length_s = grain_s if is_whole else HOUR_S
                found.append(rolled.rows(stored, path, table.name, length_s))
            elif day in covers and covers[day].n_final:
                found.append(final_rows(stored, path, table.name))
    found = [part for part in found if _has_any(part.rows, hours)]
    if found:
        time_range = hours
    files = taken.files.within(time_range)
    read = files.chosen(np.array([path not in gone for path in files.paths], bool))
    if rows := int(read.rows.sum()) + len(taken.tail):
        taken_together.register(connection, "facts", read)
        # In memory where there are few, for each measure looks through them, and each question.
        kind = "TABLE" if rows <= few_rows else "VIEW"
        columns = ", ".join(measured_columns(table))
        connection.execute(
            f"CREATE TEMP {kind} chosen AS SELECT {columns} FROM facts "
            f"WHERE {about_time(time_range)}"
        )
        connection.execute(f"CREATE TEMP VIEW points AS {measured_sql(table, 'chosen')}")
    none = _no_rollups(table)
    sums = pa.concat_tables([none, *(part.rows.select(none.column_names) for part in found)])
    if len(sums):
        _register_rollups(connection, table, sums, time_range)
    return Basis(rows, sums, found, time_range)


def _usable(files: FileList, covers: Mapping[int, Cover]) -> set[int]:
    """The days of which rollups can stand for rows: none of their files has been replaced since."""
    present: dict[int, set[str]] = {}
    for path, day in zip(files.paths, files.dates.tolist(), strict=True):
        present.setdefault(day, set()).add(path)
    return {
        day
        for day, cover in covers.items()
        if cover.files and not cover.leaving and present.get(day, set()).issuperset(cover.files)
    }


def _register_rollups(
    connection: duckdb.DuckDBPyConnection, table: Table, sums: pa.Table, time_range: TimeRange
) -> None:
    # When the last value of a rollup was recorded is not known. As its beginning is taken for that,
    # single facts of the same hour count as later.
    columns = ["time", "0.0 AS interval_s", *DIMENSIONS, "labels", "measure"]
    columns += [sql.quoted(column.name) for column in SUMMARY_COLUMNS if column.name not in _LISTS]
    kinds = {column.name: column.kind for column in table.columns}
    for name in rolled_of(table).by:
        is_text = name in ("metric", "feature") or kinds[name] == "str"
        columns.append(name if is_text else f"CAST({name} AS BIGINT) AS {name}")
    places = from_numpy(np.arange(len(sums)), pa.int64())
    connection.register("rollups_read", sums.append_column("place", places))
    connection.execute(
        f"CREATE TEMP VIEW intervals AS SELECT place, {', '.join(columns)} FROM rollups_read "
        f"WHERE {about_time(time_range)}"
    )


def _no_rollups(table: Table) -> pa.Table:
    schema = arrow_schema(ROLLUPS)
    schema = pa.schema([field for field in schema if field.name not in _LEFT_OUT])
    for name in key_columns(table):
        schema = schema.append(pa.field(name, DICTIONARY))
    return from_rows([], schema)


def _is_whole(day: int, hours: TimeRange, files: FileList, cover: Cover) -> bool:
    """Whether all that is known of a day is in the range, as it is for today until now."""
    start_ns, end_ns = day * _DAY_NS, (day + 1) * _DAY_NS
    if not cover.n_final:  # of rows that are gone nobody knows the last
        end_ns = min(end_ns, int(files.max_us[files.dates == day].max(initial=0)) * 1000 + 1)
    return (hours.start_ns is None or hours.start_ns <= start_ns) and (
        hours.end_ns is None or end_ns <= hours.end_ns
    )


def whole_hours(time_range: TimeRange) -> TimeRange:
    """The range with the hours it touches."""
    start_ns, end_ns = time_range.start_ns, time_range.end_ns
    return TimeRange(
        None if start_ns is None else start_ns // _HOUR_NS * _HOUR_NS,
        None if end_ns is None else -(-end_ns // _HOUR_NS) * _HOUR_NS,
    )


def _has_any(sums: pa.Table, hours: TimeRange) -> bool:
    """Whether a rollup begins in a range: a day has those of all its hours."""
    times_us = to_numpy(sums["time"])
    chosen = np.ones(len(sums), bool)
    if hours.start_ns is not None:
        chosen &= times_us >= hours.start_ns // 1000
    if hours.end_ns is not None:
        chosen &= times_us < hours.end_ns // 1000
    return bool(chosen.any())
