# SPDX-License-Identifier: Apache-2.0
"""How numbers of features go on over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tidegauge.model.columns import Table
from tidegauge.model.errors import QueryError
from tidegauge.model.tables import TABLES
from tidegauge.model.times import TimeRange, isoformat
from tidegauge.query import sql
from tidegauge.query.calendar import Every, Piece, pieces_of, step_sql
from tidegauge.query.errors import did_you_mean
from tidegauge.query.feature_facts import Chosen, FeatureFacts
from tidegauge.query.numbers import Numbers, numbers_of
from tidegauge.query.selection import check_label_name
from tidegauge.query.summary import Summary
from tidegauge.store.measured import rolled_of
from tidegauge.store.rolling import DAY_S, HOUR_S

__all__ = ["MEASURES", "Measured", "check_unit", "chosen_by", "measured", "steps_of", "trend_of"]

#: A dictionary ready to be written as JSON.
Document = dict[str, Any]

_EVERY = ("hour", "day", "week")
_ROW = frozenset({"start", "end", "sum", "source", *Numbers.__annotations__})
_MOST_PIECES = 10_000
# Measures of tables with units that are in percent.
_WITHOUT_UNIT = ("utilization_percent",)
_DEFAULT = {
    "performance": "",
    "satisfaction": "",
    "usage": "uses",
    "error": "errors",
    "learning": "accuracy",
    "optimization": "relative_change",
    "resource": "utilization_percent",
}


class Measured(NamedTuple):
    """A number of a table's rows.

    Attributes:
        table: The table.
        measure: The measure's name.
    """

    table: Table
    measure: str


def _measures() -> dict[str, Measured]:
    found = {}
    for table in TABLES.values():
        if table.rolled is not None and table.rolled.kind:
            kind = table.rolled.kind
            found[kind] = Measured(table, _DEFAULT[kind])
            for each in table.rolled.measures:
                if each.name:
                    found[f"{kind}.{each.name}"] = Measured(table, each.name)
    return found


#: Everything that has a trend, by name.
MEASURES = _measures()


def measured(what: str) -> Measured:
    """What a name such as `usage.duration_ms` or `satisfaction` stands for.

    Raises:
        QueryError: Nothing.
    """
    if what not in MEASURES:
        raise QueryError(
            "this has no trend",
            got=what,
            allowed=", ".join(MEASURES),
            fix=did_you_mean(str(what), MEASURES),
        )
    return MEASURES[what]


def chosen_by(what: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Pairs of texts as arguments: columns of the table by themselves, the others as labels.

    Raises:
        QueryError: There is no trend of this.
    """
    own = {*rolled_of(measured(what).table).by} - {"feature"}
    columns: dict[str, Any] = {name: text for name, text in given.items() if name in own}
    return {**columns, "labels": {name: text for name, text in given.items() if name not in own}}


def trend_of(
    facts: FeatureFacts,
    what: Measured,
    chosen: Chosen,
    *,
    every: Every,
    by: Sequence[str],
    zone: ZoneInfo,
) -> list[Document]:
    """One row for each piece of time, and for each group in it; a gap is a row without values.

    Args:
        facts: Looks at the tables.
        what: What is followed.
        chosen: Which facts; both ends of the range are known.
        every: How long a piece is.
        by: Columns of the table, dimensions or labels.
        zone: Whose days and weeks.

    Raises:
        QueryError: There is no such length, facts cannot be grouped by something, or they are in
            several units.
    """
    if "unit" not in by:
        check_unit(facts, what, chosen)
    return steps_of(facts, what, chosen, every, by, zone)


def steps_of(
    facts: FeatureFacts,
    what: Measured,
    chosen: Chosen,
    every: Every,
    by: Sequence[str],
    zone: ZoneInfo,
) -> list[Document]:
    """`trend_of`, where the unit is known to be one."""
    if every not in _EVERY:
        raise QueryError("a trend cannot have this step", got=every, allowed=", ".join(_EVERY))
    own = rolled_of(what.table).by
    for name in by:
        if name not in own:
            check_label_name(name)
        if name in _ROW:
            raise QueryError("a group would have the name of another key", got=name)
    keys = [name if name in own else sql.label(name) for name in by]
    pieces = _pieces(every, zone, chosen.time_range)
    step = step_sql(every, zone, chosen.time_range)
    is_utc = step == step_sql(every, ZoneInfo("UTC"), chosen.time_range)
    grain_s = DAY_S if is_utc and every != "hour" else HOUR_S
    with facts.look(what.table, chosen, grain_s=grain_s) as look:
        groups = look.groups(step, *keys, measures=[what.measure])
        source = look.basis.source
    found: dict[tuple[Any, ...], dict[int, Summary]] = {} if by else {(): {}}
    for (number, *group, _), summary in groups.items():
        found.setdefault(tuple(group), {})[int(number or 0)] = summary
    return [
        {
            "start": _iso(piece.time_range.start_ns),
            "end": _iso(piece.time_range.end_ns),
            **dict(zip(by, group, strict=True)),
            **numbers_of(summaries.get(piece.number)),
            "sum": None if (each := summaries.get(piece.number)) is None else each.total,
            "source": source,
        }
        for group, summaries in sorted(found.items(), key=lambda item: str(item[0]))
        for piece in pieces
    ]


def check_unit(facts: FeatureFacts, what: Measured, *sides: Chosen) -> None:
    """Refuse to make one number of milliseconds and megabytes.

    Args:
        facts: Looks at the tables.
        what: What is followed.
        sides: Which facts.

    Raises:
        QueryError: They are in several units.
    """
    if "unit" not in rolled_of(what.table).by or what.measure in _WITHOUT_UNIT:
        return
    units: set[str] = set()
    for chosen in sides:
        with facts.look(what.table, chosen) as look:
            groups = look.groups("unit", measures=[what.measure], quantiles=False)
        units.update(str(unit) for unit, _ in groups if unit is not None)
    if len(units) > 1:
        raise QueryError(
            "the values are in several units",
            got=", ".join(sorted(units)),
            allowed="values of one unit",
            fix="Choose a unit, a category or a metric, or tell them apart by unit.",
        )


def _pieces(every: Every, zone: ZoneInfo, time_range: TimeRange) -> list[Piece]:
    pieces = list(islice(pieces_of(every, zone, time_range), _MOST_PIECES + 1))
    if len(pieces) > _MOST_PIECES:
        raise QueryError(
            "the trend has too many steps",
            got=range_of(time_range),
            allowed=f"up to {_MOST_PIECES:,}",
            fix="Ask for longer steps, or for less time.",
        )
    return pieces


def range_of(time_range: TimeRange) -> Document:
    """The ends of a range, as texts."""
    return {"start": _iso(time_range.start_ns), "end": _iso(time_range.end_ns)}


def _iso(time_ns: int | None) -> str | None:
    return None if time_ns is None else isoformat(time_ns)
