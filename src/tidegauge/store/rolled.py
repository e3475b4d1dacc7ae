# SPDX-License-Identifier: Apache-2.0
"""Which data files the rollups of a day were made of, so that nobody counts a fact twice.

The table `rollups` has one file for each day. In it, for each table that was rolled up, one row
with `interval_s` 0 says in its metadata, a `Cover`, what the other rows stand for.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import ROLLUPS, TABLES
from tidegauge.store.arrays import from_rows, scalar
from tidegauge.store.files import FileList, read_file
from tidegauge.store.measured import SKETCHES, Sketches, key_columns
from tidegauge.store.rolled_histograms import RolledHistograms
from tidegauge.store.schema import PARTITION, arrow_schema, columns_of
from tidegauge.store.stored_table import StoredTable

__all__ = [
    "SOURCES",
    "Cover",
    "RolledFiles",
    "RolledPart",
    "cover_rows",
    "covers_in",
    "final_rows",
    "read_rollups",
]

#: The tables that are rolled up.
SOURCES = tuple(table for table in TABLES.values() if table.rolled is not None)

_MOST_COVERS = 10_000
#: Rows that are remembered take about so much memory.
_MOST_BYTES = 256 << 20
_LISTS = ("positive_counts", "negative_counts", *SKETCHES)
_SCHEMA = arrow_schema(ROLLUPS)


class Cover(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rollups of one table and day stand for.

    Attributes:
        files: Data files whose rows they sum up, besides rows that are gone.
        leaving: Files from which rows are being removed whose sums are final already: until that
            is done, the rows are in both.
        leaving_metrics: The metrics of these rows; all of the file's rows if empty.
        n_final: Rows of rollups whose facts are gone.
    """

    files: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    leaving_metrics: tuple[str, ...] = ()
    n_final: int = 0


class RolledPart(NamedTuple):
    """The rollups of one table in one file, of hours or of days.

    Attributes:
        rows: The rows without `date`, and in the place of `keys` a column for each of those that
            tell series of the table apart, of text; and without what stands below, but for
            `final_rows`.
        histograms: Their histograms.
        sketches: Their sketches, by column.
    """

    rows: pa.Table
    histograms: RolledHistograms
    sketches: Mapping[str, Sketches]


class RolledFiles:
    """Reads the files of `rollups`, and remembers what was read: they never change.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._covers: dict[str, Mapping[str, Cover]] = {}
        self._parts: dict[tuple[str, str, int], RolledPart] = {}
        self._known_bytes = 0
        self._lock = threading.Lock()

    def covers(self, stored: StoredTable, files: FileList) -> dict[tuple[str, int], Cover]:
        """The covers by table and day, in days since 1970.

        Args:
            stored: The table `rollups`.
            files: Which of its files.

        Raises:
            StoreError: A file cannot be read.
        """
        found = {}
        with self._lock:
            for path, day in zip(files.paths, files.dates.tolist(), strict=True):
                if path not in self._covers:
                    if len(self._covers) >= _MOST_COVERS:
                        self._covers.clear()
                    wanted = ("source", "interval_s", "metadata")
                    rows = _row_groups(stored, path, "", 0, pa.schema(map(_SCHEMA.field, wanted)))
                    self._covers[path] = covers_in(rows)
                for source, cover in self._covers[path].items():
                    found[source, day] = cover
        return found

    def rows(self, stored: StoredTable, path: str, source: str, interval_s: int) -> RolledPart:
        """The rollups of one table in one file.

        Args:
            stored: The table `rollups`.
            path: The file.
            source: Whose rollups.
            interval_s: Those of hours or those of days.

        Raises:
            StoreError: The file cannot be read.
        """
        key = path, source, interval_s
        with self._lock:
            if (known := self._parts.get(key)) is not None:
                return known
        part = _part(stored, path, source, interval_s)
        part = part._replace(rows=part.rows.drop_columns(list(_LISTS)))
        with self._lock:
            self._parts[key] = part
            self._known_bytes += _size_bytes(part)
            while self._known_bytes > _MOST_BYTES and len(self._parts) > 1:
                oldest = next(iter(self._parts))
                self._known_bytes -= _size_bytes(self._parts.pop(oldest))
        return part


def final_rows(stored: StoredTable, path: str, source: str) -> RolledPart:
    """The rollups by hour of facts of one table that are gone, with all columns.

    Args:
        stored: The table `rollups`.
        path: The file.
        source: Whose rollups.

    Raises:
        StoreError: The file cannot be read.
    """
    rows = _part(stored, path, source, 3600).rows
    return _read(rows.filter(rows["is_final"]))


def _part(stored: StoredTable, path: str, source: str, interval_s: int) -> RolledPart:
    schema = _SCHEMA.remove(_SCHEMA.get_field_index(PARTITION))
    return _read(_with_keys(source, _row_groups(stored, path, source, interval_s, schema)))


def _read(rows: pa.Table) -> RolledPart:
    sketches = {name: Sketches.of(rows[name]) for name in SKETCHES}
    return RolledPart(rows, RolledHistograms.of(rows), sketches)


def _size_bytes(part: RolledPart) -> int:
    sketches = sum(each.hashes.nbytes for each in part.sketches.values())
    return int(part.rows.nbytes) + part.histograms.size_bytes + sketches


def _with_keys(source: str, rows: pa.Table) -> pa.Table:
    keys = rows["keys"]
    rows = rows.drop_columns(["keys"])
    for name in key_columns(TABLES[source]):
        texts = pc.map_lookup(keys, query_key=name, occurrence="first")
        rows = rows.append_column(name, texts.dictionary_encode())
    return rows


def _row_groups(
    stored: StoredTable, path: str, source: str, interval_s: int, schema: pa.Schema
) -> pa.Table:
    """Some rows of a file, of which only the row groups are read that may have them.

    Args:
        stored: The table `rollups`.
        path: The file.
        source: Rows of this table; of all if empty.
        interval_s: Rows of this length.
        schema: Which columns.
    """
    wanted = {"interval_s": float(interval_s)} | ({"source": source} if source else {})
    rows = read_rollups(stored, path, schema, wanted=wanted)
    chosen = pc.equal(rows["interval_s"], scalar(float(interval_s), pa.float64()))
    if source:
        chosen = pc.and_(chosen, pc.equal(rows["source"], scalar(source, pa.string())))
    return rows.filter(chosen).combine_chunks()


def read_rollups(
    stored: StoredTable,
    path: str,
    schema: pa.Schema,
    *,
    wanted: Mapping[str, float | str] | None = None,
) -> pa.Table:
    """Read a file of rollups; see `read_file`.

    Raises:
        StoreError: It is missing or damaged.
    """
    try:
        return read_file(stored.location, path, schema, wanted=wanted)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"a file of the table {stored.name!r} cannot be read ({type(error).__name__})",
            got=stored.location.address(path),
            fix="Restore it from a backup. If there is none, `tidegauge doctor --repair "
            "--drop-missing` takes it out: rollups of facts that are still there are made anew.",
        ) from error


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
    rows = [
        {
            **_NOTHING,
            "time": day * 86_400 * 10**6,
            "date": day,
            "source": source,
            "metadata": msgspec.json.encode(cover).decode(),
        }
        for source, cover in sorted(covers.items())
    ]
    return from_rows(rows, _SCHEMA)


_ZERO = {"str": "", "bool": False, "f64": 0.0, "i64": 0, "i32": 0, "map": [], "i64_list": []}
_NOTHING = {
    column.name: _ZERO[column.kind]
    for column in columns_of(ROLLUPS)
    if not column.nullable and column.kind in _ZERO
}
