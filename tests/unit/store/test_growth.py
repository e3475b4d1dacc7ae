# SPDX-License-Identifier: Apache-2.0
"""How tables grow, and what retention will do, told from their files; it is noon of 2026-01-01."""

from __future__ import annotations

import datetime as dt

import numpy as np

from tidegauge.model.times import parse_time_ns
from tidegauge.store.files import NO_FILES, FileList
from tidegauge.store.growth import Growth, Outlook, growth, outlook
from tidegauge.store.retention import Retention

NOON_NS = parse_time_ns("2026-01-01T12:00:00Z")
TODAY = NOON_NS // (86_400 * 10**9)


def files(*ages_rows: tuple[int, int]) -> FileList:
    """Files of so many days ago with so many rows of ten bytes."""
    dates = np.array([TODAY - age for age, _ in ages_rows], np.int32)
    rows = np.array([rows for _, rows in ages_rows], np.int64)
    times_us = dates.astype(np.int64) * 86_400 * 10**6
    return FileList(
        [str(index) for index in range(len(rows))], dates, times_us, times_us, rows, rows * 10
    )


def test_growth_is_the_mean_over_full_days() -> None:
    """Today is not over; a day without rows is a day; files of one day add up."""
    seen = files((0, 1000), (1, 30), (1, 5), (3, 35), (7, 70), (8, 500))
    assert growth(seen, NOON_NS, 7) == Growth(7, 20.0, 200.0)


def test_growth_is_not_told_from_too_few_days() -> None:
    """The first day may have been a part only of a longer story: it says what is missing."""
    assert growth(files((0, 9), (6, 1)), NOON_NS, 7) == Growth(
        7, None, None, "needs 7 full days, and there are 6"
    )
    assert growth(files((0, 9)), NOON_NS, 30).reason == "needs 30 full days, and there are 0"
    assert growth(NO_FILES, NOON_NS, 7).reason == "needs 7 full days, and there are 0"


def test_a_table_that_gets_nothing_does_not_grow() -> None:
    """That is known, and is zero."""
    assert growth(files((40, 100)), NOON_NS, 7) == Growth(7, 0.0, 0.0)


def test_what_goes_next_by_age() -> None:
    """Whole days, with the day that they are all older than."""
    seen = outlook(files((0, 1), (3, 10), (4, 20), (5, 40)), Retention(days=3), NOON_NS)
    assert (seen.next_rows, seen.next_bytes) == (60, 600)
    assert seen.next_before_day == (dt.date(2026, 1, 1) - dt.timedelta(days=3)).isoformat()
    assert seen.budget_reason == "the table has no budget"


def test_what_goes_next_for_lack_of_room() -> None:
    """On top of what is too old."""
    kept = Retention(days=5, budget_bytes=100)
    seen = outlook(files((0, 1), (1, 4), (3, 10), (9, 20)), kept, NOON_NS)
    assert (seen.next_rows, seen.next_bytes, seen.next_before_day) == (30, 300, "2025-12-30")
    assert seen.budget_in_days == 0


def test_nothing_goes_that_need_not() -> None:
    """Without retention nothing is known to go; an empty table is no trouble."""
    nothing = Outlook(None, None, 0, 0, None, None, "the table has no budget")
    assert outlook(files((0, 1), (900, 1)), Retention(), NOON_NS) == nothing
    assert outlook(NO_FILES, Retention(), NOON_NS) == nothing
    assert outlook(NO_FILES, Retention(days=1, budget_bytes=5), NOON_NS).next_rows == 0


def test_when_the_budget_will_be_reached() -> None:
    """At the growth of the last seven days."""
    seen = files(*((age, 10) for age in range(1, 8)))
    assert outlook(seen, Retention(budget_bytes=1000), NOON_NS).budget_in_days == 3.0


def test_when_that_cannot_be_told() -> None:
    """It says why, and gives no number."""
    week = files(*((age, 10) for age in range(1, 8)))
    for seen, kept, reason in (
        (files((2, 1)), Retention(budget_bytes=1000), "needs 7 full days, and there are 2"),
        (files((40, 1)), Retention(budget_bytes=1000), "the table does not grow"),
        (
            week,
            Retention(days=8, budget_bytes=1000),
            "at this growth, rows go by age before the budget is reached",
        ),
    ):
        told = outlook(seen, kept, NOON_NS)
        assert (told.budget_in_days, told.budget_reason) == (None, reason)
    assert outlook(week, Retention(days=9, budget_bytes=1000), NOON_NS).budget_in_days == 3.0
