# SPDX-License-Identifier: Apache-2.0
"""Which rows a caller means, checked against the table, and how the trail may show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from tidegauge.catalog import Catalog
from tidegauge.model.columns import COMMON_COLUMNS, Column, Table
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.model.personal import FREE_TEXT, USER_COLUMN, USER_LABELS
from tidegauge.model.tables import CORRECTIONS, TABLES
from tidegauge.model.times import TimeRange, isoformat
from tidegauge.record.privacy import Privacy
from tidegauge.store.matching import Equal, Selection

__all__ = ["HIDDEN", "Where", "is_hidden", "read_where", "shown_range", "target_table"]

#: What a caller says about rows: column, dimension or label to a value, several, or None for empty.
Where = Mapping[str, object]

#: What the trail shows in place of who somebody is and what they wrote.
HIDDEN = "***"

_MOST = 2**63 - 1
_KINDS = ("str", "bool", "f64", "i64", "i32")


def target_table(name: str) -> Table:
    """The table of a name, if its rows may be changed.

    Raises:
        QueryError: There is no such table, or its rows are not recorded but made of others.
    """
    table = TABLES.get(name)
    if table is None or not table.recorded or table is CORRECTIONS:
        raise QueryError(
            "there is no such table"
            if table is None
            else "the rows of this table cannot be changed",
            got=name,
            allowed=", ".join(
                each.name for each in TABLES.values() if each.recorded and each is not CORRECTIONS
            ),
        )
    return table


def read_where(
    table: Table, where: Where | None, time_range: TimeRange, *, catalog: Catalog, privacy: Privacy
) -> Selection:
    """Check what was said about rows.

    A metric stands for every name that its history is stored under, and a user for every form that
    they may be known as in the store. What is no column is a label.

    Raises:
        QueryError: Nothing was said, or a value is not of the column's kind.
    """
    if not where and time_range == TimeRange():
        raise QueryError(
            "nothing says which rows are meant",
            allowed="where={column or label: value}, or a range of time, or both",
            fix="To mean every row of a table, say start=0.",
        )
    columns = {column.name: column for column in (*COMMON_COLUMNS, *table.columns)}
    conditions = []
    for name, given in (where or {}).items():
        values = list(given) if isinstance(given, list | tuple | set | frozenset) else [given]
        if not values:
            raise QueryError(f"no value is given for {name!r}", got=given, allowed="one or more")
        column = columns.get(name)
        if column is None:
            texts = tuple(_label_value(name, value) for value in values)
            conditions.append(Equal(name, texts, is_label=True))
            continue
        wanted = [_column_value(column, value) for value in values]
        conditions.append(Equal(name, tuple(_spread(name, wanted, catalog, privacy))))
    return Selection(conditions, time_range)


def is_hidden(name: str) -> bool:
    """Whether the trail does not show the values of a column or label."""
    return name in (USER_COLUMN, *USER_LABELS, *FREE_TEXT, "metadata")


def shown_range(time_range: TimeRange) -> dict[str, str]:
    """A range of time, as the trail shows it."""
    ends = {"start": time_range.start_ns, "end": time_range.end_ns}
    return {name: isoformat(end_ns) for name, end_ns in ends.items() if end_ns is not None}


def _spread(
    name: str, values: Sequence[Any], catalog: Catalog, privacy: Privacy
) -> dict[Any, None]:
    spread: dict[Any, None] = {}
    for value in values:
        if name == "metric" and value is not None:
            spread |= dict.fromkeys(_stored_names(catalog, value))
        elif name == USER_COLUMN and value is not None:
            spread |= dict.fromkeys(privacy.forms(value))
        else:
            spread[value] = None
    return spread


def _stored_names(catalog: Catalog, metric: str) -> tuple[str, ...]:
    try:
        return catalog.stored_names(metric)
    except MetricValidationError:  # recorded with another catalogue
        return (metric,)


def _label_value(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, bool) and isinstance(value, Integral):
        return str(int(value))
    raise QueryError(
        f"the label {name!r} cannot have this value",
        got=value,
        allowed="text, a whole number, or None for rows without it",
    )


def _column_value(column: Column, given: object) -> str | float | int | bool | None:
    item = getattr(given, "item", None)  # of NumPy and PyTorch
    value = item() if callable(item) else given
    if column.kind not in _KINDS:
        is_time = column.kind in ("time", "date")
        raise QueryError(
            f"rows cannot be chosen by the column {column.name!r}",
            got=given,
            allowed="other columns, dimensions and labels",
            fix="Give start and end."
            if is_time
            else "Name a label itself: where={'split': 'val'}.",
        )
    if value is None:
        return None
    if column.kind == "str" and isinstance(value, str):
        return value
    if column.kind == "bool" and isinstance(value, bool):
        return value
    if not isinstance(value, bool):
        if column.kind == "f64" and isinstance(value, Real):
            return float(value)
        if column.kind in ("i64", "i32") and isinstance(value, Integral):
            return max(-_MOST, min(int(value), _MOST))  # beyond it there is no row anyway
    words = {"str": "text", "bool": "True or False", "f64": "a number"}
    raise QueryError(
        f"the column {column.name!r} cannot have this value",
        got=given,
        allowed=f"{words.get(column.kind, 'a whole number')}, or None for rows without one",
    )
