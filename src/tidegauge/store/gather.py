# SPDX-License-Identifier: Apache-2.0
"""Reading a bounded amount of what the tables lack from the journals. Nothing is written here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tidegauge.journal.reader import Event, SlotReader
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.store.cursors import Cursors, SlotCursor
from tidegauge.store.rows import Rows, UnfitEvent

__all__ = ["Gathered", "gather"]

_EVENT_BYTES = 4 << 20


@dataclass(slots=True)
class Gathered:
    """Facts taken from the journals, and how far that brings each slot.

    Attributes:
        journal_id: Identity of the journal.
        rows: The new rows by table. `points` is always there.
        before: The anchor's cursor for each slot.
        after: The same once all of the rows are stored.
        unfit: Events of tables that nobody knows; they count as damaged, as those in `Rows.unfit`.
        more: Whether a slot holds more that could have been taken, had there been room.
    """

    journal_id: str
    rows: dict[str, Rows]
    before: dict[str, SlotCursor]
    after: dict[str, SlotCursor] = field(default_factory=dict)
    unfit: list[UnfitEvent] = field(default_factory=list)
    more: bool = False


def gather(
    slots: Sequence[SlotReader],
    journal_id: str,
    cursors: Cursors,
    room_rows: int,
) -> Gathered:
    """Read settled facts from each slot's cursor on.

    Args:
        slots: The slots, in the order in which room is given away.
        journal_id: Identity of their journal.
        cursors: The cursors of the slots.
        room_rows: About how many rows to take at most.
    """
    gathered = Gathered(
        journal_id, {POINTS.name: Rows(POINTS, journal_id)}, cursors.of(POINTS.name)
    )
    for index, slot in enumerate(slots):
        cursor = gathered.before[slot.name]
        share = max(room_rows // (len(slots) - index), 1)
        cursor, points_taken = _take_points(gathered, slot, cursor, share)
        share = max(share - points_taken, 1)
        cursor, events_taken = _take_events(gathered, slot, cursor, share, cursors)
        gathered.after[slot.name] = cursor
        room_rows = max(room_rows - points_taken - events_taken, 0)
    return gathered


def _take_points(
    gathered: Gathered, slot: SlotReader, cursor: SlotCursor, room_rows: int
) -> tuple[SlotCursor, int]:
    batch = slot.points(cursor.points, room_rows)
    gathered.more |= batch.end - batch.start == room_rows
    stored = gathered.rows[POINTS.name].add_points(slot.name, batch, slot.series)
    after = replace(
        cursor,
        points=batch.end,
        points_rows=cursor.points_rows + stored,
        unacknowledged=cursor.unacknowledged + batch.unacknowledged,
        points_damaged=cursor.points_damaged + batch.damaged + len(batch.series) - stored,
    )
    return after, batch.end - batch.start


def _take_events(
    gathered: Gathered,
    slot: SlotReader,
    cursor: SlotCursor,
    room_rows: int,
    cursors: Cursors,
) -> tuple[SlotCursor, int]:
    taken = 0
    while taken < room_rows:
        batch = slot.events(
            cursor.events, facts_before=cursor.events_facts, limit_bytes=_EVENT_BYTES
        )
        last = batch.end - cursor.events < _EVENT_BYTES
        stored_before = gathered.rows[POINTS.name].added[slot.name]
        lost = sum(
            _take_table(gathered, slot, table, events, cursors)
            for table, events in _by_table(batch.records).items()
        )
        stored = gathered.rows[POINTS.name].added[slot.name] - stored_before
        cursor = replace(
            cursor,
            events=batch.end,
            events_facts=cursor.events_facts if batch.ordinal is None else batch.ordinal,
            events_rows=cursor.events_rows + stored,
            events_damaged=cursor.events_damaged + batch.damaged + lost,
        )
        taken += len(batch.records)
        if last:
            return cursor, taken
    gathered.more = True
    return cursor, taken


def _take_table(
    gathered: Gathered,
    slot: SlotReader,
    table: str,
    events: Sequence[Event],
    cursors: Cursors,
) -> int:
    """Add the events of one table that are not stored yet; returns how many fit nowhere."""
    if table not in TABLES:
        gathered.unfit += [UnfitEvent(slot.name, event, "unknown table") for event in events]
        return len(events)
    if table not in gathered.rows:
        gathered.rows[table] = Rows(TABLES[table], gathered.journal_id)
    # Another table than the anchor is ahead of it after a crash between two commits of one pass.
    passed = 0 if table == POINTS.name else cursors.of(table)[slot.name].events_facts
    fresh = [event for event in events if event.ordinal >= passed]
    lost = len(fresh) - gathered.rows[table].add_events(slot.name, fresh, slot.series)
    if len(fresh) < len(events):
        # What fitted nowhere is counted with the anchor, so it is looked for again.
        again = Rows(TABLES[table], gathered.journal_id)
        known = [event for event in events if event.ordinal < passed]
        lost += len(known) - again.add_events(slot.name, known, slot.series)
    return lost


def _by_table(events: Sequence[Event]) -> Mapping[str, list[Event]]:
    tables: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        tables[event.table].append(event)
    return tables
