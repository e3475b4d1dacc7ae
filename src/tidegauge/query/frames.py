# SPDX-License-Identifier: Apache-2.0
"""Data frames of others: pandas, polars, Arrow, DuckDB, and dictionaries of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.errors import QueryError

__all__ = ["Frame", "Times", "number_columns", "table_of", "times_of", "value_array", "wall_us"]

# The column of an index of pandas that has no name.
_UNNAMED = "__index_level_0__"

# The zone at the end of a time in ISO 8601.
_OFFSET = r"(Z|[+-]\d\d(:?\d\d)?)$"


@runtime_checkable
class Frame(Protocol):
    """Whatever hands its columns on through Arrow's C interface, as every data frame does."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's PyCapsule interface."""
        ...


def table_of(frame: Frame | Mapping[str, Any]) -> pa.Table:
    """The columns of a data frame.

    Args:
        frame: A data frame of pandas (2.2 or newer), polars or Arrow, a relation of DuckDB, or a
            dictionary of columns.

    Raises:
        QueryError: It is none of these, has a column that Arrow cannot hold, or two of one name.
    """
    try:
        if isinstance(frame, Mapping):
            columns = [_column(column) for column in frame.values()]
            return _checked(pa.table(columns, [str(name) for name in frame]))
        if isinstance(frame, Frame):
            return _checked(pa.table(frame))
    except (duckdb.Error, pa.ArrowException, TypeError, ValueError) as error:
        raise QueryError(f"this data frame cannot be read: {error}", got=type(frame)) from error
    raise QueryError(
        "this is no data frame",
        got=frame,
        allowed="one of pandas, polars or Arrow, or a dict of columns",
    )


def number_columns(table: pa.Table, *, besides: str = "") -> dict[str, np.ndarray]:
    """The columns with numbers, as float64; what is missing is NaN. An index of pandas is none.

    Args:
        table: From `table_of`.
        besides: A column that is left out, such as that of the time.
    """
    found = {}
    index = (table.schema.pandas_metadata or {}).get("index_columns", ())
    for name in table.column_names:
        kind = table.schema.field(name).type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if name != besides and name not in index and (is_number or pa.types.is_decimal(kind)):
            column = table[name].cast(pa.float64(), safe=False)
            found[name] = column.to_numpy(zero_copy_only=False).astype(float, copy=False)
    return found


class Times(NamedTuple):
    """A column of times; both arrays of int64 and shape (n_rows,).

    Attributes:
        us: Microseconds since 1970, UTC. Times without a zone are taken for UTC.
        wall_us: The same of what clocks and calendars show in the zone of the column.
        zone: The zone; None for times without one, dates and texts.
    """

    us: np.ndarray
    wall_us: np.ndarray
    zone: str | None


def times_of(table: pa.Table, name: str) -> Times:
    """A column of times.

    Args:
        table: From `table_of`.
        name: A column of times or dates; of text in ISO 8601, too. If there is none, the index of a
            frame of pandas is taken that has times and no name.

    Raises:
        QueryError: There is no such column, it holds no times, or one of them is missing.
    """
    column = _time_column(table, name)
    if column.null_count:
        raise QueryError(
            f"a time in column {name!r} is missing",
            got=f"{column.null_count} of {len(column)} rows",
            fix="Drop these rows.",
        )
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return _of_texts(column)
        if not pa.types.is_timestamp(kind) and not pa.types.is_date(kind):
            raise _no_times(name, column)
        us = _as_int(column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False))
    except pa.ArrowException as error:
        raise _no_times(name, column) from error
    zone = getattr(kind, "tz", None)
    return Times(us, us if zone is None else wall_us(us, zone), zone)


def wall_us(times_us: np.ndarray, zone: str) -> np.ndarray:
    """What clocks and calendars show in a zone, microseconds since 1970; shape (n,).

    Args:
        times_us: Microseconds since 1970, UTC; shape (n,).
        zone: Such as `Europe/London` or `+02:00`.
    """
    return _as_int(pc.local_timestamp(pa.array(times_us, pa.timestamp("us", zone))))


def value_array(column: Any) -> np.ndarray:
    """One column of a data frame, a list or an array, as numbers or as texts; shape (n,).

    Args:
        column: Whatever Arrow makes an array of. What is missing is NaN among numbers, and None
            among texts.

    Raises:
        QueryError: It holds neither numbers nor texts.
    """
    try:
        made = pa.chunked_array([column]) if isinstance(column, pa.Array) else _chunked(column)
        is_encoded = pa.types.is_dictionary(made.type)
        kind = made.type.value_type if is_encoded else made.type
        if kind in (pa.string(), pa.large_string(), pa.string_view()):
            return np.array(made.to_pylist(), dtype=object)
        if is_encoded:
            made = made.cast(kind)
        numbers: np.ndarray = made.cast(pa.float64()).to_numpy()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise QueryError(
            f"these values cannot be read: {error}", got=type(column), allowed="numbers or texts"
        ) from error
    return numbers


def _checked(table: pa.Table) -> pa.Table:
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise QueryError("columns have the same name", got=", ".join(twice), fix="Rename them.")
    return table


def _time_column(table: pa.Table, name: str) -> Any:
    if name in table.column_names:
        return table[name]
    if _UNNAMED in table.column_names and pa.types.is_timestamp(table[_UNNAMED].type):
        return table[_UNNAMED]
    columns = [each for each in table.column_names if each != _UNNAMED]
    raise QueryError("the data frame has no such column", got=name, allowed=", ".join(columns))


def _of_texts(column: Any) -> Times:
    """Texts in ISO 8601, all with a zone or all without."""
    try:
        us = _as_int(column.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        us = _as_int(column.cast(pa.timestamp("us", "UTC")))
        column = pc.replace_substring_regex(column, _OFFSET, "")
    return Times(us, _as_int(column.cast(pa.timestamp("us"))), None)


def _as_int(times: Any) -> np.ndarray:
    return np.asarray(times.cast(pa.int64()), dtype=np.int64)


def _no_times(name: str, column: Any) -> QueryError:
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return QueryError(
        f"column {name!r} holds no times",
        got=column.type,
        allowed="times, dates, ISO 8601",
        fix=f"Say what the numbers count: pandas.to_datetime(frame[{name!r}], unit='s')."
        if is_number
        else "",
    )


def _chunked(column: Any) -> Any:
    made = _column(column)
    return made if isinstance(made, pa.ChunkedArray) else pa.chunked_array([made])


def _column(column: Any) -> Any:
    if hasattr(column, "to_series"):
        # An index of pandas: as an array it would lose its zone.
        column = column.to_series()
    return pa.chunked_array(column) if isinstance(column, Frame) else pa.array(column)
