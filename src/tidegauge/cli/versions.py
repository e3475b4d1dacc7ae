# SPDX-License-Identifier: Apache-2.0
"""Which version of a model is better: `tidegauge versions`."""

from __future__ import annotations

from collections.abc import Callable
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
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Lines, Table, number_text
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.query.version_results import VersionMeasure

__all__ = ["commands", "versions"]

commands = Commands("Quality and impact")

_USUAL_DAYS = 30.0
_COLOURS = {"better": "green", "worse": "red", "mixed": "yellow"}


@commands.add(
    "versions",
    examples=[
        "versions fraud 1 2",
        "versions fraud 1 2 --days 14 --margin 0.02",
        "versions fraud 1 2 --metric 'predictions.*' --where environment=production --json",
    ],
)
def versions(
    session: Session,
    model: Annotated[str, typer.Argument(help="The model.")],
    first: Annotated[str, typer.Argument(help="The version that is compared with.")],
    second: Annotated[str, typer.Argument(help="The version that is compared.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", "-m", help="Only these measures; patterns with *. May be repeated."
        ),
    ] = None,
    margin: Annotated[
        float, typer.Option(help="How large a relative difference does not matter: 0.02 for 2 %.")
    ] = 0.0,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show in what the second version of a model is better or worse than the first.

    Verdicts hold for all measures together with 95 %; the interval of a change is that of its
    measure alone. Looks at the last 30 days if no range is given. Exit code 1 if the second version
    is worse in something.
    """
    if hours is None and days is None and start is None:
        days = _USUAL_DAYS
    found = session.existing.query.versions.compare(
        model,
        first,
        second,
        metrics=metric or None,
        margin=margin,
        labels=parse_pairs(where or (), option="--where"),
        hours=hours,
        days=days,
        start=read_time(start),
        end=read_time(end),
    )
    colour = _COLOURS.get(found.verdict, "bold")
    session.output.show(
        found.as_dict(),
        Lines(
            f"{escape(model)}: version {escape(second)} against {escape(first)}: "
            f"[{colour}]{found.verdict}[/]"
        ),
        Table(
            [
                Column("measure"),
                Column("statistic"),
                Column("first", f"version {first}", "number"),
                Column("second", f"version {second}", "number"),
                Column("unit"),
                Column("change"),
                Column("between", "95 % between"),
                Column("p_adjusted", "p", "number"),
                Column("verdict"),
                Column("reason", "why not"),
            ],
            [_row(each) for each in found.measures],
            empty="Of nothing measured is it known which way is better; name it by --metric.",
        ),
    )
    return ExitCode.PROBLEM if found.verdict in ("worse", "mixed") else ExitCode.OK


def _row(measure: VersionMeasure) -> dict[str, Any]:
    change = measure.relative
    write: Callable[[float | None], str] = _percent
    if change.low is None:
        change, write = measure.difference, number_text
    return {
        "measure": measure.measure,
        "statistic": measure.statistic,
        "first": measure.first.value,
        "second": measure.second.value,
        "unit": "" if measure.unit == "1" else measure.unit,
        "change": "" if change.value is None else write(change.value),
        "between": "" if change.low is None else f"{write(change.low)} to {write(change.high)}",
        "p_adjusted": measure.p_adjusted,
        "verdict": measure.verdict,
        "reason": measure.reason or "",
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:+.1%}"
