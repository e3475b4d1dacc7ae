# SPDX-License-Identifier: Apache-2.0
"""One process at a time: a lock on a file, held for one piece of work or for as long as one lives.

The lock ends with the process, however it ends. A forked child never inherits it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tidegauge.journal.permissions import create_directory, create_file
from tidegauge.model.errors import StoreError

__all__ = ["Claim", "exclusive", "holder", "in_pieces", "locked"]

#: Seconds after which whoever has much to do gives way to others.
_PIECE_S = 5.0

# flock belongs to the open file, which a fork shares: without the hooks below, a child would keep
# the lock for as long as it lives. The guard makes opening and noting one step as a fork sees it.
_guard = threading.Lock()
_LOOK_S = 0.02
_Piece = TypeVar("_Piece")
_held: set[int] = set()


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Try to take the lock at `path`, for the length of the `with` block, without waiting.

    Works between processes, and between threads of one process; it is not reentrant.

    Args:
        path: The lock's file; created when needed.

    Yields:
        Whether the lock was taken.

    Raises:
        StorePermissionError: The directory does not admit this user.
    """
    descriptor = _take(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _give_back(descriptor)


class Claim:
    """A lock that is kept until it is released or the process ends, however it ends.

    A forked child does not have it and may take it for itself, with an object of its own. Used by
    one thread at a time.

    Args:
        path: The lock's file; created when needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._owner_pid = 0

    @property
    def is_held(self) -> bool:
        """Whether this process has the lock."""
        return self._descriptor is not None and self._owner_pid == os.getpid()

    def take(self) -> bool:
        """Take the lock, unless it is held, without waiting.

        Returns:
            Whether this process has it.

        Raises:
            StorePermissionError: The directory does not admit this user.
        """
        if not self.is_held:
            self._descriptor, self._owner_pid = _take(self._path), os.getpid()
        return self.is_held

    def release(self) -> None:
        """Let others take it; no effect if this process does not have it."""
        # A child's number for a descriptor of its parent may mean another file by now.
        if self.is_held and self._descriptor is not None:
            _give_back(self._descriptor)
        self._descriptor = None


def in_pieces(
    take: Callable[[], contextlib.AbstractContextManager[bool]],
    work: Callable[[float], tuple[_Piece, bool]],
) -> list[_Piece] | None:
    """Do work that may take long in pieces, between which others may take the lock.

    Args:
        take: `Store.lead` or `Store.maintain`.
        work: Called with the time, monotonic, from which on it should give way; returns what it
            did, and whether there is more to do.

    Returns:
        What was done, piece by piece; None if another process has the lock.
    """
    done: list[_Piece] = []
    goes_on = True
    while goes_on:
        with take() as mine:
            if not mine:
                return done or None
            piece, goes_on = work(time.monotonic() + _PIECE_S)
        done.append(piece)
    return done


@contextlib.contextmanager
def locked(
    take: Callable[[], contextlib.AbstractContextManager[bool]], work: str, deadline_s: float
) -> Iterator[None]:
    """Hold a lock of the store for the length of a `with` block.

    Args:
        take: `Store.lead` or `Store.maintain`.
        work: What whoever holds it does, for the error.
        deadline_s: When to give up, by the monotonic clock.

    Raises:
        StoreError: Another process held it for too long.
    """
    while True:
        with take() as mine:
            if mine:
                yield
                return
        if time.monotonic() >= deadline_s:
            raise StoreError(
                f"another process was {work} the store all the time, and nothing was changed",
                fix="Wait for it to finish, then try again.",
            )
        time.sleep(_LOOK_S)


def holder(path: Path) -> str | None:
    """What the holder of the lock wrote about itself (`pid 4711`); None if nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 100, 0).decode(errors="replace").strip()
    finally:
        os.close(descriptor)
    return None


def _take(path: Path) -> int | None:
    create_directory(path.parent)
    with _guard:
        descriptor = create_file(path)
        _held.add(descriptor)
    if not _lock(descriptor, path):
        _give_back(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
    return descriptor


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody may have deleted the file between opening and locking it.
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _give_back(descriptor: int) -> None:
    with _guard:
        if descriptor in _held:  # not in a child, where it was closed at the fork
            _held.remove(descriptor)
            # Explicitly: closing does not unlock while a child that was just forked has a copy.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _after_fork_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()
    _guard.release()


os.register_at_fork(
    before=_guard.acquire,
    after_in_parent=_guard.release,
    after_in_child=_after_fork_in_child,
)
