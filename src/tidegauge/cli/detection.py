# SPDX-License-Identifier: Apache-2.0
"""What is not as it was: `tidegauge anomalies` and `tidegauge drift`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.arguments import DaysOption, EndOption, complete_metric, parse_pairs, read_time
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session
from tidegauge.model.times import isoformat

if TYPE_CHECKING:
    from tidegauge.statistics.detection.detect import Detection
    from tidegauge.statistics.drift.drift import Drift

__all__ = ["anomalies", "commands", "drift"]

commands = Commands("Changes and drift")

NamesArgument = Annotated[
    list[str],
    typer.Argument(
        help="Metrics, patterns such as 'model:*', or columns such as predictions.latency_s.",
        autocompletion=complete_metric,
    ),
]
ChartOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Draw it: .png, .svg, .html or .json. One series only."),
]


@commands.add(
    "anomalies",
    examples=[
        "anomalies model:accuracy",
        "anomalies 'model:*' --by hour --days 3 --budget 2",
        "anomalies predictions.latency_s --only-worse --chart latency.svg",
    ],
)
def anomalies(
    session: Session,
    names: NamesArgument,
    by: Annotated[str, typer.Option(help="hour or day.")] = "day",
    days: DaysOption = None,
    end: EndOption = None,
    history_days: Annotated[
        float, typer.Option(help="So many days before that are learned from.")
    ] = 56.0,
    budget: Annotated[
        float, typer.Option(help="False alarms in 30 days, of all series together.")
    ] = 1.0,
    method: Annotated[str, typer.Option(help="cusum or ewma.")] = "cusum",
    only_worse: Annotated[
        bool, typer.Option("--only-worse", help="Only changes for the worse.")
    ] = False,
    where: WhereOption = None,
    chart: ChartOption = None,
) -> int:
    """Show what is not as usual, with as many false alarms as the budget has.

    Watches the last 28 days, or the last 7 by the hour. Exit code 1 if there is an alarm.
    """
    from tidegauge.detecting import detect_in

    found = detect_in(
        session.existing.query,
        names,
        by=by,  # type: ignore[arg-type]  # what is none is refused there
        days=days,
        end=read_time(end),
        history_days=history_days,
        budget=budget,
        method=method,  # type: ignore[arg-type]
        only_worse=only_worse,
        labels=parse_pairs(where or (), option="--where"),
    )
    if chart is not None:
        if len(found) != 1:
            raise typer.BadParameter(
                f"{len(found)} series cannot be drawn in one", param_hint="--chart"
            )
        from tidegauge.plots.chart import save
        from tidegauge.plots.detection import control_chart

        save(control_chart(found[0]), chart)
    session.output.show([each.as_dict() for each in found], *_alarm_blocks(found))
    return ExitCode.PROBLEM if any(each.alarms for each in found) else ExitCode.OK


@commands.add(
    "drift",
    examples=[
        "drift model:prediction_confidence",
        "drift predictions.prediction_text --days 7 --reference-days 28",
        "drift predictions.confidence --measure wasserstein --chart drift.png",
    ],
)
def drift(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            help="A metric, or a column such as predictions.prediction_text.",
            autocompletion=complete_metric,
        ),
    ],
    days: Annotated[int, typer.Option(min=1, help="The last so many days are compared.")] = 7,
    reference_days: Annotated[int, typer.Option(min=1, help="With so many days before them.")] = 28,
    measure: Annotated[str, typer.Option(help="psi, wasserstein or jensen_shannon.")] = "psi",
    threshold: Annotated[
        float | None, typer.Option(help="What is still of no interest; 0.1 if not given.")
    ] = None,
    where: WhereOption = None,
    chart: ChartOption = None,
) -> int:
    """Show how far values are from how they were distributed before, and if that is chance.

    The intervals hold with 95 %; days are drawn again and again, for values of a day resemble each
    other, and may resemble those of the day before. Exit code 1 if there is drift.
    """
    from tidegauge.detecting import drift_in

    found = drift_in(
        session.existing.query,
        name,
        days,
        reference_days,
        measure=measure,
        threshold=threshold,
        labels=parse_pairs(where or (), option="--where"),
    )
    if chart is not None:
        from tidegauge.plots.chart import save
        from tidegauge.plots.detection import drift_chart

        save(drift_chart(found), chart)
    session.output.show(found.as_dict(), *_drift_blocks(found))
    return ExitCode.PROBLEM if found.is_drift else ExitCode.OK


def _alarm_blocks(found: list[Detection]) -> Iterator[Block]:
    rows = [
        {
            "series": each.name,
            "when": _time(alarm.time_us),
            "change": _time(alarm.change_us),
            "over": "" if alarm.end_us is None else _time(alarm.end_us),
            "value": alarm.value,
            "expected": alarm.expected,
            "z": None if alarm.z is None else round(alarm.z, 1),
            "way": _way(alarm.direction, alarm.is_worse),
        }
        for each in found
        for alarm in each.alarms
    ]
    yield Table(
        [
            Column("series"),
            Column("when", "alarm"),
            Column("change", "probably since"),
            Column("over"),
            Column("value", kind="number"),
            Column("expected", "usual", "number"),
            Column("z", kind="number"),
            Column("way", "change"),
        ],
        rows,
        empty="Nothing unusual." if found else "There are no facts.",
    )
    watched = [each for each in found if each.reason is None]
    if watched:
        yield Lines(
            f"[dim]{len(watched)} series watched; by chance alone each has an alarm every "
            f"{watched[0].run_length:,.0f} steps.[/]"
        )
    for each in found:
        if each.reason is not None:
            yield Lines(f"[dim]{escape(each.summary)}[/]")


def _drift_blocks(found: Drift) -> Iterator[Block]:
    rows = []
    for name in ("psi", "wasserstein", "jensen_shannon", "shift"):
        estimate = getattr(found, name)
        rows.append(
            {
                "measure": name.replace("_", "-"),
                **{key: _rounded(getattr(estimate, key)) for key in ("value", "low", "high")},
                "decides": "yes" if name == found.measure else "",
            }
        )
    yield Table(
        [
            Column("measure"),
            *(Column(name, kind="number") for name in ("value", "low", "high")),
            Column("decides"),
        ],
        rows,
        title=f"{found.name}: {found.n_current:,} values against {found.n_reference:,}",
    )
    yield Lines(escape(found.summary))


def _way(direction: str, is_worse: bool | None) -> str:
    return direction if is_worse is None else f"{direction}, {'worse' if is_worse else 'better'}"


def _rounded(value: Any) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _time(time_us: int) -> str:
    return isoformat(time_us * 1000)[:16].replace("T", " ")
