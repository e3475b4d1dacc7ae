# SPDX-License-Identifier: Apache-2.0
"""The one exit of the journal: facts from a position on, and what was lost on the way.

A reader never writes and takes no lock for longer than a look. It reads with `pread`, not through a
mapping, so a file that shrinks or vanishes is an error here and not a signal.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from tidegauge.journal.decode import (
    PointsBatch,
    decode_points,
    joined_points,
    lost_points,
    view_points,
)
from tidegauge.journal.events import Batch, Record, decode_facts, facts_in
from tidegauge.journal.frames import Frame, scan_frames
from tidegauge.journal.layout import (
    EVENTS_MAGIC,
    HEADER_BYTES,
    POINT_BYTES,
    POINTS_MAGIC,
    unpack_header,
)
from tidegauge.journal.segment import SegmentFile, lane_segments
from tidegauge.journal.series import Vector
from tidegauge.journal.series_reader import SeriesReader
from tidegauge.journal.slot import journal_id, owner_of, slot_bytes, slot_directories, sync_slot
from tidegauge.journal.state import read_state, state_path
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import POINTS

__all__ = ["Event", "EventsBatch", "Journal", "PointsBatch", "SlotReader"]

_CHUNK_SLOTS = 8192


class Event(msgspec.Struct, frozen=True):
    """One record of a table.

    Attributes:
        table: The table's name.
        time_ns: When it happened.
        series: Id of its series; 0, which stands for none, if that cannot be told any more.
        columns: The table's own columns.
        ordinal: Its number among the facts of this lane.
    """

    table: str
    time_ns: int
    series: int
    columns: dict[str, Any]
    ordinal: int


class EventsBatch(msgspec.Struct, frozen=True):
    """Decoded events of the byte positions `[start, end)`.

    Attributes:
        start: First position covered.
        end: Where to go on reading.
        records: The events, in the order they were written.
        damaged: Facts whose frames did not check out.
        ordinal: Facts written to this lane up to `end`; None if nothing tells.
    """

    start: int
    end: int
    records: list[Event]
    damaged: int
    ordinal: int | None


class Journal:
    """The journal at `root`, `<store>/journal`; it may not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._slots: dict[str, SlotReader] = {}
        self._slots_of = ""

    @property
    def id(self) -> str:
        """Identity of the journal; empty while there is none."""
        return journal_id(self.root)

    def slots(self) -> list[SlotReader]:
        """A reader for each slot; the same object each time for the same slot."""
        directories = {path.name: path for path in slot_directories(self.root)}
        identity = self.id
        if identity != self._slots_of:  # deleted and begun anew
            self._slots.clear()
            self._slots_of = identity
        for name in self._slots.keys() - directories.keys():
            del self._slots[name]
        for name, path in directories.items():
            if name not in self._slots:
                self._slots[name] = SlotReader(path)
        return [self._slots[name] for name in directories]


