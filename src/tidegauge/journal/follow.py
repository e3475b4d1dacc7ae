# SPDX-License-Identifier: Apache-2.0
"""The port of everything that reads the journal at its own pace, and the thread that runs it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol, runtime_checkable

__all__ = ["Follower", "FollowerThread", "OutwardFollower"]

_log = logging.getLogger("tidegauge")
_LOG_EVERY_S = 60.0


class Follower(Protocol):
    """Something that carries facts from the journal to where they are wanted.

    The contract:

    - A follower keeps its own durable cursor and moves it only after what lies before it has
      arrived. Killed at any point, the next one goes on from the cursor; delivering a fact twice
      must therefore leave the destination as delivering it once.
    - A cursor that survives a loss of power must not be ahead of a journal that did not: see
      `tidegauge.journal.reader.SlotReader.sync`.
    - It may be slow or fail for ever without anybody else noticing, except that segments stay on
      disk until every follower has passed them.
    - At most one process runs a follower of a given name on a store at a time; a follower that is
      not the one returns False and tries again with the next call.
    """

    @property
    def name(self) -> str:
        """The name under which its cursor and counters are kept."""

    def advance(self, *, force: bool = False) -> bool:
        """Do one bounded piece of work, if it is due or `force` is set.

        Returns:
            Whether more work is waiting that could be done now.

        Raises:
            Exception: Whatever goes wrong; the cursor has not moved past what did not arrive.
        """

    def is_caught_up(self) -> bool:
        """Whether every fact that was in the journal when this was called has been delivered."""


@runtime_checkable
class OutwardFollower(Follower, Protocol):
    """A follower whose destination is elsewhere, and may be down or hang."""

    def wait(self, timeout_s: float, *, deliver: bool = True) -> bool:
        """Wait until everything that is in the journal now has been delivered.

        Args:
            timeout_s: Most seconds to wait.
            deliver: Whether to deliver in the calling thread. If not, this only watches what
                another thread or process does, and is over in time whatever happens.

        Returns:
            Whether all of it has been delivered, or refused for good.
        """


class FollowerThread:
    """Runs a follower in a daemon thread that survives the follower's exceptions.

    Args:
        follower: What to run.
        poll_s: Seconds between two looks at the journal.

    Attributes:
        failures: Exceptions so far.
        last_error: The latest of them.
    """

    def __init__(self, follower: Follower, *, poll_s: float = 1.0) -> None:
        self.follower = follower
        self.failures = 0
        self.last_error: Exception | None = None
        self._poll_s = poll_s
        self._stopping = False
        self._forced = False
        self._wake = threading.Event()
        self._logged_s = float("-inf")
        self._thread = threading.Thread(
            target=self._run, name=f"tidegauge-{follower.name}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, *, force: bool = False) -> None:
        """Look at the journal now, and with `force` do what is there, due or not."""
        self._forced |= force
        self._wake.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Finish the piece of work in hand and end; False if that took longer than `timeout_s`."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            if not self._attempt():
                self._wake.wait(self._poll_s)
                self._wake.clear()

    def _attempt(self) -> bool:
        forced, self._forced = self._forced, False
        try:
            return self.follower.advance(force=forced)
        except Exception as error:  # noqa: BLE001  (whatever it is, both go on)
            self.failures += 1
            self.last_error = error
            # Libraries that are loaded while the program ends may refuse; its end says the rest.
            is_ending = not threading.main_thread().is_alive()
            if not is_ending and time.monotonic() - self._logged_s >= _LOG_EVERY_S:
                self._logged_s = time.monotonic()
                _log.warning(
                    "follower %s failed (%d times so far), trying again: %s",
                    self.follower.name,
                    self.failures,
                    error,
                )
            return False
