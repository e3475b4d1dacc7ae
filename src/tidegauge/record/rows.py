# SPDX-License-Identifier: Apache-2.0
"""Recording rows of the typed tables, such as requests and predictions.

The callers of `RowWriter.put` know the table's columns: what they pass is made by our own code and
checked for what a program could have put into it, numbers that are not finite among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol

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
from tidegauge.record.recorder import FAULTS, Recorder

__all__ = ["Dimensions", "Put", "RowWriter"]

#: Pairs of label and value, dimensions among them, in any order.
Dimensions = tuple[tuple[str, str], ...]

_MAX_FLOAT = 1.7976931348623157e308
_MOST_TEXT_CHARS = 10_000
_MOST_KNOWN = 1_000
_KINDS: dict[str, Any] = {
    "f64": Annotated[float, Meta(ge=-_MAX_FLOAT, le=_MAX_FLOAT)],
    "i64": int,
    "i32": int,
    "str": Annotated[str, Meta(max_length=_MOST_TEXT_CHARS)],
}


class Put(Protocol):
    """Records one row. In lenient mode it never raises."""

    def __call__(self, columns: dict[str, object], time_ns: int | None = None) -> None:
        """Record a row.

        Args:
            columns: The table's own columns by name; those without a value are left out.
            time_ns: When it happened, if not now.

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

        def put(columns: dict[str, object], time_ns: int | None = None) -> None:
            try:
                series, generation = known[recorder.context()]
                if time_ns is None:
                    time_ns = recorder.now_ns()
                payload = encode(("r", name, time_ns, series, columns))
                check(payload)
                if writer.put_payload(payload, generation, 1):
                    return
            except NOT_PLAIN:
                pass  # not seen before, or not plain: the slow path finds out what it is and tells
            self._put_carefully(columns, labels, time_ns, known)

        return put

    def _put_carefully(
        self,
        columns: dict[str, object],
        labels: Dimensions,
        time_ns: int | None,
        known: dict[object, tuple[int, int]],
    ) -> None:
        recorder, writer = self._recorder, self._recorder.writer
        try:
            recorder.get_ready()
            context = recorder.context()
            time_ns = recorder.now_ns() if time_ns is None else time_ns
            key = self._key(context, labels)
            self._check_columns(columns)
            with writer.lock:
                writer.put_event(self._table.name, key, time_ns, columns)
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                known[context] = writer.series_id(key), writer.generation
        except FAULTS as error:
            recorder.refuse(error, self._table.name)

    def _key(self, context: object, labels: Dimensions) -> SeriesKey:
        inherited = context.labels if isinstance(context, Context) else {}
        merged: dict[str, object] = {**self._recorder.defaults, **inherited, **dict(labels)}
        checked = {name: check_label(self._spec, name, value) for name, value in merged.items()}
        return SeriesKey("", *split_labels(checked))

    def _check_columns(self, columns: Mapping[str, object]) -> None:
        for name, value in columns.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise _not_finite(self._table, name, value)
        try:
            self._check(encode(("r", self._table.name, 0, 0, columns)))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _bad_row(self._table, columns, error) from error


def _row_check(table: Table) -> Callable[[bytes], object]:
    """What raises for the payload of a row that the table cannot take.

    Decoding what was just encoded checks types and bounds in less time than Python code could.
    """
    fields = [_field(column) for column in table.columns]
    row = msgspec.defstruct(
        f"Row_{table.name}", fields, forbid_unknown_fields=True, kw_only=True, gc=False
    )
    time_ns = Annotated[int, Meta(ge=0, le=ALL_BITS >> 1)]
    return msgspec.msgpack.Decoder(tuple[str, str, time_ns, int, row]).decode  # type: ignore[valid-type]


def _field(column: Column) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind = _KINDS[column.kind]
    return (column.name, kind | None, None) if column.nullable else (column.name, kind)


def _not_finite(table: Table, name: str, value: float) -> MetricValidationError:
    return MetricValidationError(
        f"the column {name!r} of the table {table.name!r} must be finite",
        reason="not_finite",
        got=value,
        allowed="any finite number, or nothing",
        fix="Leave it out where there is no number.",
    )


def _bad_row(table: Table, columns: object, error: Exception) -> MetricValidationError:
    return MetricValidationError(
        f"a row does not fit the table {table.name!r} ({error})",
        reason="bad_value",
        got=columns,
        allowed=", ".join(f"{column.name} ({column.kind})" for column in table.columns),
        fix=f"Texts have at most {_MOST_TEXT_CHARS} characters and can be written as UTF-8.",
    )
