# SPDX-License-Identifier: Apache-2.0
"""Arrow arrays from NumPy arrays, without a copy, and from and to Python values.

pyarrow itself does the same, but imports pandas, if it is installed, to see whether it was given
or should make something of it: half a second and 40 MB in somebody's program.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.amounts import to_units

__all__ = ["from_list", "from_numpy", "from_rows", "scalar", "to_numpy", "to_rows"]


def from_numpy(
    values: npt.NDArray[Any], kind: pa.DataType, *, absent: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """Wrap numbers of shape (n,) as an Arrow array.

    Args:
        values: The numbers, as wide as `kind`. Must not change afterwards.
        kind: A type of fixed width, such as int64 or timestamp.
        absent: Where the array is null, of shape (n,).
    """
    if values.dtype.itemsize * 8 != kind.bit_width:
        raise TypeError(f"{values.dtype} is not as wide as {kind}")
    validity = None
    if absent is not None and absent.any():
        validity = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    buffers = [validity, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def to_numpy(column: pa.Array | pa.ChunkedArray, *, default: int = 0) -> npt.NDArray[Any]:
    """The numbers of a column of fixed width, with `default` where it is null; shape (n,).

    Times and dates come as integers.
    """
    kind = np.dtype(f"i{column.type.bit_width // 8}")
    parts = [np.empty(0, kind)]
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        if not len(chunk):
            continue
        validity, data = chunk.buffers()[:2]
        here = slice(chunk.offset, chunk.offset + len(chunk))
        values = np.frombuffer(data, kind)[here]
        if chunk.null_count:
            bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
            values = np.where(bits[here], values, kind.type(default))
        parts.append(values)
    return np.concatenate(parts)


def from_list(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Convert Python values, where None is null. Nothing is rounded, cut or read as another type.

    Args:
        values: Text, bools, numbers, lists of numbers, or mappings as sequences of pairs of text;
            decimals may be given in units of 10⁻⁸, as whole numbers.
        kind: One of the types of `tidegauge.store.schema`, other than time and date.

    Raises:
        TypeError: A value is of another type.
        OverflowError: A number does not fit.
    """
    absent = np.fromiter((value is None for value in values), bool, len(values))
    if absent.all():
        return pa.nulls(len(values), kind)
    if pa.types.is_string(kind):
        return _texts(values)
    if pa.types.is_boolean(kind):
        if any(value is not None and not isinstance(value, bool) for value in values):
            raise TypeError(f"only True and False are {kind}")
        bits = np.packbits([bool(value) for value in values], bitorder="little")
        present = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
        return pa.Array.from_buffers(kind, len(values), [present, pa.py_buffer(bits)])
    if pa.types.is_floating(kind):
        _require(values, (float, int), kind)
        numbers = [0.0 if value is None else value for value in values]
        return from_numpy(np.array(numbers, np.float64), kind, absent=absent)
    if pa.types.is_decimal(kind):
        _require(values, (int, Decimal), kind)
        return _decimals([None if value is None else _units(value) for value in values], kind)
    if pa.types.is_integer(kind):
        _require(values, int, kind)
        whole = [0 if value is None else value for value in values]
        return from_numpy(np.array(whole, f"i{kind.bit_width // 8}"), kind, absent=absent)
    if absent.any():
        raise TypeError(f"a {kind} cannot be absent")
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    starts = from_numpy(offsets, pa.int32())
    inner = list(chain.from_iterable(values))
    if pa.types.is_map(kind):
        keys, items = _texts([key for key, _ in inner]), _texts([item for _, item in inner])
        return pa.MapArray.from_arrays(starts, keys, items)
    return pa.ListArray.from_arrays(starts, from_list(inner, kind.value_type), type=kind)


def scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    """One value, to compare a column with; as `from_list`."""
    return from_list([value], kind)[0]


def from_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """A table of rows; as `from_list` for each column, with None for what a row lacks.

    Args:
        rows: By column; a time is a datetime or in microseconds, a date one or in days, since
            1970.
        schema: The columns.

    Raises:
        TypeError: A value is of another type.
        OverflowError: A number does not fit.
    """
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_temporal(field.type):
            absent = np.array([value is None for value in values], bool)
            whole = [_since_1970(value) for value in values]
            numbers = np.array(whole, f"i{field.type.bit_width // 8}")
            columns.append(from_numpy(numbers, field.type, absent=absent))
        else:
            columns.append(from_list(values, field.type))
    return pa.table(columns, schema=schema)


def to_rows(batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """The rows, by column; what `to_pylist` gives."""
    times = [
        (place, field.name)
        for place, field in enumerate(batch.schema)
        if field.type == pa.timestamp("us", "UTC")
    ]
    for place, name in times:
        batch = batch.set_column(place, name, batch.column(place).cast(pa.timestamp("us")))
    rows: list[dict[str, Any]] = batch.to_pylist()
    for _, name in times:
        for row in rows:
            if row[name] is not None:
                row[name] = row[name].replace(tzinfo=dt.UTC)
    return rows


def _since_1970(value: dt.datetime | dt.date | int | None) -> int:
    """Microseconds of a time, days of a date; 0 for None."""
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days
    return value or 0


def _units(value: int | Decimal) -> int:
    return to_units(value) if isinstance(value, Decimal) else value


def _decimals(units: Sequence[int | None], kind: pa.DataType) -> pa.Array:
    """Decimals of 128 bits from their units, each as two words, the lower one first."""
    absent = np.array([each is None for each in units], bool)
    words = np.frombuffer(
        b"".join((each or 0).to_bytes(16, "little", signed=True) for each in units), np.uint8
    )
    validity = None
    if absent.any():
        validity = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    return pa.Array.from_buffers(kind, len(units), [validity, pa.py_buffer(words)])


def _texts(values: Sequence[str | None]) -> pa.Array:
    _require(values, str, "string")
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def _require(values: Sequence[Any], kinds: type | tuple[type, ...], wanted: object) -> None:
    for value in values:
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise TypeError(f"{type(value).__name__} is not {wanted}")