class SlotReader:
    """Reads one slot.

    Attributes:
        directory: The slot's directory.
        name: Its name, such as `000`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = directory.name
        self._series = SeriesReader(directory)

    def owner_alive(self) -> bool:
        """Whether a living process owns the slot."""
        return owner_of(self.directory)[0]

    def points(self, start: int, limit: int, *, settled: bool = True) -> PointsBatch:
        """Read points from position `start` on, at most `limit` positions.

        Args:
            start: First position wanted. Positions before the oldest file count as damaged, so a
                caller passes its own cursor, never 0 out of habit.
            limit: Most positions to cover.
            settled: Stop before a slot whose writer may still be busy. If False, such slots are
                passed over, which is right for looking and wrong for moving a cursor.
        """
        # Both are read before any slot: what had an end by then shows in the slots.
        settled_end = read_state(state_path(self.directory)).number("settled") or 0
        owner = owner_of(self.directory)
        parts, end, stop = list[PointsBatch](), start, start + limit
        files = lane_segments(self.directory, "points", POINTS_MAGIC)
        for file in files:
            if end < file.first_position:
                parts.append(lost_points(end, min(file.first_position, stop)))
                end = parts[-1].end
            while end < min(file.end_position, stop):
                count = min(_CHUNK_SLOTS, file.end_position - end, stop - end)
                read = _read_slots(file, end, count)
                if read is None:  # freed in this moment: the caller starts again
                    return joined_points(start, parts)
                stamped, slots = read
                newest = file is files[-1]
                used = len(slots)
                if newest:
                    least = 0 if file.intact else min(used, max(settled_end - end, 0))
                    touched = _touched(slots)
                    # A small limit may end in a hole, which from here looks like the end.
                    if touched < used and _is_touched(file, end + used, stop):
                        touched = used
                    used = max(touched, least)
                holes = np.flatnonzero(~stamped[:used])
                # A call that never returned, or one that has not returned yet?
                holes = holes[holes >= settled_end - end]
                if settled and len(holes) and not self._is_gone(owner):
                    used = int(holes[0])
                parts.append(_decode(file, end, stamped[:used], slots[:used]))
                if used == len(slots) < count and not newest and not file.intact:
                    parts.append(lost_points(end + used, end + count))  # the file was cut
                is_last = parts[-1].end < end + count
                end = parts[-1].end
                if is_last and (file.intact or not newest):
                    return joined_points(start, parts)
                if is_last:
                    break
        if end < min(settled_end, stop):  # the newest file was cut or deleted
            parts.append(lost_points(end, min(settled_end, stop)))
        return joined_points(start, parts)

    def events(
        self,
        start: int,
        *,
        facts_before: int | None = None,
        limit_bytes: int = 4 << 20,
        stop: int | None = None,
    ) -> EventsBatch:
        """Read events from byte position `start` on, about `limit_bytes` at most.

        Args:
            start: First position wanted.
            facts_before: Facts written to this lane before `start`, the `ordinal` of the batch
                that ended there; without it, facts damaged right after `start` go uncounted.
            limit_bytes: Where to stop, after at least one event.
            stop: Position at which a batch ended before; this one goes no further. Bytes before
                it that do not check out any more are passed over.
        """
        # Read before any frame: what had been counted by then shows in the frames.
        counted = read_state(state_path(self.directory)).number("events_facts") or 0
        end, ordinal, damaged, taken_bytes = start, facts_before, 0, 0
        records: list[Event] = []
        files = lane_segments(self.directory, "events", EVENTS_MAGIC)
        for file in files:
            newest = file is files[-1]
            if file.end_position <= end and not newest:
                continue
            end = max(end, file.first_position)
            # Where the bytes begin in the file, less the position they begin at.
            shift = HEADER_BYTES - file.first_position
            frames = _frames(file.path, end + shift)
            if frames is None:  # freed in this moment: the caller starts again
                return EventsBatch(start, end, records, damaged, ordinal)
            begin = end
            for frame in frames:
                if stop is not None and begin + frame.end > stop:
                    return EventsBatch(start, stop, records, damaged, ordinal)
                fact = decode_facts(frame.payload)
                if fact is None:  # the next one tells how many facts these were
                    continue
                damaged += max(frame.ordinal - ordinal, 0) if ordinal is not None else 0
                ordinal = frame.ordinal + facts_in(fact)
                records.extend(self._expanded(fact, frame))
                end = begin + frame.end
                taken_bytes += frame.end - frame.offset
                if taken_bytes >= limit_bytes:
                    return EventsBatch(start, end, records, damaged, ordinal)
            if not newest:
                end = file.end_position
            if stop is not None and end >= stop:
                return EventsBatch(start, stop, records, damaged, ordinal)
        if ordinal is not None and ordinal < counted:  # the end of the newest file is lost
            damaged, ordinal = damaged + counted - ordinal, counted
        return EventsBatch(start, end, records, damaged, ordinal)

    def series(self, identifier: int) -> SeriesKey | None:
        """The meaning of a series id; None if its entry is missing or damaged."""
        entry = self._series.entry(identifier)
        return entry if isinstance(entry, SeriesKey) else None

    def first_points(self) -> int:
        """The smallest position of a point that is still on disk, or would be the first."""
        return self._first("points", POINTS_MAGIC)

    def first_events(self) -> int:
        """The smallest byte position of an event that is still on disk, or would be the first."""
        return self._first("events", EVENTS_MAGIC)

    def room_end(self, lane: Literal["points", "events"]) -> int:
        """A position of a lane before which everything lies that was written by now.

        It is the end of the newest file, filled or not: what tells a reader where to stop who would
        else run after a writer that is as fast as himself.
        """
        magic = POINTS_MAGIC if lane == "points" else EVENTS_MAGIC
        files = lane_segments(self.directory, lane, magic)
        return files[-1].end_position if files else 0

    def end_points(self, start: int | None = None) -> int:
        """One past the newest point, looking from position `start` on."""
        position = self.first_points() if start is None else start
        while (batch := self.points(position, _CHUNK_SLOTS * 8, settled=False)).end > position:
            position = batch.end
        return position

    def end_events(self, start: int | None = None) -> int:
        """One past the newest event, looking from byte position `start` on."""
        position = self.first_events() if start is None else start
        while (batch := self.events(position)).end > position:
            position = batch.end
        return position

    def created_ns(self, lane: Literal["points", "events"], position: int) -> int:
        """When the file was made that has a position of a lane; 0 if nothing tells.

        No fact at this position or behind it was recorded earlier, whatever its time.
        """
        magic = POINTS_MAGIC if lane == "points" else EVENTS_MAGIC
        for file in lane_segments(self.directory, lane, magic):
            if position < file.end_position:
                with contextlib.suppress(FileNotFoundError):
                    header = unpack_header(_head(file.path), magic)
                    return 0 if header is None else header.created_ns
        return 0

    def drops(self) -> Counter[str]:
        """Facts refused, by reason, in the life of the slot."""
        return read_state(state_path(self.directory)).drops()

    def fixed_names(self) -> int:
        """Facts whose names were fixed, in the life of the slot."""
        return read_state(state_path(self.directory)).number("fixed_names") or 0

    def size_bytes(self) -> int:
        """Room that the slot's files take on the disk."""
        return slot_bytes(self.directory)

    def sync(self) -> None:
        """Have the operating system write the slot to the disk.

        Whoever keeps a cursor somewhere durable does this first, with what the cursor will have
        passed. After a loss of power the cursor would otherwise be ahead of the journal, and the
        facts that come to lie before it would be passed over.
        """
        sync_slot(self.directory)

    def free_before(self, *, points: int, events: int) -> int:
        """Delete the segments that end at or before these positions; never the newest of a lane.

        Only the leader of the store calls this, after every follower has passed the positions.

        Returns:
            Bytes given back.
        """
        freed_bytes = 0
        for lane, magic, passed in (
            ("points", POINTS_MAGIC, points),
            ("events", EVENTS_MAGIC, events),
        ):
            for file in lane_segments(self.directory, lane, magic)[:-1]:
                if file.end_position > passed:
                    break
                size_bytes = file.path.stat().st_blocks * 512
                file.path.unlink()
                freed_bytes += size_bytes
        return freed_bytes

    def _is_gone(self, owner: tuple[bool, bytes]) -> bool:
        """Whether there was no owner, and none has come since."""
        return not owner[0] and owner_of(self.directory) == owner

    def _first(self, lane: str, magic: bytes) -> int:
        files = lane_segments(self.directory, lane, magic)
        return files[0].first_position if files else 0

    def _expanded(self, fact: Record | Batch, frame: Frame) -> list[Event]:
        if isinstance(fact, Record):
            return [Event(fact.table, fact.time_ns, fact.series, fact.columns, frame.ordinal)]
        vector = self._series.entry(fact.vector)
        members = vector.series if isinstance(vector, Vector) else ()
        if len(members) != len(fact.values):
            members = (0,) * len(fact.values)
        return [
            Event(
                POINTS.name,
                fact.time_ns,
                series,
                {"value": value, "step": fact.step},
                frame.ordinal + index,
            )
            for index, (series, value) in enumerate(zip(members, fact.values, strict=True))
        ]


