# SPDX-License-Identifier: Apache-2.0
"""Running jobs when they are due, with a clock of one's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegauge.model.errors import StoreError
from tidegauge.model.jobs import Job, Postponed
from tidegauge.model.schedules import parse_schedule
from tidegauge.model.times import parse_time_ns
from tidegauge.store.job_log import JobLog, JobState
from tidegauge.store.leader import exclusive
from tidegauge.store.scheduler import Scheduler
from tidegauge.store.state import State
from tidegauge.testing import FakeClock

DAY_S = 86_400


class Killed(BaseException):
    """What ends a run like a kill: nothing is noted after it."""


class Desk:
    """A store's directory, its state and clock, and what jobs have done.

    Attributes:
        ran: Names of the jobs that ran, in order.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.clock = FakeClock(parse_time_ns("2026-01-01T12:00:00Z"))
        self.state = State(root / "state.db", clock=self.clock)
        self.ran: list[str] = []

    def job(self, name: str, every: str, act: Callable[[], str | None] = str, **more: Any) -> Job:
        """A job that notes that it ran, then acts."""

        def run() -> str | None:
            self.ran.append(name)
            return act() or None

        return Job(name=name, schedule=parse_schedule(every), run=run, **more)

    def scheduler(self, *jobs: Job, **more: Any) -> Scheduler:
        """A scheduler as a process has one of its own."""
        return Scheduler(self.root, self.state, jobs, clock=self.clock, **more)

    def round(self, scheduler: Scheduler) -> list[str]:
        """Let it run all that is due; returns what ran."""
        before = len(self.ran)
        while scheduler.advance():
            pass
        return self.ran[before:]

    def known(self, name: str) -> JobState:
        """What is known of a job."""
        [state] = [each for each in JobLog(self.root, self.state).states() if each.name == name]
        return state


@pytest.fixture
def desk(store_dir: Path) -> Desk:
    """A store without anything."""
    return Desk(store_dir)


def fails() -> str:
    """Raise what a job may raise."""
    raise ValueError("no luck")


def fails_at_first(times: int) -> Callable[[], str]:
    """What fails so often, and then succeeds."""
    left = [times]

    def act() -> str:
        left[0] -= 1
        return "done" if left[0] < 0 else fails()

    return act


def is_killed() -> str:
    """End the process, as far as the scheduler can tell."""
    raise Killed


def test_a_job_is_due_an_interval_after_it_was_first_seen(desk: Desk) -> None:
    """So a short script on a new store runs none; then once per interval."""
    scheduler = desk.scheduler(desk.job("a", "1h"))
    assert desk.round(scheduler) == []
    desk.clock.advance(3599)
    assert desk.round(scheduler) == []
    desk.clock.advance(1)
    assert desk.round(scheduler) == ["a"]
    assert desk.round(scheduler) == []
    desk.clock.advance(3600)
    assert desk.round(scheduler) == ["a"]


def test_a_job_may_be_due_at_once(desk: Desk) -> None:
    """If it says so."""
    assert desk.round(desk.scheduler(desk.job("a", "1h", at_once=True))) == ["a"]


def test_a_job_of_the_day_is_due_at_its_time(desk: Desk) -> None:
    """UTC; today if it is still to come, else tomorrow."""
    scheduler = desk.scheduler(desk.job("late", "day at 13:00"), desk.job("early", "day at 02:00"))
    assert desk.round(scheduler) == []
    desk.clock.advance(3600)
    assert desk.round(scheduler) == ["late"]
    desk.clock.advance(13 * 3600)
    assert desk.round(scheduler) == ["early"]
    desk.clock.advance(11 * 3600 - 1)
    assert desk.round(scheduler) == []


def test_jobs_run_in_their_order(desk: Desk) -> None:
    """One after the other, also if the later one became due first."""
    scheduler = desk.scheduler(desk.job("rollup", "1h"), desk.job("compact", "10m"))
    desk.round(scheduler)
    desk.clock.advance(3600)
    assert desk.round(scheduler) == ["rollup", "compact"]


