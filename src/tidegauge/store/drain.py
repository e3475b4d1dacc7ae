# SPDX-License-Identifier: Apache-2.0
"""The follower that turns journals into table commits.

The position up to which a slot is stored travels in the commit that stores it. So a process killed
anywhere leaves nothing lost and nothing twice: the commit is there, rows and position, or is not.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence

import msgspec

from tidegauge.journal.permissions import create_file
from tidegauge.journal.reader import SlotReader
from tidegauge.model.errors import StoreError
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.store.cursors import Cursors, SlotCursor, moved
from tidegauge.store.delta_log import is_usable_here
from tidegauge.store.due import Due
from tidegauge.store.files import write_file
from tidegauge.store.gather import Gathered, gather
from tidegauge.store.lag import Lag, is_waiting, lag_of
from tidegauge.store.state import Lane
from tidegauge.store.store import Store
from tidegauge.store.stored_table import Overtaken

__all__ = ["DrainFollower"]

_log = logging.getLogger("tidegauge")

#: Rows of one pass, about: some 100 MB while they are sorted and written.
PASS_ROWS = 500_000

_LANES: tuple[Lane, Lane] = ("points", "events")


class DrainFollower:
    """Stores what the journals of a store hold. Used by one thread at a time.

    Args:
        store: The store.
        due_points: Facts waiting in one slot that make a pass due.
        due_s: Seconds after which a waiting fact makes one due.
        pass_rows: Most rows of one pass, about.
    """

    name = "store"

    def __init__(
        self,
        store: Store,
        *,
        due_points: int = 65_536,
        due_s: float = 60.0,
        pass_rows: int = PASS_ROWS,
    ) -> None:
        self._store = store
        self._tables = store.tables.separate()
        self._due = Due(store.clock, points=due_points, age_s=due_s)
        self._pass_rows = pass_rows
        self._turn = 0
        # Its presence asks whoever can to drain now.
        self._wanted = store.root / "drain.wanted"

    def advance(self, *, force: bool = False) -> bool:
        """Do one pass if it is due, or if `force` is set, and if nobody else is draining.

        A forked child that cannot use tables asks the other processes of the store to do it.

        Returns:
            Whether more is waiting than one pass takes.

        Raises:
            StoreError: The tables or the state cannot be used. Nothing is lost.
        """
        journal_id, slots = self._store.slots()
        if not slots or not is_usable_here():
            if slots and force:
                os.close(create_file(self._wanted))
            return False
        due = force or self._wanted.exists() or self._due.is_due(slots, self._noted())
        if not due:
            return False
        with self._store.lead() as leading:
            return leading and self._pass(journal_id, slots)

    def is_caught_up(self) -> bool:
        """Whether every fact that was in the journal when this was called is in the tables."""
        journal_id, slots = self._store.slots()
        stored = self._stored(journal_id, slots)
        return not any(is_waiting(slot, stored) for slot in slots)

    def lag(self) -> Lag:
        """What waits to be stored."""
        journal_id, slots = self._store.slots()
        stored = self._stored(journal_id, slots)
        return lag_of(slots, stored, self._store.state.caught_up_ns(self.name))

    def _noted(self) -> dict[tuple[str, Lane], int]:
        """The cursors as last noted in the state; too low after a crash, never too high."""
        with contextlib.suppress(StoreError):  # reported by every pass
            return self._store.state.cursors(self.name)
        return {}

    def _stored(self, journal_id: str, slots: Sequence[SlotReader]) -> dict[tuple[str, Lane], int]:
        """The cursors as the tables have them."""
        if not is_usable_here():
            return self._noted()
        cursors = Cursors(self._tables, journal_id, [slot.name for slot in slots])
        return _positions(cursors.of(POINTS.name))

    def _pass(self, journal_id: str, slots: list[SlotReader]) -> bool:
        self._wanted.unlink(missing_ok=True)  # first: whoever asks from now on means later facts
        # No slot is always the first to get room.
        self._turn = (self._turn + 1) % len(slots)
        slots = slots[self._turn :] + slots[: self._turn]
        cursors = Cursors(self._tables, journal_id, [slot.name for slot in slots])
        begun_ns = self._store.clock.wall_ns()
        gathered = gather(slots, journal_id, cursors, self._pass_rows)
        if self._store.journal.id != journal_id:  # deleted and begun anew meanwhile
            return True
        self._keep_unfit(gathered)
        for slot in slots:
            # A cursor on the disk must not be ahead of the journal there; see `SlotReader.sync`.
            if gathered.after[slot.name] != gathered.before[slot.name]:
                slot.sync()
        try:
            for name in gathered.rows:
                if name != POINTS.name:
                    self._commit(name, gathered, cursors)
            self._commit(POINTS.name, gathered, cursors)
        except Overtaken as error:
            _log.info("drain: %s", error)
            return False
        self._due.passed()
        self._settle(slots, gathered.after, None if gathered.more else begun_ns)
        return gathered.more

    def _commit(self, name: str, gathered: Gathered, cursors: Cursors) -> None:
        """Commit the rows of one table, with the cursors that say so."""
        rows, before = gathered.rows[name], cursors.of(name)
        transactions: dict[str, int] = {}
        for slot, anchor in gathered.after.items():
            after = anchor
            if name != POINTS.name:
                after = msgspec.structs.replace(
                    before[slot],
                    events=anchor.events,
                    events_facts=anchor.events_facts,
                    events_rows=before[slot].events_rows + rows.added[slot],
                )
            if name == POINTS.name or rows.added[slot]:
                transactions |= moved(before[slot], after, gathered.journal_id, slot)
        if not transactions:
            return
        stored = self._tables.ensure(TABLES[name])
        stored.commit(
            [write_file(stored.location, day_rows, day) for day, day_rows in rows.days()],
            transactions=transactions,
            base=cursors.transactions(name),
        )

    def _keep_unfit(self, gathered: Gathered) -> None:
        """Put the events that fit no table where people can find them, before they are passed."""
        unfit = [*gathered.unfit, *(each for rows in gathered.rows.values() for each in rows.unfit)]
        if not unfit:
            return
        with self._store.state.transaction() as transaction:
            for each in unfit:
                transaction.add_dead_letter(
                    self.name,
                    "unfit",
                    f"table {each.event.table}: {each.problem}",
                    msgspec.json.encode(each.event).decode(),
                    key=f"{gathered.journal_id}/{each.slot}/{each.event.ordinal}",
                )

    def _settle(
        self,
        slots: Sequence[SlotReader],
        after: Mapping[str, SlotCursor],
        caught_up_ns: int | None,
    ) -> None:
        """Note how far the tables are, and delete the segments that every follower has passed."""
        positions = _positions(after)
        with self._store.state.transaction() as transaction:
            for (slot_name, lane), position in positions.items():
                transaction.set_cursor(self.name, slot_name, lane, position)
            if caught_up_ns is not None:
                transaction.set_caught_up(self.name, caught_up_ns)
        others = [
            self._store.state.cursors(follower)
            for follower in self._store.state.followers()
            if follower != self.name
        ]
        for slot in slots:
            points, events = (
                min(each.get((slot.name, lane), 0) for each in [positions, *others])
                for lane in _LANES
            )
            slot.free_before(points=points, events=events)


def _positions(cursors: Mapping[str, SlotCursor]) -> dict[tuple[str, Lane], int]:
    positions: dict[tuple[str, Lane], int] = {}
    for slot, cursor in cursors.items():
        positions[slot, "points"] = cursor.points
        positions[slot, "events"] = cursor.events
    return positions
