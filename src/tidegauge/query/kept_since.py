# SPDX-License-Identifier: Apache-2.0
"""Whether retention has taken away rows of a range: an answer must say so, not be silently low."""

from __future__ import annotations

import msgspec

from tidegauge.model.times import TimeRange
from tidegauge.store.growth import day_text
from tidegauge.store.retention import DAY_NS
from tidegauge.store.rewrite import RETIRED
from tidegauge.store.store import Store

__all__ = ["Kept", "kept_since"]


class Kept(msgspec.Struct, frozen=True):
    """What a table still has of a range.

    Attributes:
        is_complete: Whether no row of the range can have been deleted.
        since: The first day, UTC, of which the table still has rows; None if it has none, or if
            nothing is missing.
        reason: What is missing, for people; None if nothing is.
    """

    is_complete: bool = True
    since: str | None = None
    reason: str | None = None


def kept_since(store: Store, table: str, time_range: TimeRange) -> Kept:
    """Tell whether a table may have lost rows of a range.

    Days go as a whole and the oldest first, so what is younger than the oldest that is left is
    complete. Rows that were taken back look like those that were retired: then more may be said to
    be missing than is.

    Args:
        store: The store.
        table: Name of the table.
        time_range: The range.

    Raises:
        StoreError: The store cannot be read.
    """
    stored = store.tables.open(table)
    if stored is None:
        return Kept()
    view = stored.view((RETIRED,))
    if not view.transactions.get(RETIRED, 0):
        return Kept()
    if not len(view.files):
        return Kept(is_complete=False, reason=f"rows of {table} were deleted; it has none left")
    first = int(view.files.dates.min())
    if time_range.start_ns is not None and time_range.start_ns >= first * DAY_NS:
        return Kept()
    since = day_text(first)
    return Kept(
        is_complete=False,
        since=since,
        reason=f"rows of {table} were deleted; what it has begins on {since}",
    )
