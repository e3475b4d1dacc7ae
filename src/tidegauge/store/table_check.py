# SPDX-License-Identifier: Apache-2.0
"""Examining the tables: can they be opened, are their files whole, do the numbers agree."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from tidegauge.journal.layout import EVENTS_MAGIC, POINTS_MAGIC
from tidegauge.journal.segment import lane_segments
from tidegauge.model.errors import StoreError
from tidegauge.model.tables import POINTS, TABLES, Table
from tidegauge.store.arrays import to_numpy
from tidegauge.store.cursors import SlotCursor, read_cursors, transaction_names
from tidegauge.store.files import checksum_of, read_file
from tidegauge.store.findings import Finding
from tidegauge.store.location import Location
from tidegauge.store.log_check import damage_of
from tidegauge.store.rewrite import RETIRED
from tidegauge.store.schema import DICTIONARY, PARTITION, dictionary_schema
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable, TableView

__all__ = ["check_tables", "damaged_files", "rows_by_slot"]

_ORPHAN_S = 2 * 86_400.0
_MARK = b"PAR1"
_CHUNK_BYTES = 1 << 20


def check_tables(store: Store, *, deep: bool) -> Iterator[Finding]:
    """Examine every table of a store. `deep` reads every row."""
    for name in store.tables.names():
        location = store.tables.location.child(name)
        try:
            stored = store.tables.open(name)
        except StoreError as error:
            yield _unreadable(location, error)
            continue
        if stored is None:
            continue
        if name not in TABLES:
            yield _stranger(name)
            continue
        names = [slot.name for slot in store.journal.slots()]
        view = stored.view([*transaction_names(store.journal.id, names), RETIRED])
        damaged = damaged_files(stored, view, TABLES[name], deep=deep)
        for path, problem in damaged.items():
            yield _bad_file(location, view, path, problem)
        if not damaged:
            yield from _check_rows(store, stored, view, names)
        yield from _check_orphans(stored, view)


def damaged_files(
    stored: StoredTable, view: TableView, table: Table, *, deep: bool = False
) -> dict[str, str]:
    """The files of a version that cannot be read, with what is wrong with each."""
    problems: dict[str, str] = {}
    schema = dictionary_schema(table)
    schema = schema.remove(schema.get_field_index(PARTITION))
    infos = stored.location.filesystem.get_file_info(view.files.paths)
    for path, info, size_bytes in zip(view.files.paths, infos, view.files.sizes_bytes, strict=True):
        problem = None
        if not info.is_file:
            problem = "it is missing"
        elif info.size != size_bytes:
            problem = f"it has {info.size} bytes instead of {size_bytes}"
        else:
            problem = _problem_inside(stored.location, path, schema if deep else None)
        if problem:
            problems[path] = problem
    return problems


def _problem_inside(location: Location, path: str, schema: pa.Schema | None) -> str | None:
    with location.filesystem.open_input_file(path) as source:
        size_bytes = source.size()
        if size_bytes < 12 or source.read_at(4, size_bytes - 4) != _MARK:
            return "it does not end as a Parquet file"
    if schema is not None:
        if (wanted := checksum_of(path)) is not None and wanted != _checksum(location, path):
            return "its bytes have changed since they were written"
        try:
            read_file(location, path, schema)
        except (OSError, pa.ArrowException) as error:
            return f"it cannot be read: {error}"
    return None


def _checksum(location: Location, path: str) -> int:
    checksum = 0
    with location.filesystem.open_input_stream(path) as source:
        while data := source.read(_CHUNK_BYTES):
            checksum = zlib.crc32(data, checksum)
    return checksum


def rows_by_slot(stored: StoredTable, paths: Iterable[str]) -> Counter[str]:
    """How many rows of each slot, as `<journal id>/<slot>`, are in some files."""
    present: Counter[str] = Counter()
    column = pa.schema([("slot", DICTIONARY)])
    for path in paths:
        for chunk in read_file(stored.location, path, column)["slot"].chunks:
            texts = chunk.dictionary.to_pylist()
            counts = np.bincount(to_numpy(chunk.indices), minlength=len(texts))
            present.update(dict(zip(texts, counts.tolist(), strict=True)))
    return present


def _check_rows(
    store: Store, stored: StoredTable, view: TableView, slots: list[str]
) -> Iterator[Finding]:
    """Compare the rows of each slot with what its cursor says was stored."""
    journal_id = store.journal.id
    cursors = read_cursors(view.transactions, journal_id, slots)
    retired = view.transactions.get(RETIRED, 0)
    present = rows_by_slot(stored, view.files.paths)
    for slot, cursor in cursors.items():
        stored_rows = cursor.points_rows + cursor.events_rows - cursor.given_up
        found = present[f"{journal_id}/{slot}"]
        if found > stored_rows or (not retired and found < stored_rows):
            yield Finding(
                "error",
                "row_count",
                f"{stored.name}, slot {slot}",
                f"the table holds {found} rows of the slot, and {stored_rows} were stored",
                "If another program deleted or added rows, this is why. Otherwise report it.",
                rows=max(stored_rows - found, 0),
            )
        if stored.name == POINTS.name and (passed := _unexplained(cursor)):
            yield Finding(
                "error",
                "bookkeeping",
                f"{stored.name}, slot {slot}",
                f"{passed} positions of the journal were passed without a row or a reason",
                "Please report it, with the output of `tidegauge status --json`.",
                rows=max(passed, 0),
            )
    yield from _check_ends(store, cursors if stored.name == POINTS.name else {})


def _unexplained(cursor: SlotCursor) -> int:
    explained = cursor.points_rows + cursor.unacknowledged + cursor.points_damaged
    return cursor.points - explained


def _check_ends(store: Store, cursors: Mapping[str, SlotCursor]) -> Iterator[Finding]:
    for slot in store.journal.slots():
        cursor = cursors.get(slot.name, SlotCursor())
        for lane, magic, position, end in (
            ("points", POINTS_MAGIC, cursor.points, slot.end_points),
            ("events", EVENTS_MAGIC, cursor.events, slot.end_events),
        ):
            # A lane without files begins its next one where positions were last given out.
            has_files = bool(lane_segments(slot.directory, lane, magic))
            if has_files and end() < position:
                yield Finding(
                    "error",
                    "cursor_ahead",
                    f"slot {slot.name}",
                    f"the {lane} of the journal end before what is stored of them",
                    "A file of the journal was cut, or it was restored from a backup. New facts "
                    "would be taken for stored ones until it has grown so far: stop the programs "
                    "that record, run `tidegauge drain`, and move the directory `journal` away.",
                )


def _check_orphans(stored: StoredTable, view: TableView) -> Iterator[Finding]:
    directory = stored.location.directory
    if directory is None:
        return
    known = set(view.files.paths)
    old = [
        path
        for path in directory.glob(f"{PARTITION}=*/*.parquet")
        if path.relative_to(directory).as_posix() not in known
        and time.time() - path.stat().st_mtime > _ORPHAN_S
    ]
    if old:
        size_bytes = sum(path.stat().st_size for path in old)
        yield Finding(
            "info",
            "orphans",
            stored.name,
            f"{len(old)} files with {size_bytes / 1e6:.1f} MB belong to no version any more",
            "Run `tidegauge compact`, which deletes them.",
        )


def _unreadable(location: Location, error: StoreError) -> Finding:
    damage = None if location.directory is None else damage_of(location.directory / "_delta_log")
    if damage is None or damage.commits or not damage.dispensable:
        broken = "" if damage is None else ", ".join(path.name for path in damage.commits)
        return Finding(
            "error",
            "table_unreadable",
            location.address("_delta_log"),
            f"{error.what}; broken: {broken}" if broken else error.what,
            "Restore the directory of the table from a backup. Recording goes on meanwhile.",
        )
    return Finding(
        "error",
        "table_unreadable",
        location.address("_delta_log"),
        f"{error.what}; broken: {', '.join(path.name for path in damage.dispensable)}",
        "Run `tidegauge doctor --repair`, which puts that aside. What a broken commit had stored "
        "is taken from the journal again, as far as it is there.",
        repair="safe",
    )


def _stranger(name: str) -> Finding:
    return Finding(
        "info",
        "unknown_table",
        name,
        "this version knows no table of this name",
        "Nothing, if a newer version made it.",
    )


def _bad_file(location: Location, view: TableView, path: str, problem: str) -> Finding:
    rows = int(view.files.rows[view.files.paths.index(path)])
    return Finding(
        "error",
        "file_unreadable",
        location.address(path),
        f"a file with {rows} rows cannot be read: {problem}",
        "Restore it from a backup. If there is none, `tidegauge doctor --repair --drop-missing` "
        "takes it out of the table, so that the rest can be read.",
        repair="lossy",
        rows=rows,
    )
