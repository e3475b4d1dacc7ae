# SPDX-License-Identifier: Apache-2.0
"""One store: where its journal, its tables, its state and its locks are. No work is done here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from tidegauge.journal.reader import Journal, SlotReader
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import StoreError
from tidegauge.store.leader import exclusive
from tidegauge.store.state import State
from tidegauge.store.tables import Tables

__all__ = ["Store"]


class Store:
    """The store at `root`. Making one reads and creates nothing; it may not exist yet.

    Safe to share between threads. After a fork the child may go on using it, except for the tables
    where the parent had already read or written some; see `tidegauge.store.tables`.

    Args:
        root: The store's directory on this machine.
        tables_uri: Where the tables are, if not in `<root>/tables`: a path, or an address such as
            `s3://bucket/prefix`, that may be shared by several stores.
        storage_options: Access to that address, as deltalake names it.
        clock: Where the time comes from.

    Attributes:
        root: The store's directory.
        clock: Where the time comes from.
        journal: Reads what was recorded.
        state: Small transactional state.
        tables: The durable history.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        tables_uri: str | None = None,
        storage_options: Mapping[str, str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.root = Path(root).absolute()
        self.clock = clock
        self.journal = Journal(self.root / "journal")
        self.state = State(self.root / "state.db", journal_id=lambda: self.journal.id, clock=clock)
        self.tables = Tables(tables_uri or str(self.root / "tables"), storage_options)

    def slots(self) -> tuple[str, list[SlotReader]]:
        """The identity of the journal, and its slots; positions mean something only together.

        Raises:
            StoreError: There are slots, and nothing tells which journal they belong to. Taking it
                for a new one would store everything in it again.
        """
        slots = self.journal.slots()
        identity = self.journal.id
        if slots and not identity:
            raise StoreError(
                "the journal has lost its identity",
                got=str(self.journal.root / "id"),
                fix="Run `tidegauge doctor --repair` before anything records into this store.",
            )
        return identity, slots

    def lead(self) -> contextlib.AbstractContextManager[bool]:
        """Try to be the one that drains, for the length of a `with` block; yields whether it is.

        Raises:
            StorePermissionError: The store does not admit this user.
        """
        return exclusive(self.root / "leader.lock")

    def maintain(self) -> contextlib.AbstractContextManager[bool]:
        """Try to be the one that compacts and retires, beside the one that drains."""
        return exclusive(self.root / "maintenance.lock")

    def importing(self) -> contextlib.AbstractContextManager[bool]:
        """Try to be the one that imports rows of a SQLite file."""
        return exclusive(self.root / "import.lock")

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
        self.state.close()
        self.tables.close()
