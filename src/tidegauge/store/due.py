# SPDX-License-Identifier: Apache-2.0
"""When a pass of the drain is worth its commit, found out at the cost of a few reads per slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegauge.journal.reader import SlotReader
from tidegauge.journal.slot import owner_of
from tidegauge.journal.state import read_state, state_path
from tidegauge.model.clock import Clock
from tidegauge.store.state import Lane

__all__ = ["Due"]

# Bytes of events that take about as long to store as 64k points.
_EVENT_BYTES = 2 << 20
_ENOUGH_LOOKS = 2

_LANES: tuple[Lane, Lane] = ("points", "events")
# A slot and the positions in its lanes up to which everything is stored.
_Place = tuple[str, int, int]
_Looks = tuple[int | None, int]


class Due:
    """Watches what waits in the journals.

    Args:
        clock: Where the time comes from.
        points: Points waiting in one slot that are enough.
        age_s: Seconds for which a fact may wait.
    """

    def __init__(self, clock: Clock, *, points: int, age_s: float) -> None:
        self._clock = clock
        self._points = points
        self._age_s = age_s
        # Since when something waits at a place; by the monotonic clock, which never jumps.
        self._since_s: dict[_Place, float] = {}
        # Places at which nothing waited, or too little, with what will tell that more has come.
        self._owner: dict[_Place, bytes] = {}
        self._no_event: dict[_Place, _Looks] = {}
        self._few_events: dict[_Place, _Looks] = {}
        self._passed = False

    def passed(self) -> None:
        """Note that a pass was made."""
        self._passed = True

    def is_due(self, slots: Sequence[SlotReader], cursors: Mapping[tuple[str, Lane], int]) -> bool:
        """Whether enough waits behind the cursors, or has waited long enough.

        Facts left behind by an earlier process count from their own time, but not from before
        their file was made. That holds until the first pass only: a program that records last
        year's facts must not cause a commit a second.
        """
        places: dict[_Place, SlotReader] = {}
        for slot in slots:
            points, events = (cursors.get((slot.name, lane), 0) for lane in _LANES)
            places[slot.name, points, events] = slot
        for known in (self._since_s, self._owner, self._no_event, self._few_events):
            for place in known.keys() - places.keys():
                del known[place]
        return any(self._is_due(place, slot) for place, slot in places.items())

    def _is_due(self, place: _Place, slot: SlotReader) -> bool:
        alive, owner = owner_of(slot.directory)
        if not alive and self._owner.get(place) == owner:  # nobody has been there since
            return False
        now_s = self._clock.monotonic_s()
        # The page of a slot whose owner was killed may lack the last event.
        page = read_state(state_path(slot.directory))
        facts = page.number("events_facts") if alive else None
        is_old = False
        if place not in self._since_s:
            oldest_ns = self._oldest_ns(place, slot, facts)
            if oldest_ns is None:
                if not alive:
                    self._owner[place] = owner
                return False
            self._since_s[place] = now_s
            age_s = (self._clock.wall_ns() - oldest_ns) / 1e9
            is_old = not self._passed and age_s >= self._age_s
        waited_s = now_s - self._since_s[place]
        return is_old or waited_s >= self._age_s or self._is_much(place, slot, facts)

    def _oldest_ns(self, place: _Place, slot: SlotReader, facts: int | None) -> int | None:
        """Since when the first fact at a place may have waited; None if there is none."""
        _, points, events = place
        since_ns = [
            max(int(each), slot.created_ns("points", points))
            for each in slot.points(points, 64, settled=False).time_ns[:1]
        ]
        if self._may_have_changed(self._no_event, place, facts):
            records = slot.events(events, limit_bytes=1).records
            least_ns = slot.created_ns("events", events)
            since_ns += [max(event.time_ns, least_ns) for event in records[:1]]
        return min(since_ns, default=None)

    def _is_much(self, place: _Place, slot: SlotReader, facts: int | None) -> bool:
        _, points, events = place
        last = points + self._points - 1
        if slot.points(last, 1, settled=False).end > last:
            return True
        if not self._may_have_changed(self._few_events, place, facts):
            return False
        beyond = events + _EVENT_BYTES
        return slot.events(beyond, limit_bytes=1).end > beyond

    def _may_have_changed(
        self, known: dict[_Place, _Looks], place: _Place, facts: int | None
    ) -> bool:
        """Whether the events at a place are worth reading, which takes milliseconds.

        The page of a slot counts its events, a moment before or after they can be read: so two
        looks without a change are needed before a third is left out.
        """
        before, looks = known.get(place, (None, 0))
        looks = looks + 1 if before == facts else 1
        known[place] = facts, looks
        return facts is None or looks <= _ENOUGH_LOOKS
