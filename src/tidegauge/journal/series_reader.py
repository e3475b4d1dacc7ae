# SPDX-License-Identifier: Apache-2.0
"""The read side of series.log: which series a number stands for."""

from __future__ import annotations

import os
from pathlib import Path

from tidegauge.journal.layout import FIRST_SERIES_OFFSET
from tidegauge.journal.series import SERIES_FILE, Vector, entries_in
from tidegauge.model.series import SeriesKey

__all__ = ["SeriesReader"]


class SeriesReader:
    """Looks up ids, and reads the file only when it has grown.

    What an id means never changes, so entries that were read stay good even if the file is deleted.

    Args:
        directory: The slot's directory.
    """

    __slots__ = ("_end", "_entries", "_path", "_read_bytes")

    def __init__(self, directory: Path) -> None:
        self._path = directory / SERIES_FILE
        self._entries: dict[int, SeriesKey | Vector] = {}
        self._end = FIRST_SERIES_OFFSET
        self._read_bytes = 0

    def entry(self, identifier: int) -> SeriesKey | Vector | None:
        """The meaning of an id; None if its entry is missing or damaged."""
        if identifier not in self._entries:
            self._read()
        return self._entries.get(identifier)

    def _read(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            size_bytes = os.fstat(descriptor).st_size
            if size_bytes == self._read_bytes:
                return
            if size_bytes < self._end:  # cut, or begun anew behind a gap
                self._end = FIRST_SERIES_OFFSET
            begin = self._end
            data = os.pread(descriptor, max(size_bytes - begin, 0), begin)
        finally:
            os.close(descriptor)
        for identifier, entry, end in entries_in(data, begin):
            self._entries[identifier] = entry
            self._end = end
        # Last: another thread that sees it finds the entries.
        self._read_bytes = size_bytes
