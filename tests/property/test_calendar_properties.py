# SPDX-License-Identifier: Apache-2.0
"""Laws of hours, days and weeks: SQL and Python cut time at the same places."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge.model.times import TimeRange
from tidegauge.query.calendar import Every, pieces_of, step_sql

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",  # clocks changed at midnight
        "Asia/Kolkata",  # half an hour
        "Asia/Kathmandu",  # a quarter
        "Australia/Lord_Howe",  # half an hour of summer time
        "Pacific/Apia",  # a day left out
        "Africa/Casablanca",  # two changes a month apart
    ]
).map(ZoneInfo)
FIRST_S, LAST_S = 0, 2_000_000_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def number_of(every: Every, zone: ZoneInfo, time_us: int) -> int:
    """The number of a piece by the calendar of Python."""
    if every == "hour":
        return time_us // 3_600_000_000
    local = (EPOCH + dt.timedelta(microseconds=time_us)).astimezone(zone).date()
    day = (local - dt.date(1970, 1, 1)).days
    return day if every == "day" else (day + 3) // 7


@settings(max_examples=60, deadline=None)
@given(
    zone=ZONES,
    every=st.sampled_from(["hour", "day", "week"]),
    start_s=st.integers(FIRST_S, LAST_S),
    length_s=st.integers(1, 800 * 86_400),
    data=st.data(),
)
def test_sql_and_pieces_agree_with_the_calendar(
    zone: ZoneInfo, every: Every, start_s: int, length_s: int, data: st.DataObject
) -> None:
    """Each time of a range is in the one piece whose number SQL gives it; pieces leave no gap."""
    if every == "hour":
        length_s = min(length_s, 40 * 86_400)
    asked = TimeRange(start_s * 10**9, (start_s + length_s) * 10**9)
    times_us = data.draw(
        st.lists(st.integers(start_s * 10**6, (start_s + length_s) * 10**6 - 1), max_size=8)
    )
    times_us += [start_s * 10**6, (start_s + length_s) * 10**6 - 1]
    pieces = {piece.number: piece.time_range for piece in pieces_of(every, zone, asked)}
    ranges = list(pieces.values())
    assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(ranges))
    rows = ", ".join(f"(make_timestamptz({time_us}))" for time_us in times_us)
    step = step_sql(every, zone, asked)
    connection = duckdb.connect()
    found = connection.execute(f"SELECT {step} FROM (VALUES {rows}) AS t(time)").fetchall()
    connection.close()
    for time_us, (number,) in zip(times_us, found, strict=True):
        assert number == number_of(every, zone, time_us)
        piece = pieces[number]
        assert piece.start_ns is not None
        assert piece.end_ns is not None
        assert piece.start_ns <= time_us * 1000 < piece.end_ns


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("UTC", "2026-03-29", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone: str, day: str, hours: int) -> None:
    """23 hours when summer time begins, 25 when it ends."""
    noon = dt.datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    at_ns = round(noon.timestamp()) * 10**9
    (piece,) = pieces_of("day", ZoneInfo(zone), TimeRange(at_ns, at_ns + 1))
    assert piece.time_range.start_ns is not None
    assert piece.time_range.end_ns is not None
    assert piece.time_range.end_ns - piece.time_range.start_ns == hours * 3600 * 10**9


def test_a_day_that_never_was_has_no_piece() -> None:
    """Samoa went from 29 to 31 December 2011."""
    zone = ZoneInfo("Pacific/Apia")
    start = dt.datetime(2011, 12, 29, 12, tzinfo=zone)
    end = dt.datetime(2011, 12, 31, 12, tzinfo=zone)
    asked = TimeRange(round(start.timestamp()) * 10**9, round(end.timestamp()) * 10**9)
    first = (dt.date(2011, 12, 29) - dt.date(1970, 1, 1)).days
    assert [piece.number for piece in pieces_of("day", zone, asked)] == [first, first + 2]
