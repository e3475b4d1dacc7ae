# SPDX-License-Identifier: Apache-2.0
"""The follower that maintains the tables now and then, so that nobody needs to remember it."""

from __future__ import annotations

from collections.abc import Mapping

from tidegauge.store.delta_log import is_usable_here
from tidegauge.store.maintenance import Retention, compact, retire, tidy
from tidegauge.store.store import Store

__all__ = ["Caretaker"]

_DONE = "done_ns"


class Caretaker:
    """Compacts, retires and tidies the tables of a store, one process at a time.

    It has the shape of a follower and none of the journal: there is nothing it could be behind of.

    Args:
        store: The store.
        every_s: Seconds between two rounds, whichever processes make them. A store that has never
            seen a round gets its first one so much later, so that a short script makes none.
        retention: How long rows are kept, by table; for ever where nothing is said.
    """

    name = "maintenance"

    def __init__(
        self,
        store: Store,
        *,
        every_s: float = 3600.0,
        retention: Mapping[str, Retention] | None = None,
    ) -> None:
        self._store = store
        self._every_s = every_s
        self._retention = retention or {}
        self._looked_s: float | None = None

    def advance(self, *, force: bool = False) -> bool:
        """Make a round if it is due, or if `force` is set. Never leaves work behind.

        Raises:
            StoreError: A table or the state cannot be used.
        """
        if not is_usable_here() or not (force or self._is_due()):
            return False
        for name in self._store.tables.names():
            kept = self._retention.get(name, Retention())
            rounds = (
                compact(self._store, name),
                retire(self._store, name, kept),
                tidy(self._store, name),
            )
            if None in rounds:  # another process is at it
                return False
        self._note()
        return False

    def is_caught_up(self) -> bool:
        """Always: nobody waits for maintenance."""
        return True

    def _is_due(self) -> bool:
        now_s = self._store.clock.monotonic_s()
        if self._looked_s is not None and now_s - self._looked_s < min(60.0, self._every_s):
            return False
        self._looked_s = now_s
        if not self._store.tables.names():
            return False
        done = self._store.state.value(self.name, _DONE)
        age_s = -1.0 if done is None else (self._store.clock.wall_ns() - int(done)) / 1e9
        if age_s < 0:  # never, or the clock went back
            self._note()
            return False
        return age_s >= self._every_s

    def _note(self) -> None:
        with self._store.state.transaction() as transaction:
            transaction.set_value(self.name, _DONE, str(self._store.clock.wall_ns()))
