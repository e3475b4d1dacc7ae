# SPDX-License-Identifier: Apache-2.0
"""The daily aggregates of a SQLite file whose rows the file no longer has: history to be kept."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

from tidegauge.model.errors import MetricValidationError
from tidegauge.model.sqlite_shapes import DAILY_COLUMNS, SHAPES
from tidegauge.model.tables import DAILY_AGGREGATES
from tidegauge.record.sqlite_import import Progress
from tidegauge.record.sqlite_rows import plain_cell
from tidegauge.record.sqlite_source import SqliteSource

__all__ = ["orphaned_aggregates"]

_DATE_CHARS = 10
#: The table that aggregates of a type are made of.
_SOURCES = {
    shape.table.rolled.kind: name
    for name, shape in SHAPES.items()
    if shape.table.rolled is not None
}


def orphaned_aggregates(
    source: SqliteSource, progress: Progress, *, zone: str
) -> Iterator[dict[str, Any]]:
    """The aggregates of days of which the file has no rows, as `keep_aggregates` wants them.

    An aggregate whose rows are there is computed anew from those. Where its type does not say which
    table that is, any row of the day counts.

    Args:
        source: The file.
        progress: Counts what is read and refused.
        zone: Name of the zone that the file's days are of.
    """
    days = {name: source.days(name) for name in SHAPES}
    every_day = frozenset().union(*days.values())
    names = ["date", *(column.name for column in DAILY_COLUMNS)]
    for page in source.pages(DAILY_AGGREGATES.name, names):
        for row_id, cells in zip(page.ids, page.cells, strict=True):
            try:
                row = _read(cells, zone)
            except MetricValidationError as error:
                progress.refuse(DAILY_AGGREGATES.name, row_id, error)
                continue
            table = _SOURCES.get(row["metric_type"])
            if row["date"].isoformat() not in (every_day if table is None else days[table]):
                yield row
        progress.count(DAILY_AGGREGATES.name, page)


def _read(cells: tuple[object, ...], zone: str) -> dict[str, Any]:
    row: dict[str, Any] = {"date": _date(cells[0]), "time_zone": zone}
    for column, cell in zip(DAILY_COLUMNS, cells[1:], strict=True):
        value = None if cell is None else plain_cell(cell, column.kind)
        if value is None and not column.nullable:
            raise _misfit(column.name, value)
        if column.kind == "str":
            is_fit = isinstance(value, str) and _is_utf8(value)
        elif column.kind == "i64":
            is_fit = isinstance(value, int)
        else:
            is_fit = isinstance(value, float) and math.isfinite(value)
        if value is not None and not is_fit:
            raise _misfit(column.name, value)
        row[column.name] = value
    if row["avg_value"] is not None and row["count"] is not None:
        row["sum"] = row["avg_value"] * row["count"]
    return row


def _date(cell: object) -> dt.date:
    try:
        date = dt.date.fromisoformat(str(cell)[:_DATE_CHARS])
    except ValueError:
        date = dt.date.min
    if date.year < 1970:
        raise MetricValidationError(
            "the date of a daily aggregate cannot be read",
            reason="bad_time",
            got=cell,
            allowed="ISO 8601 text, such as 2025-12-14",
        )
    return date


def _is_utf8(text: str) -> bool:
    return text.isascii() or text.encode(errors="ignore").decode() == text


def _misfit(name: str, value: object) -> MetricValidationError:
    return MetricValidationError(
        f"a daily aggregate does not fit its table: {name}",
        reason="bad_value",
        got="nothing" if value is None else value,
        allowed="text for names, finite numbers for statistics",
    )
