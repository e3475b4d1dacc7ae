# SPDX-License-Identifier: Apache-2.0
"""Features as they are: `tidegauge features` and `tidegauge dashboard`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    parse_pairs,
    read_time,
)
from tidegauge.cli.command import Commands
from tidegauge.cli.dashboard import dashboard_blocks
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Table
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

__all__ = ["commands", "dashboard", "features"]

commands = Commands("Features and users")


@commands.add(
    "features",
    examples=["features", "features learn --by product", "features --days 7 --json"],
)
def features(
    session: Session,
    text: Annotated[str, typer.Argument(help="Only features with this in their name.")] = "",
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            "-b",
            help="Tell features apart by a dimension or label, such as product. May be repeated.",
        ),
    ] = None,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """List the features of which something was recorded: how much, and when first and last.

    Looks at all time if no range is given. Exit code 1 if there are none.
    """
    rows = session.existing.query.features.listed(
        text,
        by=by or (),
        labels=parse_pairs(where or (), option="--where"),
        **_range(hours, days, start, end),
    )
    tables = dict.fromkeys(table for row in rows for table in row["records"])
    session.output.show(
        rows,
        Table(
            [
                Column("feature"),
                *(Column(name) for name in by or ()),
                *(Column(table, table.replace("_", " "), "count") for table in tables),
                Column("first"),
                Column("last"),
            ],
            [{**row, **row["records"], **_seconds(row)} for row in rows],
            empty="No feature is like that.",
        ),
    )
    return ExitCode.OK if rows else ExitCode.PROBLEM


@commands.add(
    "dashboard",
    examples=[
        "dashboard",
        "dashboard learning-engine --days 7",
        "dashboard search --where environment=production --json",
    ],
)
def dashboard(
    session: Session,
    feature: Annotated[
        str | None, typer.Argument(help="The feature; all of them together if not given.")
    ] = None,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show how a feature performs, what users think of it, how it is used, and what goes wrong.

    Looks at the last 24 hours if no range is given. What cannot be told is '-', and below it stands
    why. Exit code 1 if nothing was recorded.
    """
    given = _range(hours, days, start, end)
    if hours is None and days is None and start is None:
        given["hours"] = 24
    document = session.existing.query.features.dashboard(
        feature, labels=parse_pairs(where or (), option="--where"), **given
    )
    session.output.show(document, *dashboard_blocks(document))
    return ExitCode.OK if _has_facts(document) else ExitCode.PROBLEM


def _has_facts(document: dict[str, Any]) -> bool:
    counts = ("count", "response_count", "total_usage", "total_errors")
    return any(
        section.get(count)
        for section in document.values()
        if isinstance(section, dict)
        for count in counts
    )


def _range(
    hours: float | None, days: float | None, start: str | None, end: str | None
) -> dict[str, Any]:
    return {"hours": hours, "days": days, "start": read_time(start), "end": read_time(end)}


def _seconds(row: dict[str, Any]) -> dict[str, str]:
    return {key: row[key][:19].replace("T", " ") for key in ("first", "last")}
