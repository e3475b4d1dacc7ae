# SPDX-License-Identifier: Apache-2.0
"""What a process runs beside its own work, each in a thread: the drain, and jobs on schedules.

The libraries that store and query are not loaded before there is work: a script that ends within a
minute and records little never pays for them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tidegauge.journal.slot import slot_directories
from tidegauge.live.place import LIVE_FILE
from tidegauge.parts import OWN_JOBS, Parts, own_jobs
from tidegauge.record.front import recorder
from tidegauge.store.scheduler import Scheduler
from tidegauge.store.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge.integrations.accuracy import AccuracyJob
    from tidegauge.live.follower import LiveFollower
    from tidegauge.model.jobs import Job
    from tidegauge.store.drain import DrainFollower

__all__ = ["LateDrain", "LateJobs", "OwnJobs"]


class LateDrain:
    """The follower that fills the store and keeps its live metrics, once there is work.

    Args:
        parts: The parts of this process.
    """

    name = "store"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._begun_s = time.monotonic()
        self._inner: DrainFollower | None = None
        self._live: LiveFollower | None = None
        self._judge: AccuracyJob | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the libraries that store are loaded."""
        return self._inner is not None

    def advance(self, *, force: bool = False) -> bool:
        """Carry facts to where they are wanted; see `Follower.advance`."""
        try:
            # First, so that a drain can delete what both have passed.
            self._keep_live(force=force)
        finally:  # whatever becomes of live metrics, facts go into the tables
            more = self._store(force=force)
        return more

    def _store(self, *, force: bool) -> bool:
        if not (force or self._inner is not None or self._may_be_due()):
            return False
        more = self._drain().advance(force=force)
        if force and not more:
            # Who waits for the store waits for what its truths say, too; else that is a job.
            self._accuracy().advance()
        return more

    def is_caught_up(self) -> bool:
        """Whether everything recorded is stored, and judged where truths have come."""
        is_live = self._live is None or self._live.is_caught_up()
        return is_live and self._drain().is_caught_up() and self._accuracy().is_caught_up()

    def _keep_live(self, *, force: bool) -> None:
        if self._live is None and (self._parts.root / LIVE_FILE).exists():
            self._live = self._parts.live_follower()
        if self._live is not None:
            self._live.advance(force=force)

    def _may_be_due(self) -> bool:
        waited_s = time.monotonic() - self._begun_s
        return waited_s >= self._parts.settings.drain_after_s or any(
            len(list(directory.glob(f"{lane}-*.seg"))) > 1
            for directory in slot_directories(recorder.writer.root)
            for lane in ("points", "events")
        )

    def _drain(self) -> DrainFollower:
        if self._inner is None:
            self._inner = self._parts.drain()
        return self._inner

    def _accuracy(self) -> AccuracyJob:
        if self._judge is None:
            self._judge = self._parts.accuracy()
        return self._judge


class LateJobs:
    """Runs the jobs of the store, once this process has begun to drain.

    In a thread of its own, for merging files may take minutes and facts are not to wait for it.

    Args:
        parts: The parts of this process.
        drain: What drains in this process.
    """

    name = Scheduler.name

    def __init__(self, parts: Parts, drain: LateDrain) -> None:
        self._parts = parts
        self._drain = drain
        self._scheduler: Scheduler | None = None

    def advance(self, *, force: bool = False) -> bool:
        """Run one job if one is due; see `Scheduler.advance`."""
        if not self._drain.has_begun:
            return False
        if self._scheduler is None:
            self._scheduler = self._parts.scheduler()
        return self._scheduler.advance(force=force)

    def is_caught_up(self) -> bool:
        """Always: nobody waits for jobs."""
        return True


class OwnJobs:
    """Runs the jobs that this program has registered, one after the other.

    Each has a lock of its own: programs with different jobs do not wait for each other, and the
    jobs of the store wait for none of them.

    Args:
        root: The store's directory.
    """

    name = OWN_JOBS

    def __init__(self, root: Path) -> None:
        self._root = root
        self._state = State(root / "state.db")
        self._schedulers: dict[Job, Scheduler] = {}

    def advance(self, *, force: bool = False) -> bool:
        """Run each job that is due; see `Scheduler.advance`."""
        for job in list(own_jobs.values()):
            if job not in self._schedulers:
                lock = f"jobs/{job.name}.lock"
                self._schedulers[job] = Scheduler(self._root, self._state, [job], lock=lock)
            self._schedulers[job].advance(force=force)
        return False

    def is_caught_up(self) -> bool:
        """Always: nobody waits for jobs."""
        return True

    def close(self) -> None:
        """Close the state."""
        self._state.close()