def _head(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(HEADER_BYTES)


def _read_slots(file: SegmentFile, position: int, count: int) -> tuple[Any, Any] | None:
    """Read up to `count` slots, and which of them had a stamp before that; None if it is gone."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Stamps first, the rest in a second read: a writer stores its stamp last, so whatever has
        # one in the first read is complete in the second.
        offset = _offset(file, position)
        stamps = view_points(os.pread(descriptor, count * POINT_BYTES, offset))["stamp"]
        slots = view_points(os.pread(descriptor, count * POINT_BYTES, offset))
    finally:
        os.close(descriptor)
    known = min(len(stamps), len(slots))
    return stamps[:known] != 0, slots[:known]


def _decode(file: SegmentFile, position: int, stamped: Any, slots: Any) -> PointsBatch:
    offset = _offset(file, position)
    batch = decode_points(position, offset, stamped, slots)
    if batch.damaged and (again := _read_slots(file, position, len(slots))) is not None:
        # A second look, for processors that let a stamp overtake the rest of its slot.
        known = min(len(slots), len(again[1]))
        return decode_points(position, offset, stamped[:known], again[1][:known])
    return batch


def _touched(slots: Any) -> int:
    """How many slots there are up to the last one that anything was ever written to."""
    words = slots.view("<u8").reshape(-1, POINT_BYTES // 8)
    touched = np.flatnonzero(words.any(axis=1))
    return int(touched[-1]) + 1 if len(touched) else 0


def _is_touched(file: SegmentFile, position: int, stop: int) -> bool:
    """Whether something lies not far behind a position, if a reader's limit is what ends there."""
    if position < stop or position >= file.end_position:
        return False
    ahead = _read_slots(file, position, _CHUNK_SLOTS)
    return ahead is not None and _touched(ahead[1]) > 0


def _offset(file: SegmentFile, position: int) -> int:
    return HEADER_BYTES + (position - file.first_position) * POINT_BYTES


def _frames(path: Path, start: int) -> list[Frame] | None:
    """The intact frames of an events segment from offset `start` on, as offsets from there.

    None if the file is gone.
    """
    frames = _scan(path, start)
    if frames and not _are_contiguous(frames):
        # A frame was being written while its place was read, and the next one came before the
        # read got there. It was complete before that one began, so a second look sees it. What
        # came after the first look is left for the next call.
        end = frames[-1].end
        again = _scan(path, start)
        return None if again is None else [frame for frame in again if frame.end <= end]
    return frames


def _scan(path: Path, start: int) -> list[Frame] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        room = max(os.fstat(descriptor).st_size - start, 0)
        return list(scan_frames(os.pread(descriptor, room, start)))
    finally:
        os.close(descriptor)


def _are_contiguous(frames: list[Frame]) -> bool:
    ends = [0, *(frame.end for frame in frames)]
    return all(frame.offset == end for frame, end in zip(frames, ends, strict=False))
