# SPDX-License-Identifier: Apache-2.0
"""The time a process has a slot: with its lanes and its series, from taking to release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tidegauge.journal.events import Batch, EventLane, Record, decode_facts
from tidegauge.journal.frames import scan_frames
from tidegauge.journal.grace import Grace
from tidegauge.journal.layout import (
    EVENTS_MAGIC,
    EVENTS_SEGMENT_BYTES,
    FRAME_ALIGNMENT,
    HEADER_BYTES,
    POINT_BYTES,
    POINTS_MAGIC,
    series_offset,
)
from tidegauge.journal.points import CLOSED, PointLane
from tidegauge.journal.segment import Allocator, Segment, lane_segments
from tidegauge.journal.series import SeriesLog, Vector
from tidegauge.journal.slot import Slot
from tidegauge.model.clock import Clock
from tidegauge.model.series import SeriesKey

__all__ = ["Fact", "Tenure"]

#: Something to be written again: a point (key, value, time, time with the step's code), a record
#: with its key, or a batch with its keys.
Fact = tuple[SeriesKey, float, int, int] | tuple[SeriesKey, Record] | tuple[list[SeriesKey], Batch]


class Tenure:
    """A slot in use. The caller holds the writer's lock.

    Args:
        root: The journal.
        segment_slots: Points per segment.
        allow: Raises `Refused` if the journal may not grow by so many bytes.
        clock: Where the time comes from.

    Attributes:
        slot: The slot.
        series: Its series.
        points: Its lane of points.
        events: Its lane of events.

    Raises:
        OSError: The journal does not admit this user, or something is wrong with the disk.
    """

    __slots__ = ("_grace", "_looked", "events", "points", "series", "slot")

    def __init__(
        self, root: Path, *, segment_slots: int, allow: Callable[[int], None], clock: Clock
    ) -> None:
        def allocator(lane: str, magic: bytes) -> Allocator:
            return Allocator(directory, lane, magic, allow=allow, clock=clock)

        self.slot = Slot.take(root)
        self._grace: Grace | None = None
        try:
            directory, state = self.slot.directory, self.slot.state
            used_end = _end_of_used_ids(directory) if self.slot.is_doubtful else 0
            self.series = SeriesLog(directory, state, used_end=used_end)
            self.points = PointLane(
                directory, state, allocator("points", POINTS_MAGIC), slots=segment_slots
            )
            self.events = EventLane(
                directory,
                state,
                allocator("events", EVENTS_MAGIC),
                capacity_bytes=EVENTS_SEGMENT_BYTES,
            )
        except BaseException:
            self.slot.release()
            raise
        state["tenure_points"] = state["settled"]
        state["tenure_facts"] = self.events.ordinal
        # Last: with it the other two are known to be of this owner.
        state["tenure"] = state["takes"]
        self._looked = self._ends()

    def look(self) -> bool:
        """Whether all facts are still on the disk. Lesser files that were deleted are put back.

        To be called before every change of segments, so that `facts_since_look` needs no others.
        """
        if self.slot.is_deleted() or _is_lost(self.points.segment) or _is_lost(self.events.segment):
            return False
        self.slot.state.restore()
        self.series.restore()
        self._looked = self._ends()
        return True

    def facts_since_look(self) -> Iterator[Fact]:
        """What was written, since everything was on the disk last, to files that are gone now."""
        (points, points_offset), (events, events_offset) = self._looked
        if points is not self.points.segment:
            points_offset = HEADER_BYTES
        if events is not self.events.segment:
            events_offset = HEADER_BYTES
        if _is_lost(self.points.segment):
            for series, value, time_ns, second in self.points.facts_since(points_offset):
                if (key := self._key(series)) is not None:
                    yield key, value, time_ns, second
        if _is_lost(self.events.segment):
            for fact in self.events.facts_since(events_offset):
                if isinstance(fact, Batch):
                    yield self._keys_of(fact.vector), fact
                elif (key := self._key(fact.series)) is not None:
                    yield key, fact

    def with_keys(self, fact: Record | Batch | None) -> Fact:
        """A fact of this tenure together with what its ids stand for."""
        if isinstance(fact, Batch):
            return self._keys_of(fact.vector), fact
        assert isinstance(fact, Record)
        key = self._key(fact.series)
        assert key is not None
        return key, fact

    def end(self) -> None:
        """Take no more facts. Calls that run at this moment may still finish theirs."""
        self.points.here = CLOSED
        self._grace = Grace()

    def is_quiet(self) -> bool:
        """Whether the last of those calls has ended."""
        return self._grace is not None and self._grace.is_over()

    def release(self) -> None:
        """Give the slot back; in a forked child, leave it to the parent."""
        self.series.close()
        self.slot.release()

    def _keys_of(self, vector: int) -> list[SeriesKey]:
        entry = self.series.keys[vector]
        assert isinstance(entry, Vector)
        return [key for each in entry.series if (key := self._key(each)) is not None]

    def _key(self, series: int) -> SeriesKey | None:
        key = self.series.keys.get(series)
        return key if isinstance(key, SeriesKey) else None

    def _ends(self) -> tuple[tuple[Segment | None, int], tuple[Segment | None, int]]:
        points, events = self.points, self.events
        return (points.segment, points.offset()), (events.segment, events.offset)


def _is_lost(segment: Segment | None) -> bool:
    return segment is not None and not segment.is_on_disk()


def _end_of_used_ids(directory: Path) -> int:
    """The offset in series.log after every entry that a fact of the slot refers to."""
    ids: set[int] = set()
    for file in lane_segments(directory, "points", POINTS_MAGIC):
        data = file.path.read_bytes()[HEADER_BYTES:]
        slots = memoryview(data[: len(data) // POINT_BYTES * POINT_BYTES]).cast("I")
        ids.update(slots[POINT_BYTES // 4 - 2 :: POINT_BYTES // 4])
    for file in lane_segments(directory, "events", EVENTS_MAGIC):
        for frame in scan_frames(file.path.read_bytes(), HEADER_BYTES):
            fact = decode_facts(frame.payload)
            ids.update([fact.series] if isinstance(fact, Record) else [])
            ids.update([fact.vector] if isinstance(fact, Batch) else [])
    offsets = [offset for each in ids if (offset := series_offset(each)) is not None]
    # The length of the last entry is not known; what it overlaps was not written.
    return max(offsets, default=-FRAME_ALIGNMENT) + FRAME_ALIGNMENT
