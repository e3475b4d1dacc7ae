# SPDX-License-Identifier: Apache-2.0
"""What is done on schedules: `tidegauge jobs` and `tidegauge jobs run`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli.arguments import check_seconds
from tidegauge.cli.command import Commands
from tidegauge.cli.failure import ExitCode
from tidegauge.cli.output import Column, Table
from tidegauge.cli.session import Session
from tidegauge.model.errors import StoreError

if TYPE_CHECKING:
    from tidegauge.parts import Parts
    from tidegauge.store.job_log import JobLog, JobState

__all__ = ["commands", "job_document", "jobs", "jobs_table", "run_job"]

commands = Commands("Look after the store")

_POLL_S = 0.1


@commands.add("jobs", examples=["jobs", "jobs --json"])
def jobs(session: Session) -> int:
    """Show what is done on schedules, by this store's programs and agents, and how it went.

    Compacting and retiring are jobs of every store; programs may have added jobs of their own. Exit
    code 1 if the last run of one failed or was interrupted.
    """
    parts = session.existing
    states = _states(parts)
    now_ns = parts.store.clock.wall_ns()
    session.output.show([job_document(each) for each in states], jobs_table(states, now_ns))
    is_bad = any(each.outcome in {"failed", "interrupted"} for each in states)
    return ExitCode.PROBLEM if is_bad else ExitCode.OK


@commands.add("jobs run", examples=["jobs run retention", "jobs run shop.report --timeout-s 300"])
def run_job(
    session: Session,
    name: Annotated[str, typer.Argument(help="The job's name; see [bold]tidegauge jobs[/].")],
    timeout: Annotated[
        float,
        typer.Option("--timeout-s", help="Most seconds to wait for other processes."),
    ] = 60.0,
) -> int:
    """Run a job now, due or not, wait for it, and show what came of it.

    A job that a program has registered is run by that program, which must be running. Exit code 1
    if it fails.
    """
    from tidegauge.store.job_log import JobLog

    check_seconds(timeout, option="--timeout-s")
    parts = session.existing
    if name in {each.name for each in parts.jobs()}:
        done = parts.scheduler().run(name, timeout_s=timeout)
    else:
        done = _ask(parts, JobLog(parts.store.root, parts.store.state), name, timeout)
    table = jobs_table([done], parts.store.clock.wall_ns())
    session.output.show(job_document(done), table)
    return ExitCode.OK if done.outcome == "ok" else ExitCode.PROBLEM


def job_document(state: JobState) -> dict[str, Any]:
    """What is known of a job as JSON has it."""
    return {
        "name": state.name,
        "every": state.schedule,
        "outcome": state.outcome,
        "result": state.result,
        "started": _time(state.started_ns),
        "ended": _time(state.ended_ns),
        "took_s": state.took_s,
        "succeeded": _time(state.succeeded_ns),
        "due": _time(state.due_ns or None),
        "runs": state.runs,
        "failures": state.failures,
        "failures_in_a_row": state.failures_in_a_row,
    }


def jobs_table(states: Sequence[JobState], now_ns: int) -> Table:
    """What is known of jobs as people read it."""
    return Table(
        [
            Column("name", "job"),
            Column("every"),
            Column("started", "last run"),
            Column("took_s", "took s", "number"),
            Column("outcome", "went"),
            Column("result"),
            Column("due", "next"),
        ],
        [
            {
                **job_document(each),
                "took_s": None if each.took_s is None else round(each.took_s, 3),
                "outcome": each.outcome or "never ran",
                "due": _next(each, now_ns),
            }
            for each in states
        ],
        empty="No job was due yet.",
    )


def _states(parts: Parts) -> list[JobState]:
    """The store's own jobs in the order of a round, whether they ran or not; then the others."""
    from tidegauge.store.job_log import JobLog, JobState

    states = {each.name: each for each in JobLog(parts.store.root, parts.store.state).states()}
    own = [
        states.pop(job.name, JobState(job.name, str(job.schedule), "", due_ns=0))
        for job in parts.jobs()
    ]
    return [*own, *states.values()]


def _ask(parts: Parts, log: JobLog, name: str, timeout_s: float) -> JobState:
    """Have the program whose job it is run it, by making it due, and wait."""
    before = log.noted().get(name)
    if before is None:
        known = sorted({*log.noted(), *(each.name for each in parts.jobs())})
        raise StoreError("the store has no such job", got=name, allowed=", ".join(known))
    log.make_due(name, parts.store.clock.wall_ns())
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        state = log.noted()[name]
        if state.started_ns != before.started_ns and state.ended_ns is not None:
            return state
        time.sleep(_POLL_S)
    raise StoreError(
        f"the job {name!r} was not run, or has not ended",
        got=f"{timeout_s:g} s of waiting",
        fix="Start the program that has registered it. It runs the job as soon as it can.",
    )


def _next(state: JobState, now_ns: int) -> dt.datetime | str | None:
    if not state.due_ns:
        return None
    return "now" if state.due_ns <= now_ns else _time(state.due_ns)


def _time(time_ns: int | None) -> dt.datetime | None:
    return None if time_ns is None else dt.datetime.fromtimestamp(time_ns // 10**9, dt.UTC)
