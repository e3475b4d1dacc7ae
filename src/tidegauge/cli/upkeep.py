# SPDX-License-Identifier: Apache-2.0
"""Looking after a store: `tidegauge drain`, `compact`, `doctor`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.arguments import check_seconds, parse_pairs
from tidegauge.cli.command import Commands
from tidegauge.cli.failure import ExitCode, describe_error
from tidegauge.cli.output import Block, Column, Lines, Table
from tidegauge.cli.progress import Advance, progress
from tidegauge.cli.session import Session
from tidegauge.model.errors import MissingExtraError, StoreError

if TYPE_CHECKING:
    from tidegauge.parts import Parts
    from tidegauge.store.retention import Retention

__all__ = ["commands", "compact", "doctor", "drain"]

commands = Commands("Look after the store")

_POLL_S = 0.1


@commands.add(
    "drain",
    examples=["drain", "drain --follower mlflow --timeout-s 300", "drain --forget-follower mlflow"],
)
def drain(
    session: Session,
    follower: Annotated[
        list[str] | None,
        typer.Option(help="Only this follower, such as 'store' or 'mlflow'. May be repeated."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout-s", help="Most seconds to wait for each follower.")
    ] = 60.0,
    forget: Annotated[
        str | None,
        typer.Option(
            "--forget-follower",
            metavar="NAME",
            help="Instead: let the journal go on without a follower that no longer exists. What "
            "it has not delivered it never will.",
        ),
    ] = None,
) -> int:
    """Carry everything recorded so far to the store, and to MLflow if facts go there.

    Programs do this by themselves in the background; this is for what a program that ended, or was
    killed, left behind. Exit code 1 if something could not be delivered; nothing is lost then.
    """
    check_seconds(timeout, option="--timeout-s")
    parts = session.existing
    if forget is not None:
        return _forget(session, parts, forget)
    rows = [_deliver(session, parts, name, timeout) for name in follower or _followers(parts)]
    columns = [
        Column("follower"),
        Column("delivered", kind="count"),
        Column("waiting", kind="count"),
        Column("caught_up", "up to date"),
        Column("problem"),
    ]
    session.output.show(rows, Table(columns, rows))
    return ExitCode.OK if all(row["caught_up"] for row in rows) else ExitCode.PROBLEM


@commands.add(
    "compact",
    examples=["compact", "compact --keep-days 90 --keep model:latency_ms=7"],
)
def compact(
    session: Session,
    keep_days: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Delete facts that are older than so many days; the setting retention_days if "
            "not given. The setting retention_tables goes before.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=DAYS",
            help="The same for one metric, besides the setting retention_metrics. May be repeated.",
        ),
    ] = None,
    keep_files: Annotated[
        int,
        typer.Option(
            "--keep-files-h",
            min=0,
            help="Hours for which replaced files stay for those who are reading them.",
        ),
    ] = 24,
) -> int:
    """Merge small files of the tables, delete old ones, and shorten the tables' logs.

    Goes on beside recording, draining and reading. Facts are deleted only if the settings, or
    --keep-days or --keep, say so.
    """
    from tidegauge.store import maintenance

    parts = session.existing
    retention = _retention(session, keep_days, keep or ())
    rows = []
    names = parts.store.tables.names()
    with progress(session.output, "Compacting") as advance:
        for index, name in enumerate(names):
            advance(index, len(names))
            merged = maintenance.compact(parts.store, name)
            retired = maintenance.retire(parts.store, name, retention[name])
            deleted = maintenance.tidy(parts.store, name, keep_files_h=keep_files)
            if merged is None or retired is None or deleted is None:
                raise _maintained(name)
            rows.append(
                {
                    "table": name,
                    "files_before": merged.files_before,
                    "files_after": merged.files_after,
                    "bytes_before": merged.bytes_before,
                    "bytes_after": merged.bytes_after,
                    "rows_retired": retired.rows_retired,
                    "files_deleted": deleted,
                }
            )
    columns = [
        Column("table"),
        Column("files_before", "files merged", "count"),
        Column("files_after", "into", "count"),
        Column("bytes_before", "size", "bytes"),
        Column("bytes_after", "now", "bytes"),
        Column("rows_retired", "rows retired", "count"),
        Column("files_deleted", "files deleted", "count"),
    ]
    session.output.show(rows, Table(columns, rows, empty="There are no tables yet."))
    return ExitCode.OK


@commands.add("doctor", examples=["doctor", "doctor --deep --json", "doctor --repair"])
def doctor(
    session: Session,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every row of every file, not only their ends.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend what can be mended without losing anything."),
    ] = False,
    drop_missing: Annotated[
        bool,
        typer.Option(
            "--drop-missing",
            help="With --repair: take files that cannot be read out of the tables, too. The facts "
            "in them are given up; the files are put aside.",
        ),
    ] = False,
) -> int:
    """Examine a store: every file there and readable, every number in agreement.

    Recording may go on meanwhile. Exit code 1 if something is wrong, or still is after --repair.
    """
    from tidegauge.store.doctor import examine
    from tidegauge.store.repair import repair as mend

    if drop_missing and not repair:
        raise typer.BadParameter("only with --repair", param_hint="--drop-missing")
    store = session.existing.store
    repaired = []
    with progress(session.output, "Examining"):
        if repair:
            repaired = [
                {"code": each.code, "subject": each.subject, "done": each.done, "rows": each.rows}
                for each in mend(store, drop_missing=drop_missing)
            ]
        found = [
            {
                "severity": each.severity,
                "code": each.code,
                "subject": each.subject,
                "what": each.what,
                "action": each.action,
                "rows": each.rows,
            }
            for each in examine(store, deep=deep)
        ]
    blocks: list[Block] = []
    if repaired:
        blocks.append(Table([Column("code"), Column("subject"), Column("done")], repaired))
    columns = [Column("severity"), Column("code"), Column("subject"), Column("what")]
    blocks.append(Table([*columns, Column("action", "what to do")], found, empty="All is well."))
    session.output.show({"findings": found, "repaired": repaired}, *blocks)
    return ExitCode.PROBLEM if any(each["severity"] != "info" for each in found) else ExitCode.OK


def _followers(parts: Parts) -> list[str]:
    names = dict.fromkeys(["store", *parts.store.state.followers()])
    if parts.settings.mlflow:
        names["mlflow"] = None
    return list(names)


def _deliver(session: Session, parts: Parts, name: str, timeout_s: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "follower": name,
        "delivered": None,
        "waiting": None,
        "caught_up": False,
        "problem": None,
    }
    with progress(session.output, f"Delivering to {name}") as advance:
        try:
            if name == "store":
                return {**row, **_to_store(parts, timeout_s, advance)}
            if name == "mlflow":
                return {**row, **_to_mlflow(parts, timeout_s)}
            if name == "live":
                follower = parts.live_follower()
                follower.advance(force=True)
                return {**row, "caught_up": follower.is_caught_up()}
        except MissingExtraError as error:
            parts_of_error = describe_error(error)
            return {**row, "problem": f"{parts_of_error['what']}. {parts_of_error['fix']}"}
    forget = f"If it no longer exists: tidegauge drain --forget-follower {name}"
    return {**row, "problem": f"this program has no such follower. {forget}"}


def _to_store(parts: Parts, timeout_s: float, advance: Advance) -> dict[str, Any]:
    follower = parts.drain()
    total = waiting = follower.lag().facts
    deadline_s = time.monotonic() + timeout_s
    while True:
        more = follower.advance(force=True)
        waiting = follower.lag().facts
        advance(max(0, total - waiting), total)
        if follower.is_caught_up():
            return {"delivered": total - waiting, "waiting": waiting, "caught_up": True}
        if time.monotonic() >= deadline_s:
            problem = "not done in time; is another process draining? See tidegauge status."
            return {"delivered": total - waiting, "waiting": waiting, "problem": problem}
        if not more:
            time.sleep(_POLL_S)


def _to_mlflow(parts: Parts, timeout_s: float) -> dict[str, Any]:
    follower = parts.mlflow()
    state = parts.store.state
    before = state.counters(follower.name)
    caught_up = follower.wait(timeout_s)
    after = state.counters(follower.name)
    delivered = after.get("delivered", 0) - before.get("delivered", 0)
    pending = follower.pending()
    problems = [*pending.aside.values(), pending.error]
    return {
        "delivered": delivered,
        "waiting": pending.points,
        "caught_up": caught_up,
        "problem": next((problem for problem in problems if problem), None),
    }


def _forget(session: Session, parts: Parts, name: str) -> int:
    known = parts.store.state.followers()
    if name not in known:
        raise StoreError(
            "the store has no such follower",
            got=name,
            allowed=", ".join(known) or "none: no follower is registered",
        )
    parts.store.state.forget_follower(name)
    session.output.show(
        {"forgotten": name}, Lines(f"The journal no longer waits for the follower {name}.")
    )
    return ExitCode.OK


def _retention(session: Session, days: float | None, keep: Sequence[str]) -> dict[str, Retention]:
    """The retention of the settings, with what the command line says on top of it."""
    parts, given = session.parts, dict[str, float]()
    for name, text in parse_pairs(keep, option="--keep").items():
        try:
            given[name] = float(text)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is not a number of days", param_hint="--keep"
            ) from None
    if given:
        parts.query.check_known(list(given))
    return parts.retention(days=days, metrics=given)


def _maintained(name: str) -> StoreError:
    return StoreError(
        f"the table {name!r} is being maintained by another process",
        fix="Wait for it to finish, then try again.",
    )
