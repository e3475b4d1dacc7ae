# SPDX-License-Identifier: Apache-2.0
"""Changing what was recorded: `tidegauge correct`, `tidegauge forget`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
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
from tidegauge.cli.output import Column, Lines, Pairs, Table
from tidegauge.cli.session import Session
from tidegauge.model.amounts import read_amount
from tidegauge.model.columns import COMMON_COLUMNS, ColumnKind
from tidegauge.model.tables import TABLES

if TYPE_CHECKING:
    from tidegauge.amending import Correction, Forgotten

__all__ = ["commands", "correct", "forget", "recording"]

commands = Commands("Look after the store")

ReasonOption = Annotated[str | None, typer.Option(help="Why, for the table `corrections`.")]
AuthorOption = Annotated[str | None, typer.Option(help="Who does it, for the same.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only say how many rows it would be.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. Nobody is asked without a terminal.")
]

_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@commands.add(
    "correct",
    examples=[
        "correct points --where metric=model:accuracy --where run_id=7f3a --set value=0.9",
        "correct user_satisfaction --where interaction_id=i7 --set score=4 --reason 'a typo'",
        "correct feature_usage --where feature=search --days 1 --retract --dry-run",
    ],
)
def correct(
    session: Session,
    table: Annotated[str, typer.Argument(help="The table, such as points or user_satisfaction.")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Rows in which a column, dimension or label has this value; nothing after the = "
            "means empty. May be repeated: all must hold.",
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="COLUMN=VALUE",
            help="Give a column of them this value; nothing after the = empties it. May be "
            "repeated.",
        ),
    ] = None,
    retract: Annotated[bool, typer.Option("--retract", help="Take the rows back instead.")] = False,
    reason: ReasonOption = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    hours: HoursOption = None,
    days: DaysOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> int:
    """Change what was recorded, or take it back, and keep a trail of it.

    The rows are changed in the tables, for everybody who reads them. What was sent elsewhere before
    stays there. The table [bold]corrections[/] says who changed what, when and why.
    """
    chosen = _typed(table, parse_pairs(where or (), option="--where"), option="--where")
    changes = _typed(table, parse_pairs(values or (), option="--set"), option="--set")

    def run(*, dry_run: bool) -> Correction:
        from tidegauge import amending

        return amending.correct(
            table,
            where=chosen or None,
            set=changes or None,
            retract=retract,
            start=read_time(start),
            end=read_time(end),
            hours=hours,
            days=days,
            reason=reason,
            author=author,
            dry_run=dry_run,
        )

    with recording(session):
        if not dry_run and _asks(session, yes=yes):
            would = run(dry_run=True)
            verb = "taken back" if retract else "changed"
            if would.rows and not _confirmed(session, f"{would.rows} rows would be {verb}."):
                return ExitCode.PROBLEM
        done = run(dry_run=dry_run)
    document: dict[str, Any] = {
        "action": done.action,
        "table": done.table,
        "rows": done.rows,
        "days": [day.isoformat() for day in done.days],
        "correction_id": done.correction_id,
        "dry_run": done.dry_run,
    }
    verb = "would be" if done.dry_run else "were"
    done_to = "taken back" if retract else "changed"
    text = f"{done.rows} rows of {done.table} {verb} {done_to}, of {len(done.days)} days."
    session.output.show(document, Lines(text if done.rows else "No row is like that."))
    return ExitCode.OK


@commands.add(
    "forget",
    examples=[
        "forget alice@example.org --dry-run",
        "forget alice@example.org --reason 'request 4711'",
        "forget alice@example.org --delete --yes --json",
    ],
)
def forget(
    session: Session,
    user: Annotated[str, typer.Argument(help="The user, as recorded before hashing.")],
    delete: Annotated[
        bool,
        typer.Option(
            "--delete",
            help="Delete rows about the user. Otherwise only who it was and what they wrote goes, "
            "and the numbers stay.",
        ),
    ] = False,
    reason: ReasonOption = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> int:
    """Remove everything from the store that says who a user is.

    A row is about a user if its column user_id, its label user or user_id, or one of these keys of
    its metadata names them. It cannot be undone.
    """

    def run(*, dry_run: bool) -> Forgotten:
        from tidegauge import amending

        return amending.forget(
            user,
            rows="delete" if delete else "anonymize",
            reason=reason,
            author=author,
            dry_run=dry_run,
        )

    with recording(session):
        if not dry_run and _asks(session, yes=yes):
            n_rows = sum(run(dry_run=True).rows.values())
            verb = "deleted" if delete else "anonymised"
            if not _confirmed(session, f"{n_rows} rows would be {verb}, for good."):
                return ExitCode.PROBLEM
        done = run(dry_run=dry_run)
    rows = [{"table": name, "rows": count} for name, count in done.rows.items()]
    document = {
        "rows": done.rows,
        "live_series": done.live_series,
        "journal_frames": done.journal_frames,
        "dead_letters": done.dead_letters,
        "files_deleted": done.files_deleted,
        "correction_id": done.correction_id,
        "dry_run": done.dry_run,
        "remaining": list(done.remaining),
    }
    title = "Rows that would be changed" if done.dry_run else "Rows that were changed"
    table = Table(
        [Column("table"), Column("rows", kind="count")],
        rows,
        title=title,
        empty="No row is about this user.",
    )
    if done.dry_run:
        session.output.show(document, table)
        return ExitCode.OK
    counts = [
        ("live series dropped", done.live_series),
        ("places blanked in the journal", done.journal_frames),
        ("dead letters deleted", done.dead_letters),
        ("replaced files deleted", done.files_deleted),
        *(("remaining", each) for each in done.remaining),
    ]
    session.output.show(document, table, Pairs(counts))
    return ExitCode.OK


@contextlib.contextmanager
def recording(session: Session) -> Iterator[None]:
    """Let this process record into the store, for the trail; nothing runs in the background."""
    from tidegauge import config

    _ = session.existing  # a mistyped path must not become a store
    config.configure(**session.given, strict=True, follower="off", pushing=False, mlflow=False)
    try:
        yield
    finally:
        config.shutdown()


def _asks(session: Session, *, yes: bool) -> bool:
    return not yes and not session.output.as_json and sys.stdin.isatty()


def _confirmed(session: Session, what: str) -> bool:
    if typer.confirm(f"{what} Go on?", err=True):
        return True
    session.output.note("Nothing was changed.")
    return False


def _typed(table: str, pairs: Mapping[str, str], *, option: str) -> dict[str, object]:
    """The values of columns as their kinds want them; of labels as text; None for nothing."""
    columns = TABLES[table].columns if table in TABLES else ()
    kinds: dict[str, ColumnKind] = {each.name: each.kind for each in (*COMMON_COLUMNS, *columns)}
    return {
        name: None if text == "" else _value(kinds.get(name, "str"), name, text, option=option)
        for name, text in pairs.items()
    }


def _value(kind: ColumnKind, name: str, text: str, *, option: str) -> object:
    try:
        if kind == "f64":
            return float(text)
        if kind == "decimal":
            return read_amount(text)
        if kind in ("i64", "i32"):
            return int(text)
        if kind == "bool":
            return _TRUTHS[text.lower()]
        if kind == "json":
            import msgspec

            return msgspec.json.decode(text)
    except (KeyError, ValueError):
        words = {
            "f64": "a number",
            "decimal": "an amount",
            "bool": "true or false",
            "json": "a JSON document",
        }
        allowed = words.get(kind, "a whole number")
        raise typer.BadParameter(
            f"{name} is {allowed}, and not {text!r}", param_hint=option
        ) from None
    return text
