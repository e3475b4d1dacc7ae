# SPDX-License-Identifier: Apache-2.0
"""Reading schedules, and when they are due."""

from __future__ import annotations

import pytest

from tidegauge.model.errors import ConfigError
from tidegauge.model.schedules import Schedule, parse_schedule
from tidegauge.model.times import isoformat, parse_time_ns


@pytest.mark.parametrize(
    ("given", "every_s", "text"),
    [
        (1, 1.0, "1s"),
        (0.25 + 1, 1.25, "1.25s"),
        ("90s", 90.0, "90s"),
        ("300s", 300.0, "5m"),
        ("2h", 7200.0, "2h"),
        ("1w", 604_800.0, "7d"),
    ],
)
def test_an_interval(given: str | float, every_s: float, text: str) -> None:
    """In seconds or as a text; it is shown in the largest unit that fits, and reads the same."""
    read = parse_schedule(given)
    assert read == Schedule(every_s)
    assert str(read) == text
    assert parse_schedule(text) == read


def test_a_time_of_the_day() -> None:
    """In UTC."""
    read = parse_schedule(" day at 2:05 ")
    assert read == Schedule(86_400, 7500)
    assert str(read) == "day at 02:05"
    assert parse_schedule(str(read)) == read


@pytest.mark.parametrize(
    ("now", "due"),
    [("02:04:59", "2026-01-01T02:05"), ("02:05:00", "2026-01-02T02:05")],
)
def test_when_a_time_of_the_day_is_next(now: str, due: str) -> None:
    """Today if it is still to come."""
    after_ns = parse_schedule("day at 02:05").after_ns(parse_time_ns(f"2026-01-01T{now}Z"))
    assert isoformat(after_ns) == f"{due}:00+00:00"


@pytest.mark.parametrize(
    "given", ["", "often", "0.5s", 0, -1, True, "day at 24:00", "day at 2", float("nan"), None]
)
def test_what_is_no_schedule(given: object) -> None:
    """Less than a second neither: nobody looks more often."""
    with pytest.raises(ConfigError) as caught:
        parse_schedule(given)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"the interval of a job cannot be used; got {given!r}; allowed: a second or more, as a "
        "number of seconds or a text such as '30s', '5m', '2h'; or a time of the day in UTC, such "
        "as 'day at 02:00'."
        if given is not None
        else "the interval of a job cannot be used; allowed: a second or more, as a number of "
        "seconds or a text such as '30s', '5m', '2h'; or a time of the day in UTC, such as "
        "'day at 02:00'."
    )
