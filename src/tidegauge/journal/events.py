# SPDX-License-Identifier: Apache-2.0
"""The write side of the event segments: facts that do not fit in a point, framed and checksummed.

Frames are written into mapped memory under the writer's lock, in order, so at most one frame, the
last, is ever unfinished.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import msgspec

from tidegauge.journal.frames import Frame, scan_frames, write_frame
from tidegauge.journal.layout import (
    EVENTS_MAGIC,
    FRAME,
    HEADER_BYTES,
    padded,
)
from tidegauge.journal.segment import Allocator, Refused, Segment, lane_segments

__all__ = ["MAX_EVENT_BYTES", "Batch", "EventLane", "Record", "decode_facts", "facts_in"]

#: Largest payload of one event.
MAX_EVENT_BYTES = 1 << 20


class Record(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """One fact of a table. `series` is 0 where the table has none."""

    table: str
    time_ns: int
    series: int
    columns: dict[str, object]


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """Values recorded together: one per series of a vector, in its order."""

    time_ns: int
    vector: int
    step: int | None
    values: list[float]


decode_facts = msgspec.msgpack.Decoder(Record | Batch).decode
_encode = msgspec.msgpack.Encoder().encode


class EventLane:
    """The event segments of an owned slot. The caller holds the writer's lock for every call.

    Attributes:
        ordinal: Facts written to this lane in the life of the slot.
    """

    __slots__ = (
        "_allocator",
        "_buffer",
        "_capacity_bytes",
        "_end",
        "_offset",
        "_segment",
        "ordinal",
    )

    def __init__(self, directory: Path, allocator: Allocator, *, capacity_bytes: int) -> None:
        self._allocator = allocator
        self._capacity_bytes = capacity_bytes
        self._segment: Segment | None = None
        self._buffer: mmap.mmap | bytearray = bytearray()
        self._offset = self._end = HEADER_BYTES
        self.ordinal = 0
        self._resume(directory)

    def put(self, fact: Record | Batch) -> None:
        """Append one record, or one batch in one frame.

        Raises:
            Refused: The fact is larger than `MAX_EVENT_BYTES`, or there is no room.
        """
        payload = _encode(fact)
        size_bytes = len(payload)
        if size_bytes > MAX_EVENT_BYTES:
            raise _too_large(size_bytes)
        start = self._offset
        end = start + padded(FRAME.size + size_bytes)
        if end > self._end:
            self._advance(end - start)
            start, end = self._offset, self._offset + end - start
        ordinal = self.ordinal
        # Claimed first: an exception that arrives from outside in the middle of the copy leaves a
        # torn frame, which readers skip, and not one that the next frame overwrites.
        self._offset = end
        self.ordinal = ordinal + (len(fact.values) if fact.__class__ is Batch else 1)
        write_frame(self._buffer, start, ordinal, payload)

    @property
    def segment(self) -> Segment | None:
        """The segment in use."""
        return self._segment

    def offset(self) -> int:
        """The next free offset of the segment in use."""
        return self._offset

    def facts_since(self, offset: int) -> list[Record | Batch]:
        """The facts of the segment in use from `offset` on."""
        if self._segment is None:
            return []
        return [
            decode_facts(frame.payload)
            for frame in scan_frames(self._segment.buffer[: self._offset], offset)
        ]

    def close(self) -> None:
        """Take no more events."""
        self._segment = None

    def _advance(self, needed_bytes: int) -> None:
        number, position = 0, 0
        if self._segment is not None:
            number = self._segment.header.number + 1
            position = self._segment.header.first_position + self._offset - HEADER_BYTES
        self._start(number, position, needed_bytes)

    def _resume(self, directory: Path) -> None:
        found = lane_segments(directory, "events", EVENTS_MAGIC)
        for file in reversed(found):
            if (last := _last_frame(file.path.read_bytes())) is not None:
                self.ordinal = last.ordinal + facts_in(decode_facts(last.payload))
                break
        if not found:
            return
        segment = Segment.open(found[-1].path, EVENTS_MAGIC)
        if segment is None:
            self._start(found[-1].number + 1, found[-1].end_position, 0)
            return
        # After whatever was ever written there, finished or not.
        used = len(segment.buffer[HEADER_BYTES:].rstrip(b"\0"))
        self._use(segment, HEADER_BYTES + padded(used))
        if (tail := _last_frame(segment.buffer[:])) is not None:
            self._offset = max(self._offset, tail.end)

    def _start(self, number: int, position: int, needed_bytes: int) -> None:
        capacity_bytes = max(self._capacity_bytes, needed_bytes)
        self._use(self._allocator.create(number, position, capacity_bytes), HEADER_BYTES)

    def _use(self, segment: Segment, offset: int) -> None:
        self._segment = segment
        self._buffer = segment.buffer
        self._end = len(segment.buffer)
        self._offset = offset


def facts_in(fact: Record | Batch) -> int:
    """How many facts a frame stands for."""
    return len(fact.values) if isinstance(fact, Batch) else 1


def _last_frame(data: bytes) -> Frame | None:
    last = None
    for last in scan_frames(data, HEADER_BYTES):
        pass
    return last


def _too_large(size_bytes: int) -> Refused:
    return Refused(
        "bad_metadata",
        "the fact is too large for the journal",
        got=f"{size_bytes} bytes",
        fix=f"Record at most {MAX_EVENT_BYTES} bytes with one fact; store the rest elsewhere.",
    )
