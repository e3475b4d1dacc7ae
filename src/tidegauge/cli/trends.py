# SPDX-License-Identifier: Apache-2.0
"""Features over time: `tidegauge trend`, `change` and `aggregate`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    complete_measure,
    parse_pairs,
    read_time,
)
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

__all__ = ["aggregate", "bar", "change", "commands", "trend"]

commands = Commands("Features and users")

_BAR_WIDTH = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"
# What happens once per row: its mean is always 1, and what is of interest is how many there are.
_COUNTED = ("uses", "errors", "records")
_SPREAD = ("avg", "p50", "p95", "max")
_SHARES = ("success", "recovery_attempted", "recovery_successful", "relative_change")

WhatArgument = Annotated[
    str,
    typer.Argument(
        help="What is followed: usage, usage.duration_ms, usage.success, satisfaction, "
        "performance, error, learning.accuracy, …",
        autocompletion=complete_measure,
    ),
]
FeatureOption = Annotated[
    str | None, typer.Option("--feature", "-f", help="The feature; all of them if not given.")
]


@commands.add(
    "trend",
    examples=[
        "trend usage --feature search",
        "trend usage.duration_ms --feature search --where action=query --every hour --days 1",
        "trend satisfaction --by satisfaction_type --every week --days 90 --json",
    ],
)
def trend(
    session: Session,
    what: WhatArgument,
    feature: FeatureOption = None,
    every: Annotated[str, typer.Option(help="hour, day or week.")] = "day",
    by: Annotated[
        list[str] | None,
        typer.Option("--by", "-b", help="Group by a column, dimension or label. May be repeated."),
    ] = None,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show how a number of features goes on: a row for each hour, day or week, gaps among them.

    Looks at the last 30 days if no range is given. Days and weeks are of the setting time_zone.
    Exit code 1 if there are no values.
    """
    from tidegauge.query.trends import chosen_by

    parts = session.existing
    within = {"hours": hours, "days": days, "start": read_time(start), "end": read_time(end)}
    rows = parts.query.features.trend(
        what,
        feature,
        every=every,  # type: ignore[arg-type]  # what is none is refused there
        by=by or (),
        **chosen_by(what, parse_pairs(where or (), option="--where")),
        **{name: value for name, value in within.items() if value is not None},
    )
    zone = parts.settings.time_zone
    session.output.show(rows, _trend_table(rows, what, feature, every, by or (), zone))
    return ExitCode.OK if any(row["count"] for row in rows) else ExitCode.PROBLEM


@commands.add(
    "change",
    examples=[
        "change usage.duration_ms --feature search",
        "change satisfaction --feature search --days 28",
        "change usage.success --feature search --against suggest --json",
    ],
)
def change(
    session: Session,
    what: WhatArgument,
    feature: FeatureOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Another feature over the same days. If not given, as many days before them."
        ),
    ] = None,
    days: Annotated[float, typer.Option(help="How many days.")] = 7.0,
    where: WhereOption = None,
) -> int:
    """Show how the last days differ from those before, or one feature from another.

    The interval of the difference holds with 95 %; the values of a day count as one, for they
    resemble each other. If it covers zero, chance could have done it. Exit code 1 if one side has
    no values.
    """
    from tidegauge.query.trends import chosen_by

    asked = session.existing.query.features
    chosen = chosen_by(what, parse_pairs(where or (), option="--where"))
    if against is None:
        found = asked.compare_periods(what, feature, days=days, **chosen)
        names = ("before", "now")
    elif feature is None:
        raise typer.BadParameter("--against wants a --feature to compare", param_hint="--against")
    else:
        found = asked.compare_features(what, against, feature, days=days, **chosen)
        names = (against, feature)
    session.output.show(found, *_change_blocks(found, what, names))
    return ExitCode.PROBLEM if found["difference"] is None else ExitCode.OK