def test_a_slow_job_does_not_keep_the_others_from_running(desk: Desk) -> None:
    """It is due again when it ends; the rest of the round comes first."""

    def dawdle() -> str:
        desk.clock.advance(20)
        return ""

    slow = desk.job("slow", "10s", dawdle, at_once=True)
    scheduler = desk.scheduler(slow, desk.job("other", "10s", at_once=True))
    for _ in range(4):
        assert scheduler.advance()
    assert desk.ran == ["slow", "other", "slow", "other"]


def test_what_was_missed_is_made_up_for_once(desk: Desk) -> None:
    """However many runs it would have been; another process may do it."""
    desk.round(desk.scheduler(desk.job("a", "1h"), desk.job("b", "day at 02:00")))
    desk.clock.advance(10 * DAY_S)
    later = desk.scheduler(desk.job("a", "1h"), desk.job("b", "day at 02:00"))
    assert desk.round(later) == ["a", "b"]
    desk.clock.advance(3599)
    assert desk.round(later) == []
    desk.clock.advance(1)
    assert desk.round(later) == ["a"]


def test_a_job_that_does_not_catch_up_leaves_out_what_was_missed(desk: Desk) -> None:
    """Five minutes late is late; more is missed, and the next run is the next one."""
    scheduler = desk.scheduler(desk.job("a", "day at 13:00", catch_up=False))
    desk.round(scheduler)
    desk.clock.advance(3600 + 300)
    assert desk.round(scheduler) == ["a"]
    desk.clock.advance(DAY_S + 1)
    assert desk.round(scheduler) == []
    assert desk.known("a").due_ns == parse_time_ns("2026-01-03T13:00:00Z")


@pytest.mark.parametrize("every", ["1h", "day at 11:00"])
def test_a_clock_that_goes_back_puts_off_no_longer_than_an_interval(desk: Desk, every: str) -> None:
    """A job that would be due in a year by the new clock is due within its interval."""
    scheduler = desk.scheduler(desk.job("a", every))
    desk.round(scheduler)
    desk.clock.set_wall(parse_time_ns("2025-01-01T12:00:00Z"))
    assert desk.round(scheduler) == []
    desk.clock.advance(3600 if every == "1h" else 23 * 3600)
    assert desk.round(scheduler) == ["a"]


def test_a_clock_that_jumps_forth_makes_one_run(desk: Desk) -> None:
    """As if nothing had been running in between; and going back again makes none."""
    scheduler = desk.scheduler(desk.job("a", "1h"))
    desk.round(scheduler)
    now_ns = desk.clock.wall_ns()
    desk.clock.set_wall(parse_time_ns("2030-01-01T00:00:00Z"))
    assert desk.round(scheduler) == ["a"]
    desk.clock.set_wall(now_ns)
    assert desk.round(scheduler) == []
    desk.clock.advance(3600)
    assert desk.round(scheduler) == ["a"]


def test_a_shorter_interval_holds_at_once(desk: Desk) -> None:
    """The next run is not where the longer one had put it."""
    desk.round(desk.scheduler(desk.job("a", "7d")))
    shorter = desk.scheduler(desk.job("a", "1h"))
    desk.round(shorter)
    desk.clock.advance(3600)
    assert desk.round(shorter) == ["a"]
    assert desk.known("a").schedule == "1h"


def test_what_is_known_of_a_run(desk: Desk) -> None:
    """When it began and ended, how long it took by a clock that does not jump, and what it said."""

    def work() -> str:
        desk.clock.advance(2.5)
        return "12 files merged"

    scheduler = desk.scheduler(desk.job("a", "1h", work, at_once=True))
    desk.round(scheduler)
    began_ns = parse_time_ns("2026-01-01T12:00:00Z")
    assert desk.known("a") == JobState(
        name="a",
        schedule="1h",
        lock="jobs.lock",
        due_ns=began_ns + 3600 * 10**9,
        started_ns=began_ns,
        ended_ns=began_ns + 2_500_000_000,
        took_s=2.5,
        succeeded_ns=began_ns + 2_500_000_000,
        outcome="ok",
        result="12 files merged",
        runs=1,
    )


