# SPDX-License-Identifier: Apache-2.0
"""Rolling up: one row per series and hour, and per series and day, for longer than facts are kept.

A day is rolled up anew, as a whole and in one commit, whenever its data files have changed: facts
came late, were corrected, or the files were merged. What was made of rows that are gone since is
final and stays.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.series import DIMENSIONS
from tidegauge.model.tables import ROLLUPS, TABLES, Table
from tidegauge.store.arrays import from_list, from_numpy, to_numpy
from tidegauge.store.files import NO_FILES, FileList, read_file, write_file
from tidegauge.store.grouped import Grouped, summary_columns
from tidegauge.store.measured import (
    keys_sql,
    measured_sql,
    merged_sketches,
    rolled_of,
    sketches_sql,
)
from tidegauge.store.rewrite import MAINTENANCE, removal
from tidegauge.store.rolled import SOURCES, Cover, RolledFiles, cover_rows, covers_in
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.snapshot import stored_rows
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable

__all__ = ["DAY_S", "HOUR_S", "RolledUp", "roll_up"]

HOUR_S = 3600
DAY_S = 86_400

_EPOCH = dt.date(1970, 1, 1)
_HOUR_US = HOUR_S * 10**6
_DAY_US = DAY_S * 10**6
_SKETCHES = ("users", "contexts")
_GROUP_ROWS = 4096
# The columns of a series that have one of their own in `rollups`.
_NAMED = ("metric", "feature")


class RolledUp(msgspec.Struct, frozen=True):
    """What a rolling up did.

    Attributes:
        days: Days, UTC, whose rollups were made anew.
        facts: Rows that were read for it.
        rows: Rows of rollups that were written.
    """

    days: int = 0
    facts: int = 0
    rows: int = 0


def roll_up(store: Store) -> RolledUp | None:
    """Bring the rollups of a store up to date with its tables.

    What is in the journals only is not rolled up yet. At most the facts of one table and day are
    held in memory, some 16 bytes for each number of a row.

    Returns:
        What was done; None if another process is maintaining the store.

    Raises:
        StoreError: A table cannot be used.
        Overtaken: Another host maintains the same tables; what was done until then is kept.
    """
    with store.maintain() as mine:
        return _Roller(store).roll() if mine else None


class _Roller:
    """Rolls up while the store is being maintained by nobody else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rolled = RolledFiles()

    def roll(self) -> RolledUp:
        present: dict[str, tuple[StoredTable, FileList]] = {}
        for table in SOURCES:
            stored = self._store.tables.open(table.name)
            if stored is not None:
                present[table.name] = stored, stored.view().files
        done = RolledUp()
        for day, stale in self._stale(present).items():
            done = self._roll_day(day, {name: present[name] for name in stale}, done)
        return done

    def _stale(self, present: Mapping[str, tuple[StoredTable, FileList]]) -> dict[int, list[str]]:
        """The tables to be rolled up anew, by day, the oldest day first."""
        stored = self._store.tables.open(ROLLUPS.name)
        files = NO_FILES if stored is None else stored.view().files
        covers = {} if stored is None else self._rolled.covers(stored, files)
        stale: dict[int, list[str]] = {}
        for name, (_, data) in present.items():
            by_day: dict[int, set[str]] = {}
            for path, day in zip(data.paths, data.dates.tolist(), strict=True):
                by_day.setdefault(day, set()).add(path)
            for source, day in covers:
                if source == name:
                    by_day.setdefault(day, set())
            for day, paths in by_day.items():
                if paths != set(covers.get((name, day), Cover()).files):
                    stale.setdefault(day, []).append(name)
        return dict(sorted(stale.items()))

    def _roll_day(
        self, day: int, sources: Mapping[str, tuple[StoredTable, FileList]], done: RolledUp
    ) -> RolledUp:
        rollups = self._store.tables.ensure(ROLLUPS)
        view = rollups.view((MAINTENANCE,))
        replaced = view.files.chosen(view.files.dates == day)
        parts, covers = _kept(rollups, replaced, sources)
        facts = 0
        for name, (stored, files) in sources.items():
            here = files.chosen(files.dates == day)
            n_final = sum(_count(part, name) for part in parts)
            covers[name] = Cover(tuple(sorted(here.paths)), n_final=n_final)
            if len(here):
                parts.append(_rolled(TABLES[name], stored, here))
                facts += int(here.rows.sum())
        parts.append(cover_rows(covers, day))
        rows = pa.concat_tables(parts).drop_columns([PARTITION]).combine_chunks()
        # Whoever wants the days of one table reads a few row groups, and not the hours of all.
        rows = rows.sort_by([("interval_s", "descending"), ("source", "ascending")])
        rollups.commit(
            [
                write_file(
                    rollups.location,
                    rows,
                    _EPOCH + dt.timedelta(days=day),
                    group_rows=_GROUP_ROWS,
                    indexed=("time", "source", "interval_s"),
                )
            ],
            removed=[removal(replaced, at, data_change=True) for at in range(len(replaced))],
            transactions={MAINTENANCE: view.transactions.get(MAINTENANCE, 0) + 1},
            base=view.transactions,
        )
        return RolledUp(done.days + 1, done.facts + facts, done.rows + len(rows) - len(covers))


