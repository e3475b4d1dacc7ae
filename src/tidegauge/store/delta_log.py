# SPDX-License-Identifier: Apache-2.0
"""The Delta library's view of a log, and what can be done where the library fails.

The library cannot be used in a forked child whose parent has used it: it panics. Here that is an
error like any other, and known in advance where this package has used it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tidegauge.model.errors import StoreError
from tidegauge.store.files import FileList, list_files
from tidegauge.store.location import Location

__all__ = ["DeltaLog", "ForkedError", "check_usable", "explained", "is_usable_here"]


class ForkedError(StoreError):
    """The Delta library cannot be used in this process."""


class DeltaLog:
    """The newest version of a table, as the Delta library reads it.

    Args:
        location: The table's.

    Attributes:
        delta: The library's object.

    Raises:
        FileNotFoundError: There is no log.
    """

    def __init__(self, location: Location) -> None:
        try:
            self.delta = DeltaTable(
                str(location.directory or location.uri), storage_options=location.storage_options
            )
        except TableNotFoundError as error:
            raise FileNotFoundError(location.uri) from error

    @property
    def version(self) -> int:
        """Number of the version."""
        return self.delta.version()

    @property
    def columns(self) -> frozenset[str]:
        """The table's columns."""
        return frozenset(field.name for field in self.delta.schema().fields)

    @property
    def configuration(self) -> Mapping[str, str]:
        """The table's configuration."""
        return self.delta.metadata().configuration

    def update(self) -> None:
        """Go on to the version that is the newest now."""
        self.delta.update_incremental()

    def transaction(self, name: str) -> int | None:
        """The version of an application transaction; None if there is none."""
        return self.delta.transaction_version(name)

    def files(self) -> FileList:
        """The table's data files."""
        return list_files(self.delta)


def is_usable_here() -> bool:
    """Whether the library can be used in this process, as far as is known."""
    return all(process == os.getpid() for process in _used_by)


def check_usable(name: str) -> None:
    """Raise if the library cannot be used in this process, as far as is known.

    Args:
        name: The table that it is wanted for.

    Raises:
        ForkedError: It cannot.
    """
    if not is_usable_here():
        raise _forked(name)


# The process in which the library was first used from here; a fork copies it.
_used_by: set[int] = set()
_NOBODY = 0


@contextmanager
def explained(name: str, location: Location) -> Iterator[None]:
    """Turn the library's errors into those of this package.

    Conflicts of commits pass as they are.

    Args:
        name: The table that is used in the block.
        location: Where it is.

    Raises:
        ForkedError: The library cannot be used in this process.
        StoreError: Whatever else it has to say.
    """
    check_usable(name)
    _used_by.add(os.getpid())
    try:
        yield
    except CommitFailedError:
        raise
    except DeltaError as error:
        raise StoreError(
            f"the table {name!r} cannot be used ({_first_line(error)})",
            got=str(location.directory or location.uri),
            fix="Run `tidegauge doctor` to see what is damaged.",
        ) from error
    except OSError as error:
        if error.errno or isinstance(error, FileNotFoundError | StoreError):  # not the library's
            raise
        raise StoreError(
            f"the files of the table {name!r} cannot be used ({error})",
            got=str(location.directory or location.uri),
            fix="Check that the place can be reached and that this user may write it.",
        ) from error
    except BaseException as error:
        # The library panics with an exception that no `except Exception` catches.
        if type(error).__name__ == "PanicException":
            _used_by.add(_NOBODY)
            raise _forked(name) from error
        raise


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]  # a backtrace follows


def _forked(name: str) -> ForkedError:
    return ForkedError(
        f"the table {name!r} cannot be used in this forked process",
        fix="Its parent had used tables before the fork, which the Delta library does not survive. "
        "Fork earlier, or start the process with the method 'spawn' or 'forkserver'.",
    )
