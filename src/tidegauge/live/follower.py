# SPDX-License-Identifier: Apache-2.0
"""The follower that keeps the live metrics of a store on its disk."""

from __future__ import annotations

import time

from tidegauge.live.live import Live
from tidegauge.live.place import FOLLOWER

__all__ = ["LiveFollower"]

_EVERY_S = 10.0
#: Writing takes at most this share of the time.
_MOST_SHARE = 0.05


class LiveFollower:
    """Writes the state file now and then. Used by one thread at a time.

    Args:
        live: The live metrics.
        every_s: Seconds between two times; more where writing takes long.
    """

    name = FOLLOWER

    def __init__(self, live: Live, *, every_s: float = _EVERY_S) -> None:
        self._live = live
        self._every_s = every_s
        self._due_s = float("-inf")

    def advance(self, *, force: bool = False) -> bool:
        """Write the file if it is due, or if `force` is set, and if nobody else is doing so.

        Returns:
            False: everything there is was done.

        Raises:
            StoreError: The store cannot be read or written.
        """
        begun_s = time.monotonic()
        if force or begun_s >= self._due_s:
            self._live.save()
            now_s = time.monotonic()
            self._due_s = now_s + max(self._every_s, (now_s - begun_s) / _MOST_SHARE)
        return False

    def is_caught_up(self) -> bool:
        """Whether every fact that was in the journal when this was called is in the file."""
        return self._live.is_saved()
