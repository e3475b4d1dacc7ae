# SPDX-License-Identifier: Apache-2.0
"""Counting everything anew, from the tables, where there are no totals to go on from."""

from __future__ import annotations

from tidegauge.catalog import Catalog
from tidegauge.journal.reader import SlotReader
from tidegauge.live.fold import Fold, Position
from tidegauge.live.totals import Totals
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.store.store import Store
from tidegauge.store.stored_facts import StoredFacts

__all__ = ["count_anew"]


def count_anew(store: Store, catalog: Catalog) -> Fold:
    """Fold the tables of a store, up to where its journals go on.

    Facts that retention has deleted are gone from the totals, too. If segments of a journal are
    deleted meanwhile, the totals cannot be gone on from, which their first advance tells.

    Raises:
        StoreError: A table is damaged.
        SegmentsGone: Segments were deleted meanwhile.
    """
    # Before the tables are looked at: what is missing from the journals then and not in the tables
    # either was lost. Later it may just have been stored.
    first = {slot.name: (slot.first_points(), slot.first_events()) for slot in store.slots()[1]}
    stored = StoredFacts.look(store)
    fold = Fold(catalog, store.clock, journal_id=stored.journal_id)
    for points in stored.points():
        fold.add_points(points.keys, points.numbers, points.values, points.times_ns)
    for table in TABLES.values():
        if table is not POINTS and table.recorded:
            fold.add_rows(table.name, stored.rows(table.name))
    for name, cursor in stored.cursors.items():
        first_points, first_events = first.get(name, (0, 0))
        position = Position(points=max(first_points, cursor.points), events=first_events)
        position.skip = stored.ahead[name]
        if cursor.events >= first_events:
            position.events, position.facts = cursor.events, cursor.events_facts
        fold.positions[name] = position
    for slot in store.slots()[1]:
        if slot.owner_alive():
            fold.totals.take_gauges(_still_there(slot, fold, store, catalog))
    return fold


def _still_there(slot: SlotReader, fold: Fold, store: Store, catalog: Catalog) -> Totals:
    """Totals of what is left in a slot: the tables do not tell which gauges are its owner's."""
    position = Position(points=slot.first_points(), events=slot.first_events())
    journal_id, positions = fold.journal_id, {slot.name: position}
    left = Fold(catalog, store.clock, journal_id=journal_id, positions=positions)
    left.advance([slot])
    return left.totals
