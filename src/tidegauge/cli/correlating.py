# SPDX-License-Identifier: Apache-2.0
"""Which metrics move together: `tidegauge correlate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    complete_metric,
    parse_pairs,
    read_time,
)
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.statistics.correlation.report import Relation, Relations

__all__ = ["commands", "correlate"]

commands = Commands("Quality and impact")


@commands.add(
    "correlate",
    examples=[
        "correlate 'model:*' --with 'business:*'",
        "correlate model:accuracy usage:conversion_rate --days 180 --max-lag 14",
        "correlate predictions.latency_s --with 'error:*' --by hour --days 60 --json",
    ],
)
def correlate(
    session: Session,
    names: Annotated[
        list[str],
        typer.Argument(
            help="Metrics, patterns such as 'model:*', or columns such as predictions.latency_s.",
            autocompletion=complete_metric,
        ),
    ],
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="What they are put beside. May be repeated; each with each other if not given.",
            autocompletion=complete_metric,
        ),
    ] = None,
    by: Annotated[str, typer.Option("--by", "-b", help="day or hour.")] = "day",
    statistic: Annotated[
        str | None,
        typer.Option(
            help="What is told of a day: mean, sum, last, min, max, p50, p95, p99, count."
        ),
    ] = None,
    max_lag: Annotated[
        int, typer.Option(min=0, help="Most days, or hours, by which one may lead the other.")
    ] = 7,
    alpha: Annotated[
        float, typer.Option(help="Share of false discoveries among what is called significant.")
    ] = 0.05,
    ranks: Annotated[
        bool, typer.Option("--ranks", help="Compare ranks (Spearman) instead of values.")
    ] = False,
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Show which metrics move together, and which may lead; never which is the cause.

    Trend, weekly pattern and what a metric's own past tells are taken out first; then every lag is
    tried, and chance pays for it. Looks at the last 90 days if no range is given. Exit code 1 if
    nothing can be said of any pair.
    """
    from tidegauge.relations import relations_of

    found = relations_of(
        session.existing.query,
        names,
        others,
        by=by,  # type: ignore[arg-type]  # what is none is refused there
        statistic=statistic,
        within={"hours": hours, "days": days, "start": read_time(start), "end": read_time(end)},
        labels=parse_pairs(where or (), option="--where"),
        max_lag=max_lag,
        alpha=alpha,
        method="spearman" if ranks else "pearson",
    )
    session.output.show(dict(found), *_blocks(found))
    is_known = any(each.reason is None for each in found.pairs)
    return ExitCode.OK if is_known else ExitCode.PROBLEM


def _blocks(found: Relations) -> Iterator[Block]:
    yield Table(
        [
            Column("first"),
            Column("second"),
            Column("lag", kind="count"),
            Column("correlation", "r", "number"),
            Column("interval"),
            Column("q_value", "q", "number"),
            Column("naive_correlation", "naive r", "number"),
            Column("naive_p_value", "naive p", "number"),
            Column("finding"),
        ],
        [_row(each) for each in found.pairs],
        title="What moves together",
        empty="There are no two metrics to compare.",
    )
    if found.pairs:
        yield Lines(f"[dim]{escape(found.summary)}[/]")
    notes = sorted({note for each in found.pairs for note in each.notes})
    if notes:
        yield Lines("\n".join(f"[yellow]{escape(note)}.[/]" for note in notes))


def _row(relation: Relation) -> dict[str, object]:
    low, high = relation.correlation.low, relation.correlation.high
    numbers = {
        "correlation": relation.correlation.value,
        "q_value": relation.q_value,
        "naive_correlation": relation.naive_correlation,
        "naive_p_value": relation.naive_p_value,
    }
    return {
        "first": relation.first,
        "second": relation.second,
        "lag": relation.lag,
        "interval": "-" if low is None or high is None else f"{low:.2f} to {high:.2f}",
        "finding": relation.finding,
        # Digits that chance decides would only be in the way.
        **{name: each if each is None else float(f"{each:.2g}") for name, each in numbers.items()},
    }