@commands.add(
    "aggregate",
    examples=["aggregate", "aggregate --date 2025-12-14", "aggregate --all"],
)
def aggregate(
    session: Session,
    date: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The day, in the setting time_zone; today if not given."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every day whose facts have changed since it was done.")
    ] = False,
) -> int:
    """Aggregate a day into the table daily_aggregates, in place of what was there of it.

    Where a program drains the store, this happens by itself now and then. Exit code 1 if another
    process is maintaining the store.
    """
    if every and date is not None:
        raise typer.BadParameter("--all aggregates every day", param_hint="--date")
    parts = session.existing
    if every:
        days = parts.aggregate_days()
        if days is None:
            session.output.show({"days": None}, Lines("Another process is maintaining the store."))
            return ExitCode.PROBLEM
        session.output.show({"days": days}, Lines(f"Aggregated {days:,} days."))
        return ExitCode.OK
    rows = parts.aggregate_day(date)
    told = "today" if date is None else escape(date)
    session.output.show({"date": date, "rows": rows}, Lines(f"Aggregated {told}: {rows:,} rows."))
    return ExitCode.OK


def bar(value: float | None, most: float, width: int = _BAR_WIDTH) -> str:
    """A bar that is as long as a value, to an eighth of a sign; nothing for None.

    Args:
        value: 0 or more.
        most: The value of the longest bar.
        width: Its length in signs.
    """
    if value is None or most <= 0:
        return ""
    eighths = round(value / most * width * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _trend_table(
    rows: list[dict[str, Any]],
    what: str,
    feature: str | None,
    every: str,
    by: Sequence[str],
    zone: str,
) -> Table:
    is_count = _is_count(what)
    is_share = what.partition(".")[2] in _SHARES or what == "optimization"
    drawn = [row["count"] if is_count else row["avg"] for row in rows]
    known = [value for value in drawn if value is not None]
    columns = [
        Column("when", every),
        *(Column(name) for name in by),
        Column("count", kind="count"),
    ]
    if not is_count:
        columns.append(Column("avg", kind="share" if is_share else "number"))
        if not is_share:
            columns += [Column(name, kind="number") for name in _SPREAD if name != "avg"]
    if known and min(known) >= 0:
        columns.append(Column("bar", " "))
    form = "%Y-%m-%d %H:%M" if every == "hour" else "%Y-%m-%d"
    most = max(known, default=0.0)
    shown = [
        {**row, "when": _local(row["start"], zone).strftime(form), "bar": bar(value, most)}
        for row, value in zip(rows, drawn, strict=True)
    ]
    title = f"{what} of {'all features' if feature is None else feature}, by {every} in {zone}"
    return Table(columns, shown, title=title, empty="No fact is like that.")


def _change_blocks(found: dict[str, Any], what: str, names: tuple[str, str]) -> Iterator[Block]:
    sides = [
        {"side": name, **found[key], "span": _span(found[key])}
        for key, name in zip("ab", names, strict=True)
    ]
    yield Table(
        [
            Column("side", " "),
            Column("span", "from, to (UTC)"),
            Column("count", kind="count"),
            Column("days", "days", "count"),
            Column("per_day", "per day", "number"),
            *([] if _is_count(what) else [Column(name, kind="number") for name in _SPREAD]),
        ],
        sides,
        title=what,
    )
    if found["difference"] is None:
        yield Lines(f"[dim]{escape(_reason(found))}[/]")
        return
    text = f"{'per day' if _is_count(what) else 'mean'} {found['difference']:+.4g}"
    if found["relative"] is not None:
        text += f" ({found['relative'] * 100:+.3g} %)"
    if found["low"] is None:
        yield Lines(f"{text}\n[dim]{escape(_reason(found))}[/]")
        return
    text += f", 95 %: {found['low']:+.4g} … {found['high']:+.4g}"
    if found["low"] <= 0 <= found["high"]:
        text += "\nChance alone could have done it."
    yield Lines(text)


def _is_count(what: str) -> bool:
    # The names of kinds alone stand for one of their measures.
    return what.partition(".")[2] in _COUNTED or what in ("usage", "error")


def _span(side: dict[str, Any]) -> str:
    return " to ".join(side[key][:16].replace("T", " ") for key in ("start", "end"))


def _local(time: str, zone: str) -> dt.datetime:
    return dt.datetime.fromisoformat(time).astimezone(ZoneInfo(zone))


def _reason(found: dict[str, Any]) -> str:
    """Why something cannot be told, each reason once."""
    return "; ".join(dict.fromkeys((found["reason"] or {}).values())) or "no interval"
