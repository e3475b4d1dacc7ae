# SPDX-License-Identifier: Apache-2.0
"""The page of a slot: what must be known of it even when its directory is gone.

It lies beside the directory, as `<slot>.state`. Its owner keeps it mapped and up to date: how many
facts were refused, how far positions and series ids were ever handed out (so that none is used
twice, whatever becomes of the files), and up to where no point can change any more.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import zlib
from collections import Counter
from pathlib import Path

from tidegauge.journal.layout import (
    FIRST_DROP_OFFSET,
    IDENTITY,
    NUMBER,
    NUMBER_OFFSETS,
    STATE_BYTES,
    STATE_MAGIC,
    pack_number,
)
from tidegauge.journal.permissions import create_file
from tidegauge.model.reasons import REASONS

__all__ = ["SlotState", "StateView", "drop_offset", "read_state", "state_path"]

_CRC_BYTES = 4
_LOOKS = 3
_OFFSETS = NUMBER_OFFSETS | {
    f"dropped {reason}": FIRST_DROP_OFFSET + NUMBER.size * index
    for index, reason in enumerate(REASONS)
}


class SlotState:
    """The page of an owned slot. The caller holds the writer's lock.

    Numbers that cannot be trusted, because their two copies disagree, start again at 0.

    Attributes:
        page: The mapped bytes.
        was_whole: Whether every number could be trusted when the page was opened.
    """

    __slots__ = ("_inode", "_path", "page", "was_whole")

    def __init__(self, path: Path, journal_id: str) -> None:
        self._path = path
        self.page, self._inode = _map(path)
        view = StateView(self.page[:])
        self.was_whole = view.is_whole
        for name in _OFFSETS:
            self[name] = view.number(name) or 0
        identity = _pack_identity(journal_id)
        self.page[: len(identity)] = identity

    def __getitem__(self, name: str) -> int:
        """A number, by its name in `NUMBER_OFFSETS`."""
        return int(NUMBER.unpack_from(self.page, _OFFSETS[name])[0])

    def __setitem__(self, name: str, value: int) -> None:
        offset = _OFFSETS[name]
        # Not `pack_into`, which zeroes the place first: a process killed just then would leave 0.
        self.page[offset : offset + NUMBER.size] = pack_number(value, ~value)

    def add_drop(self, reason: str, count: int) -> None:
        """Count `count` more facts as dropped for a reason of `REASONS`."""
        self[f"dropped {reason}"] += count

    def restore(self) -> None:
        """Put the page back if its file was deleted."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                return
        page, self._inode = _map(self._path)
        page[:] = self.page[:]
        self.page = page


class StateView:
    """A page as a reader finds it.

    Args:
        page: Its bytes; of any length.
    """

    __slots__ = ("_page",)

    def __init__(self, page: bytes) -> None:
        self._page = page

    @property
    def journal_id(self) -> str:
        """The journal that the slot belongs to; empty if that cannot be read."""
        if self._page[: len(STATE_MAGIC)] != STATE_MAGIC or len(self._page) < STATE_BYTES:
            return ""
        identity = self._page[: IDENTITY.size]
        crc = self._page[IDENTITY.size : IDENTITY.size + _CRC_BYTES]
        if zlib.crc32(identity) != int.from_bytes(crc, "little"):
            return ""
        return bytes(IDENTITY.unpack(identity)[1]).hex()

    @property
    def is_foreign(self) -> bool:
        """Whether this is the page of another version of the format."""
        magic = self._page[: len(STATE_MAGIC)]
        return magic[:-1] == STATE_MAGIC[:-1] and magic[-1:].isdigit() and magic != STATE_MAGIC

    def number(self, name: str) -> int | None:
        """A number; None if its two copies disagree, or were never written."""
        offset = _OFFSETS[name]
        if offset + NUMBER.size > len(self._page):
            return None
        value, inverse = NUMBER.unpack_from(self._page, offset)
        return int(value) if inverse == ~value else None

    @property
    def is_whole(self) -> bool:
        """Whether every number can be trusted."""
        return all(self.number(name) is not None for name in _OFFSETS)

    def drops(self) -> Counter[str]:
        """Facts refused, by reason; reasons that never occurred are absent."""
        counts = {reason: self.number(f"dropped {reason}") for reason in REASONS}
        return Counter({reason: count for reason, count in counts.items() if count})


def read_state(path: Path) -> StateView:
    """Read a page; one that is missing has no numbers."""
    for _ in range(_LOOKS):
        try:
            view = StateView(path.read_bytes())
        except FileNotFoundError:
            return StateView(b"")
        if view.is_whole:
            break
        # A number was being written in this moment, or is damaged.
    return view


def state_path(directory: Path) -> Path:
    """Where the page of a slot is, given the slot's directory."""
    return directory.with_suffix(".state")


def drop_offset(reason: str) -> int:
    """Where in the page the number of facts dropped for a reason is."""
    return _OFFSETS[f"dropped {reason}"]


def _map(path: Path) -> tuple[mmap.mmap, int]:
    descriptor = create_file(path)
    try:
        # Allocated in full, for the reason given in `segment`.
        os.posix_fallocate(descriptor, 0, STATE_BYTES)
        return mmap.mmap(descriptor, STATE_BYTES), os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _pack_identity(journal_id: str) -> bytes:
    identity = IDENTITY.pack(STATE_MAGIC, bytes.fromhex(journal_id))
    return identity + zlib.crc32(identity).to_bytes(_CRC_BYTES, "little")
