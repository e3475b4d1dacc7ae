# SPDX-License-Identifier: Apache-2.0
"""Taking a slot: the directory of the journal that one process writes, held by a lock on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import time
import uuid
from pathlib import Path

from tidegauge.journal.permissions import create_directory, permission_error, share
from tidegauge.journal.state import SlotState, read_state, state_path
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.model.errors import StorePermissionError

__all__ = [
    "Slot",
    "boot_number",
    "journal_id",
    "owner_of",
    "slot_bytes",
    "slot_directories",
    "sync_slot",
]

_ID_FILE = "id"
_ID = re.compile(r"[0-9a-f]{32}")
_SLOT_NAME = re.compile(r"[0-9]{3}|[1-9][0-9]{3,}")
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
#: A slot with more bytes of series than this is left to its readers: whoever took it would have to
#: read them all.
_WORN_BYTES = 16 << 20
_LOOKS = 20
_LOOK_S = 0.001


class Slot:
    """A slot this process owns, until `release` or the end of the process.

    The lock is on the directory itself, so nobody can delete it and leave the slot.

    Attributes:
        directory: `<journal>/<name>`.
        state: Its page.
        is_doubtful: Whether the page may be behind the files: it was damaged, or the machine was
            started anew since and may have lost power before.
    """

    __slots__ = ("_descriptor", "_pid", "directory", "is_doubtful", "state")

    def __init__(self, directory: Path, descriptor: int, state: SlotState) -> None:
        self.directory = directory
        self.state = state
        self._descriptor = descriptor
        self._pid = os.getpid()
        boot = _boot()
        self.is_doubtful = not state.was_whole or boot == 0 or boot != state["boot"]
        state["boot"] = boot
        state["owner_pid"] = self._pid
        state["owner_since_ns"] = SYSTEM_CLOCK.wall_ns()
        # Readers tell one owner from the next by this number.
        state["takes"] += 1

    @classmethod
    def take(cls, root: Path) -> Slot:
        """Take the lowest free slot of the journal at `root`, creating both if need be.

        Raises:
            StorePermissionError: The journal, or a slot in it, does not admit this user.
        """
        for _ in range(_LOOKS):
            try:
                return cls._take(root)
            except PermissionError as error:
                # Another user may be creating just this and be about to share it.
                refused = error
                time.sleep(_LOOK_S)
        if isinstance(refused, StorePermissionError):
            raise refused
        raise permission_error(Path(refused.filename or root)) from refused

    @classmethod
    def _take(cls, root: Path) -> Slot:
        create_directory(root)
        identity = journal_id(root, create=True)
        number = 0
        while True:
            directory = root / f"{number:03d}"
            number += 1
            descriptor = _open(create_directory(directory))
            try:
                if (
                    descriptor >= 0
                    and _lock(descriptor)
                    and _leads_to(directory, descriptor)
                    and _is_usable(directory)
                ):
                    slot = cls(directory, descriptor, SlotState(state_path(directory), identity))
                    descriptor = -1
                    return slot
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def is_deleted(self) -> bool:
        """Whether the directory's name leads elsewhere by now, or nowhere."""
        return not _leads_to(self.directory, self._descriptor)

    def release(self) -> None:
        """Let go of the slot; in a forked child, of the copy only: the parent keeps its lock."""
        if self._descriptor >= 0:
            if os.getpid() == self._pid:
                # Said aloud, since a copy of the descriptor in a child would keep the lock.
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1


def owner_of(directory: Path) -> tuple[bool, bytes]:
    """Tell whether a slot has a living owner, and by what to recognise the present or last one."""
    token = b"%d" % (read_state(state_path(directory)).number("takes") or 0)
    try:
        with _guard:
            descriptor = _open(directory)
            _looks.add(descriptor)
    except FileNotFoundError:
        return False, token
    if descriptor < 0:
        return False, token
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, token
    else:
        # Said aloud, since a child forked just now has a copy of the descriptor.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False, token
    finally:
        with _guard:
            _looks.discard(descriptor)
            os.close(descriptor)


def _after_fork_in_child() -> None:
    """Close the copies of what other threads look with: they would keep its lock from owners."""
    for descriptor in _looks:
        if descriptor >= 0:
            os.close(descriptor)
    _looks.clear()
    _guard.release()


# Opening and noting is one step as a fork sees it.
_guard = threading.Lock()
_looks: set[int] = set()
os.register_at_fork(
    before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_after_fork_in_child
)


def slot_directories(root: Path) -> list[Path]:
    """The slots of the journal at `root`, lowest first; none if there is no journal."""
    try:
        paths = [path for path in root.iterdir() if _SLOT_NAME.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((path for path in paths if path.is_dir()), key=lambda path: int(path.name))


def slot_bytes(directory: Path) -> int:
    """Room that the files of a slot take on the disk."""
    total = 0
    with contextlib.suppress(FileNotFoundError):  # deleted in this moment
        for file in directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # freed in this moment
                total += file.stat().st_blocks * 512
    return total


def sync_slot(directory: Path) -> None:
    """Have the operating system write a slot to the disk, against a loss of power."""
    with contextlib.suppress(FileNotFoundError):  # deleted in this moment
        for path in (*directory.iterdir(), directory, state_path(directory), directory.parent):
            with contextlib.suppress(FileNotFoundError):  # freed in this moment
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def journal_id(root: Path, *, create: bool = False) -> str:
    """The identity of the journal at `root`, 32 hex digits; empty if there is none.

    Positions mean something only together with this id: a journal that was deleted and begun anew
    has another one, so that nobody takes its first facts for ones already stored. If the file was
    lost and the slots are still there, so is the id.
    """
    path = root / _ID_FILE
    identity = _read_id(path)
    if identity:
        return identity
    identity = _id_of_slots(root)
    if create:
        draft = root / f"{_ID_FILE}.{uuid.uuid4().hex}"
        draft.write_text(f"{identity or uuid.uuid4().hex}\n", encoding="ascii")
        share(draft)
        try:
            if path.exists():  # and is damaged
                draft.replace(path)
            else:
                path.hardlink_to(draft)  # fails when another process was first; its id stands
        except FileExistsError:
            return journal_id(root, create=True)
        finally:
            draft.unlink(missing_ok=True)
        return _read_id(path)
    return identity


def _read_id(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""
    return text if _ID.fullmatch(text) else ""


def _id_of_slots(root: Path) -> str:
    found = (read_state(path).journal_id for path in sorted(root.glob("*.state")))
    return next((identity for identity in found if identity), "")


def _open(directory: Path) -> int:
    """Open a directory; -1 if there is something else in its place."""
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        return -1
    except PermissionError as error:
        raise permission_error(directory) from error


def _lock(descriptor: int) -> bool:
    """Lock a slot's directory; False if somebody owns it."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # No owner, then: a reader was looking whether there is one.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(_LOOK_S)
    return False


def _is_usable(directory: Path) -> bool:
    """Whether a slot is of this version and not worn out."""
    page = read_state(state_path(directory))
    return not page.is_foreign and (page.number("series_end") or 0) <= _WORN_BYTES


def _leads_to(directory: Path, descriptor: int) -> bool:
    """Whether a directory is still the one that was opened."""
    try:
        return directory.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def boot_number(boot_id: uuid.UUID) -> int:
    """The first 63 bits, which a number of the page has room for."""
    return boot_id.int >> 65


def _boot() -> int:
    """A number that every start of the machine has anew; 0 if the system does not tell."""
    try:
        return boot_number(uuid.UUID(_BOOT_FILE.read_text(encoding="ascii").strip()))
    except (OSError, ValueError):
        return 0
