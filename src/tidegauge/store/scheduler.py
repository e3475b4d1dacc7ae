# SPDX-License-Identifier: Apache-2.0
"""The follower that runs jobs when they are due, whichever processes of the store there are.

Nothing heavy is loaded here: that is up to the jobs.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import StoreError
from tidegauge.model.jobs import Job, Postponed
from tidegauge.store.job_log import JobLog, JobState, Outcome
from tidegauge.store.leader import exclusive
from tidegauge.store.state import State

__all__ = ["JOBS_LOCK", "Scheduler"]

#: Held by whoever runs a job of the store itself.
JOBS_LOCK = "jobs.lock"

_SECOND_NS = 10**9
#: A run that is later than this was missed, and not merely late.
_MISSED_NS = 300 * _SECOND_NS
_POSTPONED_NS = 60 * _SECOND_NS
_RETRY_NS = 600 * _SECOND_NS
_LONGEST_RETRY = 10
_LONGEST_TEXT = 500
_LOG_EVERY_S = 60.0
_POLL_S = 0.05
_log = logging.getLogger("tidegauge")


class Scheduler:
    """Runs jobs that are due, one after the other, in one process of the store at a time.

    It has the shape of a follower and none of the journal: there is nothing it could be behind of.
    When a job is due is known to the store, not to this object; so any process can take over from
    any other. Used by one thread at a time.

    Args:
        root: The store's directory. Nothing happens until it exists.
        state: The store's state.
        jobs: What to run. Of those that are due, earlier ones come first.
        lock: The file in `root` that is locked while one of them runs.
        clock: Where the time comes from.
    """

    name = "jobs"

    def __init__(
        self,
        root: Path,
        state: State,
        jobs: Sequence[Job],
        *,
        lock: str = JOBS_LOCK,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._root = root
        self._jobs = jobs
        self._lock = lock
        self._clock = clock
        self._log = JobLog(root, state)
        self._next = 0
        self._logged_s = float("-inf")

    def advance(self, *, force: bool = False) -> bool:  # noqa: ARG002  (nobody waits for jobs)
        """Run one job, if one is due and no other process is running any.

        Returns:
            Whether one was run, so that another may be due.

        Raises:
            StoreError: The state cannot be used. What a job raises is noted, and logged.
        """
        if _is_ending() or not (self._root.is_dir() and self._may_be_due()):
            return False
        with exclusive(self._root / self._lock) as leading:
            return leading and self._run_next()

    def is_caught_up(self) -> bool:
        """Always: nobody waits for jobs."""
        return True

    def run(self, name: str, *, timeout_s: float = 60.0) -> JobState:
        """Run a job now, due or not; before it those it needs, as far as they have not succeeded.

        Args:
            name: The job's.
            timeout_s: Most seconds to wait for another process that is running one.

        Returns:
            What is known of it afterwards, a failure included.

        Raises:
            StoreError: There is no such job, another process kept running one, or one that it
                needs did not succeed.
        """
        job = next((each for each in self._jobs if each.name == name), None)
        if job is None:
            raise _unknown(name, [each.name for each in self._jobs])
        with self._alone(timeout_s):
            states = self._settled(self._clock.wall_ns())
            for needed in _missing(job, states):
                self._run(next(each for each in self._jobs if each.name == needed), states[needed])
            states = self._settled(self._clock.wall_ns())
            if missing := _missing(job, states):
                raise _not_yet(name, missing)
            self._run(job, states[name])
        return self._log.noted()[name]

    @contextlib.contextmanager
    def _alone(self, timeout_s: float) -> Iterator[None]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            with exclusive(self._root / self._lock) as leading:
                if leading:
                    yield
                    return
            if time.monotonic() >= deadline_s:
                raise _busy(timeout_s)
            time.sleep(_POLL_S)

    def _may_be_due(self) -> bool:
        """Whether the lock is worth taking. Reads one small table and changes nothing."""
        now_ns, states = self._clock.wall_ns(), self._log.noted()
        return any(
            (state := states.get(job.name)) is None
            or state.outcome == "running"
            or _is_far(job, state, now_ns)
            or (state.due_ns <= now_ns and not _missing(job, states))
            for job in self._jobs
            if job.can_run()
        )

    def _run_next(self) -> bool:
        """Run the next job of this round that is due; a slow one does not keep others from it."""
        now_ns = self._clock.wall_ns()
        states = self._settled(now_ns)
        for at in (*range(self._next, len(self._jobs)), *range(self._next)):
            job = self._jobs[at]
            if states[job.name].due_ns <= now_ns and job.can_run() and not _missing(job, states):
                self._next = at + 1
                self._run(job, states[job.name])
                return True
        self._next = 0
        return False

    def _settled(self, now_ns: int) -> dict[str, JobState]:
        """What is known of each job, with what time alone has changed. Holding the lock."""
        noted = self._log.noted()
        settled = {job.name: self._settle(job, noted.get(job.name), now_ns) for job in self._jobs}
        changed = [state for name, state in settled.items() if state != noted.get(name)]
        if changed:
            self._log.write(*changed)
        return noted | settled

    def _settle(self, job: Job, state: JobState | None, now_ns: int) -> JobState:
        next_ns = job.schedule.after_ns(now_ns)
        if state is None:
            due_ns = now_ns if job.at_once else next_ns
            return JobState(job.name, str(job.schedule), self._lock, due_ns)
        if state.outcome == "running":  # and yet the lock was free: whoever ran it was killed
            # Again now; but if that is what kills, only when it is due.
            due_ns = min(state.due_ns, next_ns) if state.failures_in_a_row else now_ns
            return replace(
                state,
                outcome="interrupted",
                due_ns=due_ns,
                failures=state.failures + 1,
                failures_in_a_row=state.failures_in_a_row + 1,
            )
        was_missed = not job.catch_up and now_ns - state.due_ns > _MISSED_NS
        if was_missed or _is_far(job, state, now_ns):
            return replace(state, due_ns=next_ns)
        return state

    def _run(self, job: Job, before: JobState) -> None:
        started_ns, started_s = self._clock.wall_ns(), self._clock.monotonic_s()
        running = replace(
            before,
            schedule=str(job.schedule),
            lock=self._lock,
            due_ns=job.schedule.after_ns(started_ns),
            started_ns=started_ns,
            ended_ns=None,
            outcome="running",
            runs=before.runs + 1,
        )
        self._log.write(running)
        outcome, text = self._attempt(job, before)
        ended_ns = self._clock.wall_ns()
        ended = replace(
            running,
            ended_ns=ended_ns,
            took_s=self._clock.monotonic_s() - started_s,
            outcome=outcome,
            result=None if text is None else text[:_LONGEST_TEXT],
        )
        if outcome == "ok":
            ended = replace(ended, succeeded_ns=ended_ns, failures_in_a_row=0)
        elif outcome == "postponed":
            due_ns = min(running.due_ns, ended_ns + _POSTPONED_NS)
            ended = replace(ended, due_ns=due_ns, runs=before.runs)
        else:
            in_a_row = before.failures_in_a_row + 1
            retry_ns = ended_ns + _RETRY_NS * 2 ** min(in_a_row - 1, _LONGEST_RETRY)
            ended = replace(
                ended,
                due_ns=min(running.due_ns, retry_ns),
                failures=before.failures + 1,
                failures_in_a_row=in_a_row,
            )
        self._log.write(ended)

    def _attempt(self, job: Job, before: JobState) -> tuple[Outcome, str | None]:
        try:
            return "ok", job.run()
        except Postponed as reason:
            return "postponed", str(reason)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, the others go on)
            if _is_ending():  # libraries that are loaded then may refuse; it is nobody's failure
                return "postponed", "the program ended"
            now_s = time.monotonic()
            if now_s - self._logged_s >= _LOG_EVERY_S:
                self._logged_s = now_s
                _log.warning(
                    "the job %s failed (%d times in a row), trying again later",
                    job.name,
                    before.failures_in_a_row + 1,
                    exc_info=True,
                )
            return "failed", f"{type(error).__name__}: {error}"


def _is_ending() -> bool:
    """Whether the program has come to its end, and only threads are left behind."""
    return not threading.main_thread().is_alive()


def _is_far(job: Job, state: JobState, now_ns: int) -> bool:
    """Whether it is due later than it could be: the clock went back, or the schedule changed."""
    return state.due_ns > job.schedule.after_ns(now_ns)


def _missing(job: Job, states: Mapping[str, JobState]) -> list[str]:
    """The jobs that it needs, that the store has, and whose last run did not succeed."""
    return [name for name in job.needs if name in states and states[name].outcome != "ok"]


def _unknown(name: str, known: Sequence[str]) -> StoreError:
    return StoreError("the store has no such job", got=name, allowed=", ".join(known))


def _busy(timeout_s: float) -> StoreError:
    return StoreError(
        "another process was running a job of this store all the time",
        got=f"{timeout_s:g} s of waiting",
        fix="See `tidegauge jobs`, and try again later.",
    )


def _not_yet(name: str, missing: Sequence[str]) -> StoreError:
    return StoreError(
        f"the job {name!r} runs only after others have succeeded",
        got=f"not so with the last run of {', '.join(missing)}",
        fix=f"Run `tidegauge jobs run {missing[0]}` first, and see what it says.",
    )
