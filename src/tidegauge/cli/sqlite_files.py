# SPDX-License-Identifier: Apache-2.0
"""History of features as a SQLite file: `tidegauge export sqlite`, `tidegauge import sqlite`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tidegauge.cli.arguments import (
    DaysOption,
    EndOption,
    HoursOption,
    StartOption,
    chosen_range,
    parse_pairs,
)
from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Block, Column, Lines, Table, bytes_text
from tidegauge.cli.progress import progress
from tidegauge.cli.reading import WhereOption
from tidegauge.cli.session import Session

if TYPE_CHECKING:
    from tidegauge.sqlite import Imported

__all__ = ["commands", "export_file", "import_file"]

commands = Commands("Move data")


@commands.add(
    "export sqlite",
    examples=[
        "export sqlite history.db",
        "export sqlite december.db --start 2025-12-01 --end 2026-01-01",
        "export sqlite search.db --days 30 --where product=search --force",
    ],
)
def export_file(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The file.")],
    where: WhereOption = None,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.")
    ] = False,
) -> int:
    """Write what features and their users did to a SQLite file that other programs read.

    It has the tables system_performance, user_satisfaction, feature_usage, learning_effectiveness,
    optimization_impact, resource_utilization, errors and daily_aggregates, with timestamps in UTC
    that name no zone. What has no column there is in the metadata, under the key "tidegauge". The
    file appears when it is complete, and goes in again with [bold]tidegauge import sqlite[/].
    """
    from tidegauge.sqlite import write_export

    with progress(session.output, "Exporting") as advance:
        rows = write_export(
            session.existing,
            file,
            labels=parse_pairs(where or (), option="--where"),
            time_range=chosen_range(hours=hours, days=days, start=start, end=end),
            force=force,
            advance=advance,
        )
    size_bytes = file.stat().st_size
    session.output.show(
        {"file": str(file), "rows": rows, "size_bytes": size_bytes},
        Lines(
            f"Wrote {sum(rows.values()):,} rows to {escape(str(file))} ({bytes_text(size_bytes)})."
        ),
        _counts(rows),
    )
    return ExitCode.OK


@commands.add(
    "import sqlite",
    examples=[
        "import sqlite metrics.db",
        "import sqlite metrics.db --time-zone Europe/Amsterdam",
        "import sqlite metrics.db --check",
    ],
)
def import_file(
    session: Session,
    file: Annotated[
        Path, typer.Argument(help="The file; another program may still be writing it.")
    ],
    time_zone: Annotated[
        str, typer.Option(help="The zone of timestamps that name none, such as Europe/Amsterdam.")
    ] = "UTC",
    scale: Annotated[
        str | None,
        typer.Option(
            help="The scale of satisfaction scores: 0-1, 1-5 or 0-10. If it is not given, a score "
            "above 1 is on 1-5, and so is a 1 among whole numbers."
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check; record nothing.")] = False,
) -> int:
    """Record the rows of a SQLite file, each through the checks of a record call, and each once.

    Import a file again when it has grown: only its new rows are recorded. An import that was
    interrupted or killed goes on where it ended. A file of [bold]tidegauge export sqlite[/] brings
    labels, users and all else; into a store that has its rows, it records none. Daily aggregates
    are kept where the file has no rows of their day any more.

    A row that is not allowed is refused, counted by reason and shown; exit code 1 if there are any.
    """
    from tidegauge.sqlite import read_import

    what = "Checking" if check else "Importing"
    with progress(session.output, what) as advance:
        done = read_import(
            session.parts, file, time_zone=time_zone, scale=scale, check=check, advance=advance
        )
    document: dict[str, Any] = msgspec.to_builtins(done)
    session.output.show({**document, "checked_only": check}, *_blocks(done, check=check))
    return ExitCode.PROBLEM if done.refused else ExitCode.OK


def _counts(rows: dict[str, int]) -> Table:
    return Table(
        [Column("table"), Column("rows", kind="count")],
        [{"table": table, "rows": count} for table, count in rows.items()],
    )


def _blocks(done: Imported, *, check: bool) -> Iterator[Block]:
    verb = "would be recorded" if check else "recorded"
    total, refused = sum(done.rows.values()), sum(done.refused.values())
    yield Lines(
        f"{escape(done.file)}: {total:,} rows, {done.recorded:,} {verb}, {done.present:,} there "
        f"before, {refused:,} refused."
    )
    if done.aggregates:
        yield Lines(f"Kept {done.aggregates:,} daily aggregates of days without rows.")
    if done.ignored_columns:
        yield Lines(f"Columns not used: {escape(', '.join(done.ignored_columns))}.")
    yield _counts(done.rows)
    if done.refused:
        from tidegauge.model.reasons import REASONS

        yield Table(
            [Column("reason", "refused"), Column("count", kind="count"), Column("meaning")],
            [
                {"reason": reason, "count": count, "meaning": REASONS[reason]}
                for reason, count in sorted(done.refused.items(), key=lambda item: -item[1])
            ],
        )
        yield Table(
            [Column("table"), Column("id"), Column("reason"), Column("text", "problem")],
            [msgspec.to_builtins(each) for each in done.examples],
            title="The first of them",
        )
