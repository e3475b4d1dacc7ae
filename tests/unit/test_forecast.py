# SPDX-License-Identifier: Apache-2.0
"""What a period will come to: worked out by hand, and held against made-up months."""

from __future__ import annotations

import math
import random

import pytest

from tidegauge.statistics.forecast import Ahead, Forecast, forecast_total

WEEK = (20, 20, 20, 20, 10, -40, -50)


def whole_days(first_weekday: int, count: int) -> list[Ahead]:
    """So many days that are all to come."""
    return [Ahead((first_weekday + at) % 7, 1.0) for at in range(count)]


def forecast(so_far: float, history: list[float], ahead: list[Ahead]) -> Forecast:
    """The forecast with 95 %, of days that begin on a Monday."""
    found = forecast_total(so_far, history, 0, ahead, confidence=0.95)
    assert found is not None
    return found


def test_two_days_after_three() -> None:
    """By hand: s² = 4, variance 4 (2 + 4/3), and Student's t of 2 degrees is 4.302653."""
    found = forecast(5.0, [10.0, 12.0, 14.0], whole_days(3, 2))
    assert (found.expected, found.method, found.n_days) == (29.0, "mean", 3)
    assert found.low == pytest.approx(29 - 4.302653 * math.sqrt(40 / 3), abs=1e-5)
    assert found.high == pytest.approx(29 + 4.302653 * math.sqrt(40 / 3), abs=1e-5)


def test_the_rest_of_today_counts_as_its_share() -> None:
    """A quarter of a day more of 12 is 3; it scatters a quarter as much as a day."""
    found = forecast(5.0, [10.0, 12.0, 14.0], [Ahead(3, 0.25)])
    assert found.expected == 8.0
    assert found.high == pytest.approx(8 + 4.302653 * math.sqrt(4 * (0.25 + 0.0625 / 3)), abs=1e-5)


def test_days_that_are_alike_leave_no_doubt() -> None:
    """Without scatter the interval is a point."""
    assert forecast(3.0, [2.0] * 5, whole_days(5, 4)) == Forecast(11.0, 11.0, 11.0, "mean", 5)


def test_it_is_never_below_what_is_there() -> None:
    """What is spent stays spent, however much days differ."""
    found = forecast(100.0, [0.0, 50.0, 1.0, 30.0], [Ahead(4, 0.5)])
    assert found.low == 100.0
    assert found.expected > 100.0


def test_nothing_is_to_come() -> None:
    """At the end of a period the total is known."""
    assert forecast(7.5, [1.0, 2.0, 4.0], []) == Forecast(7.5, 7.5, 7.5, "mean", 3)


@pytest.mark.parametrize("history", [[], [1.0], [1.0, 2.0]])
def test_too_few_days(history: list[float]) -> None:
    """Below three complete days nothing is told."""
    assert forecast_total(0.0, history, 0, whole_days(0, 3), confidence=0.95) is None


def test_days_of_the_week_from_three_weeks_on() -> None:
    """A weekend ahead costs what weekends cost, to the day."""
    three_weeks = [100.0 + WEEK[at % 7] for at in range(21)]
    assert forecast(0.0, three_weeks[:20], [Ahead(6, 1.0)]).method == "mean"
    found = forecast(0.0, three_weeks, [Ahead(5, 1.0), Ahead(6, 1.0), Ahead(0, 0.5)])
    assert found == Forecast(170.0, 170.0, 170.0, "weekday", 21)


def test_the_first_day_need_not_be_a_monday() -> None:
    """The day of the week of the first day says those of the others."""
    from_wednesday = [100.0 + WEEK[(2 + at) % 7] for at in range(21)]
    found = forecast_total(0.0, from_wednesday, 2, [Ahead(6, 1.0)], confidence=0.95)
    assert found is not None
    assert found.expected == 50.0


def test_days_that_follow_each_other_widen_the_interval() -> None:
    """The same values in an order in which neighbours resemble each other tell less."""
    mixed = [8.0, 12.0, 9.0, 11.0, 8.5, 11.5, 9.5, 10.5]
    spans = [
        found.high - found.low
        for found in (forecast(0.0, each, whole_days(0, 7)) for each in (mixed, sorted(mixed)))
    ]
    assert spans[1] > 2 * spans[0]


@pytest.mark.parametrize("n_ahead", [1, 7, 20])
@pytest.mark.parametrize(
    ("n_behind", "memory", "is_weekly"),
    [
        *((days, memory, False) for days in (14, 28) for memory in (0.0, 0.3)),
        *((days, memory, True) for days in (28, 56) for memory in (0.0, 0.3)),
        (5, 0.0, False),
        (21, 0.0, True),
    ],
)
def test_intervals_of_95_percent_cover_about_95_percent(
    n_behind: int, memory: float, is_weekly: bool, n_ahead: int
) -> None:
    """Of 400 made-up months, independent, weekly or mildly like the day before."""
    chance = random.Random(f"{n_behind} {memory} {is_weekly} {n_ahead}")
    covered = 0
    for _ in range(400):
        scatter = chance.gauss(0, 1)
        days = []
        for at in range(n_behind + n_ahead):
            scatter = memory * scatter + math.sqrt(1 - memory**2) * chance.gauss(0, 1)
            days.append(max(0.0, 100.0 + (WEEK[at % 7] if is_weekly else 0) + 12 * scatter))
        found = forecast(0.0, days[:n_behind], whole_days(n_behind, n_ahead))
        covered += found.low <= sum(days[n_behind:]) <= found.high
    assert 0.90 <= covered / 400 <= 0.99
