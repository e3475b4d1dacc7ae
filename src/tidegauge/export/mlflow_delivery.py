# SPDX-License-Identifier: Apache-2.0
"""Sending the requests of one window, and finding the one entry for which a request is refused.

What goes wrong is one of three things. The run is refused: it was deleted, or never was; nothing
for it can ever arrive. An entry is refused: it alone can never arrive. Everything else is a failure
that may pass: it is tried again, for as long as it takes.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import msgspec

from tidegauge.export.mlflow_batch import Metric, RunRequests, Tag
from tidegauge.model.clock import Clock
from tidegauge.model.errors import DeliveryError

__all__ = ["Budget", "Delivery", "Destination", "EntryRefused", "Failed", "Refusal", "RunRefused"]

_FAILURES_IN_A_ROW = 2
_GIVEN_UP_IN_A_ROW = 3


class Failed(DeliveryError):
    """A request did not get through; the same one may later.

    Attributes:
        is_general: Whether the destination refuses to work at all, not just for one run.
        retry_after_s: How long it asked to be left alone; 0 if it did not.
    """

    def __init__(
        self, what: str, *, fix: str = "", is_general: bool = False, retry_after_s: float = 0.0
    ) -> None:
        self.is_general = is_general
        self.retry_after_s = retry_after_s
        super().__init__(what, fix=fix)


class EntryRefused(DeliveryError):
    """The destination will never take a request with this content."""


class RunRefused(DeliveryError):
    """The destination will never take anything for this run.

    Attributes:
        reason: `run_not_found`, `run_deleted` or `gave_up`.
    """

    def __init__(self, what: str, *, reason: str = "run_not_found") -> None:
        self.reason = reason
        super().__init__(what)


class Destination(Protocol):
    """Where requests go.

    Sending the same request twice must leave the destination as sending it once.
    """

    def send(self, run_id: str, batch: list[Metric | Tag], *, timeout_s: float) -> None:
        """Have a batch stored; when this returns, it is.

        Raises:
            Failed: It may or may not have arrived; to be sent again.
            EntryRefused: Something in the batch, or the run, is not acceptable.
            RunRefused: There is no such run.
        """

    def check_run(self, run_id: str, *, timeout_s: float) -> None:
        """Make sure that the run exists and takes metrics.

        Raises:
            Failed: That cannot be told now.
            RunRefused: It does not.
        """

    def check(self, *, timeout_s: float) -> None:
        """Make sure that the destination works for others.

        Raises:
            Failed: It does not.
        """


class Budget(msgspec.Struct, frozen=True):
    """How much time there is, on the clock's monotonic scale.

    Attributes:
        clock: Measures it.
        until_s: From when on no more requests are begun.
        cut_s: From when on a request that was begun is given up, but for a second of grace.
    """

    clock: Clock
    until_s: float
    cut_s: float = float("inf")

    def is_over(self) -> bool:
        """Whether no more requests are to be begun."""
        return self.clock.monotonic_s() >= self.until_s

    def is_cut(self) -> bool:
        """Whether requests that were begun are given up."""
        return self.clock.monotonic_s() >= self.cut_s

    def half(self) -> Budget:
        """Half of the time that is left."""
        left_s = max(self.until_s - self.clock.monotonic_s(), 0.0)
        return Budget(self.clock, self.until_s - left_s / 2, self.cut_s)

    def timeout_s(self, longest_s: float) -> float:
        """The time limit of a request that usually has `longest_s`."""
        return min(longest_s, max(self.cut_s - self.clock.monotonic_s(), 1.0))


class Refusal(msgspec.Struct, frozen=True):
    """Something that will never arrive.

    Attributes:
        run_id: The run.
        key: Key of the metric or tag; empty if the whole run is refused.
        reason: `run_not_found`, `run_deleted`, `refused`, `no_name` or `gave_up`.
        detail: What the destination said.
        facts: How many facts are lost to it.
        sample: One of them, as it was sent.
    """

    run_id: str
    key: str
    reason: str
    detail: str
    facts: int
    sample: Metric | Tag | None


class Delivery:
    """The requests of one window on their way; `send` may be called until all is done.

    Attributes:
        requests: The requests by run.
        refusals: What was refused so far.
        failed: Runs for which the last call of `send` failed.
        delivered: Facts that arrived so far, by run.
    """

    def __init__(self, requests: dict[str, RunRequests]) -> None:
        self.requests = requests
        self.refusals = [
            Refusal(run_id, fact.series.metric, "no_name", problem, 1, None)
            for run_id, request in requests.items()
            for fact, problem in request.unnamed
        ]
        self.failed: dict[str, Failed] = {}
        self.delivered: Counter[str] = Counter()
        # Stacks: the next batch of a run is its last.
        self._waiting = {
            run_id: request.batches[::-1] for run_id, request in requests.items() if request.batches
        }
        self._checked: set[str] = set()
        self._given_up = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to send."""
        return not self._waiting

    def drop(self, run_id: str) -> None:
        """Take a run out: somebody else will see to it."""
        self.requests.pop(run_id, None)
        self._waiting.pop(run_id, None)
        del self.delivered[run_id]
        self.refusals = [refusal for refusal in self.refusals if refusal.run_id != run_id]

    def send(
        self,
        destination: Destination,
        budget: Budget,
        *,
        timeout_s: float,
        give_up: bool = False,
    ) -> None:
        """Send what is waiting, run by run, at least one request, until it is time to stop.

        Two runs that fail in a row end the call: the destination seems to be down.

        Args:
            destination: Where to.
            budget: How much time there is.
            timeout_s: Longest time for one request.
            give_up: Refuse what fails, entry by entry, while the destination works for others.
        """
        self.failed = {}
        in_a_row = 0
        for run_id in list(self._waiting):
            try:
                while batches := self._waiting.get(run_id):
                    limit_s = budget.timeout_s(timeout_s)
                    self._send_one(destination, run_id, batches, limit_s, give_up=give_up)
                    in_a_row = 0
                    if not batches:
                        del self._waiting[run_id]
                    if budget.is_over():
                        return
            except Failed as failure:
                # A request that was cut short says nothing about the run.
                failure.is_general |= budget.is_cut()
                self.failed[run_id] = failure
                in_a_row += 1
                if in_a_row == _FAILURES_IN_A_ROW or budget.is_over():
                    return

    def _send_one(
        self,
        destination: Destination,
        run_id: str,
        batches: list[list[Metric | Tag]],
        timeout_s: float,
        *,
        give_up: bool,
    ) -> None:
        batch = batches[-1]
        try:
            destination.send(run_id, batch, timeout_s=timeout_s)
        except RunRefused as refusal:
            self._refuse_run(run_id, batches, refusal)
        except EntryRefused as refusal:
            try:
                self._check_run_once(destination, run_id, timeout_s)
            except RunRefused as run_refusal:
                self._refuse_run(run_id, batches, run_refusal)
            else:
                self._split(run_id, batches, "refused", refusal)
        except Failed as failure:
            if not give_up or failure.is_general:
                raise
            destination.check(timeout_s=timeout_s)
            self._split(run_id, batches, "gave_up", failure)
            if self._given_up == _GIVEN_UP_IN_A_ROW:
                self._refuse_run(run_id, batches, RunRefused(failure.what, reason="gave_up"))
        else:
            self._given_up = 0
            self.delivered[run_id] += _metrics_in(batch)
            batches.pop()

    def _check_run_once(self, destination: Destination, run_id: str, timeout_s: float) -> None:
        if run_id not in self._checked:
            destination.check_run(run_id, timeout_s=timeout_s)
            self._checked.add(run_id)

    def _split(
        self, run_id: str, batches: list[list[Metric | Tag]], reason: str, error: DeliveryError
    ) -> None:
        """Put the two halves of the last batch in its place, or refuse its only entry."""
        batch = batches.pop()
        if len(batch) > 1:
            middle = len(batch) // 2
            batches += [batch[middle:], batch[:middle]]
            return
        entry = batch[0]
        facts = _metrics_in(batch)
        self.refusals.append(Refusal(run_id, entry.key, reason, error.what, facts, entry))
        self._given_up += reason == "gave_up"

    def _refuse_run(
        self, run_id: str, batches: list[list[Metric | Tag]], refusal: RunRefused
    ) -> None:
        entries = [entry for batch in reversed(batches) for entry in batch]
        sample = next((entry for entry in entries if isinstance(entry, Metric)), None)
        self.refusals.append(
            Refusal(run_id, "", refusal.reason, refusal.what, _metrics_in(entries), sample)
        )
        batches.clear()
        self._given_up = 0


def _metrics_in(entries: list[Metric | Tag]) -> int:
    return sum(isinstance(entry, Metric) for entry in entries)
