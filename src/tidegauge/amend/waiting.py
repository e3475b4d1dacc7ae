# SPDX-License-Identifier: Apache-2.0
"""Waiting, with a deadline, until everything recorded is in the tables."""

from __future__ import annotations

import time

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import POINTS
from tidegauge.store.cursors import Cursors, SlotCursor
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

__all__ = ["store_everything"]

_LOOK_S = 0.02


def store_everything(store: Store, drain: DrainFollower, deadline_s: float) -> None:
    """Have every fact stored that was in the journal when this was called.

    Whoever drains at this moment is waited for. Facts that come meanwhile may be stored or not.

    Args:
        store: The store.
        drain: Stores, where nobody else does.
        deadline_s: When to give up, by the monotonic clock.

    Raises:
        StoreError: It took too long, or the tables cannot be used.
    """
    stored, ends = _stored(store), dict[str, tuple[int, int]]()
    for slot in store.slots()[1]:
        cursor = stored.get(slot.name, SlotCursor())
        ends[slot.name] = slot.end_points(cursor.points), slot.end_events(cursor.events)
    while not _reaches(store, ends):
        if drain.advance(force=True):
            continue
        if _reaches(store, ends):
            return
        if time.monotonic() >= deadline_s:
            raise StoreError(
                "what was recorded was not stored in time, and nothing was changed",
                fix="Another process may be draining, or a thread be held in the middle of a "
                "record call: see `tidegauge status`, then try again.",
            )
        time.sleep(_LOOK_S)


def _reaches(store: Store, ends: dict[str, tuple[int, int]]) -> bool:
    stored = _stored(store)
    return all(
        (cursor := stored.get(name, SlotCursor())).points >= points and cursor.events >= events
        for name, (points, events) in ends.items()
    )


def _stored(store: Store) -> dict[str, SlotCursor]:
    journal_id, slots = store.slots()
    return Cursors(store.tables, journal_id, [slot.name for slot in slots]).of(POINTS.name)
