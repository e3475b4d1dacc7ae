# SPDX-License-Identifier: Apache-2.0
"""The follower's work: window after window, each run's facts in order, none held up by another.

All runs share the main way: read a window, remember its end, send it run by run, then move the
cursor. When the destination is down, the way stands still and the journal is the queue. When it
works and only some runs fail, those are set aside: each goes on by itself from where it failed, at
its own pace, while the others pass. A run set aside comes back when it has caught up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from tidegauge.export.mlflow_batch import Composer, Fact, RunRequests
from tidegauge.export.mlflow_delivery import Budget, Delivery, Destination
from tidegauge.export.mlflow_ledger import Ledger, Progress, Way
from tidegauge.export.mlflow_window import Positions, Window, WindowReader
from tidegauge.journal.reader import Journal
from tidegauge.model.clock import Clock

__all__ = ["Courier", "Patience"]

_log = logging.getLogger("tidegauge")


class Patience(msgspec.Struct, frozen=True):
    """How long things may take.

    Attributes:
        request_timeout_s: Longest time for one request.
        first_retry_s: Pause after the first failure; each further one doubles it.
        longest_retry_s: Longest pause.
        give_up_run_s: A run that has failed for so long, while others did not, loses what the
            destination does not take. A destination that is down for all is never given up.
        most_aside: Most runs set aside; beyond them the main way stands still instead.
    """

    request_timeout_s: float = 30.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 60.0
    give_up_run_s: float = 86_400.0
    most_aside: int = 100

    def pause_s(self, attempts: int) -> float:
        """How long to wait after so many failures in a row."""
        return min(self.longest_retry_s, self.first_retry_s * 2.0 ** min(attempts - 1, 30))


class _Current(NamedTuple):
    """A window on its way.

    Attributes:
        identity: What its content depends on.
        delivery: Its requests; None if there is nothing to send.
        unknown: Facts in it whose series cannot be told.
        is_last: Whether there is nothing to read after it now.
    """

    identity: object
    delivery: Delivery | None
    unknown: int
    is_last: bool


class Courier:
    """Carries the facts of one journal to one destination. Used by one thread at a time.

    Args:
        journal: The journal.
        reader: Reads its windows.
        composer: Turns facts into requests.
        ledger: Remembers.
        clock: Measures the time.
        patience: How long things may take.
    """

    def __init__(
        self,
        journal: Journal,
        reader: WindowReader,
        composer: Composer,
        ledger: Ledger,
        *,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._composer = composer
        self._ledger = ledger
        self._clock = clock
        self._patience = patience
        self._open: dict[str, _Current] = {}
        self._due_s: dict[str, float] = {}

    def work(
        self,
        reach: Callable[[], Destination],
        budget: Budget,
        *,
        hurry: bool = False,
    ) -> bool:
        """Deliver until it is time to stop or nothing is left.

        Of the runs that were set aside at most one has its turn, in at most half of the time, so
        that they hold up the others as little as the others hold up them.

        Args:
            reach: Gives the destination; called when there is something to send.
            budget: How much time there is.
            hurry: Try all runs that were set aside as soon as it can be, pause or not.

        Returns:
            Whether something is left that could be delivered now.

        Raises:
            Failed: The destination does not work; to be tried again later.
        """
        progress = self._ledger.progress(self._journal.id)
        if hurry:
            self._due_s.clear()
        due = self._due(progress)
        more = len(due) > 1
        if due:
            more |= self._follow_aside(progress, due[0], reach, budget.half())
        return self._follow_main(progress, reach, budget) or more

    def _due(self, progress: Progress) -> list[str]:
        """The runs set aside that may be tried again, the longest due first."""
        now_s = self._clock.monotonic_s()
        due_s = {run_id: self._due_s.get(run_id, float("-inf")) for run_id in progress.aside}
        return sorted((run_id for run_id in due_s if due_s[run_id] <= now_s), key=due_s.__getitem__)

    def _follow_main(
        self, progress: Progress, reach: Callable[[], Destination], budget: Budget
    ) -> bool:
        while True:
            current = self._current(progress, "")
            if current.delivery is not None:
                self._send(current.delivery, reach(), budget)
                self._set_aside(progress, current.delivery)
                if current.delivery.is_done:
                    self._arrived(progress, "", current.delivery)
            elif current.is_last:
                return False
            if budget.is_over():
                return True

    def _follow_aside(
        self,
        progress: Progress,
        run_id: str,
        reach: Callable[[], Destination],
        budget: Budget,
    ) -> bool:
        way = progress.aside[run_id]
        while run_id in progress.aside:
            current = self._current(progress, run_id)
            if current.delivery is None:
                if current.is_last:
                    return False
                continue
            failing_s = (self._clock.wall_ns() - way.since_ns) / 1e9
            give_up = way.attempts > 1 and failing_s >= self._patience.give_up_run_s
            self._send(current.delivery, reach(), budget, give_up=give_up)
            if (failure := current.delivery.failed.get(run_id)) is not None:
                way.attempts += 1
                way.error = failure.what
                pause_s = self._patience.pause_s(way.attempts)
                self._due_s[run_id] = self._clock.monotonic_s() + pause_s
                self._ledger.save(progress)
                return False
            if current.delivery.is_done:
                way.attempts, way.since_ns, way.error = 0, self._clock.wall_ns(), ""
                self._arrived(progress, run_id, current.delivery)
            if budget.is_over():
                return True
        return False

    def _current(self, progress: Progress, run_id: str) -> _Current:
        """The window that is to be sent now, of a run set aside or, if empty, of all others."""
        way = progress.aside[run_id] if run_id else progress.main
        window: Window | None = None
        if way.end is None:
            window = self._read(progress, run_id)
            if not window.facts:
                if window.end != way.at:
                    way.at = window.end
                    self._rejoin(progress)
                    self._ledger.save(progress, counts={"unknown_series": window.unknown})
                return _Current(None, None, window.unknown, window.is_last)
            way.end = window.end
            self._ledger.save(progress)
        identity = _identity(progress, run_id)
        if (known := self._open.get(run_id)) is not None and known.identity == identity:
            return known
        window = window or self._reader.again(way.at, way.end, _accepts(progress, run_id))
        if window is None:  # the journal cannot be read up to its end just now
            return _Current(identity, None, 0, is_last=True)
        delivery = Delivery(self._compose(window.facts))
        self._open[run_id] = _Current(identity, delivery, window.unknown, is_last=False)
        return self._open[run_id]

    def _read(self, progress: Progress, run_id: str) -> Window:
        if not run_id:
            return self._reader.next(progress.main.at, _accepts(progress, ""))
        # Up to where the others are: from there on the two ways are one again.
        return self._reader.next(
            progress.aside[run_id].at, _accepts(progress, run_id), limit=progress.main.at
        )

    def _compose(self, facts: list[Fact]) -> dict[str, RunRequests]:
        now_ns = self._clock.wall_ns()
        by_run: dict[str, list[Fact]] = {}
        for fact in facts:
            by_run.setdefault(fact.run_id, []).append(fact)
        return {
            run_id: self._composer.compose(group, self._ledger.notes(run_id), now_ns=now_ns)
            for run_id, group in by_run.items()
        }

    def _send(
        self, delivery: Delivery, destination: Destination, budget: Budget, *, give_up: bool = False
    ) -> None:
        timeout_s = self._patience.request_timeout_s
        delivery.send(destination, budget, timeout_s=timeout_s, give_up=give_up)
        for failure in delivery.failed.values():
            if failure.is_general:
                raise failure
        if delivery.failed:
            # Whose fault is it? If the destination does not work for others either, this raises.
            destination.check(timeout_s=budget.timeout_s(timeout_s))

    def _set_aside(self, progress: Progress, delivery: Delivery) -> None:
        main, now_ns = progress.main, self._clock.wall_ns()
        for failure in delivery.failed.values():
            if len(progress.aside) + len(delivery.failed) > self._patience.most_aside:
                raise failure
        for run_id, failure in delivery.failed.items():
            progress.aside[run_id] = Way(main.at, main.end, 1, now_ns, failure.what)
            self._due_s[run_id] = self._clock.monotonic_s() + self._patience.pause_s(1)
            self._open.pop(run_id, None)
            delivery.drop(run_id)
            _log.warning("MLflow run %s fails and is set aside: %s", run_id, failure.what)
        if delivery.failed:
            self._open[""] = self._open[""]._replace(identity=_identity(progress, ""))
            self._ledger.save(progress)

    def _arrived(self, progress: Progress, run_id: str, delivery: Delivery) -> None:
        """Move the cursor past a window of which everything arrived or was refused."""
        way = progress.aside[run_id] if run_id else progress.main
        assert way.end is not None
        way.at, way.end = way.end, None
        window = self._open.pop(run_id)
        self._rejoin(progress)
        self._ledger.save(
            progress,
            notes={each: request.notes for each, request in delivery.requests.items()},
            refusals=delivery.refusals,
            counts={"delivered": delivery.delivered.total(), "unknown_series": window.unknown},
        )

    def _rejoin(self, progress: Progress) -> None:
        """Let runs that have caught up go the main way again."""
        for run_id, way in list(progress.aside.items()):
            if way.end is None and _same(way.at, progress.main.at):
                del progress.aside[run_id]
                self._due_s.pop(run_id, None)
                self._open.pop(run_id, None)


def _identity(progress: Progress, run_id: str) -> object:
    way = progress.aside[run_id] if run_id else progress.main
    return way.at, way.end, [] if run_id else sorted(progress.aside)


def _accepts(progress: Progress, run_id: str) -> Callable[[str], bool]:
    if run_id:
        return run_id.__eq__
    others = frozenset(progress.aside)
    return lambda each: each not in others


def _same(one: Positions, other: Positions) -> bool:
    return all(one.get(lane, 0) == other.get(lane, 0) for lane in {*one, *other})
