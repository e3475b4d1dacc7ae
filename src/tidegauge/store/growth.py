# SPDX-License-Identifier: Apache-2.0
"""How fast a table grows, and what its retention will do to it, told from its list of files."""

from __future__ import annotations

import datetime as dt

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.store.files import FileList
from tidegauge.store.retention import DAY_NS, Retention, beyond_budget, too_old

__all__ = ["Growth", "Outlook", "day_text", "growth", "outlook"]

_EPOCH = dt.date(1970, 1, 1)


class Growth(msgspec.Struct, frozen=True):
    """What a table gained per day: the mean over full days, UTC, up to yesterday.

    Rows count for the day of their time, as far as they are still kept.

    Attributes:
        days: Over how many days.
        rows_per_day: Rows of one; None if there are too few days.
        bytes_per_day: Size of their files.
        reason: Why there is none.
    """

    days: int
    rows_per_day: float | None
    bytes_per_day: float | None
    reason: str | None = None


class Outlook(msgspec.Struct, frozen=True):
    """What the next round of retention will remove, as a whole, and what comes after it.

    Single metrics with a retention of their own come on top: how many rows they have cannot be told
    without reading them.

    Attributes:
        retention_days: For how many days rows are kept; None for ever.
        budget_bytes: Most bytes of the table; None without limit.
        next_rows: Rows that go.
        next_bytes: Size of their files.
        next_before_day: They are all older than this day, such as 2026-01-31; None if none go.
        budget_in_days: Days until the table is as large as its budget, as it grew in the last 7
            days; 0 if it is; None if that cannot be told or will not be.
        budget_reason: Why there is none.
    """

    retention_days: float | None
    budget_bytes: int | None
    next_rows: int
    next_bytes: int
    next_before_day: str | None
    budget_in_days: float | None
    budget_reason: str | None


def growth(files: FileList, now_ns: int, days: int) -> Growth:
    """Tell the mean growth per day over the last so many full days.

    Args:
        files: The table's files.
        now_ns: The time; today is not over, and not counted.
        days: How many days. If the table does not reach back so far, nothing is told.
    """
    today = now_ns // DAY_NS
    past = files.dates[files.dates < today]
    have = int(today - past.min()) if len(past) else 0
    if have < days:
        return Growth(days, None, None, f"needs {days} full days, and there are {have}")
    chosen = (files.dates >= today - days) & (files.dates < today)
    rows, size_bytes = _sums(files, chosen)
    return Growth(days, rows / days, size_bytes / days)


def outlook(files: FileList, retention: Retention, now_ns: int) -> Outlook:
    """Tell what the next round of retention does to a table."""
    gone = too_old(files, retention, now_ns)
    left = files.chosen(~gone)
    gone[np.flatnonzero(~gone)] = beyond_budget(left, retention, now_ns)
    rows, size_bytes = _sums(files, gone)
    in_days, reason = _until_budget(files, retention, now_ns)
    return Outlook(
        retention_days=retention.days,
        budget_bytes=retention.budget_bytes,
        next_rows=rows,
        next_bytes=size_bytes,
        next_before_day=day_text(int(files.dates[gone].max()) + 1) if gone.any() else None,
        budget_in_days=in_days,
        budget_reason=reason,
    )


def day_text(day: int) -> str:
    """A day, counted from 1970, as ISO 8601."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()


def _until_budget(
    files: FileList, retention: Retention, now_ns: int
) -> tuple[float | None, str | None]:
    if (budget_bytes := retention.budget_bytes) is None:
        return None, "the table has no budget"
    size_bytes = int(files.sizes_bytes.sum())
    if size_bytes >= budget_bytes:
        return 0.0, None
    recent = growth(files, now_ns, 7)
    if recent.bytes_per_day is None:
        return None, recent.reason
    if recent.bytes_per_day == 0:
        return None, "the table does not grow"
    # Of the day that is old enough a part may still be young, and today is not over: one more.
    if retention.days is not None:
        most_bytes = recent.bytes_per_day * (retention.days + 2)
        if most_bytes <= budget_bytes:
            return None, "at this growth, rows go by age before the budget is reached"
    return (budget_bytes - size_bytes) / recent.bytes_per_day, None


def _sums(files: FileList, chosen: npt.NDArray[np.bool_]) -> tuple[int, int]:
    return int(files.rows[chosen].sum()), int(files.sizes_bytes[chosen].sum())
