# SPDX-License-Identifier: Apache-2.0
"""Recording rows of the typed tables, such as requests and predictions.

The callers of `RowWriter.put` know the table's columns: what they pass is made by our own code and
checked for what a program could have put into it, numbers that are not finite among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from tidegauge.catalog.labels import check_label
from tidegauge.journal.events import encode
from tidegauge.journal.layout import ALL_BITS
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.series import SeriesKey, split_labels
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import Column, Table
from tidegauge.record.context import Context
from tidegauge.record.hot import NOT_PLAIN
from tidegauge.record.recorder import FAULTS, Recorder, metadata_json

__all__ = ["Dimensions", "Put", "RowWriter", "Values", "checked_column"]

#: Pairs of label and value, dimensions among them, in any order.
Dimensions = tuple[tuple[str, str], ...]

_MAX_FLOAT = 1.7976931348623157e308
_MOST_TEXT_CHARS = 10_000
_MOST_KNOWN = 1_000
_MAX_INT = 2**63 - 1
#: A share that was computed with 32 bits may be this much above 1.
_ROUNDING = 1e-6
_NUMBERS = ("f64", "i64", "i32")
_TEXT = Annotated[str, Meta(max_length=_MOST_TEXT_CHARS)]


#: The columns of a row in the order of its table.
Values = tuple[object, ...]


class Put(Protocol):
    """Records one row. In lenient mode it never raises."""

    def __call__(
        self,
        values: Values,
        time_ns: int | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> bool:
        """Record a row; False if it was refused.

        Args:
            values: The table's own columns in its order, None where there is no value.
            time_ns: When it happened, if not now.
            metadata: Whatever else is known of it; must be to be written as JSON.

        Raises:
            MetricValidationError: In strict mode, if the row does not fit the table.
        """


class RowWriter:
    """Records rows of one table. Thread-safe.

    Args:
        recorder: Records them.
        table: The table; its columns are numbers and texts.
    """

    def __init__(self, recorder: Recorder, table: Table) -> None:
        self._recorder = recorder
        self._table = table
        self._check = _row_check(table)
        self._spec = MetricSpec(name=f"custom:{table.name}", description="")

    def bind(self, labels: Dimensions = ()) -> Put:
        """A function that records rows with these dimensions and labels, beside the context's."""
        recorder, writer, check, name = (
            self._recorder,
            self._recorder.writer,
            self._check,
            self._table.name,
        )
        # By context: the id of the series, and the generation for which it is valid.
        known: dict[object, tuple[int, int]] = {}

        def put(
            values: Values,
            time_ns: int | None = None,
            metadata: Mapping[str, object] | None = None,
        ) -> bool:
            if metadata:
                return self._put_carefully(values, labels, time_ns, known, metadata)
            try:
                series, generation = known[recorder.context()]
                if time_ns is None:
                    time_ns = recorder.now_ns()
                payload = encode(("t", name, time_ns, series, values))
                check(payload)
                if writer.put_payload(payload, generation, 1):
                    return True
            except NOT_PLAIN:
                pass  # not seen before, or not plain: the slow path finds out what it is and tells
            return self._put_carefully(values, labels, time_ns, known)

        return put

    def _put_carefully(
        self,
        values: Values,
        labels: Dimensions,
        time_ns: int | None,
        known: dict[object, tuple[int, int]],
        metadata: Mapping[str, object] | None = None,
    ) -> bool:
        recorder, writer = self._recorder, self._recorder.writer
        try:
            recorder.get_ready()
            pairs = zip(self._table.columns, values, strict=True)
            values = tuple(_fitted(column, value) for column, value in pairs)
            context = recorder.context()
            time_ns = recorder.now_ns() if time_ns is None else time_ns
            key = self._key(context, labels)
            self._check_values(values)
            text = metadata_json(metadata) if metadata else None
            with writer.lock:
                named = zip((column.name for column in self._table.columns), values, strict=True)
                columns = {name: value for name, value in named if value is not None}
                if text is not None:
                    columns["metadata"] = text
                writer.put_event(self._table.name, key, time_ns, columns)
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                known[context] = writer.series_id(key), writer.generation
        except FAULTS as error:
            recorder.refuse(error, self._table.name)
            return False
        return True

    def _key(self, context: object, labels: Dimensions) -> SeriesKey:
        inherited = context.labels if isinstance(context, Context) else {}
        merged: dict[str, object] = {**self._recorder.defaults, **inherited, **dict(labels)}
        checked = {name: check_label(self._spec, name, value) for name, value in merged.items()}
        return SeriesKey("", *split_labels(checked))

    def _check_values(self, values: Values) -> None:
        for column, value in zip(self._table.columns, values, strict=False):
            if isinstance(value, float) and not math.isfinite(value):
                raise _not_finite(self._table, column.name, value)
        try:
            self._check(encode(("t", self._table.name, 0, 0, values)))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _bad_row(self._table, values, error) from error


