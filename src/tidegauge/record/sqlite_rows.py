# SPDX-License-Identifier: Apache-2.0
"""What the cells of a row of a SQLite file mean, checked as by a record call."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegauge.catalog.derived_columns import derive
from tidegauge.model.columns import ColumnKind
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.series import RowContent, SeriesKey
from tidegauge.model.sqlite_metadata import unpack
from tidegauge.model.sqlite_shapes import Shape
from tidegauge.model.tables import ERRORS, USER_SATISFACTION
from tidegauge.model.times import parse_time_ns
from tidegauge.record.privacy import Privacy
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter

__all__ = ["RowReader", "plain_cell"]

_MOST_CACHED = 100_000
_HASHED = re.compile(r"h:[0-9a-f]{32}")
_FREE_TEXT = ("feedback", "error_message")
_USER = "user_id"
_TRUTH = {"0": False, "1": True, "false": False, "true": True}


class RowReader:
    """Reads the rows of one table of a file. Used by one thread.

    Args:
        shape: The table.
        recorder: Its journal is to take the rows.
        privacy: What becomes of free text and of users.
        zone: The zone of times that name none.
        scale: The scale of scores that say none; None to tell by the number.
        starred: Features and types of satisfaction where a score of 1 is on 1-5.

    Attributes:
        columns: The columns that a row needs, in order.
        n_content: How many of them, from the first, a row is known by.
        hides: Whether texts or users may be recorded otherwise than they are written.
    """

    def __init__(
        self,
        shape: Shape,
        recorder: Recorder,
        privacy: Privacy,
        *,
        zone: dt.tzinfo,
        scale: str | None = None,
        starred: frozenset[tuple[object, object]] = frozenset(),
    ) -> None:
        self._table = shape.table
        self._writer = RowWriter(recorder, shape.table)
        self._privacy = privacy
        self._zone = zone
        self._scale = scale
        self._starred = starred
        self._keys: dict[tuple[tuple[str, str], ...], SeriesKey] = {}
        own = (*shape.columns, *shape.beyond)
        self._kinds = [(column.name, column.kind) for column in own]
        beyond = [column.name for column in shape.beyond]
        inside = [column.name for column in shape.columns]
        self.columns = ["timestamp", "metadata", *inside, *beyond]
        self.n_content = 2 + len(inside)
        self.hides = not privacy.keeps_all

    def read(self, cells: Sequence[object], *, as_written: bool = False) -> RowContent:
        """Read a row.

        Args:
            cells: Its cells, of `columns`.
            as_written: With texts and users as they are, which must not be recorded.

        Raises:
            MetricValidationError: It is not allowed.
        """
        metadata, ours = unpack(cells[1])
        row: dict[str, Any] = {}
        for (name, kind), cell in zip(self._kinds, cells[2:], strict=True):
            if cell is not None:
                row[name] = plain_cell(cell, kind)
        row |= ours.columns
        if self._table is USER_SATISFACTION and "score_scale" not in row:
            self._choose_scale(row)
        if self._table is ERRORS:
            row.setdefault("error_severity", "error")
        derive(self._table.name, row)
        if not as_written:
            self._protect(row)
        values = tuple(row.get(column.name) for column in self._table.columns)
        return RowContent(
            self._key(ours.labels),
            self._time_us(cells[0]),
            self._writer.checked(values),
            metadata,
        )

    def _choose_scale(self, row: dict[str, Any]) -> None:
        if self._scale is not None:
            row["score_scale"] = self._scale
        elif row.get("score") == 1 and _series(row) in self._starred:
            row["score_scale"] = "1-5"

    def _protect(self, row: dict[str, Any]) -> None:
        for name in (*_FREE_TEXT, _USER):
            text = row.get(name)
            if isinstance(text, str):
                keep = self._privacy.user if name == _USER else self._privacy.text
                kept = keep(text)
                # What was hashed before it was exported is not hashed once more.
                row[name] = text if kept is not None and _HASHED.fullmatch(text) else kept

    def _key(self, labels: Mapping[str, str]) -> SeriesKey:
        pairs = tuple(labels.items())
        key = self._keys.get(pairs)
        if key is None:
            if len(self._keys) >= _MOST_CACHED:
                self._keys.clear()
            key = self._keys[pairs] = self._writer.key(pairs)
        return key

    def _time_us(self, cell: object) -> int:
        moment = cell
        if isinstance(cell, str):
            try:
                moment = dt.datetime.fromisoformat(cell.strip())
            except ValueError:
                raise _bad_time(cell) from None
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self._zone)
        if not isinstance(moment, dt.datetime):
            raise _bad_time(cell)
        return parse_time_ns(moment) // 1000


def plain_cell(cell: object, kind: ColumnKind) -> object:
    """A cell as a value of its column, or as it is if it cannot be one.

    SQLite keeps any value in any column, and has no bools.
    """
    if kind == "f64":
        return float(cell) if isinstance(cell, int) else cell
    if kind == "bool":
        return _TRUTH.get(str(cell).lower(), cell) if isinstance(cell, int | str) else cell
    if kind == "i64":
        return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
    return str(cell) if isinstance(cell, int) else cell


def _series(row: Mapping[str, object]) -> tuple[object, object]:
    return row.get("feature"), row.get("satisfaction_type")


def _bad_time(cell: object) -> MetricValidationError:
    return MetricValidationError(
        "the timestamp cannot be read",
        reason="bad_time",
        got=cell,
        allowed="ISO 8601 text, such as 2025-12-14T10:00:00.123456",
    )
