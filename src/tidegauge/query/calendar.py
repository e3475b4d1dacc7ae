# SPDX-License-Identifier: Apache-2.0
"""Hours, days and weeks of a time zone: cutting a range into them, and telling them in SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from tidegauge.model.times import TimeRange

__all__ = ["Every", "Piece", "pieces_of", "step_sql"]

#: How long a piece is.
Every = Literal["hour", "day", "week"]

_HOUR_S = 3600
_DAY_S = 86_400
_EPOCH = dt.date(1970, 1, 1)
_MIDNIGHT = dt.time()


class Piece(NamedTuple):
    """One hour, day or week.

    Attributes:
        number: What `step_sql` is for its facts.
        time_range: From its beginning to that of the next.
    """

    number: int
    time_range: TimeRange


def step_sql(every: Every, zone: ZoneInfo, time_range: TimeRange) -> str:
    """SQL for the number of the hour, day or week, counted from 1970, that a time is in."""
    if every == "hour":
        return f"epoch_us(time) // {_HOUR_S * 10**6}"
    # A day more, for 1970 began a day early in the west, and `//` rounds towards zero.
    local_us = f"epoch_us(time) + {_offset_sql(zone, time_range)} + {_DAY_S * 10**6}"
    days = f"({local_us}) // {_DAY_S * 10**6} - 1"
    # 1970-01-01 was a Thursday, and weeks begin on Mondays.
    return days if every == "day" else f"({days} + 3) // 7"


def pieces_of(every: Every, zone: ZoneInfo, time_range: TimeRange) -> Iterator[Piece]:
    """The hours, days or weeks that a range touches, in their order.

    Args:
        every: How long they are.
        zone: Whose days and weeks.
        time_range: The range; both ends are known.
    """
    assert time_range.start_ns is not None
    assert time_range.end_ns is not None
    first_s, last_s = time_range.start_ns // 10**9, (time_range.end_ns - 1) // 10**9
    if every == "hour":
        for number in range(first_s // _HOUR_S, last_s // _HOUR_S + 1):
            start_ns = number * _HOUR_S * 10**9
            yield Piece(number, TimeRange(start_ns, start_ns + _HOUR_S * 10**9))
        return
    first, last = (
        (dt.datetime.fromtimestamp(each, zone).date() - _EPOCH).days for each in (first_s, last_s)
    )
    if every == "day":
        for number in range(first, last + 1):
            start_ns, end_ns = _start_ns(number, zone), _start_ns(number + 1, zone)
            if start_ns < end_ns:  # Samoa had no 30 December 2011
                yield Piece(number, TimeRange(start_ns, end_ns))
        return
    for number in range((first + 3) // 7, (last + 3) // 7 + 1):
        monday = number * 7 - 3
        yield Piece(number, TimeRange(_start_ns(monday, zone), _start_ns(monday + 7, zone)))


def _start_ns(day: int, zone: ZoneInfo) -> int:
    start = dt.datetime.combine(_EPOCH + dt.timedelta(days=day), _MIDNIGHT, zone)
    return round(start.timestamp()) * 10**9


def _offset_sql(zone: ZoneInfo, time_range: TimeRange) -> str:
    """SQL for the microseconds by which the zone is ahead of UTC at a time."""
    start_s = (time_range.start_ns or 0) // 10**9
    end_s = start_s if time_range.end_ns is None else time_range.end_ns // 10**9
    offset_s, cases = _offset_s(zone, start_s), []
    time_s = start_s
    while time_s < end_s:
        after_s = min(time_s + 7 * _DAY_S, end_s)
        if _offset_s(zone, after_s) != offset_s:
            low_s, high_s = time_s, after_s
            while high_s - low_s > 1:
                middle_s = (low_s + high_s) // 2
                is_before = _offset_s(zone, middle_s) == offset_s
                low_s, high_s = (middle_s, high_s) if is_before else (low_s, middle_s)
            cases.append(f"WHEN epoch_us(time) < {high_s * 10**6} THEN {offset_s * 10**6}")
            offset_s, after_s = _offset_s(zone, high_s), high_s
        time_s = after_s
    last = str(offset_s * 10**6)
    return f"CASE {' '.join(cases)} ELSE {last} END" if cases else last


def _offset_s(zone: ZoneInfo, time_s: int) -> int:
    offset = dt.datetime.fromtimestamp(time_s, zone).utcoffset()
    assert offset is not None
    return offset // dt.timedelta(seconds=1)
