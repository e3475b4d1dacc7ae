# SPDX-License-Identifier: Apache-2.0
"""What the rows of the typed tables add to live metrics, as `model/tables.py` declares it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from tidegauge.catalog import Catalog
from tidegauge.catalog.abroad import ExportedNames
from tidegauge.live.families import Labels
from tidegauge.live.kept import FamilyTotals, HowKept
from tidegauge.live.totals import NO_CELL, Totals
from tidegauge.model.amounts import PLACES
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import Condition, Derived, Table

__all__ = ["RowFeed", "process_labels"]

_PREFIX = "prefix"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_MOST_PLANNED = 100_000
_UNITS_OF_ONE = 10**PLACES


@dataclass(slots=True)
class _Fed:
    """A series that rows of one kind add to.

    Attributes:
        family: Its family.
        labels: Its labels.
        value: Column with the value; None for 1.
        is_amount: Whether the column holds decimals.
        holds: What must hold of the row.
        cell: Its cell, made with the first value; at once if it counts rows, so that it begins
            at 0.
    """

    family: FamilyTotals
    labels: Labels
    value: str | None
    holds: Callable[[Mapping[str, Any]], bool] | None
    is_amount: bool = False
    cell: int = NO_CELL


class _Feed(NamedTuple):
    derived: Derived
    spec: MetricSpec
    names: ExportedNames


class RowFeed:
    """Turns rows of one table into facts of cells.

    What a row feeds depends on few columns with few values, so it is worked out once for each
    combination of these.

    Args:
        totals: Where the cells are.
        table: The table.
        catalog: The vocabulary.
    """

    def __init__(self, totals: Totals, table: Table, catalog: Catalog) -> None:
        self._totals = totals
        self._feeds = [
            _Feed(each, catalog.resolve(each.metric), catalog.exported(each.metric))
            for each in table.metrics
        ]
        own = {column.name for column in table.columns}
        self._amounts = {column.name for column in table.columns if column.kind == "decimal"}
        wanted = [_PREFIX]
        for each in table.metrics:
            wanted += [*each.labels.values(), *each.needs]
            if each.where is not None and each.where.op == "=":
                wanted.append(each.where.column)
        self._decisive = tuple(dict.fromkeys(name for name in wanted if name in own))
        self._planned: dict[tuple[object, ...], list[_Fed]] = {}

    def add(
        self,
        origin: object,
        key: Callable[[], SeriesKey | None],
        columns: Mapping[str, Any],
        time_ns: int,
        cells: list[int],
        values: list[float],
    ) -> None:
        """Append what one row adds.

        Args:
            origin: Stands for the series of the row, in place of its key.
            key: Tells the series of the row.
            columns: The row's own columns.
            time_ns: When it happened.
            cells: Gets the cells.
            values: Gets as many values.

        Raises:
            TypeError, OverflowError: A column holds something else than the table says; some cells
                and values may have been appended.
        """
        get = columns.get
        kind = (origin, *map(get, self._decisive))
        plan = self._planned.get(kind)
        if plan is None:
            if len(self._planned) >= _MOST_PLANNED:
                self._planned.clear()
            plan = self._planned[kind] = self._plan(key(), columns, time_ns)
        for fed in plan:
            value = 1.0 if fed.value is None else get(fed.value)
            if value is not None and (fed.holds is None or fed.holds(columns)):
                if fed.cell == NO_CELL:
                    fed.cell = self._totals.cell(fed.family, fed.labels)
                cells.append(fed.cell)
                values.append(_amount(value) if fed.is_amount else value + 0.0)

    def _plan(self, key: SeriesKey | None, columns: Mapping[str, Any], time_ns: int) -> list[_Fed]:
        dimensions = dict(key.dimensions) if key is not None else {}
        given = {**columns, **dimensions}
        prefix = given.get(_PREFIX)
        if prefix is not None and not _NAME.match(prefix):
            prefix = None
        inherited = process_labels(dimensions)
        plan = []
        for derived, spec, names in self._feeds:
            if any(given.get(name) is None for name in derived.needs):
                continue
            where, holds = derived.where, None
            if where is not None and where.op == "=":
                if given.get(where.column) != where.value:
                    continue
            elif where is not None:
                holds = _holding(where)
            name = ""
            labels = derived.fixed | {
                label: _label(value)
                for label, column in derived.labels.items()
                # An empty label is the same as none to Prometheus.
                if (value := given.get(column)) not in (None, "")
            }
            if prefix is not None and derived.suffix is not None:
                name = f"{prefix}_{derived.suffix}"
            family = self._totals.family_of(spec, names, name=name, only=derived.only)
            pairs: Labels = tuple(sorted({**inherited, **labels}.items()))
            fed = _Fed(family, pairs, derived.value, holds, derived.value in self._amounts)
            if derived.value is None and family.kept is HowKept.COUNTER:
                fed.cell = self._totals.cell(family, pairs)
                self._totals.touch(fed.cell, time_ns)
            plan.append(fed)
        return plan


def process_labels(dimensions: Mapping[str, str]) -> dict[str, str]:
    """The labels that say which program a fact comes from."""
    return {name: dimensions[name] for name in ("environment", "service") if name in dimensions}


def _label(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _amount(value: float | Decimal) -> float:
    """A decimal: units in a journal, and a number in a table. Both give the nearest float."""
    return float(value) if isinstance(value, Decimal) else value / _UNITS_OF_ONE


def _holding(where: Condition) -> Callable[[Mapping[str, Any]], bool]:
    column, bound = where.column, where.value

    def above(columns: Mapping[str, Any]) -> bool:
        value = columns.get(column)
        return value is not None and value > bound

    def below(columns: Mapping[str, Any]) -> bool:
        value = columns.get(column)
        return value is not None and value < bound

    return above if where.op == ">" else below
