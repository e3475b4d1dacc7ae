# SPDX-License-Identifier: Apache-2.0
"""What looks at the machine every so often, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable

from tidegauge.collect.watch import Watch
from tidegauge.model.clock import SYSTEM_CLOCK, Clock

__all__ = ["Sampler"]


class Sampler:
    """Looks when it is time. It has the shape of a follower and none of the journal.

    Nobody waits for it: to be asked for what is there at once changes nothing.

    Args:
        find: Gives what looks, in the thread that is to use it.
        every_s: Seconds from one look to the next. Looks that were missed are left out.
        clock: Where the time comes from.
    """

    name = "resources"

    def __init__(
        self, find: Callable[[], Watch], every_s: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._find = find
        self._every_s = every_s
        self._clock = clock
        self._next_s: float | None = None

    @property
    def poll_s(self) -> float:
        """How often to see whether it is time."""
        return min(1.0, self._every_s / 10)

    def advance(self, *, force: bool = False) -> bool:  # noqa: ARG002  (nobody waits for it)
        """Look, if it is time."""
        now_s = self._clock.monotonic_s()
        due_s = now_s if self._next_s is None else self._next_s
        if now_s < due_s:
            return False
        missed = (now_s - due_s) // self._every_s
        self._next_s = due_s + (missed + 1) * self._every_s
        self._find().look()
        return False

    def is_caught_up(self) -> bool:
        """Always: there is nothing it could be behind of."""
        return True
