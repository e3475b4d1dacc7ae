# SPDX-License-Identifier: Apache-2.0
"""Delta tables: opening, creating and extending them, and changing one in a single commit.

deltalake cannot be used in a forked child whose parent has used it. Where that is known, an attempt
is an error that says so, instead of the panic in the library.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Schema
from deltalake.transaction import AddAction, RemoveAction

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import TABLES, Table
from tidegauge.store.files import NO_FILES, FileList, list_files
from tidegauge.store.location import Location
from tidegauge.store.schema import PARTITION, STATISTICS, arrow_schema

__all__ = [
    "FORMAT",
    "NO_TABLE",
    "Overtaken",
    "StoredTable",
    "TableView",
    "Tables",
    "is_usable_here",
]

#: Version of the layout that docs/format/store.md describes.
FORMAT = 1

_LOG = "_delta_log"
_LAST_CHECKPOINT = "_last_checkpoint"
_FORMAT_KEY = "tidegauge.format"
_EVOLVED_KEY = "tidegauge.evolved"
_CONFIGURATION = {
    _FORMAT_KEY: str(FORMAT),
    # A version is opened from the last checkpoint and the commits since: a few milliseconds.
    "delta.checkpointInterval": "20",
    # A commit a minute would make 43,000 files in the usual 30 days.
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
_ATTEMPTS = 5


class Overtaken(StoreError):
    """Another process has done the same work; nothing was changed."""


@dataclass(frozen=True, slots=True)
class TableView:
    """What one version of a table says.

    Attributes:
        version: The version's number.
        files: Its data files.
        transactions: The version of each application transaction that was asked for; absent where
            there is none.
        columns: Its columns.
        evolved: Whether columns were added after some files were written.
    """

    version: int
    files: FileList
    transactions: Mapping[str, int]
    columns: frozenset[str]
    evolved: bool


#: What a table that does not exist says.
NO_TABLE = TableView(-1, NO_FILES, {}, frozenset(), evolved=False)


class Tables:
    """The tables below `uri`. Each is created when its first row comes. Safe for threads.

    Args:
        uri: A local directory or the address of an object store.
        storage_options: Access to the object store, as deltalake names it.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.location = Location(uri, storage_options)
        self._open: dict[str, StoredTable] = {}
        self._lock = threading.Lock()

    def open(self, name: str) -> StoredTable | None:
        """Open a table in its newest version; None if it does not exist.

        Raises:
            StoreError: It is damaged, of a newer format, or cannot be used in this process.
        """
        with self._lock:
            stored = self._open.get(name) or StoredTable(name, self.location.child(name))
            if not stored.load():
                self._open.pop(name, None)
                return None
            self._open[name] = stored
            return stored

    def ensure(self, table: Table) -> StoredTable:
        """Open a table, creating it or adding columns to it as its definition says.

        Raises:
            StoreError: As for `open`, or it cannot be created.
        """
        for _ in range(_ATTEMPTS):
            stored = self.open(table.name)
            try:
                if stored is None:
                    self._create(table)
                elif not stored.extend(table):
                    return stored
            except CommitFailedError:  # another process was faster: look again
                continue
        raise _unsettled(table.name)

    def names(self) -> list[str]:
        """The tables that exist, sorted."""
        if (directory := self.location.directory) is None:
            return sorted(name for name in TABLES if self.open(name) is not None)
        if not directory.is_dir():
            return []
        return sorted(path.name for path in directory.iterdir() if _is_table(path))

    def separate(self) -> Tables:
        """The same tables in objects of their own, for a thread that others must not wait for."""
        return Tables(self.location.uri, self.location.storage_options)

    def close(self) -> None:
        """Forget what is loaded."""
        with self._lock:
            self._open.clear()

    def _create(self, table: Table) -> None:
        location = self.location.child(table.name)
        location.create_directory(_LOG)
        columns = [name for name in STATISTICS if name in arrow_schema(table).names]
        with _explained(table.name, location):
            DeltaTable.create(
                str(location.directory or location.uri),
                arrow_schema(table),
                mode="ignore",
                partition_by=[PARTITION],
                name=table.name,
                description=table.description,
                configuration={
                    **_CONFIGURATION,
                    "delta.dataSkippingStatsColumns": ",".join(columns),
                },
                storage_options=location.storage_options,
                raise_if_key_not_exists=False,
            )
        location.share(_LOG)


