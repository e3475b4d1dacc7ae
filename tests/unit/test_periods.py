# SPDX-License-Identifier: Apache-2.0
"""Periods of a time zone: what they are called, when they begin, and what is left of them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tidegauge.model.periods import days_ahead, span_of
from tidegauge.model.times import isoformat, parse_time_ns

UTC = ZoneInfo("UTC")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("period", "time", "label", "start", "end"),
    [
        ("day", "2026-01-15T12:00Z", "2026-01-15", "2026-01-15", "2026-01-16"),
        ("week", "2026-01-15T12:00Z", "2026-W03", "2026-01-12", "2026-01-19"),
        ("week", "2027-01-03T23:59Z", "2026-W53", "2026-12-28", "2027-01-04"),
        ("month", "2026-01-31T23:59Z", "2026-01", "2026-01-01", "2026-02-01"),
        ("month", "2026-12-31T00:00Z", "2026-12", "2026-12-01", "2027-01-01"),
        ("quarter", "2026-03-31T12:00Z", "2026-Q1", "2026-01-01", "2026-04-01"),
        ("quarter", "2026-10-01T00:00Z", "2026-Q4", "2026-10-01", "2027-01-01"),
        ("year", "2026-06-01T00:00Z", "2026", "2026-01-01", "2027-01-01"),
    ],
)
def test_periods(period: Any, time: str, label: str, start: str, end: str) -> None:
    """Half-open, and called as ISO 8601 does."""
    span = span_of(period, UTC, parse_time_ns(time))
    assert (span.label, isoformat(span.start_ns)[:10], isoformat(span.end_ns)[:10]) == (
        label,
        start,
        end,
    )


def test_a_period_is_of_its_time_zone() -> None:
    """At half past eleven in the evening, UTC, it is the next month in Amsterdam."""
    span = span_of("month", AMSTERDAM, parse_time_ns("2026-01-31T23:30Z"))
    assert (span.label, isoformat(span.start_ns)) == ("2026-02", "2026-01-31T23:00:00+00:00")


def test_what_is_left_of_a_week() -> None:
    """The rest of today as a share of it, and whole days until Sunday."""
    time_ns = parse_time_ns("2026-01-16T18:00Z")
    assert list(days_ahead(span_of("week", UTC, time_ns), UTC, time_ns)) == [
        (dt.date(2026, 1, 16), 0.25),
        (dt.date(2026, 1, 17), 1.0),
        (dt.date(2026, 1, 18), 1.0),
    ]


def test_a_day_of_23_hours() -> None:
    """At noon of the day on which clocks go forward, 12 of 23 hours are left."""
    time_ns = parse_time_ns("2026-03-29T10:00Z")
    [(_, share)] = days_ahead(span_of("day", AMSTERDAM, time_ns), AMSTERDAM, time_ns)
    assert share == 12 / 23
