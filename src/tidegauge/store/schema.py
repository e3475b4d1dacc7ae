# SPDX-License-Identifier: Apache-2.0
"""From a table's definition, in `tidegauge.model.tables`, to its Arrow schema."""

from __future__ import annotations

import pyarrow as pa

from tidegauge.model.amounts import PLACES
from tidegauge.model.columns import COMMON_COLUMNS, Column, ColumnKind, Table
from tidegauge.model.series import DIMENSIONS

__all__ = [
    "DICTIONARY",
    "KINDS",
    "PARTITION",
    "SERIES_COLUMNS",
    "STATISTICS",
    "arrow_schema",
    "columns_of",
    "dictionary_schema",
]

#: The column that names a row's directory; its values are not in the files.
PARTITION = "date"

#: The columns whose smallest and largest value are kept in the table's log, so that a reader can
#: leave files out. Each costs some 50 bytes per file in every commit and checkpoint.
STATISTICS = ("time", "metric", "model", "run_id", "value")

#: The columns of text that come from a row's series, so that few distinct values occur.
SERIES_COLUMNS = ("slot", "metric", *DIMENSIONS)

#: How such a column is kept in memory.
DICTIONARY = pa.dictionary(pa.int32(), pa.string())

#: The Arrow type of each kind of column.
KINDS: dict[ColumnKind, pa.DataType] = {
    "time": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "str": pa.string(),
    "bool": pa.bool_(),
    "f64": pa.float64(),
    "i64": pa.int64(),
    "i32": pa.int32(),
    "decimal": pa.decimal128(28, PLACES),
    "i64_list": pa.list_(pa.int64()),
    "map": pa.map_(pa.string(), pa.string()),
    "json": pa.string(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The schema of a table: the common columns, then its own, in the order they are declared."""
    return pa.schema([_field(column) for column in columns_of(table)])


def dictionary_schema(table: Table) -> pa.Schema:
    """The same with `SERIES_COLUMNS` as dictionaries, as rows are held before they are written."""
    schema = arrow_schema(table)
    for index, column in enumerate(schema):
        if column.name in SERIES_COLUMNS:
            schema = schema.set(index, column.with_type(DICTIONARY))
    return schema


def columns_of(table: Table) -> tuple[Column, ...]:
    """All columns of a table, the common ones first."""
    return (*COMMON_COLUMNS, *table.columns)


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, KINDS[column.kind], nullable=column.nullable)
