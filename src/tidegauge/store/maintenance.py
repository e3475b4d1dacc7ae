# SPDX-License-Identifier: Apache-2.0
"""Keeping the tables small and quick to open: merging files, retiring rows, clearing away.

All of it goes on beside a drain and beside readers. One process at a time maintains a store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.tables import TABLES
from tidegauge.store.files import NO_FILES, FileList, read_file
from tidegauge.store.retention import DAY_NS, Retention, beyond_budget, first_kept, too_old
from tidegauge.store.rewrite import (
    MAINTENANCE,
    RETIRED,
    Rewritten,
    drop_files,
    holds_metrics,
    rewrite_files,
)
from tidegauge.store.rollup import finish_leaving, leaving
from tidegauge.store.schema import DICTIONARY
from tidegauge.store.store import Store
from tidegauge.store.stored_table import Overtaken, StoredTable, TableView

__all__ = ["FULL_ROWS", "KEEP_FILES_H", "Retention", "compact", "purge", "retire", "tidy"]

#: Hours for which files that no longer belong to a table are kept for those still reading them.
KEEP_FILES_H = 24

#: Rows of a file that needs no merging: some 5 MB, and 200 MB of memory while it is made.
FULL_ROWS = 500_000

# Today, files of like size are merged when there are so many; so a row is rewritten a few times
# only, however often this runs. A day that is over is merged once more.
_TODAY_FILES = 8
_PAST_FILES = 4

_log = logging.getLogger("tidegauge")


Result = TypeVar("Result")


def compact(store: Store, name: str, *, full_rows: int = FULL_ROWS) -> Rewritten | None:
    """Merge the small files of each day of a table, where that is worth it.

    Args:
        store: The store.
        name: The table. Nothing happens if it does not exist.
        full_rows: Rows of a file that needs no merging.

    Returns:
        What was done; None if another process is maintaining the store.

    Raises:
        StoreError: The table cannot be used.
    """
    today = store.clock.wall_ns() // DAY_NS

    def work(stored: StoredTable) -> Rewritten:
        merges = [
            (group, frozenset[str]())
            for day, files in _days(_view(stored).files)
            for group in _worth_merging(files, full_rows, is_over=day < today)
        ]
        return _rewrite_each(store, stored, merges)

    return _alone(store, name, work, Rewritten())


def retire(store: Store, name: str, retention: Retention) -> Rewritten | None:
    """Remove rows that were kept for long enough, and the oldest days of a table without room.

    A day is removed, from the table or from a metric, once all of it is old enough.

    Args:
        store: The store.
        name: The table. Nothing happens if it does not exist.
        retention: How long rows are kept, and in how much room.

    Returns:
        What was done; None if another process is maintaining the store.

    Raises:
        StoreError: The table cannot be used.
    """
    now_ns = store.clock.wall_ns()

    def work(stored: StoredTable) -> Rewritten:
        done = _drop(store, stored, too_old, retention, now_ns)
        done += _rewrite_each(store, stored, list(_with_old_metrics(stored, retention, now_ns)))
        # Last, for the rest may fit.
        return done + _drop(store, stored, beyond_budget, retention, now_ns)

    return _alone(store, name, work, Rewritten())


def tidy(store: Store, name: str, *, keep_files_h: int = KEEP_FILES_H) -> int | None:
    """Delete files that no longer belong to a table, and shorten its log.

    Args:
        store: The store.
        name: The table. Nothing happens if it does not exist.
        keep_files_h: Hours for which such files stay for those who are reading them, and for a
            drain that has written and not yet committed them.

    Returns:
        How many files were deleted; None if another process is maintaining the store.

    Raises:
        StoreError: The table cannot be used.
    """
    return _alone(store, name, lambda stored: _clear(stored, keep_files_h, is_full=True), 0)


def purge(stored: StoredTable, *, is_full: bool) -> int:
    """Delete the files of earlier versions at once, whoever may still be reading them.

    For whoever maintains the store.

    Args:
        stored: The table.
        is_full: Delete files that were never committed, too. Only for whoever leads the store as
            well, and only if no other store drains to the same tables: it may be about to commit.

    Returns:
        How many files were deleted.

    Raises:
        StoreError: The table cannot be used.
    """
    return _clear(stored, 0, is_full=is_full)


def _clear(stored: StoredTable, keep_files_h: int, *, is_full: bool) -> int:
    delta = stored.delta()
    deleted = delta.vacuum(
        keep_files_h, dry_run=False, enforce_retention_duration=False, full=is_full
    )
    delta.create_checkpoint()
    delta.cleanup_metadata()
    stored.load()
    stored.share_log()
    return len(deleted)


def _alone(
    store: Store, name: str, work: Callable[[StoredTable], Result], nothing: Result
) -> Result | None:
    """Do something to a table, unless another process is maintaining the store."""
    with store.maintain() as mine:
        if not mine:
            return None
        finish_leaving(store)
        stored = store.tables.open(name) if name in TABLES else None
        return nothing if stored is None else work(stored)


def _rewrite_each(
    store: Store, stored: StoredTable, groups: Sequence[tuple[FileList, frozenset[str]]]
) -> Rewritten:
    done = Rewritten()
    table = TABLES[stored.name]
    for group, old in groups:
        try:
            with leaving(store, stored.name, group if old else NO_FILES, old):
                done += rewrite_files(stored, table, _view(stored), group, without_metrics=old)
        except Overtaken as error:  # another host maintains the same tables; enough for today
            _log.info("maintenance: %s", error)
            break
    return done


def _drop(
    store: Store,
    stored: StoredTable,
    choose: Callable[[FileList, Retention, int], npt.NDArray[np.bool_]],
    retention: Retention,
    now_ns: int,
) -> Rewritten:
    view = _view(stored)
    gone = choose(view.files, retention, now_ns)
    if not gone.any():
        return Rewritten()
    files = view.files.chosen(gone)
    with leaving(store, stored.name, files):
        return drop_files(stored, view, files)


def _view(stored: StoredTable) -> TableView:
    return stored.view((MAINTENANCE, RETIRED))


def _days(files: FileList) -> Iterator[tuple[int, FileList]]:
    for day in np.unique(files.dates):
        yield int(day), files.chosen(files.dates == day)


def _worth_merging(files: FileList, full_rows: int, *, is_over: bool) -> Iterator[FileList]:
    """Groups of files of one day to be merged into one each."""
    small = files.chosen(files.rows < full_rows // 2)
    if is_over:
        if len(small) >= _PAST_FILES:
            yield from _packed(small, full_rows)
        return
    tiers = np.log2(np.maximum(small.rows, 1)).astype(np.int64) // 3
    for tier in np.unique(tiers):
        alike = small.chosen(tiers == tier)
        if len(alike) >= _TODAY_FILES:
            yield from _packed(alike, full_rows)


def _packed(files: FileList, full_rows: int) -> Iterator[FileList]:
    """Cut files, in the order of time, into groups of so many rows in all."""
    order = np.argsort(files.min_us, kind="stable")
    group = np.empty(len(files), np.int64)
    number, rows = 0, 0
    for at in order:
        rows += int(files.rows[at])
        if rows > full_rows:
            number, rows = number + 1, int(files.rows[at])
        group[at] = number
    for each in range(number + 1):
        if (group == each).sum() > 1:
            yield files.chosen(group == each)


def _with_old_metrics(
    stored: StoredTable, retention: Retention, now_ns: int
) -> Iterator[tuple[FileList, frozenset[str]]]:
    """Files that hold rows of metrics beyond their time, with the metrics that are to go."""
    kept_from = {name: first_kept(now_ns, days) for name, days in retention.metrics.items()}
    if not kept_from or "metric" not in _view(stored).columns:
        return
    metric = pa.schema([("metric", DICTIONARY)])
    for day, files in _days(_view(stored).files):
        old = frozenset(name for name, first in kept_from.items() if day < first)
        for at, path in enumerate(files.paths if old else ()):
            if holds_metrics(read_file(stored.location, path, metric)["metric"], old).any():
                yield files.chosen(np.arange(len(files)) == at), old
