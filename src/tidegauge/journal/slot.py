# SPDX-License-Identifier: Apache-2.0
"""Taking a slot: the directory of the journal that one process writes, held by a file lock."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

from tidegauge.journal.permissions import create_directory, create_file, share
from tidegauge.model.clock import SYSTEM_CLOCK

__all__ = ["Slot", "journal_id", "owner_of", "slot_directories"]

_ID_FILE = "id"
_LOCK_FILE = "lock"


class Slot:
    """A slot this process owns, until `release` or the end of the process.

    Attributes:
        directory: `<journal>/<name>`.
    """

    __slots__ = ("_descriptor", "directory")

    def __init__(self, directory: Path, descriptor: int) -> None:
        self.directory = directory
        self._descriptor = descriptor

    @classmethod
    def take(cls, root: Path) -> Slot:
        """Take the lowest free slot of the journal at `root`, creating both if need be.

        Raises:
            StorePermissionError: The journal, or a slot in it, does not admit this user.
        """
        create_directory(root)
        journal_id(root, create=True)
        number = 0
        while True:
            directory = create_directory(root / f"{number:03d}")
            descriptor = create_file(directory / _LOCK_FILE)
            if _lock(descriptor, directory / _LOCK_FILE):
                # A reader tells one owner from the next by this text.
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()} {SYSTEM_CLOCK.wall_ns()}\n".encode(), 0)
                return cls(directory, descriptor)
            os.close(descriptor)
            number += 1

    def release(self) -> None:
        """Let go of the slot. In a forked child this closes the copy and keeps the parent's lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def owner_of(directory: Path) -> tuple[bool, bytes]:
    """Tell whether a slot has a living owner, and the text by which to recognise that owner.

    A slot whose lock file cannot be found has no owner.
    """
    try:
        descriptor = os.open(directory / _LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False, b""
    try:
        text = os.pread(descriptor, 100, 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True, text
        return False, text
    finally:
        os.close(descriptor)


def slot_directories(root: Path) -> list[Path]:
    """The slots of the journal at `root`, lowest first; none if there is no journal."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.name.isdigit() and path.is_dir())


def journal_id(root: Path, *, create: bool = False) -> str:
    """The identity of the journal at `root`, 32 hex digits; empty if there is none.

    Positions mean something only together with this id: a journal that was deleted and begun anew
    has another one, so that nobody takes its first facts for ones already stored.
    """
    path = root / _ID_FILE
    if create and not path.exists():
        draft = root / f"{_ID_FILE}.{uuid.uuid4().hex}"
        draft.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
        share(draft)
        try:
            path.hardlink_to(draft)  # fails when another process was first; its id stands
        except FileExistsError:
            return journal_id(root)
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Somebody may have deleted the file between opening and locking it.
    return path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino
