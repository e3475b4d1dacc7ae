# SPDX-License-Identifier: Apache-2.0
"""Points in time, durations and half-open ranges, as people write them.

Everything inside the package is nanoseconds since 1970 in UTC, or seconds for durations.
"""

from __future__ import annotations

import datetime as dt
import numbers
import re

import msgspec

from tidegauge.model.errors import MetricValidationError, QueryError

__all__ = ["TimeLike", "TimeRange", "isoformat", "parse_duration_s", "parse_time_ns", "time_range"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INT64_MAX = 2**63 - 1
_INF = float("inf")
# Longer than there were times.
_LONGEST_S = 1e10
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
# From 1980 to 2262: seconds since 1970 that a number of smaller units probably stands for.
_RECENT_S = (315_532_800, 9_223_372_036)

#: What `parse_time_ns` accepts.
TimeLike = dt.datetime | dt.date | str | int | float


class TimeRange(msgspec.Struct, frozen=True):
    """A half-open range `[start_ns, end_ns)` in nanoseconds since 1970, UTC. None is unbounded."""

    start_ns: int | None = None
    end_ns: int | None = None


def parse_time_ns(time: TimeLike) -> int:
    """Read a point in time.

    Args:
        time: An aware `datetime` (a naive one is taken as UTC), a `date` (its midnight UTC), a
            `datetime64` of NumPy (taken as UTC), an ISO 8601 text, or seconds since 1970 as a
            number of any kind. All but whole numbers are read to the microsecond.

    Returns:
        Nanoseconds since 1970-01-01 UTC, 0 or more.

    Raises:
        MetricValidationError: The input cannot be read, or lies before 1970 or after 2262.
    """
    allowed = "a datetime, a date, an ISO 8601 text, or seconds since 1970"
    try:
        nanoseconds = _read_ns(time)
    except (ValueError, OverflowError) as error:
        raise MetricValidationError(
            "time cannot be read", reason="bad_time", got=time, allowed=allowed, fix=_fix(time)
        ) from error
    if nanoseconds is None or not 0 <= nanoseconds <= _INT64_MAX:
        raise MetricValidationError(
            "time cannot be used",
            reason="bad_time",
            got=time,
            allowed=f"{allowed}, between 1970 and 2262",
            fix=_fix(time),
        )
    return nanoseconds


def _read_ns(time: object) -> int | None:
    if isinstance(time, str):
        time = dt.datetime.fromisoformat(time.strip())
    elif getattr(getattr(time, "dtype", None), "kind", "") == "M":
        # Known by what it can do, for NumPy is not imported here. Beyond the year 9999 this is a
        # plain number, and for NaT it is None.
        moment = time.astype("datetime64[us]").item()  # type: ignore[attr-defined]
        time = moment if isinstance(moment, dt.datetime) else None
    if isinstance(time, dt.datetime):
        aware = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
        return (aware - _EPOCH) // dt.timedelta(microseconds=1) * 1000
    if isinstance(time, dt.date):
        return (time - _EPOCH.date()).days * 86_400 * 10**9
    if isinstance(time, bool) or not isinstance(time, numbers.Real):
        return None
    if isinstance(time, numbers.Integral):
        # NumPy's durations call themselves integers, but are not to be had as one.
        return int(time) * 10**9 if hasattr(time, "__index__") else None
    return round(float(time) * 1e6) * 1000


def _fix(time: object) -> str:
    if isinstance(time, str):
        return "Write it like 2024-01-15T10:30:00Z."
    if isinstance(time, numbers.Real):
        for unit, exponent in (("milliseconds", 3), ("microseconds", 6), ("nanoseconds", 9)):
            if _RECENT_S[0] * 10**exponent <= time < _RECENT_S[1] * 10**exponent:
                return f"These look like {unit}: divide by 1e{exponent}."
    return "Pass a datetime, or seconds as time.time() gives them."


def parse_duration_s(duration: str | float) -> float:
    """Read a duration: seconds as a number, or a text such as `250ms`, `10s`, `5m`, `2h`, `7d`.

    Raises:
        QueryError: It cannot be read or is not positive.
    """
    seconds: float | None = None
    if isinstance(duration, str):
        if match := _DURATION.fullmatch(duration):
            seconds = float(match[1]) * _UNIT_S[match[2]]
    elif not isinstance(duration, bool):
        seconds = float(duration)
    if seconds is None or not 0 < seconds < float("inf"):
        raise QueryError(
            "duration cannot be used",
            got=duration,
            allowed="a positive number of seconds, or a text such as '250ms', '10s', '5m', '7d'",
        )
    return seconds


def time_range(
    *,
    now_ns: int,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> TimeRange:
    """Build the range a question is about: the last hours or days, or from start to end.

    The last hours or days go up to now, or to `end`; what happens at the very microsecond of now is
    in them.

    Raises:
        QueryError: Both forms are given, hours or days is no positive number, or start is not
            before end.
    """
    if hours is not None or days is not None:
        if start is not None or (hours is not None and days is not None):
            raise QueryError(
                "time range is given twice",
                allowed="one of hours, days, or start and end",
                fix="Leave out all but one.",
            )
        span_ns = _span_ns("days", days, 86400) if hours is None else _span_ns("hours", hours, 3600)
        if end is None:
            return TimeRange(max(0, now_ns - span_ns), (now_ns // 1000 + 1) * 1000)
        end_ns = parse_time_ns(end)
        return TimeRange(max(0, end_ns - span_ns), end_ns)
    built = TimeRange(
        None if start is None else parse_time_ns(start), None if end is None else parse_time_ns(end)
    )
    if built.start_ns is not None and built.end_ns is not None and built.start_ns >= built.end_ns:
        raise QueryError(
            "time range is empty", got=(str(start), str(end)), allowed="start before end"
        )
    return built


def _span_ns(name: str, number: object, unit_s: float) -> int:
    if not isinstance(number, bool) and isinstance(number, numbers.Real):
        try:
            given = float(number)
        except OverflowError:  # such as 10**400
            given = _INF
        if 0 < given < _INF:
            return round(min(given * unit_s, _LONGEST_S) * 1e9)
    raise QueryError(f"{name} cannot be used", got=number, allowed="a number greater than 0")


def isoformat(time_ns: int) -> str:
    """Format nanoseconds since 1970 as ISO 8601 in UTC with microseconds."""
    return (_EPOCH + dt.timedelta(microseconds=time_ns // 1000)).isoformat()
