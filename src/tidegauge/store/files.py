# SPDX-License-Identifier: Apache-2.0
"""The data files of a table: which there are and what they span, and writing a new one."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from tidegauge.model.times import TimeRange
from tidegauge.store.arrays import from_numpy, to_numpy
from tidegauge.store.location import Location
from tidegauge.store.schema import PARTITION, STATISTICS

__all__ = ["CUT_US", "NO_FILES", "FileList", "checksum_of", "list_files", "read_file", "write_file"]

#: Rows of a row group, the unit in which readers skip; DuckDB's own size.
ROW_GROUP_ROWS = 122_880

_DAY_US = 86_400 * 10**6
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Other writers cut the times in a file's statistics to milliseconds, the largest one included.
CUT_US = 999
_UNKNOWN = -(2**63)
_CHECKSUM = re.compile(r"-([0-9a-f]{8})\.zstd\.parquet$")


@dataclass(frozen=True, slots=True)
class FileList:
    """The data files of one version of a table, in no particular order.

    Attributes:
        paths: Paths relative to the table.
        dates: Partition of each, days since 1970, int32 of shape (n_files,).
        min_us: No row is before this, microseconds since 1970, int64 of shape (n_files,).
        max_us: No row is after this.
        rows: Number of rows, int64 of shape (n_files,).
        sizes_bytes: Sizes, int64 of shape (n_files,).
    """

    paths: list[str]
    dates: npt.NDArray[np.int32]
    min_us: npt.NDArray[np.int64]
    max_us: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    sizes_bytes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def within(self, time_range: TimeRange | None) -> FileList:
        """The files that may hold rows of a range."""
        if time_range is None:
            return self
        chosen = np.ones(len(self), dtype=bool)
        if time_range.start_ns is not None:
            chosen &= self.max_us >= time_range.start_ns // 1000
        if time_range.end_ns is not None:
            chosen &= self.min_us <= (time_range.end_ns - 1) // 1000
        return self.chosen(chosen)

    def chosen(self, mask: npt.NDArray[np.bool_]) -> FileList:
        """The files for which `mask`, of shape (n_files,), is set."""
        if mask.all():
            return self
        return FileList(
            [self.paths[index] for index in np.flatnonzero(mask)],
            self.dates[mask],
            self.min_us[mask],
            self.max_us[mask],
            self.rows[mask],
            self.sizes_bytes[mask],
        )


_NONE = np.empty(0, np.int64)
NO_FILES = FileList([], np.empty(0, np.int32), _NONE, _NONE, _NONE, _NONE)


def list_files(delta: DeltaTable) -> FileList:
    """List the files of the version that `delta` has loaded."""
    actions = pa.RecordBatchReader.from_stream(delta.get_add_actions(flatten=True)).read_all()
    dates = to_numpy(actions[f"partition.{PARTITION}"])
    start_us = dates.astype(np.int64) * _DAY_US
    smallest = _times_us(actions, "min.time", start_us)
    largest = _times_us(actions, "max.time", start_us + _DAY_US - 1 - CUT_US) + CUT_US
    return FileList(
        [unquote(path) for path in actions["path"].to_pylist()],
        dates,
        smallest,
        largest,
        _integers(actions, "num_records"),
        _integers(actions, "size_bytes"),
    )


def write_file(
    location: Location,
    rows: pa.Table,
    date: dt.date,
    *,
    order: npt.NDArray[np.int64] | None = None,
    group_rows: int = ROW_GROUP_ROWS,
    indexed: Sequence[str] = STATISTICS,
) -> AddAction:
    """Write the rows of one day to a new file. Readers see it once it is committed.

    Args:
        location: The table's.
        rows: Rows of that day, without the column `date`. Columns of text may be dictionaries.
        date: The day.
        order: The places of the rows in the file, of shape (n_rows,), if not as they are.
        group_rows: Rows of a row group.
        indexed: Columns whose smallest and largest value each row group tells.

    Returns:
        What to commit.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        rows.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in _leaves(rows.schema) if name not in {"time", "value"}],
        write_statistics=[name for name in indexed if name in rows.schema.names],
        store_schema=False,  # else Arrow readers would get the dictionaries back as such
    ) as writer:
        for start in range(0, rows.num_rows, group_rows):
            if order is None:
                group = rows.slice(start, group_rows)
            else:  # a group at a time, so that there is no second copy of everything
                group = rows.take(from_numpy(order[start : start + group_rows], pa.int64()))
            writer.write_table(group)
    data = memoryview(sink.getvalue())
    partition = f"{PARTITION}={date.isoformat()}"
    path = f"{partition}/part-{uuid.uuid4().hex}-{zlib.crc32(data):08x}.zstd.parquet"
    location.create_directory(partition)
    location.write(path, data)
    return AddAction(
        path=path,
        size=len(data),
        partition_values={PARTITION: date.isoformat()},
        modification_time=int(dt.datetime.now(dt.UTC).timestamp() * 1000),
        data_change=True,
        stats=json.dumps(_statistics(rows)),
    )


