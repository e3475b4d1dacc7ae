# SPDX-License-Identifier: Apache-2.0
"""The follower that sends live readings to a monitoring system at regular intervals.

How a reading becomes requests is the sender's: `export.otlp`, `export.cloudwatch`, `export.emf`.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from tidegauge.export.deltas import Deltas, PartlyDelivered
from tidegauge.live.families import Reading
from tidegauge.model.errors import DeliveryError
from tidegauge.store.leader import exclusive
from tidegauge.store.store import Store

__all__ = ["PushFollower", "Sender"]

_log = logging.getLogger("tidegauge")
_LOG_EVERY_S = 60.0
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0
_ARRIVED = "arrived"  # key in state.db
_LOOK_S = 0.05  # pause of `wait` between two looks


class Sender(Protocol):
    """Sends readings to one destination. Used by one thread at a time.

    Attributes:
        wants_deltas: Whether counters and histograms are to be what came since the last reading
            that arrived, and not totals.
    """

    wants_deltas: bool

    def send(self, reading: Reading, *, timeout_s: float | None = None) -> Mapping[str, int]:
        """Send a reading, and return when all of it has arrived.

        Args:
            reading: What to send; of deltas if `wants_deltas`.
            timeout_s: About how long this may take, if that is less than the sender's own timeout.

        Returns:
            Numbers of series by what became of them, such as `sent` and `refused/bad_value`.
            What was refused will not be sent again.

        Raises:
            PartlyDelivered: Some of it has arrived.
            DeliveryError: None of it has, as far as can be told.
        """

    def close(self) -> None:
        """Close connections; the next call opens them again."""


class PushFollower:
    """Sends what `read` gives, every so often and when it is told to.

    Implements `tidegauge.journal.follow.OutwardFollower`. All processes that use a store may run
    one: they take turns by the lock `<store>/push-<name>.lock`, and one reading every `every_s`
    seconds is sent by all of them together. Totals need no memory. For deltas, the totals that
    arrived last are kept in state.db; a process killed before it could note that something arrived
    sends it again with the next reading.

    The journal does not wait for this follower: what it sends is a sum of everything anyway.

    Args:
        name: Of the follower and of everything it keeps in state.db, such as `otlp`.
        read: Takes a reading.
        sender: Where it goes.
        store: The store that is read.
        every_s: Seconds between two readings.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Reading],
        sender: Sender,
        *,
        store: Store,
        every_s: float = 60.0,
    ) -> None:
        self._name = name
        self._read = read
        self._sender = sender
        self._store = store
        self._clock = store.clock
        self._every_s = every_s
        self._deltas = Deltas(self._load, self._save) if sender.wants_deltas else None
        self._due_s = self._clock.monotonic_s() + every_s
        self._failures = 0
        self._is_wanted = False
        self._asked_ns: int | None = None
        self._logged_s = float("-inf")

    @property
    def name(self) -> str:
        """The name under which its counters are kept."""
        return self._name

    def close(self) -> None:
        """Close the sender's connections; for the end of the thread that runs this."""
        self._sender.close()

    def advance(self, *, force: bool = False) -> bool:
        """Send a reading if one is due.

        After a failure the next try is due after a pause that doubles with each further one, up to
        a minute.

        Args:
            force: Send one now, due or not. If another process is sending, the next call does it.

        Returns:
            False: there is never more than one reading to send.

        Raises:
            DeliveryError: It did not arrive.
        """
        self._advance(force=force)
        return False

    def is_caught_up(self) -> bool:
        """Whether a reading has been delivered that was taken after this was asked first.

        A reading does not tell which facts are in it, so the first question is answered with
        False, and asks for one. After a True the next question is a first one again.
        """
        if self._asked_ns is None:
            self._asked_ns = self._clock.wall_ns()
            self._is_wanted = True
        elif self._delivered_ns() >= self._asked_ns:
            self._asked_ns = None
            return True
        return False

    def wait(self, timeout_s: float, *, deliver: bool = True) -> bool:
        """Wait until a reading that was taken after this call has been delivered.

        Args:
            timeout_s: Most seconds to wait. A request that is under way then is given up about as
                late as that.
            deliver: Whether to deliver in this thread. If not, the thread that calls `advance` is
                asked to, and this only watches.

        Returns:
            Whether one was delivered, by whatever process.
        """
        begun_ns = self._clock.wall_ns()
        until_s = self._clock.monotonic_s() + timeout_s
        self._is_wanted = hurry = True
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            if deliver:
                with contextlib.suppress(DeliveryError):  # counted; tried again after a pause
                    self._advance(force=hurry, timeout_s=left_s)
                hurry = False
            if self._delivered_ns() >= begun_ns:
                return True
            threading.Event().wait(min(left_s, _LOOK_S))
        return self._delivered_ns() >= begun_ns

    def _advance(self, *, force: bool, timeout_s: float | None = None) -> None:
        now_s = self._clock.monotonic_s()
        is_due = now_s >= self._due_s
        hurry = force or (self._is_wanted and (is_due or not self._failures))
        self._is_wanted |= force
        if not (hurry or is_due):
            return
        with exclusive(self._store.root / f"push-{self._name}.lock") as is_our_turn:
            if not is_our_turn:
                return
            left_s = self._left_s()
            if hurry or left_s <= 0:
                self._push(timeout_s)
                left_s = self._every_s
            self._due_s = self._clock.monotonic_s() + left_s

    def _left_s(self) -> float:
        """Seconds until a reading is due, after the last one of whatever process."""
        age_s = (self._clock.wall_ns() - self._delivered_ns()) / 1e9
        return self._every_s - age_s if age_s >= 0 else 0.0  # the clock went back

    def _delivered_ns(self) -> int:
        """When the last reading was taken that arrived."""
        return self._store.state.caught_up_ns(self._name)

    def _push(self, timeout_s: float | None) -> None:
        self._is_wanted = False  # before the reading: what is asked for from now on is not in it
        begun_ns = self._clock.wall_ns()
        try:
            counts = self._deliver(timeout_s)
        except Exception:
            self._failures += 1
            self._is_wanted = True
            pause_s = min(_FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 30), _LONGEST_RETRY_S)
            self._due_s = self._clock.monotonic_s() + pause_s
            with self._store.state.transaction() as transaction:
                transaction.count(self._name, "failures")
            raise
        self._failures = 0
        with self._store.state.transaction() as transaction:
            transaction.count(self._name, "readings")
            for name, count in counts.items():
                transaction.count(self._name, name, count)
            transaction.set_caught_up(self._name, begun_ns)
        self._report(counts)

    def _deliver(self, timeout_s: float | None) -> Mapping[str, int]:
        reading = self._read()
        if self._deltas is None:
            return self._sender.send(reading, timeout_s=timeout_s)
        try:
            counts = self._sender.send(self._deltas.difference(reading), timeout_s=timeout_s)
        except PartlyDelivered as error:
            self._deltas.acknowledge(error.arrived)
            raise
        self._deltas.acknowledge()
        return counts

    def _report(self, counts: Mapping[str, int]) -> None:
        refused = {name: n for name, n in counts.items() if name.startswith("refused/") and n}
        now_s = self._clock.monotonic_s()
        if refused and now_s - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = now_s
            _log.warning(
                "%s: some series cannot be sent, the others were: %s",
                self._name,
                ", ".join(f"{n} {name.removeprefix('refused/')}" for name, n in refused.items()),
            )

    def _load(self) -> bytes | None:
        text = self._store.state.value(self._name, _ARRIVED)
        return None if text is None else base64.b64decode(text, validate=True)

    def _save(self, totals: bytes) -> None:
        with self._store.state.transaction() as transaction:
            transaction.set_value(self._name, _ARRIVED, base64.b64encode(totals).decode())