def _kept(
    rollups: StoredTable, replaced: FileList, sources: Iterable[str]
) -> tuple[list[pa.Table], dict[str, Cover]]:
    """The rows of a day that are not made anew, and the covers of the other tables."""
    parts: list[pa.Table] = []
    covers: dict[str, Cover] = {}
    for path in replaced.paths:
        schema = arrow_schema(ROLLUPS)
        rows = read_file(rollups.location, path, schema.remove(schema.get_field_index(PARTITION)))
        dates = pc.cast(rows["time"], pa.date32())
        rows = rows.add_column(schema.get_field_index(PARTITION), schema.field(PARTITION), dates)
        covers |= {name: each for name, each in covers_in(rows).items() if name not in sources}
        is_sum = pc.greater(rows["interval_s"], 0)
        is_other = pc.invert(pc.is_in(rows["source"], pa.array(list(sources), pa.string())))
        parts.append(rows.filter(pc.and_(is_sum, pc.or_(rows["is_final"], is_other))))
    return parts, covers


def _count(rows: pa.Table, source: str) -> int:
    """How many rows there are of a table's rollups."""
    return int(pc.sum(pc.equal(rows["source"], source)).as_py() or 0)


def _rolled(table: Table, stored: StoredTable, files: FileList) -> pa.Table:
    """The rollups of some files of one day."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        stored_rows(stored.location, table, files).register(connection, "facts")
        groups = connection.sql(_groups_sql(table)).to_arrow_table().combine_chunks()
    hours = to_numpy(groups["hour"])
    first_of = np.flatnonzero(np.diff(to_numpy(groups["series"]), prepend=-1))
    grouped = Grouped.of(groups["values"], groups["times_us"])
    by_hour = _rows(table, groups, grouped, hours * _HOUR_US, HOUR_S)
    whole_days = groups.take(from_numpy(first_of, pa.int64()))
    for name in _SKETCHES:
        merged = merged_sketches(groups[name].chunk(0), first_of)
        at = whole_days.schema.get_field_index(name)
        whole_days = whole_days.set_column(at, name, merged)
    days_us = hours[first_of] * _HOUR_US // _DAY_US * _DAY_US
    by_day = _rows(table, whole_days, grouped.joined(first_of), days_us, DAY_S)
    return pa.concat_tables([by_hour, by_day])


def _groups_sql(table: Table) -> str:
    """The values of each series and hour, in the order of the series."""
    rolled = rolled_of(table)
    series = ", ".join([*DIMENSIONS, "labels", *rolled.by, "measure"])
    known = {name: name if name in rolled.by else "NULL::VARCHAR" for name in _NAMED}
    named = ", ".join(f"{column} AS {name}" for name, column in known.items())
    keys = keys_sql(name for name in rolled.by if name not in _NAMED)
    counted = [*sketches_sql(table), "NULL::BIGINT[]", "NULL::BIGINT[]"]
    sketches = ", ".join(
        f"{column} AS {name}" for name, column in zip(_SKETCHES, counted, strict=False)
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
    table: Table,
    groups: pa.Table,
    grouped: Grouped,
    times_us: npt.NDArray[np.int64],
    interval_s: float,
) -> pa.Table:
    """Rows of `rollups` from as many groups."""
    n = len(groups)
    columns: dict[str, Any] = dict(zip(groups.column_names, groups.columns, strict=True))
    columns |= summary_columns(grouped)
    columns["time"] = from_numpy(times_us, pa.timestamp("us", "UTC"))
    columns[PARTITION] = from_numpy((times_us // _DAY_US).astype(np.int32), pa.date32())
    columns["interval_s"] = from_numpy(np.full(n, float(interval_s)), pa.float64())
    columns |= {"source": _same(table.name, n), "slot": _same("", n)}
    columns["is_final"] = from_list([False] * n, pa.bool_())
    columns["metadata"] = pa.nulls(n, pa.string())
    schema = arrow_schema(ROLLUPS)
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def _same(text: str, n: int) -> pa.Array:
    return from_list([text] * n, pa.string())