class StoredTable:
    """One table, loaded in some version.

    Attributes:
        name: Its name.
        location: Where its files are.
    """

    def __init__(self, name: str, location: Location) -> None:
        self.name = name
        self.location = location
        self._delta: DeltaTable | None = None
        self._view: TableView | None = None
        self._known: tuple[int, dict[str, int | None]] | None = None
        self._lock = threading.RLock()

    def load(self) -> bool:
        """Load the newest version; False if the table does not exist."""
        with self._lock, _explained(self.name, self.location):
            if self._delta is not None and self._log_is_there():
                self._delta.update_incremental()
                return True
            self._delta = self._view = self._known = None
            try:
                delta = DeltaTable(
                    str(self.location.directory or self.location.uri),
                    storage_options=self.location.storage_options,
                )
            except TableNotFoundError:
                if self._has_files():
                    raise _no_log(self.name, self.location) from None
                return False
            _check_format(self.name, delta)
            self._delta = delta
            return True

    def transactions(self, names: Iterable[str]) -> Mapping[str, int]:
        """The application transactions of these names in the loaded version, as far as it has them.

        Args:
            names: Their full names.
        """
        with self._lock, _explained(self.name, self.location):
            delta = self._loaded
            if self._known is None or self._known[0] != delta.version():
                self._known = delta.version(), {}
            known = self._known[1]
            for name in names:
                if name not in known:
                    known[name] = delta.transaction_version(name)
            return {name: at for name, at in known.items() if at is not None}

    def view(self, transactions: Iterable[str] = ()) -> TableView:
        """What the loaded version says.

        Args:
            transactions: Names of the application transactions wanted.
        """
        with self._lock, _explained(self.name, self.location):
            delta = self._loaded
            if self._view is None or self._view.version != delta.version():
                self._view = TableView(
                    version=delta.version(),
                    files=list_files(delta),
                    transactions={},
                    columns=frozenset(field.name for field in delta.schema().fields),
                    evolved=_EVOLVED_KEY in delta.metadata().configuration,
                )
            return replace(self._view, transactions=self.transactions(transactions))

    def commit(
        self,
        added: Sequence[AddAction],
        *,
        removed: Sequence[RemoveAction] = (),
        transactions: Mapping[str, int],
        base: Mapping[str, int],
    ) -> None:
        """Change the table in one commit, or not at all.

        Two changes that move the same application transaction exclude each other: of two processes
        that read the same journal, or compact the same table, one is told that it came too late.

        Args:
            added: Files to add; they must be written.
            removed: Files to remove.
            transactions: New versions of application transactions.
            base: The versions that this change started from.

        Raises:
            Overtaken: One of the transactions has moved, or a file to remove is gone. The added
                files are deleted.
            StoreError: The commit failed; whether it took place, `view` will tell.
        """
        with self._lock, _explained(self.name, self.location):
            for _ in range(_ATTEMPTS):
                self._check_base(added, removed, transactions, base)
                try:
                    self._loaded.create_write_transaction(
                        [*removed, *added],
                        mode="append",
                        schema=self._loaded.schema(),
                        partition_by=[PARTITION],
                        commit_properties=CommitProperties(
                            app_transactions=[Transaction(*each) for each in transactions.items()]
                        ),
                    )
                except CommitFailedError:
                    # Somebody committed in between. Where that was something else (an append
                    # beside a retirement is refused, too), the same change fits the new version.
                    self.load()
                    continue
                self.load()
                self._secure_log()
                return
        raise _unsettled(self.name)

    def extend(self, table: Table) -> bool:
        """Add the columns that the definition has and the table lacks; False if there are none."""
        with self._lock, _explained(self.name, self.location):
            present = {field.name for field in self._loaded.schema().fields}
            fields = [
                field.with_nullable(nullable=True)
                for field in arrow_schema(table)
                if field.name not in present
            ]
            if not fields:
                return False
            alter = self._loaded.alter
            # Said first, so that no reader meets files of two kinds unprepared.
            alter.set_table_properties({_EVOLVED_KEY: "1"}, raise_if_not_exists=False)
            alter.add_columns(Schema.from_arrow(pa.schema(fields)).fields)
            self.load()
            self._secure_log()
            return True

    def delta(self) -> DeltaTable:
        """An object of deltalake's of its own, in the newest version, for maintenance."""
        with _explained(self.name, self.location):
            return DeltaTable(
                str(self.location.directory or self.location.uri),
                storage_options=self.location.storage_options,
            )

    def share_log(self) -> None:
        """Give the log's files the rights of their directory."""
        self.location.share(_LOG)

    @property
    def _loaded(self) -> DeltaTable:
        assert self._delta is not None, "load() comes first"
        return self._delta

    def _log_is_there(self) -> bool:
        """Whether the table still is the one that was loaded, and not deleted or begun anew."""
        if self.location.directory is None:
            return True
        return (self.location.directory / _entry(self._loaded.version())).exists()

    def _has_files(self) -> bool:
        """Whether there is data. Without a log, a new table in its place would hide it."""
        directory = self.location.directory
        return directory is not None and any(directory.glob(f"{PARTITION}=*/*.parquet"))

    def _check_base(
        self,
        added: Sequence[AddAction],
        removed: Sequence[RemoveAction],
        transactions: Mapping[str, int],
        base: Mapping[str, int],
    ) -> None:
        delta = self._loaded
        moved = [each for each in transactions if delta.transaction_version(each) != base.get(each)]
        if not moved and removed:
            present = set(list_files(delta).paths)
            moved = [action.path for action in removed if action.path not in present]
        if moved:
            for action in added:
                self.location.delete(action.path)
            raise Overtaken(
                f"another process has changed the table {self.name!r} in the same way", got=moved[0]
            )

    def _secure_log(self) -> None:
        """Force the newest commit to the disk, with the checkpoint that may have come with it."""
        if self.location.directory is None:
            return
        version = f"{self._loaded.version():020d}."
        for path in (self.location.directory / _LOG).iterdir():
            if path.name.startswith((version, _LAST_CHECKPOINT)):
                self.location.secure(f"{_LOG}/{path.name}")
        self.share_log()


