# SPDX-License-Identifier: Apache-2.0
"""How two times or two features differ, with what chance alone could have done it."""

from __future__ import annotations

import math
import statistics
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tidegauge.model.times import TimeRange
from tidegauge.query.feature_facts import Chosen, FeatureFacts, Look
from tidegauge.query.numbers import CONFIDENCE, Numbers, numbers_of
from tidegauge.query.trends import Measured, check_unit, range_of, steps_of
from tidegauge.statistics.welch import Sample, welch_interval
from tidegauge.store.measured import rolled_of
from tidegauge.store.rolling import DAY_S

__all__ = ["difference_of"]

#: A dictionary ready to be written as JSON.
Document = dict[str, Any]

_DAY_NS = DAY_S * 10**9
_TOO_LARGE = "it is beyond the largest float"


class _Side(NamedTuple):
    """One side of a comparison.

    Attributes:
        numbers: Of all its values.
        per_day: How many values there are in 24 hours.
        level: What is compared: the mean of the values, or how many there are in 24 hours; None if
            there are no values.
        daily: The same of each day.
        about: The range that it is about, and what it was read from.
    """

    numbers: Numbers
    per_day: float
    level: float | None
    daily: list[float]
    about: Document


def difference_of(
    facts: FeatureFacts, what: Measured, sides: tuple[Chosen, Chosen], zone: ZoneInfo
) -> Document:
    """How the second side differs from the first, with what chance alone could have done.

    Means are compared; of measures that count rows, the numbers per 24 hours. The interval is
    Welch's, 95 %, of the days: the values of one day resemble each other, so that there are as many
    independent ones as days, and not as facts.

    Args:
        facts: Looks at the tables.
        what: What is compared.
        sides: What is compared with, and what is compared; the ranges have both ends.
        zone: Whose days.

    Returns:
        `a` and `b`, their `difference` (b less a), `relative` to the magnitude of a, `low` and
        `high`; `reason` says by key why one of these is None, that of `low` for both ends.

    Raises:
        QueryError: The facts are in several units.
    """
    check_unit(facts, what, *sides)
    side_of = _counted if _counts_rows(what) else _measured
    a, b = (side_of(facts, what, chosen, zone) for chosen in sides)
    found: Document = {
        name: {
            **side.about,
            **side.numbers,
            "per_day": side.per_day,
            "days": len(side.daily),
        }
        for name, side in (("a", a), ("b", b))
    }
    found |= dict.fromkeys(("difference", "relative", "low", "high", "reason"))
    if a.level is None or b.level is None:
        side = a if a.level is None else b
        nothing = "one side has no values" if not side.numbers["count"] else side.numbers["reason"]
        return {**found, "reason": dict.fromkeys(("difference", "relative", "low"), nothing)}
    reasons = {}
    found["difference"] = _finite(b.level - a.level)
    if found["difference"] is None:
        reasons["difference"] = _TOO_LARGE
    elif a.level:
        found["relative"] = _finite((b.level - a.level) / abs(a.level))
    if found["relative"] is None:
        reasons["relative"] = _TOO_LARGE if a.level else "the first side is 0"
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


def _counts_rows(what: Measured) -> bool:
    measures = rolled_of(what.table).measures
    return any(each.name == what.measure and each.column is None for each in measures)


def _measured(facts: FeatureFacts, what: Measured, chosen: Chosen, zone: ZoneInfo) -> _Side:
    rows = steps_of(facts, what, chosen, "day", (), zone)
    with facts.look(what.table, chosen) as look:
        whole = look.groups(measures=[what.measure]).get((what.measure,))
        about = _about(look)
    numbers = numbers_of(whole)
    daily = [row["avg"] for row in rows if row["avg"] is not None]
    per_day = numbers["count"] / _span_days(chosen.time_range)
    return _Side(numbers, per_day, numbers["avg"], daily, about)


def _counted(facts: FeatureFacts, what: Measured, chosen: Chosen, zone: ZoneInfo) -> _Side:
    # Days of the clock on the wall are cut by a range that begins now; these are whole ones.
    del zone
    start_us = (chosen.time_range.start_ns or 0) // 1000
    day = f"(epoch_us(time) - {start_us}) // {_DAY_NS // 1000}"
    with facts.look(what.table, chosen) as look:
        whole = look.groups(measures=[what.measure]).get((what.measure,))
        groups = look.groups(day, measures=[what.measure], quantiles=False)
        about = _about(look)
    counts = {number: summary.count for (number, _), summary in groups.items()}
    span_days = _span_days(chosen.time_range)
    numbers = numbers_of(whole)
    per_day = numbers["count"] / span_days
    daily = [float(counts.get(number, 0)) for number in range(round(span_days))]
    # No rows at all is as many as none: it is not that nobody has counted.
    return _Side(numbers, per_day, per_day, daily, about)


def _span_days(time_range: TimeRange) -> float:
    assert time_range.start_ns is not None
    assert time_range.end_ns is not None
    # The end is the microsecond after now; a day is a day all the same.
    return round((time_range.end_ns - time_range.start_ns) / _DAY_NS, 6)


def _about(look: Look) -> Document:
    return {**range_of(look.basis.time_range), "source": look.basis.source}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