def checked_column(table: Table, column: Column, value: object) -> object:
    """A value as a row of a table may have it in a column.

    Raises:
        MetricValidationError: The column cannot have it.
    """
    fitted = _fitted(column, value)
    if isinstance(fitted, float) and not math.isfinite(fitted):
        raise _not_finite(table, column.name, fitted)
    try:
        return msgspec.convert(fitted, _kind(column))
    except (msgspec.ValidationError, OverflowError) as error:
        is_number = isinstance(fitted, float | int) and not isinstance(fitted, bool)
        raise MetricValidationError(
            f"the column {column.name!r} of the table {table.name!r} cannot have this value "
            f"({error})",
            reason="out_of_range" if is_number and column.kind in _NUMBERS else "bad_value",
            got=value,
            allowed=_allowed(column),
        ) from error


def _allowed(column: Column) -> str:
    words = {"str": "text", "bool": "True or False", "f64": "a number"}
    allowed = ", ".join(column.values) or words.get(column.kind, "a whole number")
    if column.least is not None or column.most is not None:
        least, most = column.least, column.most
        allowed += f" of {least:g} or more" if most is None else f" from {least:g} to {most:g}"
    return f"{allowed}, or nothing" if column.nullable else allowed


def _fitted(column: Column, value: object) -> object:
    """The number of a NumPy or PyTorch scalar, and one that rounding took beyond a bound."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if isinstance(plain, float) and column.most is not None:
        is_rounding = column.most < plain <= column.most * (1 + _ROUNDING)
        return column.most if is_rounding else plain
    return plain


def _row_check(table: Table) -> Callable[[bytes], object]:
    """What raises for the payload of a row that the table cannot take.

    Decoding what was just encoded checks types and bounds in less time than Python code could.
    """
    row: Any = tuple[tuple(_kind(column) for column in table.columns)]  # type: ignore[misc]
    time_ns = Annotated[int, Meta(ge=0, le=ALL_BITS >> 1)]
    return msgspec.msgpack.Decoder(tuple[str, str, time_ns, int, row]).decode


def _kind(column: Column) -> Any:
    kind: Any = Literal[column.values] if column.values else _TEXT
    if column.kind == "bool":
        kind = bool
    elif column.kind != "str":
        number, largest = (float, _MAX_FLOAT) if column.kind == "f64" else (int, _MAX_INT)
        least = -largest if column.least is None else number(column.least)
        most = largest if column.most is None else number(column.most)
        kind = Annotated[number, Meta(ge=least, le=most)]
    return kind | None if column.nullable else kind


def _not_finite(table: Table, name: str, value: float) -> MetricValidationError:
    return MetricValidationError(
        f"the column {name!r} of the table {table.name!r} must be finite",
        reason="not_finite",
        got=value,
        allowed="any finite number, or nothing",
        fix="Leave it out where there is no number.",
    )


def _bad_row(table: Table, values: Values, error: Exception) -> MetricValidationError:
    # A number of the right type that is too small or too large, and not a text that is too long.
    is_bound = "`float` " in str(error) or "`int` " in str(error)
    return MetricValidationError(
        f"a row does not fit the table {table.name!r} ({error})",
        reason="out_of_range" if is_bound and "=" in str(error) else "bad_value",
        got=values,
        allowed=", ".join(
            f"{column.name} ({'|'.join(column.values) or column.kind})" for column in table.columns
        ),
        fix=f"Texts have at most {_MOST_TEXT_CHARS} characters and can be written as UTF-8.",
    )
