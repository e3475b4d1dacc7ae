# SPDX-License-Identifier: Apache-2.0
"""How numbers of features go on over time, and how two times or two features differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
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
from tidegauge.query.numbers import CONFIDENCE, Numbers, numbers_of
from tidegauge.query.selection import check_label_name
from tidegauge.query.summary import Summary
from tidegauge.statistics.welch import Sample, welch_interval
from tidegauge.store.measured import rolled_of
from tidegauge.store.rolling import DAY_S, HOUR_S

__all__ = ["MEASURES", "Measured", "difference_of", "measured", "trend_of"]

#: A dictionary ready to be written as JSON.
Document = dict[str, Any]

_EVERY = ("hour", "day", "week")
_ROW = frozenset({"start", "end", "sum", "source", *Numbers.__annotations__})
_MOST_PIECES = 10_000
_TOO_LARGE = "it is beyond the largest float"
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
        QueryError: There is no such length, or facts cannot be grouped by something.
    """
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


def _pieces(every: Every, zone: ZoneInfo, time_range: TimeRange) -> list[Piece]:
    pieces = list(islice(pieces_of(every, zone, time_range), _MOST_PIECES + 1))
    if len(pieces) > _MOST_PIECES:
        raise QueryError(
            "the trend has too many steps",
            got=_range(time_range),
            allowed=f"up to {_MOST_PIECES:,}",
            fix="Ask for longer steps, or for less time.",
        )
    return pieces


class _Side(NamedTuple):
    """One side of a comparison: all of it, the mean of each day, and what it was read from."""

    numbers: Numbers
    daily: list[float]
    about: Document


def difference_of(
    facts: FeatureFacts, what: Measured, sides: tuple[Chosen, Chosen], zone: ZoneInfo
) -> Document:
    """How the second side differs from the first, with what chance alone could have done.

    The interval is Welch's, 95 %, of the means of days: the values of one day resemble each other,
    so that there are as many independent ones as days, and not as facts.

    Args:
        facts: Looks at the tables.
        what: What is compared.
        sides: What is compared with, and what is compared; the ranges have both ends.
        zone: Whose days.

    Returns:
        `a` and `b`, their `difference` (b less a), `relative` to the magnitude of a, `low` and
        `high`; `reason` says by key why one of these is None, that of `low` for both ends.
    """
    a, b = (_side(facts, what, chosen, zone) for chosen in sides)
    found: Document = {
        "a": a.about,
        "b": b.about,
        "difference": None,
        "relative": None,
        "low": None,
        "high": None,
        "reason": None,
    }
    before, after = a.numbers["avg"], b.numbers["avg"]
    if before is None or after is None:
        side = a if before is None else b
        nothing = "one side has no values" if not side.numbers["count"] else side.numbers["reason"]
        return {**found, "reason": dict.fromkeys(("difference", "relative", "low"), nothing)}
    reasons = {}
    found["difference"] = _finite(after - before)
    if found["difference"] is None:
        reasons["difference"] = _TOO_LARGE
    elif before:
        found["relative"] = _finite((after - before) / abs(before))
    if found["relative"] is None:
        reasons["relative"] = _TOO_LARGE if before else "the first side is 0"
    reach, reason = _reach(a.daily, b.daily)
    if reach is not None and found["difference"] is not None:
        # Around the difference of all values, from which that of the means of days may differ.
        found["low"] = _finite(found["difference"] - reach)
        found["high"] = _finite(found["difference"] + reach)
    if found["low"] is None or found["high"] is None:
        found["low"] = found["high"] = None
        reasons["low"] = reason or _TOO_LARGE
    return {**found, "reason": reasons or None}


def _reach(a: list[float], b: list[float]) -> tuple[float | None, str | None]:
    """How far the interval reaches to each side, or None and why it cannot be told."""
    if min(len(a), len(b)) < 2:
        return None, "one side has values on less than two days: there is no telling chance"
    try:
        samples = [
            Sample(statistics.fmean(each), statistics.stdev(each), len(each)) for each in (a, b)
        ]
        interval = welch_interval(*samples, confidence=CONFIDENCE)
    except OverflowError:
        return None, _TOO_LARGE
    return _finite((interval.high - interval.low) / 2), None


def _side(facts: FeatureFacts, what: Measured, chosen: Chosen, zone: ZoneInfo) -> _Side:
    rows = trend_of(facts, what, chosen, every="day", by=(), zone=zone)
    daily = [row["avg"] for row in rows if row["avg"] is not None]
    with facts.look(what.table, chosen) as look:
        numbers = numbers_of(look.groups(measures=[what.measure]).get((what.measure,)))
        within, source = _range(look.basis.time_range), look.basis.source
    return _Side(numbers, daily, {**within, **numbers, "days": len(daily), "source": source})


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _range(time_range: TimeRange) -> Document:
    return {"start": _iso(time_range.start_ns), "end": _iso(time_range.end_ns)}


def _iso(time_ns: int | None) -> str | None:
    return None if time_ns is None else isoformat(time_ns)
