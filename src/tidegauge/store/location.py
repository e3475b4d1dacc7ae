# SPDX-License-Identifier: Apache-2.0
"""Where a table's files are: a directory of this machine, or an object store.

Locally, files get the group's rights and are forced to the disk. An object store does both itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from tidegauge.journal.permissions import create_directory, create_file, is_shared, share

__all__ = ["Location"]


class Location:
    """A directory of files, named by paths relative to it.

    Args:
        uri: A local path, a `file://` address, or the address of an object store.
        storage_options: Access to the object store, as deltalake names it.

    Attributes:
        uri: As given, without a slash at its end.
        directory: The directory, if it is on this machine.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.uri = uri.rstrip("/")
        self.storage_options = dict(storage_options or {})
        self.directory = _local(self.uri)
        self._filesystem: pafs.FileSystem | None = None

    def child(self, name: str) -> Location:
        """The location of a subdirectory."""
        return Location(f"{self.uri}/{name}", self.storage_options)

    @property
    def filesystem(self) -> pafs.FileSystem:
        """An Arrow file system whose root is this location."""
        if self._filesystem is None:
            if self.directory is not None:
                local = pafs.LocalFileSystem()
                self._filesystem = pafs.SubTreeFileSystem(str(self.directory), local)
            else:
                from tidegauge.store.objects import ObjectStore

                self._filesystem = pafs.PyFileSystem(ObjectStore(self.uri, self.storage_options))
        return self._filesystem

    def address(self, relative: str) -> str:
        """The full path or address of a file."""
        return f"{self.directory or self.uri}/{relative}"

    def exists(self, relative: str) -> bool:
        """Whether there is such a file."""
        return bool(self.filesystem.get_file_info(relative).is_file)

    def create_directory(self, relative: str) -> None:
        """Make sure that a directory exists, with the rights of its parent."""
        if self.directory is not None:
            create_directory(self.directory / relative)

    def write(self, relative: str, data: memoryview) -> None:
        """Write a new file, with the rights of its directory, and force both to the disk.

        What the journal frees is gone, so what replaces it must not be in a cache alone.
        """
        if self.directory is None:
            with self.filesystem.open_output_stream(relative) as sink:
                sink.write(data)
            return
        path = self.directory / relative
        descriptor = create_file(path, os.O_WRONLY | os.O_TRUNC)
        try:
            while len(data):
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        _force(path.parent)

    def delete(self, relative: str) -> None:
        """Delete a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(relative)

    def secure(self, relative: str) -> None:
        """The same for a file that another library made."""
        if self.directory is None:
            return
        path = self.directory / relative
        share(path)
        _force(path)
        _force(path.parent)

    def share(self, relative: str) -> None:
        """Give the files in a directory its rights, where another library made them."""
        if self.directory is None or not is_shared(self.directory / relative):
            return
        for path in (self.directory / relative).iterdir():
            with contextlib.suppress(FileNotFoundError):  # a passing file of another process
                share(path)


def _local(uri: str) -> Path | None:
    if "://" not in uri:
        return Path(uri).absolute()
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
