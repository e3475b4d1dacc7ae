# SPDX-License-Identifier: Apache-2.0
"""The write side of series.log: which number stands for which series.

An entry is on its way to the disk before its number is used anywhere else.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from tidegauge.journal.frames import encode_frame
from tidegauge.journal.layout import FIRST_SERIES_OFFSET, SERIES_MAGIC, padded, series_id
from tidegauge.journal.permissions import create_file
from tidegauge.journal.segment import Refused
from tidegauge.model.series import SeriesKey

__all__ = ["SERIES_FILE", "SeriesEntry", "SeriesLog", "Vector"]

SERIES_FILE = "series.log"


class SeriesEntry(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """What a frame of series.log says about one series."""

    key: SeriesKey


class Vector(msgspec.Struct, frozen=True, array_like=True, tag="v"):
    """What a frame of series.log says about a set of series that are recorded together."""

    series: tuple[int, ...]


class SeriesLog:
    """Hands out ids and appends their meaning. The caller holds the writer's lock.

    Attributes:
        keys: Every id given out by this object, with its meaning.
    """

    __slots__ = ("_descriptor", "_end", "_ids", "keys")

    def __init__(self, directory: Path) -> None:
        self._ids: dict[SeriesKey | Vector, int] = {}
        self.keys: dict[int, SeriesKey | Vector] = {}
        self._descriptor = create_file(directory / SERIES_FILE)
        size = os.fstat(self._descriptor).st_size
        if size < FIRST_SERIES_OFFSET:
            _write(self._descriptor, SERIES_MAGIC.ljust(FIRST_SERIES_OFFSET, b"\0"), 0)
        # Whatever an earlier owner left unfinished at the end stays there and is skipped.
        self._end = padded(max(size, FIRST_SERIES_OFFSET))

    def id_of(self, key: SeriesKey | Vector) -> int:
        """The id of a series or vector, written to disk if it is new.

        Raises:
            Refused: The disk is full, or the log has reached 128 MiB.
        """
        identifier = self._ids.get(key)
        if identifier is None:
            try:
                identifier = series_id(self._end)
            except OverflowError as error:
                raise Refused(
                    "budget",
                    "the journal has too many series",
                    fix="Record fewer distinct label values.",
                ) from error
            entry = Vector(key.series) if isinstance(key, Vector) else SeriesEntry(key)
            frame = encode_frame(self._end, msgspec.msgpack.encode(entry))
            _write(self._descriptor, frame, self._end)
            self._end += len(frame)
            self._ids[key] = identifier
            self.keys[identifier] = key
        return identifier

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _write(descriptor: int, data: bytes, offset: int) -> None:
    try:
        written = os.pwrite(descriptor, data, offset)
    except OSError as error:
        reason = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "unavailable"
        raise Refused(reason, f"series.log cannot be written: {error}") from error
    if written != len(data):
        # The half-written frame is overwritten by the next attempt at the same offset.
        raise Refused("disk_full", "series.log could not be written in full")
