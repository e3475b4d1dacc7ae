# SPDX-License-Identifier: Apache-2.0
"""How far the tables have followed each slot, kept in the tables' own commits.

Each number is the version of one Delta application transaction, named
`<journal id>/<slot>/<number>`. A number changes in the commit that makes it true, so it is never
wrong, whatever happens in between. The table `points` is the anchor: every pass commits it last, so
what it says of the lane of events holds for all tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidegauge.store.tables import Tables

__all__ = ["Cursors", "SlotCursor", "moved", "read_cursors", "transaction_names"]


class SlotCursor(msgspec.Struct, frozen=True):
    """What one table says about one slot.

    Attributes:
        points: Next position to read of the lane of points. Anchor only, as the next three.
        points_rows: Rows stored from it.
        unacknowledged: Positions passed that hold no fact, because the call never returned.
        points_damaged: Positions passed whose fact was damaged or cannot be understood.
        events: Next byte to read of the lane of events.
        events_facts: Facts written to that lane before that byte, of whatever table.
        events_rows: Rows stored from it in this table.
        events_damaged: Facts passed that were damaged or cannot be understood. Anchor only.
        given_up: Rows of either lane that were stored, in a file that was damaged or lost since
            and was taken out of this table.
    """

    points: int = 0
    points_rows: int = 0
    unacknowledged: int = 0
    points_damaged: int = 0
    events: int = 0
    events_facts: int = 0
    events_rows: int = 0
    events_damaged: int = 0
    given_up: int = 0


_NAMES = {
    "points": "points",
    "points_rows": "points/rows",
    "unacknowledged": "points/unacknowledged",
    "points_damaged": "points/damaged",
    "events": "events",
    "events_facts": "events/facts",
    "events_rows": "events/rows",
    "events_damaged": "events/damaged",
    "given_up": "given_up",
}


class Cursors:
    """The cursors of some slots in any table, each table as it was when first asked about.

    Args:
        tables: The tables.
        journal_id: Identity of the journal of the slots.
        slots: Their names.
    """

    def __init__(self, tables: Tables, journal_id: str, slots: Sequence[str]) -> None:
        self._tables = tables
        self._journal_id = journal_id
        self._slots = slots
        self._transactions: dict[str, Mapping[str, int]] = {}

    def transactions(self, table: str) -> Mapping[str, int]:
        """The application transactions of these slots in a table; none if it does not exist."""
        if table not in self._transactions:
            stored = self._tables.open(table)
            wanted = transaction_names(self._journal_id, self._slots)
            self._transactions[table] = {} if stored is None else stored.transactions(wanted)
        return self._transactions[table]

    def of(self, table: str) -> dict[str, SlotCursor]:
        """The cursor of each slot; all zero where the table has none."""
        return read_cursors(self.transactions(table), self._journal_id, self._slots)


def transaction_names(journal_id: str, slots: Sequence[str]) -> list[str]:
    """The names of the application transactions that hold the cursors of these slots."""
    return [f"{journal_id}/{slot}/{name}" for slot in slots for name in _NAMES.values()]


def read_cursors(
    transactions: Mapping[str, int], journal_id: str, slots: Sequence[str]
) -> dict[str, SlotCursor]:
    """The cursor of each slot, from the transactions of one version of a table."""
    return {
        slot: SlotCursor(
            **{
                key: transactions.get(f"{journal_id}/{slot}/{name}", 0)
                for key, name in _NAMES.items()
            }
        )
        for slot in slots
    }


def moved(before: SlotCursor, after: SlotCursor, journal_id: str, slot: str) -> dict[str, int]:
    """The transactions that turn one cursor into another."""
    return {
        f"{journal_id}/{slot}/{name}": getattr(after, key)
        for key, name in _NAMES.items()
        if getattr(after, key) != getattr(before, key)
    }
