# SPDX-License-Identifier: Apache-2.0
"""Who may read and write what the store creates: whoever the store's directory says.

If the directory is writable by its group, so is everything created under it, whatever the umask of
the process, and new entries inherit the group; otherwise the umask decides as usual.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tidegauge.model.errors import StorePermissionError

__all__ = ["create_directory", "create_file", "is_shared", "permission_error", "share"]

_SHARED_DIRECTORY = 0o2770
_SHARED_FILE = 0o660


def create_directory(path: Path) -> Path:
    """Create a directory and its parents, each shared with the group if its parent is.

    Raises:
        StorePermissionError: The parent does not admit this user.
    """
    missing = [path, *path.parents]
    missing = [each for each in missing if not each.exists()]
    for each in reversed(missing):
        try:
            each.mkdir(exist_ok=True)
            share(each)
        except PermissionError as error:
            raise permission_error(each) from error
    return path


def create_file(path: Path, flags: int = os.O_RDWR) -> int:
    """Open a file, creating it if need be, shared with the group if its directory is.

    Returns:
        A file descriptor that is not inherited by programs started later.

    Raises:
        StorePermissionError: The file or its directory does not admit this user.
    """
    try:
        try:
            return os.open(path, flags | os.O_CLOEXEC)
        except FileNotFoundError:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o666)
            share(path)
            return descriptor
    except PermissionError as error:
        raise permission_error(path) from error


def share(path: Path) -> None:
    """Give the group the rights that the parent directory grants it, if this user owns `path`."""
    if not is_shared(path.parent):
        return
    status = path.stat()
    if status.st_uid != os.geteuid():
        return
    wanted = _SHARED_DIRECTORY if stat.S_ISDIR(status.st_mode) else _SHARED_FILE
    if status.st_mode & wanted != wanted:
        path.chmod(stat.S_IMODE(status.st_mode) | wanted)


def is_shared(directory: Path) -> bool:
    """Whether the directory's group may write in it."""
    return bool(directory.stat().st_mode & stat.S_IWGRP)


def permission_error(path: Path) -> StorePermissionError:
    """Build the error that tells a user how to get in."""
    return StorePermissionError(
        f"the store cannot be used by user id {os.geteuid()}",
        got=str(path),
        allowed="a directory this user may write",
        fix="Let the users share a group and run `chmod g+rwxs` on the store's directory before "
        "its first use, or give this program a store of its own.",
    )
