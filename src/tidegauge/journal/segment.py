# SPDX-License-Identifier: Apache-2.0
"""One preallocated, memory-mapped file of the journal.

The file is allocated in full when it is created. A sparse file would turn a full disk into a SIGBUS
in the middle of somebody's program; this way it is an error at one known place.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
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
from tidegauge.journal.refusal import Cooldown, Refused, refusal_of
from tidegauge.model.clock import Clock

__all__ = ["Allocator", "Refused", "Segment", "SegmentFile", "lane_segments"]

_NAME = re.compile(r"(points|events)-([0-9]{20})\.seg")


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
            OSError: The disk is full, or the directory does not let this user write.
        """
        size = HEADER_BYTES + header.capacity_bytes
        # Filled under another name and renamed: a segment without a header is never seen.
        draft = path.with_suffix(".new")
        try:
            descriptor = create_file(draft, os.O_RDWR | os.O_TRUNC)
            try:
                os.posix_fallocate(descriptor, 0, size)
                # The zeros are there by now; writing them brings the pages into memory at once.
                # Fetching each when a record call first touches it costs 14 ns per point.
                os.pwrite(descriptor, pack_header(header).ljust(size, b"\0"), 0)
                buffer = mmap.mmap(descriptor, size)
                inode = os.fstat(descriptor).st_ino
            finally:
                os.close(descriptor)
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
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

    __slots__ = ("_allow", "_clock", "_cooldown", "_directory", "_lane", "_magic")

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
        self._cooldown = Cooldown(clock)

    def create(self, first_position: int, capacity_bytes: int) -> Segment:
        """Create a segment.

        Raises:
            Refused: There is no room, or there was none less than a second ago: a program that
                records a million facts a second must not ask the file system each time.
        """
        self._cooldown.check()
        path = self._directory / f"{self._lane}-{first_position:020d}.seg"
        header = SegmentHeader(self._magic, first_position, capacity_bytes, self._clock.wall_ns())
        try:
            self._allow(HEADER_BYTES + capacity_bytes)
            return Segment.create(path, header)
        except OSError as error:
            raise self._cooldown.begin(refusal_of(error, self._directory)) from error
        except Refused as refusal:
            self._cooldown.begin(refusal)
            raise


class SegmentFile(msgspec.Struct, frozen=True):
    """A segment as a reader finds it.

    Attributes:
        path: Its file.
        first_position: Position of its first slot or byte, from its name.
        end_position: The position after the last one it has room for, at most the first of the
            next segment; for events, where the next one begins.
        has_header: Whether its header checks out.
        intact: Whether the file has its full length, too.
    """

    path: Path
    first_position: int
    end_position: int
    has_header: bool
    intact: bool


def lane_segments(directory: Path, lane: str, magic: bytes) -> list[SegmentFile]:
    """The segments of a lane (`points` or `events`) in a slot's directory, oldest first.

    Files that are not called like a segment are none of ours. What a damaged header does not tell
    is taken from the file's name and length.
    """
    unit = POINT_BYTES if lane == "points" else 1
    found: list[SegmentFile] = []
    for first_position, path in sorted(_named(directory, lane), reverse=True):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # freed in this moment
            continue
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                continue
            header = unpack_header(os.pread(descriptor, HEADER_BYTES, 0), magic)
        finally:
            os.close(descriptor)
        size_bytes = max(status.st_size - HEADER_BYTES, 0)
        has_header = header is not None and header.first_position == first_position
        capacity_bytes = header.capacity_bytes if header is not None and has_header else size_bytes
        end_position = first_position + capacity_bytes // unit
        if found and (lane == "events" or end_position > found[-1].first_position):
            end_position = found[-1].first_position
        intact = has_header and capacity_bytes == size_bytes
        found.append(SegmentFile(path, first_position, end_position, has_header, intact))
    found.reverse()
    return found


def _named(directory: Path, lane: str) -> list[tuple[int, Path]]:
    try:
        paths = list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    matches = [(_NAME.fullmatch(path.name), path) for path in paths]
    return [(int(name[2]), path) for name, path in matches if name is not None and name[1] == lane]
