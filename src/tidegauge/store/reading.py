# SPDX-License-Identifier: Apache-2.0
"""Reading tables and journals as one, while others write, drain and delete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tidegauge.journal.reader import EventsBatch, PointsBatch, SlotReader
from tidegauge.journal.state import read_state, state_path
from tidegauge.model.errors import StoreError
from tidegauge.store.series_rows import UNKNOWN, SeriesRows

__all__ = ["are_known", "consistently", "event_batches", "may_have_events", "point_batches"]

Result = TypeVar("Result")

_ATTEMPTS = 10
_POINTS = 1 << 19
_EVENT_BYTES = 8 << 20


def consistently(look: Callable[[], tuple[Result, bool, int]]) -> Result:
    """Look at tables and then at journals until both belong together.

    Args:
        look: One attempt. Returns what was seen, whether the journals still held all that the
            tables lacked, and the version of the tables.

    Raises:
        StoreError: The store changed under every attempt.
    """
    version = None
    for _ in range(_ATTEMPTS):
        try:
            seen, is_whole, version_seen = look()
        except FileNotFoundError:  # a slot was deleted as a whole
            continue
        # What is missing although the tables have not moved was not stored meanwhile: it is lost.
        if is_whole or version_seen == version:
            return seen
        version = version_seen
    raise StoreError(
        "the store changed under every attempt to read it",
        got=f"{_ATTEMPTS} attempts",
        fix="Try again.",
    )


def are_known(slot: SlotReader, points: PointsBatch) -> npt.NDArray[np.bool_]:
    """Whether the series of each point can be read, bool of shape (n_points,)."""
    numbers = SeriesRows().numbers(slot.name, points.series, slot.series)
    return np.not_equal(numbers, UNKNOWN)


def may_have_events(slot: SlotReader, stored_facts: int) -> bool:
    """Whether the lane of events may hold more than so many facts, without reading it.

    A living owner counts its events on the page of the slot before the record call returns. One
    that was killed may not have come to that.
    """
    counted = read_state(state_path(slot.directory)).number("events_facts")
    return counted != stored_facts or not slot.owner_alive()


def point_batches(slot: SlotReader, start: int) -> Iterator[PointsBatch]:
    """Points as they are now, passing over those of calls that have not returned yet."""
    while True:
        batch = slot.points(start, _POINTS, settled=False)
        yield batch
        # A short piece is the last, so that the end is not looked for twice.
        if batch.end - start < _POINTS:
            return
        start = batch.end


def event_batches(
    slot: SlotReader, start: int, *, facts_before: int | None = None
) -> Iterator[EventsBatch]:
    """Events as they are now.

    Args:
        slot: The slot.
        start: Byte to start from.
        facts_before: Facts written before that byte, so that damaged ones behind it are counted.
    """
    while True:
        batch = slot.events(start, facts_before=facts_before, limit_bytes=_EVENT_BYTES)
        yield batch
        if batch.end - start < _EVENT_BYTES:
            return
        start, facts_before = batch.end, batch.ordinal
