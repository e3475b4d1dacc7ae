# SPDX-License-Identifier: Apache-2.0
"""What is known of each job of a store: when it ran, what came of it, when it is due."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from tidegauge.store.leader import holder
from tidegauge.store.state import State

__all__ = ["JobLog", "JobState", "Outcome"]

#: What became of the last run. `postponed`: it could not be done at that moment.
Outcome = Literal["running", "ok", "failed", "interrupted", "postponed"]


class JobState(msgspec.Struct, frozen=True):
    """What is known of one job.

    Attributes:
        name: Its name.
        schedule: When it runs, as `tidegauge.model.schedules` reads it.
        lock: The file in the store's directory that is locked while it runs.
        due_ns: When it is due, nanoseconds since 1970.
        started_ns: When its last run began; None if there was none.
        ended_ns: When that ended; None if it did not.
        took_s: Seconds that the last run that ended took.
        succeeded_ns: When the last run that succeeded ended.
        outcome: What became of the last run; None if there was none.
        result: What it said about that, or the error.
        runs: Runs that were begun, without those that were postponed.
        failures: Those that failed or were interrupted.
        failures_in_a_row: Those since the last that succeeded.
    """

    name: str
    schedule: str
    lock: str
    due_ns: int
    started_ns: int | None = None
    ended_ns: int | None = None
    took_s: float | None = None
    succeeded_ns: int | None = None
    outcome: Outcome | None = None
    result: str | None = None
    runs: int = 0
    failures: int = 0
    failures_in_a_row: int = 0


class JobLog:
    """Reads and writes the table `jobs` of the state. Who writes holds the job's lock.

    Args:
        root: The store's directory.
        state: The store's state.
    """

    def __init__(self, root: Path, state: State) -> None:
        self._root = root
        self._state = state

    def noted(self) -> dict[str, JobState]:
        """All jobs by name, as they were noted last; one that was killed seems to run.

        Raises:
            StoreError: The state cannot be read.
        """
        # A store that this user may not write keeps the layout it has.
        if not self._state.rows("select 1 from sqlite_master where name = 'jobs'"):
            return {}
        rows = self._state.rows(f"select {_COLUMNS} from jobs order by name")
        return {row[0]: JobState(*row) for row in rows}

    def states(self) -> list[JobState]:
        """All jobs by name, as they are: `running` is only what somebody runs at this moment.

        Raises:
            StoreError: The state cannot be read.
        """
        return [
            msgspec.structs.replace(each, outcome="interrupted")
            if each.outcome == "running" and holder(self._root / each.lock) is None
            else each
            for each in self.noted().values()
        ]

    def write(self, *states: JobState) -> None:
        """Note what is known of some jobs, all or none of it.

        Raises:
            StoreError: The state cannot be written.
        """
        with self._state.transaction() as transaction:
            for each in states:
                transaction.execute(
                    f"insert or replace into jobs ({_COLUMNS}) values ({_PLACES})",
                    msgspec.structs.astuple(each),
                )

    def make_due(self, name: str, now_ns: int) -> None:
        """Have whoever runs a job run it now; without effect if it is due or not known.

        Raises:
            StoreError: The state cannot be written.
        """
        with self._state.transaction() as transaction:
            transaction.execute(
                "update jobs set due_ns = min(due_ns, ?) where name = ?", (now_ns, name)
            )


_COLUMNS = ", ".join(JobState.__struct_fields__)
_PLACES = ", ".join("?" for _ in JobState.__struct_fields__)