def test_a_failure_is_noted_and_others_go_on(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, with where it came from, at most once a minute."""
    scheduler = desk.scheduler(
        desk.job("a", "1h", fails, at_once=True),
        desk.job("b", "1h", fails, at_once=True),
        desk.job("c", "1h", at_once=True),
    )
    with caplog.at_level(logging.WARNING, "tidegauge"):
        assert desk.round(scheduler) == ["a", "b", "c"]
    [record] = caplog.records
    assert record.getMessage() == ("the job a failed (1 times in a row), trying again later")
    assert record.exc_info is not None
    seen = desk.known("b")
    assert (seen.outcome, seen.result) == ("failed", "ValueError: no luck")
    assert (seen.runs, seen.failures, seen.failures_in_a_row) == (1, 1, 1)
    assert seen.succeeded_ns is None
    assert desk.known("c").outcome == "ok"


def test_a_job_that_wants_to_end_the_program_only_fails(desk: Desk) -> None:
    """`sys.exit` ends neither the process nor the thread."""

    def leave() -> str:
        raise SystemExit(3)

    desk.round(desk.scheduler(desk.job("a", "1h", leave, at_once=True)))
    assert (desk.known("a").outcome, desk.known("a").result) == ("failed", "SystemExit: 3")


def test_a_failed_job_is_tried_again_sooner_and_ever_more_seldom(desk: Desk) -> None:
    """After 10 minutes, then 20; never more often than its schedule. A success ends that."""
    scheduler = desk.scheduler(desk.job("a", "1d", fails_at_first(2), at_once=True))
    desk.round(scheduler)
    for pause_s in (600, 1200):
        desk.clock.advance(pause_s - 1)
        assert desk.round(scheduler) == []
        desk.clock.advance(1)
        assert desk.round(scheduler) == ["a"]
    seen = desk.known("a")
    assert (seen.runs, seen.failures, seen.failures_in_a_row) == (3, 2, 0)
    assert seen.due_ns == desk.clock.wall_ns() + DAY_S * 10**9


def test_a_postponed_run_is_no_run(desk: Desk) -> None:
    """It is tried again within a minute, and counted neither as a run nor as a failure."""

    def later() -> str:
        raise Postponed("somebody else is at it")

    scheduler = desk.scheduler(desk.job("a", "1h", later, at_once=True))
    assert desk.round(scheduler) == ["a"]
    seen = desk.known("a")
    assert (seen.outcome, seen.result) == ("postponed", "somebody else is at it")
    assert (seen.runs, seen.failures) == (0, 0)
    desk.clock.advance(60)
    assert desk.round(scheduler) == ["a"]


def test_a_killed_run_is_seen_and_made_again(desk: Desk) -> None:
    """Whoever takes over finds it interrupted and runs it at once."""
    with pytest.raises(Killed):
        desk.scheduler(desk.job("a", "1h", is_killed, at_once=True)).advance()
    seen = desk.known("a")
    assert (seen.outcome, seen.ended_ns) == ("interrupted", None)
    desk.clock.advance(1)
    assert desk.round(desk.scheduler(desk.job("a", "1h"))) == ["a"]
    seen = desk.known("a")
    assert (seen.outcome, seen.runs, seen.failures, seen.failures_in_a_row) == ("ok", 2, 1, 0)


def test_a_job_that_kills_does_so_once_per_interval(desk: Desk) -> None:
    """After the second time in a row it waits until it is due, so nothing is killed in a loop."""
    deadly = desk.job("a", "1h", is_killed, at_once=True)
    for _ in range(2):
        with pytest.raises(Killed):
            desk.round(desk.scheduler(deadly))
    assert desk.round(desk.scheduler(deadly)) == []
    assert desk.known("a").failures_in_a_row == 2
    desk.clock.advance(3600)
    with pytest.raises(Killed):
        desk.round(desk.scheduler(deadly))


def test_one_process_of_a_store_runs_jobs_at_a_time(desk: Desk) -> None:
    """The others do not wait, and take their turn later; what runs is seen to run."""
    first, second = (desk.scheduler(desk.job("a", "1h", at_once=True)) for _ in range(2))
    with exclusive(desk.root / "jobs.lock") as leading:
        assert leading
        assert desk.round(first) == []
    seen: list[object] = []

    def look() -> str:
        seen.extend((second.advance(), desk.known("b").outcome))
        return ""

    assert desk.round(first) == ["a"]
    assert desk.round(second) == []
    desk.round(desk.scheduler(desk.job("b", "1h", look, at_once=True)))
    assert seen == [False, "running"]


def test_jobs_with_another_lock_do_not_wait(desk: Desk) -> None:
    """A program's own job runs while the store's do."""
    own = desk.scheduler(desk.job("own", "1h", at_once=True), lock="jobs/own.lock")
    with exclusive(desk.root / "jobs.lock"):
        assert desk.round(own) == ["own"]
    assert desk.known("own").lock == "jobs/own.lock"


def test_a_job_waits_for_those_it_needs(desk: Desk) -> None:
    """So rows are not removed while what is made of them failed; who asks has those run first."""
    scheduler = desk.scheduler(
        desk.job("rollup", "1h", fails_at_first(4)),
        desk.job("retention", "1h", needs=("rollup", "nobody")),
    )
    desk.round(scheduler)
    with pytest.raises(StoreError):
        scheduler.run("retention")
    desk.clock.advance(3600)
    assert desk.round(scheduler)[-1] == "rollup"
    desk.clock.advance(1200)
    assert desk.round(scheduler) == ["rollup"]
    with pytest.raises(StoreError) as caught:
        scheduler.run("retention")
    assert str(caught.value) == (
        "the job 'retention' runs only after others have succeeded; "
        "got 'not so with the last run of rollup'. "
        "Run `tidegauge jobs run rollup` first, and see what it says."
    )
    assert scheduler.run("retention").outcome == "ok"


def test_a_job_that_cannot_run_here_is_left_to_others(desk: Desk) -> None:
    """Such as one that needs a library which does not survive a fork."""
    desk.round(desk.scheduler(desk.job("a", "1h")))
    desk.clock.advance(3600)
    assert desk.round(desk.scheduler(desk.job("a", "1h", can_run=lambda: False))) == []
    assert desk.round(desk.scheduler(desk.job("a", "1h"))) == ["a"]


def test_nothing_is_made_where_there_is_no_store(tmp_path: Path) -> None:
    """The directory comes with the first fact."""
    root = tmp_path / "never"
    job = Job(name="a", schedule=parse_schedule("1h"), run=str, at_once=True)
    scheduler = Scheduler(root, State(root / "state.db"), [job])
    assert scheduler.advance() is False
    assert scheduler.is_caught_up()
    assert not root.exists()


def test_a_job_can_be_run_now(desk: Desk) -> None:
    """Due or not; the next run is an interval later."""
    scheduler = desk.scheduler(desk.job("a", "1h", lambda: "done"))
    desk.round(scheduler)
    desk.clock.advance(1800)
    done = scheduler.run("a")
    assert (done.outcome, done.result) == ("ok", "done")
    desk.clock.advance(3599)
    assert desk.round(scheduler) == []


def test_running_a_job_now_waits_for_whoever_runs_one(desk: Desk) -> None:
    """And says so when that takes too long."""
    scheduler = desk.scheduler(desk.job("a", "1h"))
    with exclusive(desk.root / "jobs.lock"), pytest.raises(StoreError) as caught:
        scheduler.run("a", timeout_s=0)
    assert str(caught.value) == (
        "another process was running a job of this store all the time; got '0 s of waiting'. "
        "See `tidegauge jobs`, and try again later."
    )


def test_a_job_that_does_not_exist_cannot_be_run(desk: Desk) -> None:
    """The error names those that do."""
    with pytest.raises(StoreError) as caught:
        desk.scheduler(desk.job("a", "1h"), desk.job("b", "1h")).run("c")
    assert str(caught.value) == "the store has no such job; got 'c'; allowed: a, b."


def test_a_state_of_an_older_layout_has_no_jobs(desk: Desk) -> None:
    """Whoever may only look at a store sees none, and no error."""
    with desk.state.transaction() as transaction:
        transaction.execute("drop table jobs")
    assert JobLog(desk.root, desk.state).states() == []
