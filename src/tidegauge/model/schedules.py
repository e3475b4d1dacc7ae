# SPDX-License-Identifier: Apache-2.0
"""When something is to be done again and again: every so often, or once a day."""

from __future__ import annotations

import re

import msgspec

from tidegauge.model.errors import ConfigError, QueryError
from tidegauge.model.times import parse_duration_s

__all__ = ["Schedule", "parse_schedule"]

_SECOND_NS = 10**9
_DAY_S = 86_400
_LEAST_S = 1.0
_DAILY = re.compile(r"\s*day\s+at\s+([01]?\d|2[0-3]):([0-5]\d)\s*")
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


class Schedule(msgspec.Struct, frozen=True):
    """Every so many seconds, or, if `at_s` is given, once a day.

    Attributes:
        every_s: Seconds between the beginnings of two runs.
        at_s: Seconds since midnight UTC; None if it is not once a day.
    """

    every_s: float
    at_s: int | None = None

    def after_ns(self, now_ns: int) -> int:
        """When the next run is due if one begins now. It is never further away than that."""
        if self.at_s is None:
            return now_ns + round(self.every_s * _SECOND_NS)
        day_ns = _DAY_S * _SECOND_NS
        today_ns = now_ns // day_ns * day_ns + self.at_s * _SECOND_NS
        return today_ns if today_ns > now_ns else today_ns + day_ns

    def __str__(self) -> str:
        """As `parse_schedule` reads it: `5m`, or `day at 02:00`."""
        if self.at_s is not None:
            return f"day at {self.at_s // 3600:02d}:{self.at_s // 60 % 60:02d}"
        for unit, length_s in _UNITS:
            if self.every_s >= length_s and self.every_s % length_s == 0:
                return f"{self.every_s // length_s:.0f}{unit}"
        return f"{self.every_s}s"


def parse_schedule(given: str | float) -> Schedule:
    """Read a schedule: seconds, a duration such as `30s`, `5m`, `2h`, or `day at 02:00`, UTC.

    Raises:
        ConfigError: It cannot be read, or is less than a second.
    """
    if isinstance(given, str) and (match := _DAILY.fullmatch(given)):
        return Schedule(_DAY_S, int(match[1]) * 3600 + int(match[2]) * 60)
    try:
        every_s = parse_duration_s(given)
    except (QueryError, TypeError, ValueError, OverflowError) as error:
        raise _unusable(given) from error
    if every_s < _LEAST_S:
        raise _unusable(given)
    return Schedule(every_s)


def _unusable(given: object) -> ConfigError:
    return ConfigError(
        "the interval of a job cannot be used",
        got=given,
        allowed="a second or more, as a number of seconds or a text such as '30s', '5m', '2h'; "
        "or a time of the day in UTC, such as 'day at 02:00'",
    )
