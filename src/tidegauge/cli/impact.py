# SPDX-License-Identifier: Apache-2.0
"""What a change has brought: `tidegauge impact`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.arguments import complete_metric, parse_pairs, read_time
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.statistics.impact.result import Impact

__all__ = ["commands", "impact"]

commands = Commands("Record and read")


@commands.add(
    "impact",
    examples=[
        "impact model:latency_ms --at 2026-01-15",
        "impact model:latency_ms --at 2026-01-15 --where model=fraud --control-where model=churn",
        "impact predictions.latency_s --at 2026-01-15T10:00:00Z --by hour --days 7 --json",
    ],
)
def impact(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            help="Metric, or a column such as predictions.latency_s.",
            autocompletion=complete_metric,
        ),
    ],
    at: Annotated[str, typer.Option(help="When the change was made: ISO 8601, UTC.")],
    days: Annotated[float, typer.Option(help="Days before and after it, at most.")] = 28.0,
    by: Annotated[str, typer.Option(help="day or hour.")] = "day",
    statistic: Annotated[
        str | None, typer.Option(help="Of a day or hour: mean, sum, p95, and so on.")
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="A metric that the change has not touched.")
    ] = None,
    control_where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Where the change was not made: the same metric with this dimension or label.",
        ),
    ] = None,
    per: Annotated[str | None, typer.Option(help="A metric that sums are divided by.")] = None,
    trend: Annotated[
        bool, typer.Option("--trend", help="The metric also follows a straight line.")
    ] = False,
    where: WhereOption = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it, too: a .png, .svg, .html or .json file.")
    ] = None,
) -> int:
    """Show what a change has brought to a metric, how sure that is, and what may have caused it.

    Compares the days before with those after, and the difference with what earlier dates make of
    nothing. Exit code 1 if too little is known.
    """
    from tidegauge.plots.chart import format_of, save
    from tidegauge.plots.impact import impact_chart
    from tidegauge.query.impact import stored_impact

    if plot is not None:
        format_of(plot)
    if control is not None and control_where:
        raise typer.BadParameter("give one of --control and --control-where")
    found = stored_impact(
        session.existing.query,
        name,
        read_time(at),  # type: ignore[arg-type]  # it is not None
        days=days,
        by=by,  # type: ignore[arg-type]  # what is none is refused there
        statistic=statistic,
        control=control or parse_pairs(control_where or (), option="--control-where") or None,
        per=per,
        has_trend=trend,
        labels=parse_pairs(where or (), option="--where"),
    )
    if plot is not None and found.course is None:
        session.output.note(f"Nothing to draw: {escape(found.reason or '')}.")
    elif plot is not None:
        save(impact_chart(found), plot)
        session.output.note(f"Drawn to {escape(str(plot))}.")
    session.output.show(found.as_dict(), *_blocks(found))
    return ExitCode.OK if found.p_value is not None else ExitCode.PROBLEM


def _blocks(impact: Impact) -> list[Block]:
    rows: list[dict[str, Any]] = [
        {"what": "before", "value": impact.before},
        {"what": "expected after", "value": impact.expected},
        {"what": "after", "value": impact.after},
        {"what": "difference", **_cells(impact.difference.as_dict(), 1)},
        {"what": "difference, %", **_cells(impact.relative.as_dict(), 100)},
    ]
    notes = [*impact.notes]
    if impact.relative.reason is not None and impact.reason is None:
        notes.append(f"The difference as a share is not known: {impact.relative.reason}.")
    blocks: list[Block] = [Lines(escape(impact.summary))]
    if impact.p_value is not None:
        columns = [Column("what", "")]
        columns += [Column(key, kind="number") for key in ("value", "low", "high")]
        blocks.append(Table(columns, rows))
    return [*blocks, *(Lines(escape(note)) for note in notes)]


def _cells(estimate: dict[str, Any], factor: float) -> dict[str, Any]:
    return {
        key: None if estimate[key] is None else estimate[key] * factor
        for key in ("value", "low", "high")
    }
