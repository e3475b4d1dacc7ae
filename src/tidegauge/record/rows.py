# SPDX-License-Identifier: Apache-2.0
"""Recording rows of the typed tables, such as requests and predictions.

The callers of `RowWriter.bind` know the table's columns. What a program could have put into one is
checked: plain rows by decoding what is about to be written, all others cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from tidegauge.catalog.labels import check_label
from tidegauge.journal.events import encode
from tidegauge.journal.layout import ALL_BITS
from tidegauge.model.series import SeriesKey, split_labels
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import Table
from tidegauge.record.cells import kind_of, read_cell
from tidegauge.record.context import Context
from tidegauge.record.hot import NOT_PLAIN
from tidegauge.record.metadata import metadata_json
from tidegauge.record.recorder import FAULTS, Recorder

__all__ = ["Dimensions", "Put", "RowWriter", "Values"]

#: Pairs of label and value, dimensions among them, in any order.
Dimensions = tuple[tuple[str, str], ...]

_MOST_KNOWN = 1_000
_NO_METADATA = "{}"

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
            metadata: Whatever else is known of it: a dict that can be written as JSON. An empty one
                is none.

        Raises:
            MetricValidationError: In strict mode, if the row does not fit the table; see
                `tidegauge.record.cells.read_cell` for the reasons.
        """


class RowWriter:
    """Records rows of one table. Thread-safe.

    Args:
        recorder: Records them.
        table: The table; its columns are numbers, bools and texts.
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
            # Not whether it is empty: some objects cannot say.
            if metadata is not None:
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
            context = recorder.context()
            time_ns = recorder.now_ns() if time_ns is None else time_ns
            key = self.key(labels, context)
            pairs = zip(self._table.columns, self.checked(values), strict=True)
            columns = {column.name: cell for column, cell in pairs if cell is not None}
            if metadata is not None and (text := metadata_json(metadata)) != _NO_METADATA:
                columns["metadata"] = text
            with writer.lock:
                writer.put_event(self._table.name, key, time_ns, columns)
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                known[context] = writer.series_id(key), writer.generation
        except FAULTS as error:
            recorder.refuse(error, self._table.name)
            return False
        return True

    def checked(self, values: Values) -> Values:
        """The values of a row as they are recorded.

        Raises:
            MetricValidationError: They do not fit the table.
        """
        pairs = zip(self._table.columns, values, strict=True)
        return tuple(read_cell(self._table, column, value) for column, value in pairs)

    def key(self, labels: Dimensions, context: object = None) -> SeriesKey:
        """What a row with these dimensions and labels is about.

        Raises:
            MetricValidationError: One of them is not allowed.
        """
        inherited = context.labels if isinstance(context, Context) else {}
        merged: dict[str, object] = {**self._recorder.defaults, **inherited, **dict(labels)}
        checked = {name: check_label(self._spec, name, value) for name, value in merged.items()}
        return SeriesKey("", *split_labels(checked))


def _row_check(table: Table) -> Callable[[bytes], object]:
    """What raises for the payload of a row that the table cannot take.

    Decoding what was just encoded checks types and bounds in less time than Python code could.
    """
    row: Any = tuple[tuple(kind_of(column) for column in table.columns)]  # type: ignore[misc]
    time_ns = Annotated[int, Meta(ge=0, le=ALL_BITS >> 1)]
    return msgspec.msgpack.Decoder(tuple[str, str, time_ns, int, row]).decode
