# SPDX-License-Identifier: Apache-2.0
"""The write side of series.log: which number stands for which series.

An entry is on its way to the disk before its number is used anywhere else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegauge.journal.frames import encode_frame, scan_frames
from tidegauge.journal.layout import FIRST_SERIES_OFFSET, SERIES_MAGIC, padded, series_id
from tidegauge.journal.permissions import create_file
from tidegauge.journal.refusal import Refused, refusal_of
from tidegauge.journal.state import SlotState
from tidegauge.model.series import SeriesKey

__all__ = ["SERIES_FILE", "SeriesEntry", "SeriesLog", "SeriesLogFull", "Vector", "entries_in"]

SERIES_FILE = "series.log"


class SeriesEntry(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """What a frame of series.log says about one series."""

    key: SeriesKey


class Vector(msgspec.Struct, frozen=True, array_like=True, tag="v"):
    """What a frame of series.log says about a set of series that are recorded together."""

    series: tuple[int, ...]


_decode = msgspec.msgpack.Decoder(SeriesEntry | Vector).decode


class SeriesLogFull(Refused):
    """The file has reached 128 MiB. Another slot has another one."""


class SeriesLog:
    """Hands out ids and appends their meaning. The caller holds the writer's lock.

    Args:
        directory: The slot's directory.
        state: The slot's page.
        used_end: Offset after every entry whose id is known to be in use, even if the entry is not
            in the file any more.

    Attributes:
        keys: Every id whose meaning is known.
    """

    __slots__ = ("_descriptor", "_end", "_ids", "_path", "_state", "keys")

    def __init__(self, directory: Path, state: SlotState, *, used_end: int = 0) -> None:
        self._path = directory / SERIES_FILE
        self._state = state
        self._ids: dict[SeriesKey | Vector, int] = {}
        self.keys: dict[int, SeriesKey | Vector] = {}
        self._descriptor = create_file(self._path)
        try:
            size_bytes = os.fstat(self._descriptor).st_size
            self._learn(os.pread(self._descriptor, size_bytes, 0))
            _write(self._descriptor, SERIES_MAGIC.ljust(FIRST_SERIES_OFFSET, b"\0"), 0)
        except BaseException:
            self.close()
            raise
        # Whatever an earlier owner left unfinished at the end stays there and is skipped; an end
        # that was cut off stays a gap, so that no id comes to mean something else.
        known_end = max(FIRST_SERIES_OFFSET, size_bytes, used_end, state["series_end"])
        self._end = padded(known_end)

    def id_of(self, key: SeriesKey | Vector) -> int:
        """The id of a series or vector, written to disk if it is new.

        Raises:
            SeriesLogFull: There is no id left.
            Refused: The disk is full.
        """
        identifier = self._ids.get(key)
        return self._add(key) if identifier is None else identifier

    def restore(self) -> None:
        """Put the file back if its name was deleted."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == os.fstat(self._descriptor).st_ino:
                return
        draft = self._path.with_suffix(".new")
        descriptor = create_file(draft, os.O_RDWR | os.O_TRUNC)
        try:
            _write(descriptor, os.pread(self._descriptor, self._end, 0), 0)
            draft.rename(self._path)
        except BaseException:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        self.close()
        self._descriptor = descriptor

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _learn(self, data: bytes) -> None:
        """Use the ids of earlier owners again, so that the file grows with new series only."""
        for identifier, entry, _ in entries_in(data[FIRST_SERIES_OFFSET:], FIRST_SERIES_OFFSET):
            if isinstance(entry, SeriesKey) or all(
                isinstance(self.keys.get(member), SeriesKey) for member in entry.series
            ):
                self._ids[entry] = identifier
                self.keys[identifier] = entry

    def _add(self, key: SeriesKey | Vector) -> int:
        start = self._end
        try:
            identifier = series_id(start)
        except OverflowError as error:
            raise _full() from error
        entry = Vector(key.series) if isinstance(key, Vector) else SeriesEntry(key)
        frame = encode_frame(start, msgspec.msgpack.encode(entry))
        try:
            _write(self._descriptor, frame, start)
        except OSError as error:
            # A frame half written is overwritten by the next attempt.
            raise refusal_of(error, self._path.parent) from error
        self._end = start + len(frame)
        self._state["series_end"] = self._end
        self._ids[key] = identifier
        self.keys[identifier] = key
        return identifier


def entries_in(data: bytes, start: int) -> Iterator[tuple[int, SeriesKey | Vector, int]]:
    """Find the intact entries in bytes of series.log that begin at offset `start`.

    Yields:
        Id, meaning, and the offset after the entry.
    """
    for frame in scan_frames(data):
        try:
            entry = _decode(frame.payload)
        except msgspec.DecodeError:  # of a kind that this version does not know
            continue
        # The ordinal repeats the offset, so an entry cannot turn up in the wrong place.
        if frame.ordinal == start + frame.offset:
            meaning = entry if isinstance(entry, Vector) else entry.key
            yield series_id(frame.ordinal), meaning, start + frame.end


def _write(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _full() -> SeriesLogFull:
    return SeriesLogFull(
        "budget",
        "the journal has too many series",
        fix="Record fewer distinct label values.",
    )
