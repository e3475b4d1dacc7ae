# SPDX-License-Identifier: Apache-2.0
"""Which data files the rollups of a day were made of, so that nobody counts a fact twice.

The table `rollups` has one file for each day. In it, for each table that was rolled up, one row
with `interval_s` 0 says in its metadata, a `Cover`, what the other rows stand for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec
import pyarrow as pa

from tidegauge.model.tables import ROLLUPS, TABLES
from tidegauge.store.files import FileList, read_file
from tidegauge.store.schema import arrow_schema, columns_of
from tidegauge.store.stored_table import StoredTable

__all__ = ["SOURCES", "Cover", "Covers", "cover_rows", "covers_in"]

#: The tables that are rolled up.
SOURCES = tuple(table for table in TABLES.values() if table.rolled is not None)

_MOST_KNOWN = 10_000


class Cover(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rollups of one table and day stand for.

    Attributes:
        files: Data files whose rows they sum up, besides rows that are gone.
        leaving: Files from which rows are being removed whose sums are final already: until that
            is done, the rows are in both.
        leaving_metrics: The metrics of these rows; all of the file's rows if empty.
    """

    files: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    leaving_metrics: tuple[str, ...] = ()


class Covers:
    """Reads and remembers covers. Files of a table never change, so each is read once."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Cover]] = {}

    def of(self, stored: StoredTable, files: FileList) -> dict[tuple[str, int], Cover]:
        """The covers by table and day, in days since 1970.

        Args:
            stored: The table `rollups`.
            files: Which of its files.

        Raises:
            StoreError: A file cannot be read.
        """
        found = {}
        for path, day in zip(files.paths, files.dates.tolist(), strict=True):
            for source, cover in self._read(stored, path).items():
                found[source, day] = cover
        return found

    def _read(self, stored: StoredTable, path: str) -> Mapping[str, Cover]:
        if path not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            wanted = ("source", "interval_s", "metadata")
            schema = pa.schema([arrow_schema(ROLLUPS).field(name) for name in wanted])
            self._known[path] = covers_in(read_file(stored.location, path, schema))
        return self._known[path]


def covers_in(rows: pa.Table) -> dict[str, Cover]:
    """The covers among rows of `rollups`, by table."""
    marked = rows.select(["source", "interval_s", "metadata"]).to_pylist()
    return {
        row["source"]: msgspec.json.decode(row["metadata"], type=Cover)
        for row in marked
        if row["interval_s"] == 0
    }


def cover_rows(covers: Mapping[str, Cover], day: int) -> pa.Table:
    """The rows that say what the others stand for.

    Args:
        covers: By table.
        day: Days since 1970.
    """
    time = _EPOCH + dt.timedelta(days=day)
    rows = [
        {
            **_NOTHING,
            "time": time,
            "date": time.date(),
            "source": source,
            "metadata": msgspec.json.encode(cover).decode(),
        }
        for source, cover in sorted(covers.items())
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(ROLLUPS))


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ZERO = {"str": "", "bool": False, "f64": 0.0, "i64": 0, "i32": 0, "map": [], "i64_list": []}
_NOTHING = {
    column.name: _ZERO[column.kind]
    for column in columns_of(ROLLUPS)
    if not column.nullable and column.kind in _ZERO
}
