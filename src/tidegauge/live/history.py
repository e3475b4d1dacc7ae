# SPDX-License-Identifier: Apache-2.0
"""Counting everything anew, from the tables, where there are no totals to go on from."""

from __future__ import annotations

from tidegauge.catalog import Catalog
from tidegauge.live.fold import Fold, Position
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.store.store import Store
from tidegauge.store.stored_facts import StoredFacts

__all__ = ["count_anew"]


def count_anew(store: Store, catalog: Catalog) -> Fold:
    """Fold the tables of a store, up to where its journals go on.

    Facts that retention has deleted are gone from the totals, too.

    Raises:
        StoreError: A table is damaged.
    """
    stored = StoredFacts.look(store)
    fold = Fold(catalog, store.clock)
    for points in stored.points():
        fold.add_points(points.keys, points.numbers, points.values, points.times_ns)
    for table in TABLES.values():
        if table is not POINTS:
            fold.add_rows(table.name, stored.rows(table.name))
    for slot in store.journal.slots():
        cursor = stored.cursors.get(slot.name)
        # Positions before what is left were lost.
        position = Position(points=slot.first_points(), events=slot.first_events())
        if cursor is not None:
            position.points = max(position.points, cursor.points)
            position.skip = stored.ahead[slot.name]
            if cursor.events >= position.events:
                position.events, position.facts = cursor.events, cursor.events_facts
        fold.positions[slot.name] = position
    return fold
