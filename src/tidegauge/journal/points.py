# SPDX-License-Identifier: Apache-2.0
"""The write side of the point segments: where one value goes in 40 bytes without a lock.

The record path packs points itself, from `PointLane.here`. Everything rare is done here, under the
writer's lock: opening the lane, changing segments, points with a step, slots that were given up.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from operator import length_hint
from pathlib import Path
from types import CodeType
from typing import TypeVar

from tidegauge.journal.layout import (
    HEADER_BYTES,
    POINT,
    POINT_BYTES,
    POINTS_MAGIC,
    VOID_SERIES,
    pack_point,
)
from tidegauge.journal.segment import Allocator, Segment, lane_segments

__all__ = ["CLOSED", "Here", "PointLane", "packs_points"]

#: The free offsets of a segment, and the segment's bytes. Taking an offset is one step of a range's
#: iterator, which the GIL makes atomic, and the iterator ends where the segment does. Written as a
#: `for` loop that is left in its first turn, it costs no call, and nothing can come between taking
#: an offset and the call that fills it.
Here = tuple[Iterator[int], "bytearray | memoryview"]

#: Where a lane points while it takes nothing: there is no offset to take and the slow path decides.
CLOSED: Here = (iter(()), bytearray())

_packers: set[CodeType] = set()
F = TypeVar("F", bound=Callable[..., object])


def packs_points(function: F) -> F:
    """Mark a function that takes an offset from a lane and fills it, for `PointLane.settle`."""
    _packers.add(function.__code__)
    return function


class PointLane:
    """The point segments of an owned slot.

    Attributes:
        here: Where the next point goes. The record path reads it once per call, so offset and
            buffer always belong together.
    """

    __slots__ = ("_allocator", "_capacity_bytes", "_offsets", "_segment", "_unsettled", "here")

    def __init__(self, directory: Path, allocator: Allocator, *, slots: int) -> None:
        self._allocator = allocator
        self._capacity_bytes = slots * POINT_BYTES
        self._segment: Segment | None = None
        self._offsets: Iterator[int] = iter(())
        # Segments in which a writer may still be busy, with the offset from which to look.
        self._unsettled: deque[tuple[Segment, Iterator[int], int]] = deque()
        self.here: Here = CLOSED
        self._resume(directory)

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
        if not self._pack(series, value, time_ns, second):
            self._advance()
            self._pack(series, value, time_ns, second)

    @property
    def segment(self) -> Segment | None:
        """The segment in use."""
        return self._segment

    def close(self) -> bool:
        """Take no more points; False if a thread is still writing one.

        The segment stays as it is, for the next owner to go on in.
        """
        self.here = CLOSED
        return self.settle() and not _someone_packs()

    def settle(self) -> bool:
        """Fill the slots whose writers gave up (an exception between taking and filling).

        Readers wait before such a slot for as long as its owner lives, since its writer might be
        merely slow. Whether it is can be told from inside: a thread that is still writing has a
        marked function on its stack. Returns False if one has, and there was something to fill.
        """
        for segment, offsets, start in tuple(self._unsettled):
            # The end is read first: whoever took a slot below it either still shows on a stack
            # afterwards, or is done with it.
            end = _next(segment, offsets)
            empty = _unstamped(segment, start, end)
            if empty and _someone_packs():
                return False
            for offset in empty:
                pack_point(segment.buffer, offset, 0.0, 0, 0, 0.0, VOID_SERIES, offset)
            self._unsettled.popleft()
            if segment is self._segment:
                self._unsettled.append((segment, offsets, end))
        return True

    def facts_since(self, offset: int) -> list[tuple[int, float, int, int]]:
        """The filled slots of the segment in use from `offset` on: series, value, time, second."""
        if self._segment is None:
            return []
        end = self.offset()
        slots = POINT.iter_unpack(self._segment.buffer[offset:end])
        return [(sid, value, time, second) for value, time, second, _, sid, stamp in slots if stamp]

    def offset(self) -> int:
        """The next free offset of the segment in use."""
        return HEADER_BYTES if self._segment is None else _next(self._segment, self._offsets)

    def _pack(self, series: int, value: float, time_ns: int, second: int) -> bool:
        offsets, buffer = self.here
        for offset in offsets:
            pack_point(buffer, offset, value, time_ns, second, value, series, offset)
            return True
        return False

    def _advance(self) -> None:
        """Go on in a new segment."""
        number, position = 0, 0
        if self._segment is not None:
            self.settle()
            number = self._segment.header.number + 1
            position = self._segment.header.first_position + self._segment.slots
        self._start(number, position)

    def _resume(self, directory: Path) -> None:
        """Go on where the last owner of the slot stopped."""
        found = lane_segments(directory, "points", POINTS_MAGIC)
        if not found:
            return
        last = Segment.open(found[-1].path, POINTS_MAGIC)
        if last is not None and (offset := _used(last)) < len(last.buffer):
            self._use(last, offset)
        else:
            self._start(found[-1].number + 1, found[-1].end_position)

    def _start(self, number: int, position: int) -> None:
        self._use(self._allocator.create(number, position, self._capacity_bytes), HEADER_BYTES)

    def _use(self, segment: Segment, offset: int) -> None:
        self._segment = segment
        self._offsets = iter(range(offset, len(segment.buffer), POINT_BYTES))
        self._unsettled.append((segment, self._offsets, offset))
        self.here = (self._offsets, segment.buffer)


packs_points(PointLane._pack)


def _next(segment: Segment, offsets: Iterator[int]) -> int:
    """The offset that will be taken next, without taking it."""
    return len(segment.buffer) - length_hint(offsets) * POINT_BYTES


def _unstamped(segment: Segment, start: int, end: int) -> list[int]:
    stamps = memoryview(segment.buffer[start:end]).cast("I")[POINT_BYTES // 4 - 1 :: POINT_BYTES // 4]
    return [start + index * POINT_BYTES for index, stamp in enumerate(stamps) if not stamp]


def _someone_packs() -> bool:
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code in _packers:
                return True
            frame = frame.f_back
    return False


def _used(segment: Segment) -> int:
    """The offset after the last slot that anything was ever written to."""
    last = len(segment.buffer[HEADER_BYTES:].rstrip(b"\0"))
    return HEADER_BYTES + -(-last // POINT_BYTES) * POINT_BYTES

