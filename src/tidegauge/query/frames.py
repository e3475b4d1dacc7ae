# SPDX-License-Identifier: Apache-2.0
"""Data frames of others: pandas, polars, Arrow, DuckDB, and dictionaries of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from tidegauge.model.errors import QueryError

__all__ = ["Frame", "number_columns", "table_of", "times_us", "value_array"]


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
        QueryError: It is none of these, or has a column that Arrow cannot hold.
    """
    try:
        if isinstance(frame, Mapping):
            return pa.table({str(name): _column(column) for name, column in frame.items()})
        if isinstance(frame, Frame):
            return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise QueryError(f"this data frame cannot be read: {error}", got=type(frame)) from error
    raise QueryError(
        "this is no data frame",
        got=frame,
        allowed="one of pandas, polars or Arrow, or a dict of columns",
    )


def number_columns(table: pa.Table, *, besides: str = "") -> dict[str, np.ndarray]:
    """The columns with numbers, as float64; what is missing is NaN.

    Args:
        table: From `table_of`.
        besides: A column that is left out, such as that of the time.
    """
    found = {}
    for name in table.column_names:
        kind = table.schema.field(name).type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if name != besides and (is_number or pa.types.is_decimal(kind)):
            column = table[name].cast(pa.float64())
            found[name] = column.to_numpy(zero_copy_only=False).astype(float, copy=False)
    return found


def times_us(table: pa.Table, name: str) -> np.ndarray:
    """A column of times as microseconds since 1970, UTC; shape (n_rows,), int64.

    Args:
        table: From `table_of`.
        name: A column of times or dates; of text in ISO 8601, too. Times without a zone are UTC.

    Raises:
        QueryError: There is no such column, it holds no times, or one of them is missing.
    """
    if name not in table.column_names:
        raise QueryError(
            "the data frame has no such column", got=name, allowed=", ".join(table.column_names)
        )
    column = table[name]
    if column.null_count:
        raise QueryError(
            f"a time in column {name!r} is missing",
            got=f"{column.null_count} of {len(column)} rows",
            fix="Drop these rows.",
        )
    try:
        column = column.cast(pa.timestamp("us"), safe=False)
    except pa.ArrowException as error:
        raise QueryError(
            f"column {name!r} holds no times", got=column.type, allowed="times, dates, ISO 8601"
        ) from error
    times: np.ndarray = column.cast(pa.int64()).to_numpy()
    return times


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


def _chunked(column: Any) -> Any:
    made = _column(column)
    return made if isinstance(made, pa.ChunkedArray) else pa.chunked_array([made])


def _column(column: Any) -> Any:
    return pa.chunked_array(column) if isinstance(column, Frame) else pa.array(column)
