# SPDX-License-Identifier: Apache-2.0
"""The tables of a store: opening them, and creating and extending them as they are defined."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from tidegauge.model.tables import TABLES, Table
from tidegauge.store.delta_log import explained
from tidegauge.store.location import Location
from tidegauge.store.schema import PARTITION, STATISTICS, arrow_schema
from tidegauge.store.stored_table import ATTEMPTS, FORMAT, FORMAT_KEY, LOG, StoredTable, unsettled

__all__ = ["Tables"]

_CONFIGURATION = {
    FORMAT_KEY: str(FORMAT),
    # A version is opened from the last checkpoint and the commits since: a few milliseconds.
    "delta.checkpointInterval": "20",
    # A commit a minute would make 43,000 files in the usual 30 days.
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}


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
        for _ in range(ATTEMPTS):
            stored = self.open(table.name)
            try:
                if stored is None:
                    self._create(table)
                elif not stored.extend(table):
                    return stored
            except CommitFailedError:  # another process was faster: look again
                continue
        raise unsettled(table.name)

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
        location.create_directory(LOG)
        columns = [name for name in STATISTICS if name in arrow_schema(table).names]
        with explained(table.name, location):
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
        location.share(LOG)


def _is_table(directory: Path) -> bool:
    """Whether there is a table, be it without its log."""
    return (directory / LOG).is_dir() or any(directory.glob(f"{PARTITION}=*"))
