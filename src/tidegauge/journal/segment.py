# SPDX-License-Identifier: Apache-2.0
"""One preallocated, memory-mapped file of the journal.

The file is allocated in full when it is created. A sparse file would turn a full disk into a SIGBUS
in the middle of somebody's program; this way it is an error at one known place.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from tidegauge.journal.layout import (
    HEADER_BYTES,
    POINT_BYTES,
    SegmentHeader,
    pack_header,
    unpack_header,
)
from tidegauge.journal.permissions import create_file
from tidegauge.model.clock import Clock
from tidegauge.model.errors import JournalError

__all__ = ["Allocator", "Refused", "Segment", "SegmentFile", "lane_segments"]


_RETRY_S = 1.0


class Refused(JournalError):
    """The journal cannot take the fact.

    Attributes:
        reason: The reason under which the fact is counted as dropped.
    """

    def __init__(self, reason: str, what: str, *, got: object = None, fix: str = "") -> None:
        self.reason = reason
        super().__init__(what, got=got, fix=fix)


class Segment:
    """A mapped segment. The mapping lives as long as somebody holds `buffer`.

    Attributes:
        path: Its file.
        header: Its decoded header.
        buffer: The whole file, header included, writable.
        inode: Identifies the file even after its name is gone.
    """

    __slots__ = ("buffer", "header", "inode", "path")

    def __init__(self, path: Path, header: SegmentHeader, buffer: mmap.mmap, inode: int) -> None:
        self.path = path
        self.header = header
        self.buffer = buffer
        self.inode = inode

    @classmethod
    def create(cls, path: Path, header: SegmentHeader) -> Segment:
        """Allocate and map a new segment.

        Raises:
            Refused: The disk is full, or the directory does not let this user write.
        """
        size = HEADER_BYTES + header.capacity_bytes
        # Filled under another name and renamed: a segment without a header is never seen.
        draft = path.with_suffix(".new")
        try:
            descriptor = create_file(draft)
            try:
                os.posix_fallocate(descriptor, 0, size)
                os.pwrite(descriptor, pack_header(header), 0)
                buffer = mmap.mmap(descriptor, size)
                inode = os.fstat(descriptor).st_ino
            finally:
                os.close(descriptor)
            draft.rename(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise _refused(path, error) from error
        return cls(path, header, buffer, inode)

    @classmethod
    def open(cls, path: Path, magic: bytes) -> Segment | None:
        """Map an existing segment for writing; None if it is damaged or not of full size."""
        descriptor = create_file(path)
        try:
            header = unpack_header(os.pread(descriptor, HEADER_BYTES, 0), magic)
            status = os.fstat(descriptor)
            if header is None or status.st_size != HEADER_BYTES + header.capacity_bytes:
                return None
            return cls(path, header, mmap.mmap(descriptor, status.st_size), status.st_ino)
        finally:
            os.close(descriptor)

    @property
    def slots(self) -> int:
        """How many points fit, in a segment of points."""
        return self.header.capacity_bytes // POINT_BYTES

    def is_on_disk(self) -> bool:
        """Whether the name still leads to this file."""
        try:
            return self.path.stat().st_ino == self.inode
        except FileNotFoundError:
            return False


class Allocator:
    """Creates the segments of one lane, and remembers for a second that it could not.

    Args:
        directory: The slot's directory.
        lane: `points` or `events`, the first part of the file names.
        magic: Their magic.
        allow: Raises `Refused` if the journal may not grow by so many bytes.
        clock: Where the time comes from.
    """

    __slots__ = ("_allow", "_clock", "_directory", "_lane", "_magic", "_refusal")

    def __init__(
        self,
        directory: Path,
        lane: str,
        magic: bytes,
        *,
        allow: Callable[[int], None],
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._lane = lane
        self._magic = magic
        self._allow = allow
        self._clock = clock
        self._refusal: tuple[float, Refused] | None = None

    def create(self, number: int, first_position: int, capacity_bytes: int) -> Segment:
        """Create a segment.

        Raises:
            Refused: There is no room, or there was none less than a second ago: a program that
                records a million facts a second must not ask the file system each time.
        """
        now_s = self._clock.monotonic_s()
        if self._refusal is not None and now_s < self._refusal[0]:
            raise self._refusal[1]
        header = SegmentHeader(
            self._magic, number, first_position, capacity_bytes, self._clock.wall_ns()
        )
        try:
            self._allow(HEADER_BYTES + capacity_bytes)
            segment = Segment.create(
                self._directory / f"{self._lane}-{number:08d}.seg", header
            )
        except Refused as refusal:
            self._refusal = (now_s + _RETRY_S, refusal.with_traceback(None))
            raise
        self._refusal = None
        return segment


class SegmentFile(msgspec.Struct, frozen=True):
    """A segment as a reader finds it.

    Attributes:
        path: Its file.
        number: The number in its name.
        first_position: Position of its first slot or byte; None if its header is damaged and the
            neighbours do not tell.
        end_position: The position after the last one it has room for; for events, where the next
            segment begins.
        intact: Whether its header checks out and the file has its full length.
    """

    path: Path
    number: int
    first_position: int | None
    end_position: int
    intact: bool


def lane_segments(directory: Path, lane: str, magic: bytes) -> list[SegmentFile]:
    """The segments of a lane (`points` or `events`) in a slot's directory, oldest first.

    A damaged header of a point segment is made up for by its neighbours: positions are contiguous
    and every segment but the newest is full.
    """
    unit = POINT_BYTES if lane == "points" else 1
    found: list[SegmentFile] = []
    for path in sorted(directory.glob(f"{lane}-*.seg"), key=_number):
        try:
            with path.open("rb") as file:
                header = unpack_header(file.read(HEADER_BYTES), magic)
                room_bytes = max(os.fstat(file.fileno()).st_size - HEADER_BYTES, 0)
                room = room_bytes // unit
        except FileNotFoundError:  # freed in this moment
            continue
        if header is not None:
            first: int | None = header.first_position
            end = header.first_position + header.capacity_bytes // unit
        elif found:
            first, end = found[-1].end_position, found[-1].end_position + room
        else:
            first, end = (0, room) if _number(path) == 0 else (None, room)
        intact = header is not None and header.capacity_bytes == room_bytes
        found.append(SegmentFile(path, _number(path), first, end, intact))
    for index in range(len(found) - 1, 0, -1):
        before, after = found[index - 1], found[index]
        if after.first_position is None or after.first_position == before.end_position:
            continue
        first = before.first_position
        if first is None and lane == "points":
            first = after.first_position - before.end_position
        found[index - 1] = SegmentFile(
            before.path, before.number, first, after.first_position, before.intact
        )
    return found


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _refused(path: Path, error: OSError) -> Refused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refused(
            "disk_full",
            "the disk has no room for the journal",
            got=str(path.parent),
            fix="Free some space; recording goes on by itself.",
        )
    return Refused(
        "unavailable",
        f"the journal's directory cannot be written ({os.strerror(error.errno or 0)})",
        got=str(path.parent),
        fix="Check that the directory exists and that this user may write it.",
    )
