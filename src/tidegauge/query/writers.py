# SPDX-License-Identifier: Apache-2.0
"""Writing batches of rows to a file of another kind: CSV, Parquet or SQLite.

A file appears under its name when it is complete, and not before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from tidegauge.model.errors import ConfigError, QueryError
from tidegauge.query import sql
from tidegauge.query.dump import Dump

__all__ = [
    "EXPORT_FORMATS",
    "ExportFormat",
    "check_place",
    "complete_or_absent",
    "export_format",
    "write_csv_stream",
    "write_dump",
]

ExportFormat = Literal["csv", "parquet", "sqlite"]

#: Ending of a file's name to its format.
EXPORT_FORMATS: dict[str, ExportFormat] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}

_ROW_GROUP_ROWS = 122_880
_SQLITE_TYPES = (
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_boolean, "INTEGER"),
    (pa.types.is_floating, "REAL"),
)


def export_format(path: Path) -> ExportFormat:
    """Tell the format of a file to be written by its name.

    Raises:
        QueryError: Its name does not tell.
    """
    # The longer ending first.
    for ending in sorted(EXPORT_FORMATS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return EXPORT_FORMATS[ending]
    raise QueryError(
        "the file's name does not tell its format",
        got=str(path),
        allowed=f"a name that ends in {', '.join(EXPORT_FORMATS)}",
        fix="Say which it is: --format csv, --format parquet or --format sqlite.",
    )


def check_place(path: Path, *, force: bool) -> None:
    """Refuse a name that no file can be written under, before any work is done.

    Args:
        path: The file.
        force: Whether one that is there may be replaced.

    Raises:
        ConfigError: It is there.
        OSError: It is a directory, or its directory does not exist.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "the file is a directory", str(path))
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such directory", str(path.parent))
    if path.exists() and not force:
        raise ConfigError("the file exists", got=str(path), fix="Give another name, or --force.")


def write_dump(
    dump: Dump, path: Path, form: ExportFormat, *, after: Callable[[int], None] = lambda _: None
) -> int:
    """Write all rows of a dump to a file, replacing one that is there.

    Args:
        dump: The rows.
        path: The file.
        form: Its format.
        after: Called with the number of rows written so far.

    Returns:
        The number of rows.
    """
    with complete_or_absent(path) as draft:
        batches = _counted(dump.batches(flat=form != "parquet"), after)
        if form == "sqlite":
            return _write_sqlite(dump, batches, draft)
        if form == "parquet":
            return _write_parquet(dump, batches, draft)
        compression = "gzip" if path.suffix == ".gz" else None
        with pa.output_stream(str(draft), compression=compression) as stream:
            return _write_csv(dump, batches, stream)


def write_csv_stream(
    dump: Dump, stream: BinaryIO, *, after: Callable[[int], None] = lambda _: None
) -> int:
    """Write all rows of a dump as CSV to an open file; returns their number."""
    return _write_csv(dump, _counted(dump.batches(flat=True), after), stream)


def _write_csv(dump: Dump, batches: Iterable[pa.RecordBatch], stream: object) -> int:
    rows = 0
    with pacsv.CSVWriter(stream, dump.schema(flat=True)) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += len(batch)
    return rows


def _write_parquet(dump: Dump, batches: Iterable[pa.RecordBatch], draft: Path) -> int:
    rows = 0
    with pq.ParquetWriter(draft, dump.schema(), compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            rows += len(batch)
            if sum(map(len, waiting)) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
    return rows


def _write_sqlite(dump: Dump, batches: Iterable[pa.RecordBatch], draft: Path) -> int:
    columns = [
        f"{sql.quoted(field.name)} {_sqlite_type(field)}" for field in dump.schema(flat=True)
    ]
    places = ", ".join("?" * len(columns))
    table = sql.quoted(dump.table)
    rows = 0
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        # Nobody reads a draft, and a broken one is thrown away.
        connection.execute("PRAGMA journal_mode = off")
        connection.execute("PRAGMA synchronous = off")
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        for batch in batches:
            cells = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            connection.execute("BEGIN")
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", cells)
            connection.execute("COMMIT")
            rows += len(batch)
        wanted = [name for name in ("metric", "time") if name in dump.columns]
        name = f"{dump.table}_{'_'.join(wanted)}"
        connection.execute(f"CREATE INDEX {name} ON {table} ({', '.join(wanted)})")
    return rows


def _sqlite_type(field: pa.Field) -> str:
    return next((name for is_kind, name in _SQLITE_TYPES if is_kind(field.type)), "TEXT")


def _counted(
    batches: Iterable[pa.RecordBatch], after: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        yield batch
        rows += len(batch)
        after(rows)


@contextlib.contextmanager
def complete_or_absent(path: Path) -> Iterator[Path]:
    """A file to write to that takes the name `path` when the `with` block ends, and not before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
