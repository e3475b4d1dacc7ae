# SPDX-License-Identifier: Apache-2.0
"""What is done to all tables of a store now and then, each as the work of a job.

Each returns what was done, for people, or None if there was nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from tidegauge.model.jobs import Postponed
from tidegauge.store.daily import aggregate_stale_days
from tidegauge.store.maintenance import Retention, compact, retire, tidy
from tidegauge.store.rewrite import Rewritten
from tidegauge.store.rollup import roll_up
from tidegauge.store.store import Store

__all__ = ["compact_tables", "retire_tables"]


def compact_tables(store: Store) -> str | None:
    """Merge the small files of every table, and clear away what belongs to none any more.

    Raises:
        Postponed: Another process is maintaining the store.
        StoreError: A table cannot be used.
    """
    done, deleted = Rewritten(), 0
    for name in store.tables.names():
        merged, cleared = compact(store, name), tidy(store, name)
        if merged is None or cleared is None:
            raise _maintained()
        done, deleted = done + merged, deleted + cleared
    if not (done.files_before or deleted):
        return None
    merged_text = f"{done.files_before:,} files merged into {done.files_after:,}"
    return f"{merged_text}, {deleted:,} old ones deleted"


def roll_up_tables(store: Store) -> str | None:
    """Bring the rollups of every table up to date.

    Raises:
        Postponed: Another process is maintaining the store.
        StoreError: A table cannot be used.
    """
    done = roll_up(store)
    if done is None:
        raise _maintained()
    return f"{done.facts:,} facts of {done.days:,} days rolled up" if done.days else None


def aggregate_days(store: Store, zone: ZoneInfo) -> str | None:
    """Aggregate every day whose facts have changed.

    Raises:
        Postponed: Another process is maintaining the store.
        StoreError: A table cannot be used.
    """
    days = aggregate_stale_days(store, zone)
    if days is None:
        raise _maintained()
    return f"{days:,} days aggregated" if days else None


def retire_tables(store: Store, retention: Mapping[str, Retention]) -> str | None:
    """Remove the rows of every table that were kept for long enough, or have no room.

    Args:
        store: The store.
        retention: How long rows are kept, by table; for ever where nothing is said.

    Raises:
        Postponed: Another process is maintaining the store.
        StoreError: A table cannot be used.
    """
    done: dict[str, int] = {}
    for name in store.tables.names():
        retired = retire(store, name, retention.get(name, Retention()))
        if retired is None:
            raise _maintained()
        if retired.rows_retired:
            done[name] = retired.rows_retired
    told = ", ".join(f"{rows:,} of {name}" for name, rows in done.items())
    return f"rows removed: {told}" if done else None


def _maintained() -> Postponed:
    return Postponed("another process is maintaining the tables")
