# SPDX-License-Identifier: Apache-2.0
"""Points in time as people write them."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import numpy as np
import pytest

from tidegauge.model.errors import MetricValidationError
from tidegauge.model.times import parse_time_ns

HALF_PAST_TEN_NS = 1_705_314_600 * 10**9
ALLOWED = "a datetime, a date, an ISO 8601 text, or seconds since 1970"


@pytest.mark.parametrize(
    "time",
    [
        dt.datetime(2024, 1, 15, 10, 30),  # noqa: DTZ001
        dt.datetime(2024, 1, 15, 11, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        "2024-01-15T10:30:00Z",
        "2024-01-15 10:30",
        1_705_314_600,
        1_705_314_600.0,
        Fraction(1_705_314_600),
        np.int64(1_705_314_600),
        np.uint32(1_705_314_600),
        np.float64(1_705_314_600),
        np.datetime64("2024-01-15T10:30", "m"),
        np.datetime64("2024-01-15T10:30", "ns"),
    ],
    ids=repr,
)
def test_points_in_time(time: object) -> None:
    """Datetimes, texts and seconds say the same; NumPy's scalars are read like Python's."""
    nanoseconds = parse_time_ns(time)  # type: ignore[arg-type]
    assert type(nanoseconds) is int
    assert nanoseconds == HALF_PAST_TEN_NS


def test_a_date_is_its_midnight() -> None:
    """In UTC; of NumPy's dates too."""
    midnight_ns = 1_705_276_800 * 10**9
    assert parse_time_ns(dt.date(2024, 1, 15)) == midnight_ns
    assert parse_time_ns(np.datetime64("2024-01-15")) == midnight_ns  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time", "fix"),
    [
        (1_705_314_600_000, "These look like milliseconds: divide by 1e3."),
        (1_705_314_600_000.0, "These look like milliseconds: divide by 1e3."),
        (np.int64(1_705_314_600_000), "These look like milliseconds: divide by 1e3."),
        (1_705_314_600_000_000, "These look like microseconds: divide by 1e6."),
        (1_705_314_600_000_000_000, "These look like nanoseconds: divide by 1e9."),
        (1.7053146e18, "These look like nanoseconds: divide by 1e9."),
    ],
    ids=repr,
)
def test_numbers_in_other_units_are_told_how_to_become_seconds(time: float, fix: str) -> None:
    """Most numbers that are no seconds since 1970 are a smaller unit, and the error says so."""
    with pytest.raises(MetricValidationError) as caught:
        parse_time_ns(time)
    assert caught.value.reason == "bad_time"
    assert str(caught.value) == (
        f"time cannot be used; got {time!r}; allowed: {ALLOWED}, between 1970 and 2262. {fix}"
    )


@pytest.mark.parametrize(
    ("time", "what", "fix"),
    [
        ("yesterday", "time cannot be read", "Write it like 2024-01-15T10:30:00Z."),
        (float("nan"), "time cannot be read", ""),
        (float("inf"), "time cannot be read", ""),
        (-1, "time cannot be used", ""),
        (10**400, "time cannot be used", ""),
        (True, "time cannot be used", ""),
        (np.True_, "time cannot be used", ""),
        (None, "time cannot be used", ""),
        ([1_705_314_600], "time cannot be used", ""),
        (np.datetime64("NaT"), "time cannot be used", ""),
        (np.datetime64("12024-01-15"), "time cannot be used", ""),
        (np.datetime64("1969-12-31"), "time cannot be used", ""),
        (np.timedelta64(5, "s"), "time cannot be used", ""),
    ],
)
def test_what_is_no_time(time: object, what: str, fix: str) -> None:
    """Other texts and types, and what lies before 1970 or after 2262, say what would do."""
    with pytest.raises(MetricValidationError) as caught:
        parse_time_ns(time)  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.what) == ("bad_time", what)
    assert caught.value.allowed.startswith(ALLOWED)
    assert caught.value.fix == (fix or "Pass a datetime, or seconds as time.time() gives them.")