def checksum_of(path: str) -> int | None:
    """The CRC-32 of a file's bytes as its name says it; None if another program named it."""
    match = _CHECKSUM.search(path)
    return int(match[1], 16) if match else None


def read_file(
    location: Location,
    path: str,
    schema: pa.Schema,
    *,
    wanted: Mapping[str, float | str] | None = None,
) -> pa.Table:
    """Read a file, with nulls for the columns that it lacks.

    Args:
        location: The table's.
        path: The file's.
        schema: What to read; without the column `date`. Columns of text may be dictionaries.
        wanted: Values of columns. Row groups that have none of them may be left out.
    """
    texts = [column.name for column in schema if pa.types.is_dictionary(column.type)]
    with location.filesystem.open_input_file(path) as source:
        file = pq.ParquetFile(source, read_dictionary=texts)
        present = [name for name in schema.names if name in file.schema_arrow.names]
        groups = list(range(file.num_row_groups))
        if wanted is not None:
            groups = [at for at in groups if _may_hold(file.metadata.row_group(at), wanted)]
        rows = file.read_row_groups(groups, present)
    columns = [
        rows[column.name].cast(column.type)
        if column.name in present
        else pa.nulls(rows.num_rows, column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)


def _may_hold(group: pq.RowGroupMetaData, wanted: Mapping[str, float | str]) -> bool:
    """Whether a row group may have a row with these values, as far as it tells."""
    for at in range(group.num_columns):
        column = group.column(at)
        value, known = wanted.get(column.path_in_schema), column.statistics
        is_told = value is not None and known is not None and known.has_min_max
        if is_told and not known.min <= value <= known.max:
            return False
    return True


def _times_us(
    actions: pa.Table, name: str, default: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    if name not in actions.schema.names:
        return default
    times = to_numpy(actions[name], default=_UNKNOWN)
    return np.where(times == _UNKNOWN, default, times)


def _integers(actions: pa.Table, name: str) -> npt.NDArray[np.int64]:
    if name not in actions.schema.names:
        return np.zeros(len(actions), dtype=np.int64)
    return to_numpy(actions[name])


def _leaves(schema: pa.Schema) -> list[str]:
    """The columns as Parquet names them, down to the primitive ones."""
    return [leaf for field in schema for leaf in _leaves_of(field.name, field.type)]


def _leaves_of(path: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_map(kind):
        return [f"{path}.key_value.key", f"{path}.key_value.value"]
    if pa.types.is_list(kind):
        return _leaves_of(f"{path}.list.element", kind.value_type)
    return [path]


def _statistics(rows: pa.Table) -> dict[str, Any]:
    smallest, largest, empty = {}, {}, {}
    for name in STATISTICS:
        if name not in rows.schema.names:
            continue
        column = rows[name]
        empty[name] = column.null_count
        if column.null_count < len(column):
            bounds = pc.min_max(_values(column))
            smallest[name] = _plain(bounds["min"])
            largest[name] = _plain(bounds["max"])
    return {
        "numRecords": rows.num_rows,
        "minValues": smallest,
        "maxValues": largest,
        "nullCount": empty,
    }


def _values(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_dictionary(column.type):
        return column
    chunks = column.chunks
    used = [chunk.dictionary.take(chunk.indices.unique().drop_null()) for chunk in chunks]
    return pa.chunked_array(used, type=column.type.value_type)


def _plain(bound: pa.Scalar) -> Any:
    if pa.types.is_timestamp(bound.type):  # not `as_py`, which imports pandas
        moment = _EPOCH + dt.timedelta(microseconds=bound.value)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return bound.as_py()
