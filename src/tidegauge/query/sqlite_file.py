# SPDX-License-Identifier: Apache-2.0
"""Writing history to a SQLite file in the shape that other programs read and write.

The shape is in `tidegauge.model.sqlite_shapes`; what a row has beyond it goes into its metadata.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from tidegauge.catalog import Catalog
from tidegauge.catalog.derived_columns import derive
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.sqlite_metadata import pack
from tidegauge.model.sqlite_shapes import (
    APPLICATION_ID,
    DAILY_COLUMNS,
    SHAPES,
    Shape,
    create_statements,
)
from tidegauge.model.tables import DAILY_AGGREGATES, INTERVALS, POINTS, USER_SATISFACTION
from tidegauge.model.times import TimeRange
from tidegauge.query.dump import Dump
from tidegauge.query.engine import Engine
from tidegauge.query.errors import readable_errors
from tidegauge.query.selection import Selection, Vocabulary
from tidegauge.query.unknown import refuse_unknown
from tidegauge.query.vocabulary import metrics_table
from tidegauge.query.writers import complete_or_absent
from tidegauge.store.store import Store

__all__ = ["write_sqlite_file"]

_ROWS = 10_000
_NO_LABELS = "{}"
_labels = msgspec.json.Decoder(dict[str, str]).decode

#: Of two aggregates with the same key, of days of different zones, that of UTC is written.
_ONE_OF_EACH = """
    QUALIFY row_number() OVER (
        PARTITION BY date, feature, metric_type, metric_name
        ORDER BY time_zone <> 'UTC', time_zone, time
    ) = 1
    ORDER BY ALL
"""


def write_sqlite_file(
    store: Store,
    catalog: Catalog,
    path: Path,
    *,
    labels: Mapping[str, object] | None = None,
    time_range: TimeRange | None = None,
    after: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, int]:
    """Write the rows of all tables of the file, each as it is now, in the order of time.

    Memory is bounded by the rows of a day. A file that is there is replaced when the new one is
    complete.

    Args:
        store: The store.
        catalog: What names mean.
        path: The file.
        labels: Dimensions and labels to choose by.
        time_range: When it happened.
        after: Called with how many rows are written, and of how many.

    Returns:
        How many rows each table has.

    Raises:
        QueryError: A label that was chosen by is known to nobody.
        StoreError: The store cannot be read.
    """
    chosen = Vocabulary(catalog).select(None, labels or {}, time_range or TimeRange())
    engine = Engine(store, metrics_table(catalog))
    dumps = [
        Dump(
            store,
            catalog,
            table=name,
            labels=labels,
            time_range=chosen.time_range,
            may_be_unknown=True,
        )
        for name in SHAPES
    ]
    if labels and not any(dump.count for dump in dumps):
        with readable_errors("export"):
            refuse_unknown(_views(engine), Vocabulary(catalog), chosen, labels, tables=SHAPES)
    aggregates = _aggregates(engine, chosen)
    total = sum(dump.count for dump in dumps) + aggregates.num_rows
    written: dict[str, int] = {}
    with (
        complete_or_absent(path) as draft,
        contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection,
    ):
        # Nobody reads a draft, and a broken one is thrown away.
        connection.execute("PRAGMA journal_mode = off")
        connection.execute("PRAGMA synchronous = off")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in create_statements():
            connection.execute(statement)
        for dump in dumps:
            shape, done = SHAPES[dump.table], sum(written.values())
            names = ["timestamp", *(column.name for column in shape.columns)]
            insert = _insert(dump.table, [*names, "metadata", "created_at"])
            written[dump.table] = 0
            for batch in dump.batches(flat=True, batch_rows=_ROWS):
                _put(connection, insert, _rows(shape, batch))
                written[dump.table] += len(batch)
                after(done + written[dump.table], total)
        insert = _insert(DAILY_AGGREGATES.name, [*aggregates.column_names, "created_at"])
        _put(connection, insert, _daily_rows(aggregates))
        written[DAILY_AGGREGATES.name] = aggregates.num_rows
        after(total, total)
    return written


def _insert(table: str, names: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _put(connection: sqlite3.Connection, insert: str, rows: Iterator[tuple[object, ...]]) -> None:
    connection.execute("BEGIN")
    connection.executemany(insert, rows)
    connection.execute("COMMIT")


def _rows(shape: Shape, batch: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
    names = batch.schema.names
    for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        row = dict(zip(names, cells, strict=True))
        # Without a zone, so that it compares with what other programs write.
        time = row["time"][:-1]
        named = {name: row[name] for name in DIMENSIONS if row[name] is not None}
        if row["labels"] != _NO_LABELS:
            named = _labels(row["labels"]) | named
        yield (
            time,
            *(row[column.name] for column in shape.columns),
            pack(row["metadata"], named, _beyond(shape, row)),
            time[:19].replace("T", " "),
        )


def _beyond(shape: Shape, row: dict[str, Any]) -> dict[str, Any]:
    """Columns that the file lacks, as far as they do not follow from those that it has."""
    if not shape.beyond:
        return {}
    beyond = {
        column.name: row[column.name] for column in shape.beyond if row[column.name] is not None
    }
    derived: dict[str, Any] = {column.name: row[column.name] for column in shape.columns}
    if shape.table is USER_SATISFACTION and not _tells_scale(row):
        derived["score_scale"] = row["score_scale"]
    given = derived.keys() & beyond.keys()
    try:
        derive(shape.table.name, derived)
    except MetricValidationError:  # such as a score that was changed to one off its scale
        return beyond
    return {
        name: value for name, value in beyond.items() if name in given or derived.get(name) != value
    }


def _tells_scale(row: Mapping[str, Any]) -> bool:
    """Whether a score alone says which scale it is on, as it does for whoever reads the file."""
    return bool(row["score_scale"] == ("0-1" if row["score"] < 1 else "1-5")) and row["score"] != 1


def _views(engine: Engine) -> duckdb.DuckDBPyConnection:
    connection = engine.connect()
    engine.view(connection, (POINTS.name, INTERVALS.name, *SHAPES))
    return connection


def _aggregates(engine: Engine, chosen: Selection) -> pa.Table:
    connection = engine.connect()
    engine.view(connection, [DAILY_AGGREGATES.name], chosen.time_range)
    names = ", ".join(column.name for column in DAILY_COLUMNS)
    with readable_errors("export"):
        found: pa.Table = connection.sql(
            f"SELECT date::VARCHAR AS date, {names} FROM {DAILY_AGGREGATES.name} "
            f"WHERE {chosen.about_labels} AND {chosen.about_time} {_ONE_OF_EACH}"
        ).to_arrow_table()
    return found


def _daily_rows(aggregates: pa.Table) -> Iterator[tuple[object, ...]]:
    for cells in zip(*(column.to_pylist() for column in aggregates.columns), strict=True):
        yield (*cells, f"{cells[0]} 00:00:00")
