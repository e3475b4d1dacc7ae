# SPDX-License-Identifier: Apache-2.0
"""Days, weeks, months, quarters and years of a time zone: when the present one began and ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

__all__ = ["PERIODS", "Period", "Span", "day_start_ns", "days_ahead", "local_day", "span_of"]

#: How long a period is.
Period = Literal["day", "week", "month", "quarter", "year"]

PERIODS: tuple[str, ...] = get_args(Period)


class Span(NamedTuple):
    """One period: the days `[first, after)` of its time zone.

    Attributes:
        label: What it is called: 2026-01-31, 2026-W05, 2026-01, 2026-Q1 or 2026.
        first: Its first day.
        after: The first day of the next one.
        start_ns: When it begins, nanoseconds since 1970.
        end_ns: When the next one does.
    """

    label: str
    first: dt.date
    after: dt.date
    start_ns: int
    end_ns: int


def span_of(period: Period, zone: ZoneInfo, time_ns: int) -> Span:
    """The period that a time is in. Weeks begin on Mondays, and are numbered as ISO 8601 does."""
    label, first, after = _days_of(period, local_day(zone, time_ns))
    return Span(label, first, after, day_start_ns(first, zone), day_start_ns(after, zone))


def local_day(zone: ZoneInfo, time_ns: int) -> dt.date:
    """The day of a time zone that a time is in."""
    return dt.datetime.fromtimestamp(time_ns // 10**9, zone).date()


def day_start_ns(day: dt.date, zone: ZoneInfo) -> int:
    """When a day begins, nanoseconds since 1970."""
    return round(dt.datetime.combine(day, dt.time(), zone).timestamp()) * 10**9


def days_ahead(span: Span, zone: ZoneInfo, time_ns: int) -> Iterator[tuple[dt.date, float]]:
    """What is left of a period: the day that a time is in and those after it.

    Yields:
        The day, and how much of it is to come, 0 to 1.
    """
    day = local_day(zone, time_ns)
    while day < span.after:
        start_ns, end_ns = day_start_ns(day, zone), day_start_ns(day + _DAY, zone)
        if start_ns < end_ns:  # Samoa had no 30 December 2011
            yield day, min(1.0, (end_ns - time_ns) / (end_ns - start_ns))
        day += _DAY


_DAY = dt.timedelta(days=1)


def _days_of(period: Period, day: dt.date) -> tuple[str, dt.date, dt.date]:
    """The label, the first day, and the first day of the next."""
    if period == "day":
        return day.isoformat(), day, day + _DAY
    if period == "week":
        year, week, weekday = day.isocalendar()
        monday = day - (weekday - 1) * _DAY
        return f"{year}-W{week:02}", monday, monday + 7 * _DAY
    if period == "month":
        return f"{day:%Y-%m}", day.replace(day=1), _month_after(day, 1)
    if period == "quarter":
        first = dt.date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        return f"{day.year}-Q{first.month // 3 + 1}", first, _month_after(first, 3)
    return str(day.year), dt.date(day.year, 1, 1), dt.date(day.year + 1, 1, 1)


def _month_after(day: dt.date, count: int) -> dt.date:
    months = day.year * 12 + day.month - 1 + count
    return dt.date(months // 12, months % 12 + 1, 1)
