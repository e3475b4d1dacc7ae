# SPDX-License-Identifier: Apache-2.0
"""How many facts were refused, by reason, for the whole life of a slot."""

from __future__ import annotations

import mmap
import os
import struct
from collections import Counter
from pathlib import Path

from tidegauge.journal.layout import DROPS_BYTES, DROPS_MAGIC
from tidegauge.journal.permissions import create_file
from tidegauge.model.reasons import REASONS

__all__ = ["DROPS_FILE", "DropCounters", "read_drops"]

DROPS_FILE = "drops.bin"
_COUNT = struct.Struct("<Q")
_FIRST = 16
_OFFSETS = {reason: _FIRST + _COUNT.size * index for index, reason in enumerate(REASONS)}


class DropCounters:
    """The counters of an owned slot. The caller holds the writer's lock."""

    __slots__ = ("_buffer",)

    def __init__(self, directory: Path) -> None:
        descriptor = create_file(directory / DROPS_FILE)
        try:
            # Allocated in full, for the reason given in `segment`.
            os.posix_fallocate(descriptor, 0, DROPS_BYTES)
            self._buffer = mmap.mmap(descriptor, DROPS_BYTES)
        finally:
            os.close(descriptor)
        self._buffer[: len(DROPS_MAGIC)] = DROPS_MAGIC

    def add(self, reason: str, count: int) -> None:
        """Count `count` more facts as dropped for a reason of `REASONS`."""
        offset = _OFFSETS[reason]
        (before,) = _COUNT.unpack_from(self._buffer, offset)
        _COUNT.pack_into(self._buffer, offset, before + count)


def read_drops(directory: Path) -> Counter[str]:
    """The counters of a slot; reasons that never occurred are absent."""
    try:
        data = (directory / DROPS_FILE).read_bytes()
    except FileNotFoundError:
        return Counter()
    if len(data) != DROPS_BYTES or not data.startswith(DROPS_MAGIC):
        return Counter()
    counts = {reason: _COUNT.unpack_from(data, offset)[0] for reason, offset in _OFFSETS.items()}
    return Counter({reason: count for reason, count in counts.items() if count})
