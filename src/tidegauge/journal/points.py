# SPDX-License-Identifier: Apache-2.0
"""The write side of the point segments: where one value goes in 40 bytes without a lock.

The record path packs points itself, from `PointLane.here`. Everything rare is done here, under the
writer's lock: opening the lane, changing segments, telling up to where nothing can change any more.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from operator import length_hint
from pathlib import Path

from tidegauge.journal.grace import Grace, packs_points
from tidegauge.journal.layout import HEADER_BYTES, POINT, POINT_BYTES, POINTS_MAGIC, pack_point
from tidegauge.journal.segment import Allocator, Segment, SegmentFile, lane_segments
from tidegauge.journal.state import SlotState

__all__ = ["CLOSED", "Here", "PointLane", "packs_points"]

#: The free offsets of a segment, and the segment's bytes. Taking an offset is one step of a range's
#: iterator, which the GIL makes atomic, and the iterator ends where the segment does. Written as a
#: `for` loop that is left in its first turn, it costs no call, and nothing can come between taking
#: an offset and the call that fills it.
Here = tuple[Iterator[int], "mmap.mmap | bytearray"]

#: Where a lane points while it takes nothing: there is no offset to take and the slow path decides.
CLOSED: Here = (iter(()), bytearray())


class PointLane:
    """The point segments of an owned slot.

    Args:
        directory: The slot's directory.
        state: Its page.
        allocator: Makes segments.
        slots: Points per segment.

    Attributes:
        here: Where the next point goes. The record path reads it once per call, so offset and
            buffer always belong together.
        segment: The segment in use.
    """

    __slots__ = (
        "_allocator",
        "_capacity_bytes",
        "_grace",
        "_grace_end",
        "_next_position",
        "_offsets",
        "_state",
        "here",
        "segment",
    )

    def __init__(
        self, directory: Path, state: SlotState, allocator: Allocator, *, slots: int
    ) -> None:
        self._state = state
        self._allocator = allocator
        self._capacity_bytes = slots * POINT_BYTES
        self.segment: Segment | None = None
        self._offsets: Iterator[int] = iter(())
        self._next_position = 0
        self._grace: Grace | None = None
        self._grace_end = 0
        self.here: Here = CLOSED
        self._resume(directory)
        # Nobody else writes here: what an earlier owner left unfinished stays so.
        state["settled"] = self._position()

    def put(self, series: int, value: float, time_ns: int, second: int) -> None:
        """Write one point, changing segments if need be. The caller holds the writer's lock.

        Args:
            series: Its series id.
            value: Its value.
            time_ns: Its time.
            second: The time again, with the step's code mixed in by exclusive or if it has one.

        Raises:
            Refused: There is no room for another segment.
        """
        while not self._pack(series, value, time_ns, second):
            self._advance()

    def settle(self) -> None:
        """Tell readers up to where no point can change any more.

        A slot without a stamp beyond that is one whose writer may merely be slow. Called again and
        again, this moves on as soon as the calls of the time before have ended.
        """
        if self._grace is not None and self._grace.is_over():
            self._state["settled"] = self._grace_end
            self._grace = None
        if self._grace is None:
            # The position is read first: whoever took a slot below it either is in the grace
            # period, or is done with the slot.
            self._grace_end, self._grace = self._position(), Grace()
            if self._grace.is_over():
                self._state["settled"] = self._grace_end
                self._grace = None

    def facts_since(self, offset: int) -> list[tuple[int, float, int, int]]:
        """The filled slots of the segment in use from `offset` on: series, value, time, second."""
        if self.segment is None:
            return []
        slots = POINT.iter_unpack(self.segment.buffer[offset : self.offset()])
        return [(sid, value, time, second) for value, time, second, _, sid, stamp in slots if stamp]

    def offset(self) -> int:
        """The next free offset of the segment in use."""
        if self.segment is None:
            return HEADER_BYTES
        # The one way to look at an iterator without taking from it.
        return _room_end(self.segment) - length_hint(self._offsets) * POINT_BYTES

    @packs_points
    def _pack(self, series: int, value: float, time_ns: int, second: int) -> bool:
        offsets, buffer = self.here
        for offset in offsets:
            pack_point(buffer, offset, value, time_ns, second, value, series, offset)
            return True
        return False

    def _advance(self) -> None:
        """Go on in a new segment."""
        position = self._position()
        segment = self._allocator.create(position, self._capacity_bytes)
        # After the segment is there: positions that were never to be had are not missed.
        self._state["points_end"] = position + self._capacity_bytes // POINT_BYTES
        self._use(segment, HEADER_BYTES)

    def _resume(self, directory: Path) -> None:
        """Go on where the last owner of the slot stopped, and never before."""
        given_out = self._state["points_end"]
        found = lane_segments(directory, "points", POINTS_MAGIC)
        if not found or found[-1].end_position < given_out:
            self._next_position = given_out
            return
        newest = found[-1]
        segment = Segment.open(newest.path, POINTS_MAGIC) if newest.intact else None
        if segment is not None:
            self._use(segment, _used(segment.buffer[:]))
        elif newest.has_header:  # and the file was cut: how far it had come is unknown
            self._next_position = newest.end_position
        else:
            self._next_position = _after_last(newest)

    def _use(self, segment: Segment, offset: int) -> None:
        self._offsets = iter(range(offset, _room_end(segment), POINT_BYTES))
        self.segment = segment
        self.here = (self._offsets, segment.buffer)

    def _position(self) -> int:
        """The next free position."""
        if self.segment is None:
            return self._next_position
        return self.segment.header.first_position + (self.offset() - HEADER_BYTES) // POINT_BYTES


def _room_end(segment: Segment) -> int:
    """The offset after the last slot that the segment has room for."""
    return HEADER_BYTES + segment.header.capacity_bytes // POINT_BYTES * POINT_BYTES


def _used(data: bytes) -> int:
    """The offset after the last slot of a segment that anything was ever written to."""
    used_bytes = len(data.rstrip(b"\0")) - HEADER_BYTES
    return HEADER_BYTES + max(-(-used_bytes // POINT_BYTES), 0) * POINT_BYTES


def _after_last(file: SegmentFile) -> int:
    """The position after the last slot in use, of a segment whose header is damaged."""
    data = file.path.read_bytes()
    return file.first_position + (_used(data) - HEADER_BYTES) // POINT_BYTES
