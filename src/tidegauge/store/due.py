# SPDX-License-Identifier: Apache-2.0
"""When a pass of the drain is worth its commit, found out at the cost of a few reads per slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegauge.journal.reader import SlotReader
from tidegauge.journal.slot import owner_of
from tidegauge.model.clock import Clock
from tidegauge.store.state import Lane

__all__ = ["Due"]

# Bytes of events that take about as long to store as 64k points.
_EVENT_BYTES = 2 << 20


class Due:
    """Watches what waits in the journals.

    Args:
        clock: Where the time comes from.
        points: Points waiting in one slot that are enough.
        age_s: Age in seconds of the oldest waiting fact that is enough.
    """

    def __init__(self, clock: Clock, *, points: int, age_s: float) -> None:
        self._clock = clock
        self._points = points
        self._age_s = age_s
        # Since when something waits at a position; by the monotonic clock, which never jumps.
        self._since_s: dict[tuple[str, int, int], float] = {}
        # Positions of slots without an owner at which nothing waits, until somebody takes the slot.
        self._idle: set[tuple[str, int, int, bytes]] = set()
        self._passed = False

    def passed(self) -> None:
        """Note that a pass was made."""
        self._passed = True

    def is_due(self, slots: Sequence[SlotReader], cursors: Mapping[tuple[str, Lane], int]) -> bool:
        """Whether enough waits behind the cursors, or has waited long enough.

        Facts left behind by an earlier process count from their own time. That holds until the
        first pass only: a program that records last year's facts must not cause a commit a second.
        """
        now_s = self._clock.monotonic_s()
        since_s: dict[tuple[str, int, int], float] = {}
        idle: set[tuple[str, int, int, bytes]] = set()
        due = False
        for slot in slots:
            at = (
                slot.name,
                cursors.get((slot.name, "points"), 0),
                cursors.get((slot.name, "events"), 0),
            )
            alive, owner = owner_of(slot.directory)
            if (*at, owner) in self._idle and not alive:
                idle.add((*at, owner))
                continue
            first_s = self._since_s.get(at)
            if first_s is None:
                oldest_ns = _oldest_ns(slot, at[1], at[2])
                if oldest_ns is None:
                    if not alive:
                        idle.add((*at, owner))
                    continue
                age_s = (self._clock.wall_ns() - oldest_ns) / 1e9
                due |= not self._passed and age_s >= self._age_s
                first_s = now_s
            since_s[at] = first_s
            due |= now_s - first_s >= self._age_s or self._is_much(slot, at[1], at[2])
        self._since_s, self._idle = since_s, idle
        return due

    def _is_much(self, slot: SlotReader, points: int, events: int) -> bool:
        last = points + self._points - 1
        if slot.points(last, 1, settled=False).end > last:
            return True
        beyond = events + _EVENT_BYTES
        return slot.events(beyond, limit_bytes=1).end > beyond


def _oldest_ns(slot: SlotReader, points: int, events: int) -> int | None:
    """The time of the first fact behind the cursors; None if there is none."""
    times_ns = [int(each) for each in slot.points(points, 64, settled=False).time_ns[:1]]
    times_ns += [each.time_ns for each in slot.events(events, limit_bytes=1).records[:1]]
    return min(times_ns, default=None)
