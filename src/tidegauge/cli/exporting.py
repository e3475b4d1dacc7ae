# SPDX-License-Identifier: Apache-2.0
"""Taking facts out of a store: `tidegauge export`."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    chosen_range,
    complete_metric,
    parse_pairs,
)
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Lines, bytes_text
from tidegauge.cli.progress import progress
from tidegauge.cli.session import Session
from tidegauge.model.tables import POINTS, TABLES

__all__ = ["commands", "export"]

commands = Commands("Move data")


class Form(enum.StrEnum):
    """The format of the file."""

    CSV = "csv"
    PARQUET = "parquet"
    SQLITE = "sqlite"


#: What is exported: a table of the store.
Facts = enum.StrEnum("Facts", {name.upper(): name for name in TABLES})  # type: ignore[misc]


@commands.add(
    "export",
    examples=[
        "export points.parquet",
        "export last-week.csv.gz --days 7 --metric 'model:*' --where model=fraud",
        "export metrics.sqlite --table intervals",
        "export - --format csv | head",
    ],
)
def export(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            help="The file: .csv, .csv.gz, .parquet, .sqlite or .db; - is CSV on standard output.",
            allow_dash=True,
        ),
    ],
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="The format, if the file's name does not tell it."),
    ] = None,
    table: Annotated[
        Facts, typer.Option(metavar="TABLE", help=f"Which table: {', '.join(TABLES)}.")
    ] = Facts(POINTS.name),
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            help="Only this metric, or a pattern such as 'usage:*'. May be repeated.",
            autocompletion=complete_metric,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            "-w",
            metavar="KEY=VALUE",
            help="Only facts with this dimension or label. May be repeated.",
        ),
    ] = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.")
    ] = False,
) -> int:
    """Write facts to a CSV, Parquet or SQLite file, in the order of time.

    Facts that are still in the journal are exported as well. A file appears when it is complete.
    Points in CSV or Parquet go in again with [bold]tidegauge import[/]; interval summaries do not.
    """
    from tidegauge.query.dump import Dump
    from tidegauge.query.writers import check_place, export_format, write_csv_stream, write_dump

    to_stdout = str(file) == "-"
    if not to_stdout:
        chosen = Form(export_format(file)) if form is None else form
        check_place(file, force=force)
    elif form not in (None, Form.CSV) or session.output.as_json:
        raise typer.BadParameter("only CSV can go to standard output, and not with --json")
    parts = session.existing
    dump = Dump(
        parts.store,
        parts.catalog,
        table=table.value,
        names=metric or None,
        labels=parse_pairs(where or (), option="--where"),
        time_range=chosen_range(hours=hours, days=days, start=start, end=end),
    )
    with progress(session.output, "Exporting") as advance:

        def after(rows: int) -> None:
            advance(rows, dump.count)

        if to_stdout:
            write_csv_stream(dump, sys.stdout.buffer, after=after)
            return ExitCode.OK
        rows = write_dump(dump, file, chosen.value, after=after)
    size_bytes = file.stat().st_size
    session.output.show(
        {
            "file": str(file),
            "format": chosen.value,
            "table": table.value,
            "rows": rows,
            "size_bytes": size_bytes,
        },
        Lines(
            f"Wrote {rows:,} rows of {table.value} to {escape(str(file))} "
            f"({bytes_text(size_bytes)})."
        ),
    )
    return ExitCode.OK
