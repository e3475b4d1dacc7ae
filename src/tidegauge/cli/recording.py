# SPDX-License-Identifier: Apache-2.0
"""Recording from a shell: `tidegauge log`."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegauge.cli.arguments import complete_metric, parse_pairs, read_time
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.output import Lines, number_text
from tidegauge.cli.session import Session
from tidegauge.model.errors import StoreError

__all__ = ["commands", "log"]

commands = Commands("Record and read")


@commands.add(
    "log",
    examples=[
        "log reply_rate 0.1523",
        "log model:accuracy 0.91 --step 3 --label model=fraud --label model_version=2.0.1",
        "log usage:reply_rate 0.15 --time 2024-01-15T10:30:00Z --json",
    ],
)
def log(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="Metric name, full or bare.", autocompletion=complete_metric)
    ],
    value: Annotated[float, typer.Argument(help="A finite number, in the metric's unit.")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="KEY=VALUE",
            help="A dimension (model, model_version, experiment, run_id, service, environment) or "
            "any other label. May be repeated.",
        ),
    ] = None,
    step: Annotated[int | None, typer.Option(help="Training step.")] = None,
    time: Annotated[
        str | None, typer.Option(help="When it happened, ISO 8601 or seconds since 1970; now.")
    ] = None,
) -> None:
    """Record one value of a metric.

    It is checked against the catalogue and refused, with exit code 2, if it is not allowed; exit
    code 1 if it could not be written.
    Negative values go after [bold]--[/]: [bold]tidegauge log custom:delta -- -1.5[/].
    """
    labels = parse_pairs(label or (), option="--label")
    metric = _record(session, name, value, step=step, time=read_time(time), labels=labels)
    session.output.show(
        {
            "metric": metric,
            "value": value,
            "step": step,
            "labels": labels,
            "store": str(session.parts.root),
        },
        Lines(f"Recorded {metric} = {number_text(value)} in {escape(str(session.parts.root))}"),
    )


def _record(
    session: Session,
    name: str,
    value: float,
    *,
    step: int | None,
    time: str | float | None,
    labels: dict[str, str],
) -> str:
    from tidegauge import config
    from tidegauge.record.front import recorder

    # The fact is on disk when it is recorded; whoever drains the store carries it on.
    config.configure(**session.given, strict=True, follower="off", pushing=False)
    try:
        recorder.writer.open()  # raises what would only be counted and logged
        ids: list[int] = []
        # Labels as a mapping, for they may be called `time` or `value`.
        recorder.record(name, value, step, time, labels, lambda *found: ids.append(found[-1]))
        if not ids:
            raise _not_recorded(session)
        return recorder.catalog.canonical(name)
    finally:
        config.shutdown()


def _not_recorded(session: Session) -> StoreError:
    return StoreError(
        "the fact was not recorded: the journal did not take it",
        got=str(session.parts.root),
        fix="The message above says why; `tidegauge status` counts what was dropped.",
    )
