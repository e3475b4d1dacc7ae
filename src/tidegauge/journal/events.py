# SPDX-License-Identifier: Apache-2.0
"""The write side of the event segments: facts that do not fit in a point, framed and checksummed.

Frames are written into mapped memory under the writer's lock, in order, so at most one frame, the
last, is ever unfinished.
"""

from __future__ import annotations

import mmap
from collections import deque
from pathlib import Path
from zlib import crc32

import msgspec

from tidegauge.journal.frames import Frame, scan_frames
from tidegauge.journal.layout import (
    EVENTS_MAGIC,
    FRAME,
    FRAME_ALIGNMENT,
    FRAME_MAGIC,
    HEADER_BYTES,
    NUMBER,
    NUMBER_OFFSETS,
    pack_frame,
    pack_number,
    padded,
)
from tidegauge.journal.segment import Allocator, Refused, Segment, lane_segments
from tidegauge.journal.state import SlotState
from tidegauge.model.tables import TABLES

__all__ = ["MAX_EVENT_BYTES", "Batch", "EventLane", "Record", "decode_facts", "encode", "facts_in"]

#: Largest payload of one event.
MAX_EVENT_BYTES = 1 << 20


class Record(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """One fact of a table. `series` is 0 where the table has none."""

    table: str
    time_ns: int
    series: int
    columns: dict[str, object]


class Row(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """A `Record` whose columns have no names: all columns of the table, in its order."""

    table: str
    time_ns: int
    series: int
    values: list[object]


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """Values recorded together: one per series of a vector, in its order."""

    time_ns: int
    vector: int
    step: int | None
    values: list[float]


_decode = msgspec.msgpack.Decoder(Record | Row | Batch).decode
#: Turns a `Record`, the tuple `("t", table, time_ns, series, values)` or the tuple `("b", time_ns,
#: vector, step, values)` into a frame's payload: a `Row` or `Batch` would be the same bytes and
#: 60 ns more.
encode = msgspec.msgpack.Encoder().encode
_COLUMNS = {name: tuple(column.name for column in table.columns) for name, table in TABLES.items()}
#: A frame's head, and what `padded` adds before it rounds down.
_FRAME_ROOM = FRAME.size + FRAME_ALIGNMENT - 1
#: Where the page keeps the lane's facts.
_FACTS = slice(NUMBER_OFFSETS["events_facts"], NUMBER_OFFSETS["events_facts"] + NUMBER.size)


class EventLane:
    """The event segments of an owned slot. The caller holds the writer's lock for every call.

    Args:
        directory: The slot's directory.
        state: Its page.
        allocator: Makes segments.
        capacity_bytes: Room of a segment.

    Attributes:
        ordinal: Facts written to this lane in the life of the slot.
        segment: The segment in use.
        offset: Its next free offset.
    """

    __slots__ = (
        "_allocator",
        "_buffer",
        "_capacity_bytes",
        "_end",
        "_next_position",
        "_state",
        "offset",
        "ordinal",
        "segment",
    )

    def __init__(
        self, directory: Path, state: SlotState, allocator: Allocator, *, capacity_bytes: int
    ) -> None:
        self._state = state
        self._allocator = allocator
        self._capacity_bytes = capacity_bytes
        self.segment: Segment | None = None
        self._buffer: mmap.mmap | bytearray = bytearray()
        self._next_position = 0
        self.offset = self._end = HEADER_BYTES
        self.ordinal = state["events_facts"]
        self._resume(directory)

    def put(self, payload: bytes, facts: int = 1) -> None:
        """Append one frame.

        Args:
            payload: From `encode`.
            facts: How many facts it stands for.

        Raises:
            Refused: It is larger than `MAX_EVENT_BYTES`, or there is no room.
        """
        # `padded`, `frame_checksum` and `SlotState.__setitem__`, written out: together a tenth of
        # what a batch costs.
        size_bytes = len(payload)
        if size_bytes > MAX_EVENT_BYTES:
            raise _too_large(size_bytes)
        start = self.offset
        end = start + (size_bytes + _FRAME_ROOM & -FRAME_ALIGNMENT)
        if end > self._end:
            self._advance(end - start)
            start, end = self.offset, self.offset + end - start
        ordinal = self.ordinal
        after = ordinal + facts
        checksum = crc32(payload, ordinal ^ ordinal >> 32)
        frame = pack_frame(FRAME_MAGIC, size_bytes, ordinal, checksum) + payload
        stop = start + len(frame)
        # Claimed first: an exception that arrives from outside in the middle leaves a gap, which
        # readers skip, and not bytes that the next frame would be mixed with.
        self.offset = end
        self.ordinal = after
        # No exception comes between this and the ordinal: CPython looks for signals after a call,
        # not between an assignment and a store.
        self._buffer[start:stop] = frame
        self._state.page[_FACTS] = pack_number(after, ~after)

    def facts_since(self, offset: int) -> list[Record | Batch]:
        """The facts of the segment in use from `offset` on."""
        if self.segment is None:
            return []
        frames = scan_frames(self.segment.buffer[: self.offset], offset)
        return [fact for frame in frames if (fact := decode_facts(frame.payload)) is not None]

    def _advance(self, needed_bytes: int) -> None:
        """Go on in a new segment with room for `needed_bytes`."""
        position = self._next_position
        if self.segment is not None:
            position = self.segment.header.first_position + self.offset - HEADER_BYTES
        capacity_bytes = max(self._capacity_bytes, needed_bytes)
        segment = self._allocator.create(position, capacity_bytes)
        self._state["events_end"] = position + capacity_bytes
        self._use(segment, HEADER_BYTES)

    def _resume(self, directory: Path) -> None:
        """Go on where the last owner of the slot stopped, and never before."""
        given_out = self._state["events_end"]
        found = lane_segments(directory, "events", EVENTS_MAGIC)
        for file in reversed(found):
            if (last := _last_frame(file.path.read_bytes())) is not None:
                fact = decode_facts(last.payload)
                facts = 1 if fact is None else facts_in(fact)
                self.ordinal = max(self.ordinal, last.ordinal + facts)
                break
        if not found or found[-1].end_position < given_out:
            self._next_position = given_out
            return
        newest = found[-1]
        segment = Segment.open(newest.path, EVENTS_MAGIC) if newest.intact else None
        if segment is None:
            self._next_position = newest.end_position
            return
        data = segment.buffer[:]
        # After whatever was ever written there, finished or not.
        offset = max(HEADER_BYTES, padded(len(data.rstrip(b"\0"))))
        if (tail := _last_frame(data)) is not None:
            offset = max(offset, tail.end)
        self._use(segment, offset)

    def _use(self, segment: Segment, offset: int) -> None:
        self.segment = segment
        self._buffer = segment.buffer
        self._end = len(segment.buffer)
        self.offset = offset


def decode_facts(payload: bytes | memoryview) -> Record | Batch | None:
    """Decode the payload of a frame; None if it is of a kind that this version does not know."""
    try:
        fact: Record | Row | Batch = _decode(payload)
    except msgspec.DecodeError:
        return None
    return _named(fact) if isinstance(fact, Row) else fact


def _named(row: Row) -> Record:
    names = _COLUMNS.get(row.table, ())
    # More values than names are of a newer version, fewer are of an older one.
    columns = {
        name: value for name, value in zip(names, row.values, strict=False) if value is not None
    }
    return Record(row.table, row.time_ns, row.series, columns)


def facts_in(fact: Record | Batch) -> int:
    """How many facts a frame stands for."""
    return len(fact.values) if isinstance(fact, Batch) else 1


def _last_frame(data: bytes) -> Frame | None:
    frames = deque(scan_frames(data, HEADER_BYTES), maxlen=1)
    return frames[0] if frames else None


def _too_large(size_bytes: int) -> Refused:
    return Refused(
        "bad_metadata",
        "the fact is too large for the journal",
        got=f"{size_bytes} bytes",
        fix=f"Record at most {MAX_EVENT_BYTES} bytes with one fact; store the rest elsewhere.",
    )
