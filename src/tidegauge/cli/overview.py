# SPDX-License-Identifier: Apache-2.0
"""What there is: `tidegauge status` and `tidegauge settings`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.command import Commands, escape
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.jobs import job_document, jobs_table
from tidegauge.cli.output import Block, Column, Lines, Pairs, Table, bytes_text
from tidegauge.cli.session import Session
from tidegauge.cli.table_status import table_blocks

if TYPE_CHECKING:
    from tidegauge.parts import Parts
    from tidegauge.store.state import DeadLetter
    from tidegauge.store.status import Balance, Status

__all__ = ["commands", "settings", "status", "status_blocks", "status_document"]

commands = Commands("Look after the store")

_MOST_LETTERS = 100


@commands.add("status", examples=["status", "status -v", "status --dead-letters", "status --json"])
def status(
    session: Session,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Each slot, and more of each table.")
    ] = False,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="What followers gave up on, newest first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most dead letters.")] = _MOST_LETTERS,
) -> int:
    """Show where every fact is: recorded = stored + pending + dropped, by reason.

    Also how large each table is, how it grows and what goes next, and how jobs went. Exit code 1 if
    the facts do not add up.
    """
    parts = session.existing
    if dead_letters:
        letters = parts.store.state.dead_letters(limit=limit)
        session.output.show([_letter(each) for each in letters], _letters_table(letters))
        return ExitCode.OK
    seen = _status_of(parts)
    blocks = status_blocks(seen, now_ns=parts.store.clock.wall_ns(), verbose=verbose)
    session.output.show(status_document(seen), *blocks)
    return ExitCode.OK if seen.is_balanced else ExitCode.PROBLEM


@commands.add("settings", examples=["settings", "settings --json"])
def settings(session: Session) -> None:
    """Show every setting, its value, and where the value comes from."""
    import os

    from tidegauge.settings import describe_settings

    chosen = session.parts.settings
    rows = []
    for setting in describe_settings():
        name, variable, meaning = setting[0], setting[1], setting[4]
        if session.given.get(name) is not None:
            source = "command line"
        elif variable in os.environ:
            source = variable
        else:
            source = "default"
        value = getattr(chosen, name)
        rows.append({"name": name, "value": value, "from": source, "meaning": meaning})
    columns = [Column("name"), Column("value"), Column("from"), Column("meaning")]
    shown = [{**row, "value": "-" if row["value"] is None else str(row["value"])} for row in rows]
    session.output.show(rows, Table(columns, shown))


def status_document(seen: Status) -> dict[str, Any]:
    """A status as JSON has it."""
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(seen)
    document["is_balanced"] = seen.is_balanced
    document["jobs"] = [job_document(each) for each in seen.jobs]
    for follower in document["followers"]:
        follower["dead_letters"] = _dead(follower["counters"])
    return document


def status_blocks(seen: Status, *, now_ns: int, verbose: bool = False) -> Iterator[Block]:
    """A status as people read it."""
    balance = seen.balance
    dropped = sum(balance.dropped.values())
    sum_text = f"{balance.stored:,} stored + {balance.pending:,} pending + {dropped:,} dropped"
    if seen.is_balanced:
        verdict = "[green]Every fact is accounted for.[/]"
    else:
        verdict = f"[bold red]{balance.missing:,} facts are not accounted for.[/]"
    yield Lines(
        f"[bold]{escape(seen.root)}[/]\n"
        f"[bold]{balance.recorded:,} recorded[/] = {sum_text}\n{verdict}"
    )
    if dropped:
        yield _dropped(balance)
    if fixed := sum(slot.fixed_names for slot in seen.slots):
        yield Lines(
            f"{fixed:,} facts came under names that do not fit, and were given one that does."
        )
    yield Table(
        [
            Column("name", "follower"),
            Column("waiting", kind="count"),
            Column("oldest"),
            Column("dead_letters", "dead letters", "count"),
        ],
        [
            {
                "name": each.name,
                "waiting": each.lag.facts,
                "oldest": _age(each.lag.oldest_ns, now_ns),
                "dead_letters": _dead(each.counters),
            }
            for each in seen.followers
        ],
    )
    for name, counted in seen.pushes.items():
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(counted.items()))
        yield Lines(f"Live metrics to {escape(name)}: {told}.")
    if verbose:
        yield from _details(seen, now_ns)
    if seen.tables or verbose:
        yield from table_blocks(seen.tables, verbose=verbose)
    if seen.jobs:
        yield jobs_table(seen.jobs, now_ns)
    journal_bytes = sum(slot.size_bytes for slot in seen.slots)
    alive = sum(slot.owner_alive for slot in seen.slots)
    table_bytes = sum(table.size_bytes for table in seen.tables)
    yield Pairs(
        [
            ("journal", f"{len(seen.slots)} slots, {alive} in use, {bytes_text(journal_bytes)}"),
            ("tables", f"{sum(t.rows for t in seen.tables):,} rows, {bytes_text(table_bytes)}"),
            ("free on disk", bytes_text(seen.disk_free_bytes)),
            ("draining now", seen.draining or "nobody"),
        ]
    )


def _details(seen: Status, now_ns: int) -> Iterator[Block]:
    yield Table(
        [
            Column("slot"),
            Column("owner_alive", "in use"),
            *(Column(key, kind="count") for key in ("recorded", "stored", "pending", "dropped")),
            Column("unacknowledged", "never finished", "count"),
            Column("oldest"),
            Column("size_bytes", "size", "bytes"),
        ],
        [
            {
                "slot": slot.name,
                "owner_alive": slot.owner_alive,
                "recorded": slot.balance.recorded,
                "stored": slot.balance.stored,
                "pending": slot.balance.pending,
                "dropped": sum(slot.balance.dropped.values()),
                "unacknowledged": slot.unacknowledged,
                "oldest": _age(slot.oldest_pending_ns, now_ns),
                "size_bytes": slot.size_bytes,
            }
            for slot in seen.slots
        ],
        empty="The journal has no slots.",
    )


def _status_of(parts: Parts) -> Status:
    from tidegauge.store.status import status_of

    return status_of(parts.store, parts.retention())


def _dropped(balance: Balance) -> Table:
    from tidegauge.model.reasons import REASONS

    rows = [
        {"reason": reason, "count": count, "meaning": REASONS.get(reason, "")}
        for reason, count in sorted(balance.dropped.items(), key=lambda item: -item[1])
    ]
    return Table(
        [Column("reason", "dropped"), Column("count", kind="count"), Column("meaning")], rows
    )


def _dead(counters: dict[str, int]) -> int:
    return sum(count for name, count in counters.items() if name.startswith("dead_letters/"))


def _letter(letter: DeadLetter) -> dict[str, Any]:
    import msgspec

    try:
        fact = msgspec.json.decode(letter.payload_json)
    except msgspec.DecodeError:
        fact = letter.payload_json
    return {
        "time": _time(letter.time_ns),
        "follower": letter.follower,
        "reason": letter.reason,
        "detail": letter.detail,
        "fact": fact,
    }


def _letters_table(letters: list[DeadLetter]) -> Table:
    rows = [{**_letter(letter), "fact": letter.payload_json[:200]} for letter in letters]
    return Table(
        [Column("time"), Column("follower"), Column("reason"), Column("detail"), Column("fact")],
        rows,
        empty="There are no dead letters.",
    )


def _time(time_ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ns // 1000 / 1e6, dt.UTC)


def _age(time_ns: int | None, now_ns: int) -> str:
    if time_ns is None:
        return ""
    seconds = max(0.0, (now_ns - time_ns) / 1e9)
    for unit, length_s in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length_s:
            return f"{seconds / length_s:.1f} {unit} ago"
    return f"{seconds:.0f} s ago"
