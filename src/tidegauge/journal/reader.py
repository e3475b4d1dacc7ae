# SPDX-License-Identifier: Apache-2.0
"""The one exit of the journal: decoding, and telling whole facts from torn and damaged ones.

A reader never writes and takes no lock for longer than a look. It reads with `pread`, not through a
mapping, so a file that shrinks or vanishes is an error here and not a signal.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.journal.drops import read_drops
from tidegauge.journal.events import Batch, Record, decode_facts, facts_in
from tidegauge.journal.frames import Frame, scan_frames
from tidegauge.journal.layout import (
    EVENTS_MAGIC,
    HEADER_BYTES,
    NO_STEP,
    POINT_BYTES,
    POINTS_MAGIC,
    SERIES_CHECK_SEED,
    STEP_CHECK_SEED,
    VOID_SERIES,
    series_id,
)
from tidegauge.journal.segment import SegmentFile, lane_segments
from tidegauge.journal.series import SERIES_FILE, SeriesEntry, Vector
from tidegauge.journal.slot import journal_id, owner_of, slot_directories
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import POINTS

__all__ = ["Event", "EventsBatch", "Journal", "PointsBatch", "SlotReader"]

_POINT = np.dtype(
    [
        ("value", "<u8"),
        ("time", "<u8"),
        ("second", "<u8"),
        ("again", "<u8"),
        ("series", "<u4"),
        ("stamp", "<u4"),
    ]
)
_CHUNK_SLOTS = 8192
_decode_series = msgspec.msgpack.Decoder(SeriesEntry | Vector).decode


class PointsBatch(msgspec.Struct, frozen=True):
    """Decoded points of the positions `[start, end)`.

    `end - start` is the number of points plus `unacknowledged` plus `damaged`.

    Attributes:
        start: First position covered.
        end: Where to go on reading.
        series: Series ids, uint32 of shape (n_points,).
        time_ns: Times, int64 of shape (n_points,).
        value: Values, float64 of shape (n_points,).
        step: Steps, int64 of shape (n_points,); `NO_STEP` where there is none.
        unacknowledged: Slots of calls that never returned.
        damaged: Slots whose bytes changed after they were written, or whose file is gone.
    """

    start: int
    end: int
    series: npt.NDArray[np.uint32]
    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    step: npt.NDArray[np.int64]
    unacknowledged: int
    damaged: int


class Event(msgspec.Struct, frozen=True):
    """One record of a table.

    Attributes:
        table: The table's name.
        time_ns: When it happened.
        series: Id of its series.
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

    @property
    def id(self) -> str:
        """Identity of the journal; empty while there is none."""
        return journal_id(self.root)

    def slots(self) -> list[SlotReader]:
        """A reader for each slot; the same object each time for the same slot."""
        directories = {path.name: path for path in slot_directories(self.root)}
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
        self._series: dict[int, SeriesKey | Vector] = {}
        self._series_end = 0

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
        owner = owner_of(self.directory)
        parts, end, stop = list[PointsBatch](), start, start + limit
        files = lane_segments(self.directory, "points", POINTS_MAGIC)
        for file in files:
            if file.first_position is None or file.end_position <= end:
                continue
            if file.first_position > end:
                parts.append(_lost(end, min(file.first_position, stop)))
                end = parts[-1].end
            while end < min(file.end_position, stop):
                count = min(_CHUNK_SLOTS, file.end_position - end, stop - end)
                left_behind = not file.intact and file is not files[-1]
                part = self._read_points(
                    file, end, count, owner, settled=settled, whole=left_behind
                )
                parts.append(part)
                end = part.end
                if part.end < part.start + count:
                    return _joined(start, parts)
        return _joined(start, parts)

    def _read_points(
        self,
        file: SegmentFile,
        position: int,
        count: int,
        owner: tuple[bool, bytes],
        *,
        settled: bool,
        whole: bool,
    ) -> PointsBatch:
        assert file.first_position is not None
        offset = HEADER_BYTES + (position - file.first_position) * POINT_BYTES
        try:
            descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # freed in this moment: the caller starts again
            return _lost(position, position)
        try:
            # Stamps first, the rest in a second read: a writer stores its stamp last, so whatever
            # has one in the first read is complete in the second.
            stamps = _slots(os.pread(descriptor, count * POINT_BYTES, offset))["stamp"]
            slots = _slots(os.pread(descriptor, count * POINT_BYTES, offset))[: len(stamps)]
        finally:
            os.close(descriptor)
        if whole:  # nobody writes here any more: what the file lacks is lost
            part = _decoded(position, offset, stamps, slots)
            return _joined(position, [part, _lost(part.end, position + count)])
        words = slots.view("<u8").reshape(-1, POINT_BYTES // 8)
        touched = np.flatnonzero(words.any(axis=1))
        used = int(touched[-1]) + 1 if len(touched) else 0
        holes = np.flatnonzero(stamps[:used] == 0)
        # A hole is final once the owner is gone, and no other has come since.
        final = not owner[0] and (len(holes) == 0 or owner_of(self.directory) == owner)
        if settled and len(holes) and not final:
            used = int(holes[0])
        return _decoded(position, offset, stamps[:used], slots[:used])

    def events(
        self, start: int, *, facts_before: int | None = None, limit_bytes: int = 4 << 20
    ) -> EventsBatch:
        """Read events from byte position `start` on, about `limit_bytes` at most.

        Args:
            start: First position wanted.
            facts_before: Facts written to this lane before `start`, the `ordinal` of the batch
                that ended there; without it, facts damaged right after `start` go uncounted.
            limit_bytes: Where to stop, after at least one event.
        """
        end, ordinal, damaged = start, facts_before, 0
        records: list[Event] = []
        files = lane_segments(self.directory, "events", EVENTS_MAGIC)
        for file in files:
            newest = file is files[-1]
            if file.first_position is None or (file.end_position <= end and not newest):
                continue
            end = max(end, file.first_position)
            for frame in _frames(file.path, HEADER_BYTES + end - file.first_position):
                fact = decode_facts(frame.payload)
                damaged += max(frame.ordinal - ordinal, 0) if ordinal is not None else 0
                ordinal = frame.ordinal + facts_in(fact)
                records.extend(self._expanded(fact, frame))
                end = file.first_position + frame.end - HEADER_BYTES
                if end - start >= limit_bytes:
                    return EventsBatch(start, end, records, damaged, ordinal)
            if not newest:
                end = file.end_position
        return EventsBatch(start, end, records, damaged, ordinal)

    def first_points(self) -> int:
        """The smallest position of a point that is still on disk, or would be the first."""
        return self._first("points", POINTS_MAGIC)

    def first_events(self) -> int:
        """The smallest byte position of an event that is still on disk, or would be the first."""
        return self._first("events", EVENTS_MAGIC)

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

    def drops(self) -> Counter[str]:
        """Facts refused, by reason, in the life of the slot."""
        return read_drops(self.directory)

    def size_bytes(self) -> int:
        """Room that the slot's files take on the disk."""
        return sum(file.stat().st_blocks * 512 for file in self.directory.iterdir())

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
                freed_bytes += file.path.stat().st_blocks * 512
                file.path.unlink()
        return freed_bytes

    def _first(self, lane: str, magic: bytes) -> int:
        files = lane_segments(self.directory, lane, magic)
        return next((f.first_position for f in files if f.first_position is not None), 0)

    def _expanded(self, fact: Record | Batch, frame: Frame) -> list[Event]:
        if isinstance(fact, Record):
            return [Event(fact.table, fact.time_ns, fact.series, fact.columns, frame.ordinal)]
        vector = self._entry(fact.vector)
        members = vector.series if isinstance(vector, Vector) else (0,) * len(fact.values)
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

    def series(self, identifier: int) -> SeriesKey | None:
        """The meaning of a series id; None if its entry is missing or damaged."""
        entry = self._entry(identifier)
        return entry if isinstance(entry, SeriesKey) else None

    def _entry(self, identifier: int) -> SeriesKey | Vector | None:
        if identifier not in self._series:
            self._read_series()
        return self._series.get(identifier)

    def _read_series(self) -> None:
        try:
            data = (self.directory / SERIES_FILE).read_bytes()
        except FileNotFoundError:
            return
        if len(data) < self._series_end:  # begun anew
            self._series.clear()
            self._series_end = 0
        for frame in scan_frames(data, self._series_end):
            entry = _decode_series(frame.payload)
            # The ordinal repeats the offset, so an entry cannot turn up in the wrong place.
            if frame.ordinal == frame.offset:
                self._series[series_id(frame.offset)] = (
                    entry if isinstance(entry, Vector) else entry.key
                )
                self._series_end = frame.end


def _frames(path: Path, start: int) -> list[Frame]:
    """The intact frames of an events segment from offset `start` on; none if the file is gone."""
    for attempt in (1, 2):
        try:
            frames = list(scan_frames(path.read_bytes(), start))
        except FileNotFoundError:
            return []
        ends = [start, *(frame.end for frame in frames)]
        whole = all(frame.offset == end for frame, end in zip(frames, ends, strict=False))
        if whole or attempt == 2:
            break
        # A frame was being written while its place was read, and the next one came before the
        # read got there. It was complete before that one began, so a second look sees it.
    return frames


def _slots(data: bytes) -> npt.NDArray[Any]:
    return np.frombuffer(data[: len(data) // POINT_BYTES * POINT_BYTES], dtype=_POINT)


def _decoded(
    position: int, offset: int, stamps: npt.NDArray[np.uint32], slots: npt.NDArray[Any]
) -> PointsBatch:
    expected = np.arange(offset, offset + POINT_BYTES * len(slots), POINT_BYTES, dtype=np.uint64)
    stamped = stamps != 0
    code = slots["time"] ^ slots["second"]
    index = slots["series"] >> 8
    check = (index ^ index >> 8 ^ index >> 16 ^ SERIES_CHECK_SEED) & 0xFF
    whole = (
        (stamps == expected)
        & (slots["value"] == slots["again"])
        & ((code == 0) | _is_step_code(code))
        & ((slots["series"] & 0xFF) == check)
    )
    void = whole & (slots["series"] == VOID_SERIES)
    good = whole & ~void
    found, code = slots[good], code[good]
    # The sign of a step of 48 bits is its top bit.
    step = (code << np.uint64(16)).view(np.int64) >> 16
    return PointsBatch(
        start=position,
        end=position + len(slots),
        series=found["series"].copy(),
        time_ns=found["time"].astype(np.int64),
        value=found["value"].copy().view(np.float64),
        step=np.where(code == 0, NO_STEP, step),
        unacknowledged=int(void.sum() + (~stamped).sum()),
        damaged=int((stamped & ~whole).sum()),
    )


def _is_step_code(code: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    low = code & np.uint64(2**48 - 1)
    folded = low ^ low >> np.uint64(16) ^ low >> np.uint64(32) ^ np.uint64(STEP_CHECK_SEED)
    return (folded & np.uint64(0xFFFF)) == code >> np.uint64(48)


def _lost(start: int, end: int) -> PointsBatch:
    empty = _decoded(start, HEADER_BYTES, _slots(b"")["stamp"], _slots(b""))
    return msgspec.structs.replace(empty, end=end, damaged=end - start)


def _joined(start: int, parts: list[PointsBatch]) -> PointsBatch:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _lost(start, start)
    return PointsBatch(
        start=start,
        end=parts[-1].end,
        series=np.concatenate([part.series for part in parts]),
        time_ns=np.concatenate([part.time_ns for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        step=np.concatenate([part.step for part in parts]),
        unacknowledged=sum(part.unacknowledged for part in parts),
        damaged=sum(part.damaged for part in parts),
    )
