# SPDX-License-Identifier: Apache-2.0
"""What it was worth: `tidegauge business`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

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
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Table, number_text
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.query.business import BusinessMetric

__all__ = ["business", "commands"]

commands = Commands("Quality and impact")

_USUAL_DAYS = 30.0


@commands.add(
    "business",
    examples=[
        "business",
        "business --days 7 --by day",
        "business --where model=ranker --users 1200 --margin 0.6 --discount 0.01 --json",
    ],
)
def business(
    session: Session,
    by: Annotated[str | None, typer.Option("--by", "-b", help="day, for each day as well.")] = None,
    users: Annotated[
        float | None, typer.Option(help="Distinct users, if the store does not know them.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="Share of revenue that is kept; for the lifetime value.")
    ] = None,
    discount: Annotated[
        float, typer.Option(help="Discount rate per period, which is the range.")
    ] = 0.0,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show rates, revenue, users and savings, each with what it was worked out from.

    Rates are ratios of sums, with intervals of 95 %. What cannot be told is '-', with the reason.
    Looks at the last 30 days if no range is given. Exit code 1 if nothing is known.
    """
    if hours is None and days is None and start is None:
        days = _USUAL_DAYS
    rows = session.existing.query.business.metrics(
        by=by,
        users=users,
        margin=margin,
        discount=discount,
        labels=parse_pairs(where or (), option="--where"),
        hours=hours,
        days=days,
        start=read_time(start),
        end=read_time(end),
    )
    session.output.show([each.as_dict() for each in rows], _table(rows))
    return (
        ExitCode.OK if any(each.estimate.value is not None for each in rows) else ExitCode.PROBLEM
    )


def _table(rows: Sequence[BusinessMetric]) -> Table:
    has_days = any(each.day for each in rows)
    return Table(
        [
            Column("metric"),
            *([Column("day")] if has_days else []),
            Column("value", kind="number"),
            Column("between", "95 % between"),
            Column("unit"),
            Column("made_of", "made of"),
            Column("reason", "why not"),
        ],
        [_row(each) for each in rows],
    )


def _row(row: BusinessMetric) -> dict[str, Any]:
    found = row.estimate
    between = ""
    if found.low is not None:
        between = f"{number_text(found.low)} to {number_text(found.high)}"
    made_of = ""
    if row.denominator:
        top = None if row.numerator is None else float(row.numerator)
        made_of = f"{number_text(top)} / {number_text(row.denominator)}"
    is_total = row.denominator is None and found.value is not None
    return {
        "metric": row.metric,
        "day": "" if row.day is None else row.day.isoformat(),
        "value": found.value if row.numerator is None or not is_total else row.numerator,
        "between": between,
        "unit": "" if row.unit == "1" else row.unit,
        "made_of": made_of,
        "reason": "" if is_total else found.reason or "",
    }