def is_usable_here() -> bool:
    """Whether tables can be used in this process, as far as this module knows."""
    return all(process == os.getpid() for process in _used_by)


# The process in which deltalake was first used from here; a fork copies it.
_used_by: set[int] = set()


@contextmanager
def _explained(name: str, location: Location) -> Iterator[None]:
    if not is_usable_here():
        raise _forked(name)
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
        if error.errno:  # ours; those of the Delta library have no number
            raise
        raise StoreError(
            f"the files of the table {name!r} cannot be used ({error})",
            got=str(location.directory or location.uri),
            fix="Check that the place can be reached and that this user may write it.",
        ) from error
    except BaseException as error:
        # deltalake panics with an exception that no `except Exception` catches.
        if type(error).__name__ == "PanicException":
            raise _forked(name) from error
        raise


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]  # a backtrace follows


def _is_table(directory: Path) -> bool:
    """Whether there is a table, be it without its log."""
    return (directory / _LOG).is_dir() or any(directory.glob(f"{PARTITION}=*"))


def _entry(version: int) -> str:
    return f"{_LOG}/{version:020d}.json"


def _check_format(name: str, delta: DeltaTable) -> None:
    found = delta.metadata().configuration.get(_FORMAT_KEY, "1")
    if not found.isdigit() or int(found) > FORMAT:
        raise StoreError(
            f"the table {name!r} has a format that this version does not know",
            got=found,
            allowed=f"up to {FORMAT}",
            fix="Upgrade tidegauge on this machine.",
        )


def _no_log(name: str, location: Location) -> StoreError:
    return StoreError(
        f"the log of the table {name!r} is gone, and its data is not",
        got=str(location.directory),
        fix=f"Restore the directory {_LOG} from a backup; or, to begin a new table with what the "
        "journal still holds, move the table's directory away.",
    )


def _forked(name: str) -> StoreError:
    return StoreError(
        f"the table {name!r} cannot be used in this forked process",
        fix="Its parent had used tables before the fork, which the Delta library does not survive. "
        "Fork earlier, or start the process with the method 'spawn' or 'forkserver'.",
    )


def _unsettled(name: str) -> StoreError:
    return StoreError(
        f"the table {name!r} changed under every attempt to commit",
        got=f"{_ATTEMPTS} attempts",
        fix="Try again; if it stays so, see which other programs write the table.",
    )
