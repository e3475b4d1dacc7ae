# SPDX-License-Identifier: Apache-2.0
"""Reading what several commands take: pairs, times, ranges; and completing metric names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.model.errors import QueryError

if TYPE_CHECKING:
    from tidegauge.model.times import TimeRange

__all__ = [
    "DaysOption",
    "EndOption",
    "HoursOption",
    "StartOption",
    "check_seconds",
    "chosen_range",
    "complete_measure",
    "complete_metric",
    "parse_pairs",
    "read_time",
]

_TIME_PANEL = "Time range"
_LEAST_S = 1e8  # in 1973
_DATE = re.compile(r"\d{8}")

HoursOption = Annotated[
    float | None, typer.Option(help="The last so many hours.", rich_help_panel=_TIME_PANEL)
]
DaysOption = Annotated[
    float | None, typer.Option(help="The last so many days.", rich_help_panel=_TIME_PANEL)
]
StartOption = Annotated[
    str | None,
    typer.Option(
        help="From this time on, inclusive: ISO 8601 (UTC if it says nothing else) or seconds "
        "since 1970, of nine digits or more.",
        rich_help_panel=_TIME_PANEL,
    ),
]
EndOption = Annotated[
    str | None,
    typer.Option(help="Until this time, exclusive.", rich_help_panel=_TIME_PANEL),
]


def parse_pairs(texts: Iterable[str], *, option: str) -> dict[str, str]:
    """Read `key=value` texts.

    Args:
        texts: What was given.
        option: The option they were given to, for the error.

    Raises:
        BadParameter: One has no `=`, no key, or a key that came before.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint=option)
        if key in pairs:
            raise typer.BadParameter(f"{key!r} is given twice", param_hint=option)
        pairs[key.strip()] = value
    return pairs


def read_time(text: str | None) -> str | float | None:
    """A time as `tidegauge.model.times` takes it: a number of seconds, or text.

    Raises:
        QueryError: It is a number of fewer than nine digits, such as `2025`, and not a date, such
            as `20250101`: nobody means half an hour after 1970.
    """
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return text
    if seconds < _LEAST_S and not _DATE.fullmatch(text):
        raise QueryError(
            "a number so small is no time",
            got=text,
            allowed="ISO 8601, or seconds since 1970 of nine digits or more",
            fix="Write it like 2024-01-15T10:30:00Z.",
        )
    return text if seconds < _LEAST_S else seconds


def check_seconds(seconds: float, *, option: str) -> None:
    """Refuse a number that is no time to wait for.

    Raises:
        BadParameter: It is negative, infinite or NaN.
    """
    if not 0 <= seconds < math.inf:
        raise typer.BadParameter(f"{seconds} is not a number of seconds", param_hint=option)


def chosen_range(
    *, hours: float | None, days: float | None, start: str | None, end: str | None
) -> TimeRange:
    """The range that the options of a command say; unbounded if they say nothing.

    Raises:
        QueryError: They contradict each other.
        MetricValidationError: A time cannot be read.
    """
    from tidegauge.model.clock import SYSTEM_CLOCK
    from tidegauge.model.times import time_range

    return time_range(
        now_ns=SYSTEM_CLOCK.wall_ns(),
        hours=hours,
        days=days,
        start=read_time(start),
        end=read_time(end),
    )


def complete_measure(incomplete: str) -> list[str]:
    """What has a trend, for the shell: `usage` and the like."""
    from tidegauge.model.feature_tables import FEATURE_TABLES

    rolled = [table.rolled for table in FEATURE_TABLES if table.rolled is not None]
    names = [each.kind for each in rolled]
    names += [
        f"{each.kind}.{measure.name}"
        for each in rolled
        for measure in each.measures
        if measure.name
    ]
    return [name for name in sorted(names) if name.startswith(incomplete)]


def complete_metric(incomplete: str) -> list[tuple[str, str]]:
    """Metric names of the built-in vocabulary, for the shell: full, or bare if begun so."""
    from tidegauge.catalog import builtin_catalog

    return [
        (name, spec.description)
        for full, spec in builtin_catalog().metrics.items()
        for name in (full, full.partition(":")[2])
        if name.startswith(incomplete) and (incomplete or name == full)
    ]
