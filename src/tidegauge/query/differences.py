# SPDX-License-Identifier: Apache-2.0
"""How two times or two features differ, with what chance alone could have done it."""

from __future__ import annotations

import math
import statistics
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tidegauge.model.times import TimeRange, isoformat
from tidegauge.query.feature_facts import Chosen, FeatureFacts
from tidegauge.query.numbers import CONFIDENCE, Numbers, numbers_of
from tidegauge.query.trends import Measured, check_unit, steps_of
from tidegauge.statistics.welch import Sample, welch_interval
from tidegauge.store.measured import rolled_of
from tidegauge.store.rolling import DAY_S

__all__ = ["difference_of"]

#: A dictionary ready to be written as JSON.
Document = dict[str, Any]

_DAY_NS = DAY_S * 10**9


class _Side(NamedTuple):
    """One side of a comparison.

    Attributes:
        numbers: Of all its values.
        per_day: How many values there are in 24 hours.
        level: What is compared: the mean of the values, or how many there are in 24 hours; None if
            there are no values.
        daily: The same of each day.
    """

    numbers: Numbers
    per_day: float
    level: float | None
    daily: list[float]


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

    Raises:
        QueryError: The facts are in several units.
    """
    check_unit(facts, what, *sides)
    side_of = _counted if _counts_rows(what) else _measured
    a, b = (side_of(facts, what, chosen, zone) for chosen in sides)
    found: Document = {
        name: {
            **_range(chosen.time_range),
            **side.numbers,
            "per_day": side.per_day,
            "days": len(side.daily),
        }
        for name, chosen, side in zip("ab", sides, (a, b), strict=True)
    }
    found |= dict.fromkeys(("difference", "relative", "low", "high", "reason"))
    if a.level is None or b.level is None:
        found["reason"] = "one side has no values"
        return found
    found["difference"] = b.level - a.level
    found["relative"] = (b.level - a.level) / abs(a.level) if a.level else None
    if min(len(a.daily), len(b.daily)) < 2:
        found["reason"] = "one side has values on less than two days: there is no telling chance"
        return found
    samples = (
        Sample(statistics.fmean(each.daily), statistics.stdev(each.daily), len(each.daily))
        for each in (a, b)
    )
    interval = welch_interval(*samples, confidence=CONFIDENCE)
    # Around the difference of all values, from which that of the means of days may differ a little.
    reach = (interval.high - interval.low) / 2
    if math.isfinite(reach):
        found["low"], found["high"] = found["difference"] - reach, found["difference"] + reach
    return found


def _counts_rows(what: Measured) -> bool:
    measures = rolled_of(what.table).measures
    return any(each.name == what.measure and each.column is None for each in measures)


def _measured(facts: FeatureFacts, what: Measured, chosen: Chosen, zone: ZoneInfo) -> _Side:
    rows = steps_of(facts, what, chosen, "day", (), zone)
    with facts.look(what.table, chosen) as look:
        whole = look.groups(measures=[what.measure]).get((what.measure,))
    numbers = numbers_of(whole)
    daily = [row["avg"] for row in rows if row["avg"] is not None]
    return _Side(numbers, numbers["count"] / _span_days(chosen.time_range), numbers["avg"], daily)


def _counted(facts: FeatureFacts, what: Measured, chosen: Chosen, zone: ZoneInfo) -> _Side:
    # Days of the clock on the wall are cut by a range that begins now; these are whole ones.
    del zone
    start_us = (chosen.time_range.start_ns or 0) // 1000
    day = f"(epoch_us(time) - {start_us}) // {_DAY_NS // 1000}"
    with facts.look(what.table, chosen) as look:
        whole = look.groups(measures=[what.measure]).get((what.measure,))
        groups = look.groups(day, measures=[what.measure], quantiles=False)
    counts = {number: summary.count for (number, _), summary in groups.items()}
    span_days = _span_days(chosen.time_range)
    numbers = numbers_of(whole)
    per_day = numbers["count"] / span_days
    daily = [float(counts.get(number, 0)) for number in range(round(span_days))]
    # No rows at all is as many as none: it is not that nobody has counted.
    return _Side(numbers, per_day, per_day, daily)


def _span_days(time_range: TimeRange) -> float:
    assert time_range.start_ns is not None
    assert time_range.end_ns is not None
    # The end is the microsecond after now; a day is a day all the same.
    return round((time_range.end_ns - time_range.start_ns) / _DAY_NS, 6)


def _range(time_range: TimeRange) -> Document:
    return {
        name: None if time_ns is None else isoformat(time_ns)
        for name, time_ns in (("start", time_range.start_ns), ("end", time_range.end_ns))
    }
