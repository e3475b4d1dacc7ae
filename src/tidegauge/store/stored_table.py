# SPDX-License-Identifier: Apache-2.0
"""One Delta table: what its newest version says, and changing it in a single commit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.schema import Schema
from deltalake.transaction import AddAction, RemoveAction

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import Table
from tidegauge.store.delta_log import DeltaLog, ForkedError, explained
from tidegauge.store.files import NO_FILES, FileList
from tidegauge.store.location import Location
from tidegauge.store.plain_log import PlainLog
from tidegauge.store.schema import PARTITION, arrow_schema

__all__ = [
    "ATTEMPTS",
    "EVOLVED_KEY",
    "FORMAT",
    "FORMAT_KEY",
    "LOG",
    "NO_TABLE",
    "Overtaken",
    "StoredTable",
    "TableView",
    "unsettled",
]

#: Version of the layout that docs/format/store.md describes, and where a table says which it has.
FORMAT = 1
FORMAT_KEY = "tidegauge.format"

#: Where a table says that columns were added to it.
EVOLVED_KEY = "tidegauge.evolved"

#: Directory of a table's log.
LOG = "_delta_log"

#: How often a commit is tried while others commit, too.
ATTEMPTS = 5

_LAST_CHECKPOINT = "_last_checkpoint"


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


class StoredTable:
    """One table, loaded in some version.

    Attributes:
        name: Its name.
        location: Where its files are.
    """

    def __init__(self, name: str, location: Location) -> None:
        self.name = name
        self.location = location
        self._log: DeltaLog | PlainLog | None = None
        self._view: TableView | None = None
        self._known: tuple[int, dict[str, int | None]] | None = None
        self._is_log_shared = False
        self._lock = threading.RLock()

    def load(self) -> bool:
        """Load the newest version; False if the table does not exist.

        Raises:
            StoreError: It is damaged, of a newer format, or cannot be used in this process.
        """
        with self._lock:
            if isinstance(self._log, PlainLog):
                return self._load_plainly()
            try:
                with explained(self.name, self.location):
                    return self._load(lambda: DeltaLog(self.location))
            except ForkedError:
                if self.location.directory is None:
                    raise
                return self._load_plainly()

    def transactions(self, names: Iterable[str]) -> Mapping[str, int]:
        """The application transactions of these names in the loaded version, as far as it has them.

        Args:
            names: Their full names.
        """
        with self._lock, self._reading():
            log = self._loaded
            if self._known is None or self._known[0] != log.version:
                self._known = log.version, {}
            known = self._known[1]
            for name in names:
                if name not in known:
                    known[name] = log.transaction(name)
            return {name: at for name, at in known.items() if at is not None}

    def view(self, transactions: Iterable[str] = ()) -> TableView:
        """What the loaded version says.

        Args:
            transactions: Names of the application transactions wanted.
        """
        with self._lock, self._reading():
            log = self._loaded
            if self._view is None or self._view.version != log.version:
                self._view = TableView(
                    version=log.version,
                    files=log.files(),
                    transactions={},
                    columns=log.columns,
                    evolved=EVOLVED_KEY in log.configuration,
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
        with self._lock, explained(self.name, self.location):
            for _ in range(ATTEMPTS):
                self._check_base(added, removed, transactions, base)
                try:
                    self._delta.create_write_transaction(
                        [*removed, *added],
                        mode="append",
                        schema=self._delta.schema(),
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
        raise unsettled(self.name)

    def extend(self, table: Table) -> bool:
        """Add the columns that the definition has and the table lacks; False if there are none."""
        with self._lock, explained(self.name, self.location):
            present = {field.name for field in self._delta.schema().fields}
            fields = [
                field.with_nullable(nullable=True)
                for field in arrow_schema(table)
                if field.name not in present
            ]
            if not fields:
                return False
            alter = self._delta.alter
            # Said first, so that no reader meets files of two kinds unprepared.
            alter.set_table_properties({EVOLVED_KEY: "1"}, raise_if_not_exists=False)
            alter.add_columns(Schema.from_arrow(pa.schema(fields)).fields)
            self.load()
            self._secure_log()
            self.share_log()  # there were two commits
            return True

    def delta(self) -> DeltaTable:
        """An object of deltalake's of its own, in the newest version, for maintenance."""
        with explained(self.name, self.location):
            return DeltaTable(
                str(self.location.directory or self.location.uri),
                storage_options=self.location.storage_options,
            )

    def share_log(self) -> None:
        """Give the log's files the rights of their directory."""
        self.location.share(LOG)
        self._is_log_shared = True

    @property
    def _loaded(self) -> DeltaLog | PlainLog:
        assert self._log is not None, "load() comes first"
        return self._log

    @property
    def _delta(self) -> DeltaTable:
        log = self._loaded
        assert isinstance(log, DeltaLog), "where the library fails, `explained` does before"
        return log.delta

    def _reading(self) -> contextlib.AbstractContextManager[None]:
        plain = isinstance(self._log, PlainLog)
        return contextlib.nullcontext() if plain else explained(self.name, self.location)

    def _load(self, begin: Callable[[], DeltaLog | PlainLog]) -> bool:
        if self._log is not None and self._is_there(self._log):
            if self._may_have_moved(self._log):
                self._log.update()
            return True
        self._log = self._view = self._known = None
        try:
            log = begin()
        except FileNotFoundError:
            if self._has_files():
                raise _no_log(self.name, self.location) from None
            return False
        _check_format(self.name, log)
        self._log = log
        return True

    def _load_plainly(self) -> bool:
        directory = self.location.directory
        assert directory is not None
        if isinstance(self._log, DeltaLog):  # the parent's
            self._log = None
        try:
            return self._load(lambda: PlainLog(directory / LOG))
        except (ValueError, KeyError, pa.ArrowException) as error:
            raise StoreError(
                f"the table {self.name!r} cannot be used ({error})",
                got=str(directory),
                fix="Run `tidegauge doctor` to see what is damaged.",
            ) from error

    def _is_there(self, log: DeltaLog | PlainLog) -> bool:
        """Whether the table still is the one that was loaded, and not deleted or begun anew."""
        path = self._path_of(log.version)
        return path is None or path.exists()

    def _may_have_moved(self, log: DeltaLog | PlainLog) -> bool:
        """Whether there may be a version after the one that was loaded. The next one has a file."""
        path = self._path_of(log.version + 1)
        return path is None or path.exists()

    def _path_of(self, version: int) -> Path | None:
        """The file of a version; None if that takes more than a look at the disk to see."""
        directory = self.location.directory
        return None if directory is None else directory / LOG / f"{version:020d}.json"

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
        log = self._loaded
        moved = [each for each in transactions if log.transaction(each) != base.get(each)]
        if not moved and removed:
            present = set(log.files().paths)
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
        version = f"{self._loaded.version:020d}."
        for path in (self.location.directory / LOG).iterdir():
            if path.name.startswith((version, _LAST_CHECKPOINT)):
                self.location.secure(f"{LOG}/{path.name}")
        if not self._is_log_shared:  # what a process left that was killed before it came to that
            self.share_log()


def _check_format(name: str, log: DeltaLog | PlainLog) -> None:
    found = log.configuration.get(FORMAT_KEY, "1")
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
        fix=f"Restore the directory {LOG} from a backup; or, to begin a new table with what the "
        "journal still holds, move the table's directory away.",
    )


def unsettled(name: str) -> StoreError:
    """Build the error for a table that never stood still."""
    return StoreError(
        f"the table {name!r} changed under every attempt to commit",
        got=f"{ATTEMPTS} attempts",
        fix="Try again; if it stays so, see which other programs write the table.",
    )
