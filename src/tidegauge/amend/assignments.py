# SPDX-License-Identifier: Apache-2.0
"""The values that a correction gives columns, checked as if they were recorded.

A column that is worked out of others when it is recorded is worked out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tidegauge.catalog import Catalog
from tidegauge.catalog.derived_columns import check_recovery, relative_change
from tidegauge.catalog.scales import read_score
from tidegauge.catalog.validation import check_step, check_value
from tidegauge.model.columns import COMMON_COLUMNS, Column, Table
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.model.personal import FREE_TEXT, USER_COLUMN
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import (
    ERRORS,
    INTERVALS,
    OPTIMIZATION_IMPACT,
    POINTS,
    USER_SATISFACTION,
)
from tidegauge.record.cells import read_cell
from tidegauge.record.metadata import metadata_json
from tidegauge.record.privacy import Privacy
from tidegauge.store.edit import Overwrite
from tidegauge.store.matching import Selection

__all__ = ["read_set"]

_METADATA = "metadata"
#: Worked out of others, with those.
_DERIVED = {
    USER_SATISFACTION.name: {"normalized_score": "score", "rating": "score"},
    OPTIMIZATION_IMPACT.name: {"relative_change": "before_value and after_value"},
}
Rows = list[dict[str, Any]]
Derive = Callable[[Rows], Mapping[str, Sequence[Any]]]


def read_set(
    table: Table,
    given: Mapping[str, object],
    selection: Selection,
    *,
    catalog: Catalog,
    privacy: Privacy,
) -> Overwrite:
    """Check the values that rows of a table are to have.

    What depends on the single row, such as whether a score is on the row's scale, is checked when
    the change is applied, before anything of it can be seen.

    Raises:
        QueryError: A column does not exist, or cannot be set.
        MetricValidationError: A value does not fit.
    """
    settable = _settable(table)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in settable:
            raise _not_settable(table, name, list(settable))
        if name == _METADATA:
            values[name] = None if value is None else metadata_json(value)  # type: ignore[arg-type]
            continue
        if table is POINTS:
            values[name] = _point(name, value)
            continue
        # A whole number is so many dollars here, and so many units where rows are recorded.
        is_amount = settable[name].kind == "decimal"
        given_value = Decimal(value) if is_amount and type(value) is int else value
        checked = read_cell(table, settable[name], given_value)
        if isinstance(checked, str) and name in FREE_TEXT:
            checked = privacy.text(checked)
        elif isinstance(checked, str) and name == USER_COLUMN:
            checked = privacy.user(checked)
        values[name] = checked
    needs, derive = _derivation(table, values, catalog)
    return Overwrite(selection, values, derive, needs)


def _settable(table: Table) -> dict[str, Column]:
    if table is INTERVALS:
        return {}
    metadata = next(column for column in COMMON_COLUMNS if column.name == _METADATA)
    derived = _DERIVED.get(table.name, {})
    own = [column for column in table.columns if column.name not in {"metric", *derived}]
    return {column.name: column for column in (*own, metadata)}


def _point(name: str, value: object) -> float | int | None:
    """A value or step; the metric's bounds are checked row by row."""
    if name == "step":
        return None if value is None else check_step(value)  # type: ignore[arg-type]
    return check_value(MetricSpec(name="custom:any", description="any"), value)


def _derivation(
    table: Table, values: Mapping[str, Any], catalog: Catalog
) -> tuple[tuple[str, ...], Derive | None]:
    """What depends on the single row: the columns needed for it, and what to do."""
    if table is POINTS and "value" in values:
        return ("metric", "value"), lambda rows: _checked_points(rows, catalog)
    if table is USER_SATISFACTION and values.keys() & {"score", "score_scale"}:
        return ("score", "score_scale"), _scored
    if table is OPTIMIZATION_IMPACT and values.keys() & {"before_value", "after_value"}:
        return ("before_value", "after_value"), _compared
    if table is ERRORS and values.keys() & {"recovery_attempted", "recovery_successful"}:
        return ("recovery_attempted", "recovery_successful"), _recovered
    return (), None


def _checked_points(rows: Rows, catalog: Catalog) -> Mapping[str, Sequence[Any]]:
    values = {row["metric"]: row["value"] for row in rows}
    for metric, value in values.items():
        try:
            spec = catalog.resolve(metric)
        except MetricValidationError:  # recorded with another catalogue: nothing is known of it
            continue
        check_value(spec, value)
    return {}


def _scored(rows: Rows) -> Mapping[str, Sequence[Any]]:
    scores = [read_score(row["score"], row["score_scale"]) for row in rows]
    return {
        "normalized_score": [each.normalized for each in scores],
        "rating": [each.rating for each in scores],
    }


def _compared(rows: Rows) -> Mapping[str, Sequence[Any]]:
    changes = [relative_change(row["before_value"], row["after_value"]) for row in rows]
    return {"relative_change": changes}


def _recovered(rows: Rows) -> Mapping[str, Sequence[Any]]:
    for row in rows:
        check_recovery(row["recovery_attempted"], row["recovery_successful"])
    return {}


def _not_settable(table: Table, name: str, settable: list[str]) -> QueryError:
    common = {column.name for column in COMMON_COLUMNS}
    allowed = ", ".join(settable) or "none of this table"
    source = _DERIVED.get(table.name, {}).get(name)
    if source is not None:
        what, fix = f"the column {name!r} is worked out of others", f"Set {source}."
    elif table is INTERVALS:
        what = "the columns of a summary belong together"
        fix = "Retract the rows, and record the values anew with their time."
    elif name in common or name == "metric":
        what = f"the column {name!r} says which series a row belongs to, and when"
        fix = "Retract the rows, and record them anew."
    else:
        what, fix = f"the table {table.name!r} has no such column", ""
    return QueryError(what, got=name, allowed=allowed, fix=fix)
