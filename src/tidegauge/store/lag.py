# SPDX-License-Identifier: Apache-2.0
"""How far a follower is behind the journals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidegauge.journal.reader import SlotReader
from tidegauge.store.reading import are_known, event_batches, point_batches
from tidegauge.store.state import Lane

__all__ = ["Lag", "is_waiting", "lag_of"]

_LOOK = 1024


class Lag(msgspec.Struct, frozen=True):
    """What waits for a follower.

    Attributes:
        facts: Facts behind its cursors.
        oldest_ns: Since when the oldest of them waits, None if nothing does: its time, but not
            before the follower had everything last, nor before the file that it is in was made.
            The time of a fact is its program's word, and may be of any year.
    """

    facts: int = 0
    oldest_ns: int | None = None

    def __add__(self, other: Lag) -> Lag:
        times_ns = [each for each in (self.oldest_ns, other.oldest_ns) if each is not None]
        return Lag(self.facts + other.facts, min(times_ns, default=None))


def lag_of(
    slots: Sequence[SlotReader], cursors: Mapping[tuple[str, Lane], int], caught_up_ns: int = 0
) -> Lag:
    """Count what lies behind a follower's cursors, by reading it.

    Facts whose series cannot be read do not count: there is nothing to deliver.

    Args:
        slots: The slots.
        cursors: Where the follower is.
        caught_up_ns: When it had everything last.
    """
    return sum((_lag_of(slot, cursors, caught_up_ns) for slot in slots), Lag())


def is_waiting(slot: SlotReader, cursors: Mapping[tuple[str, Lane], int]) -> bool:
    """Whether anything lies behind a follower's cursors in a slot, at the cost of two reads."""
    points = cursors.get((slot.name, "points"), 0)
    events = cursors.get((slot.name, "events"), 0)
    # More than one position: the first may belong to a call that has not returned yet.
    return (
        slot.points(points, _LOOK, settled=False).end > points
        or slot.events(events, limit_bytes=1).end > events
    )


def _lag_of(slot: SlotReader, cursors: Mapping[tuple[str, Lane], int], caught_up_ns: int) -> Lag:
    lag = Lag()
    # Behind the oldest file there is nothing to wait for, even if a cursor says so.
    start = max(cursors.get((slot.name, "points"), 0), slot.first_points())
    least_ns = max(caught_up_ns, slot.created_ns("points", start))
    for points in point_batches(slot, start):
        times_ns = points.time_ns[are_known(slot, points)]
        if len(times_ns):
            lag += Lag(len(times_ns), max(least_ns, int(times_ns.min())))
    start = max(cursors.get((slot.name, "events"), 0), slot.first_events())
    least_ns = max(caught_up_ns, slot.created_ns("events", start))
    for events in event_batches(slot, start):
        times = [each.time_ns for each in events.records if slot.series(each.series) is not None]
        if times:
            lag += Lag(len(times), max(least_ns, min(times)))
    return lag
