# SPDX-License-Identifier: Apache-2.0
"""Reading all that a slot holds from a position on, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.journal.reader import EventsBatch, PointsBatch, SlotReader

__all__ = ["event_batches", "point_batches"]

_POINTS = 1 << 19
_EVENT_BYTES = 8 << 20


def point_batches(slot: SlotReader, start: int) -> Iterator[PointsBatch]:
    """Points as they are now, passing over those of calls that have not returned yet."""
    while True:
        batch = slot.points(start, _POINTS, settled=False)
        yield batch
        # A short piece is the last, so that the end is not looked for twice.
        if batch.end - start < _POINTS:
            return
        start = batch.end


def event_batches(slot: SlotReader, start: int) -> Iterator[EventsBatch]:
    """Events as they are now."""
    facts: int | None = None
    while True:
        batch = slot.events(start, facts_before=facts, limit_bytes=_EVENT_BYTES)
        yield batch
        if batch.end - start < _EVENT_BYTES:
            return
        start, facts = batch.end, batch.ordinal
