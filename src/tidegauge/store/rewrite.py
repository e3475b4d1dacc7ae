# SPDX-License-Identifier: Apache-2.0
"""Replacing some files of a day by others that hold the same rows, or fewer, in one commit.

The Delta library lets two such commits replace the same file, which doubles its rows. Here each one
moves the application transaction `tidegauge/maintenance`, and of two that began at the same version
the second fails.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from deltalake.transaction import AddAction, RemoveAction

from tidegauge.model.tables import Table
from tidegauge.store.arrays import from_numpy, to_numpy
from tidegauge.store.files import FileList, read_file, write_file
from tidegauge.store.schema import PARTITION, dictionary_schema
from tidegauge.store.stored_table import StoredTable, TableView

__all__ = [
    "MAINTENANCE",
    "RETIRED",
    "Rewritten",
    "drop_files",
    "holds_metrics",
    "removals",
    "replace_files",
    "rewrite_files",
    "series_order",
]

#: Application transaction of every commit that removes files: how many there were.
MAINTENANCE = "tidegauge/maintenance"

#: Application transaction that counts the rows that were retired.
RETIRED = "tidegauge/retired"

# Neighbours in a file are alike in these, the first before the second.
_ORDER = ("metric", "service", "model", "model_version", "run_id")


class Rewritten(msgspec.Struct, frozen=True):
    """What a rewriting did.

    Attributes:
        files_before: Files replaced.
        files_after: Files in their place.
        bytes_before: Size of the former.
        bytes_after: Size of the latter.
        rows_retired: Rows that are in none of the latter.
    """

    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rows_retired: int = 0

    def __add__(self, other: Rewritten) -> Rewritten:
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Rewritten(*(a + b for a, b in zip(mine, others, strict=True)))


def rewrite_files(
    stored: StoredTable,
    table: Table,
    view: TableView,
    files: FileList,
    *,
    without_metrics: Collection[str] = (),
) -> Rewritten:
    """Replace files of one day by one that holds their rows in order.

    Args:
        stored: The table.
        table: Its definition.
        view: The version that `files` are from; asked for `MAINTENANCE` and `RETIRED`.
        files: Files of one day. All their rows are held in memory.
        without_metrics: Metrics whose rows are left out.

    Raises:
        Overtaken: Another process has removed files since that version. Nothing was changed.
        StoreError: The table cannot be used.
    """
    rows = _read(stored, table, files, without_metrics)
    retired = int(files.rows.sum()) - rows.num_rows
    day = dt.date(1970, 1, 1) + dt.timedelta(days=int(files.dates[0]))
    added = []
    if rows.num_rows:
        added.append(write_file(stored.location, rows, day, order=series_order(rows)))
    return replace_files(stored, view, files, added, gone=retired)


def drop_files(
    stored: StoredTable,
    view: TableView,
    files: FileList,
    *,
    given_up: Mapping[str, int] | None = None,
) -> Rewritten:
    """Remove files with all their rows; see `rewrite_files`.

    Args:
        stored: The table.
        view: The version that `files` are from.
        files: The files.
        given_up: Where the rows are not retired but lost: application transactions, which `view`
            was asked for, that say so.
    """
    return replace_files(
        stored,
        view,
        files,
        [],
        gone=int(files.rows.sum()),
        given_up=given_up is not None,
        transactions=given_up or {},
    )


def replace_files(
    stored: StoredTable,
    view: TableView,
    files: FileList,
    added: Sequence[AddAction],
    *,
    gone: int,
    given_up: bool = False,
    is_changed: bool = False,
    transactions: Mapping[str, int] | None = None,
) -> Rewritten:
    """Put files in the place of others, in one commit.

    Args:
        stored: The table.
        view: The version that `files` are from; asked for `MAINTENANCE`, `RETIRED` and all
            `transactions`.
        files: The files to remove.
        added: The files to add; they are written, and deleted again if they come too late.
        gone: Rows of the former that are not in the latter.
        given_up: Whether those are lost, and not retired.
        is_changed: Whether rows in the latter differ from what they were.
        transactions: New versions of further application transactions.

    Raises:
        Overtaken: Another process has removed files since that version. Nothing was changed.
        StoreError: The table cannot be used.
    """
    data_change = is_changed or gone > 0
    for action in added:
        action.data_change = data_change
    moved = {MAINTENANCE: view.transactions.get(MAINTENANCE, 0) + 1}
    retired = 0 if given_up else gone
    if retired:
        moved[RETIRED] = view.transactions.get(RETIRED, 0) + retired
    moved |= transactions or {}
    stored.commit(
        added,
        removed=removals(files, data_change=data_change),
        transactions=moved,
        base=view.transactions,
    )
    return Rewritten(
        files_before=len(files),
        files_after=len(added),
        bytes_before=int(files.sizes_bytes.sum()),
        bytes_after=sum(action.size for action in added),
        rows_retired=retired,
    )


def removals(files: FileList, *, data_change: bool = True) -> list[RemoveAction]:
    """What to commit to remove files.

    Args:
        files: The files.
        data_change: Whether rows go with them.
    """
    days = [dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) for day in files.dates]
    return [
        RemoveAction(
            path=path,
            data_change=data_change,
            deletion_timestamp=int(time.time() * 1000),
            size=int(size_bytes),
            partition_values={PARTITION: day.isoformat()},
        )
        for path, day, size_bytes in zip(files.paths, days, files.sizes_bytes, strict=True)
    ]


def _read(
    stored: StoredTable, table: Table, files: FileList, without_metrics: Collection[str]
) -> pa.Table:
    schema = dictionary_schema(table)
    schema = schema.remove(schema.get_field_index(PARTITION))
    parts = []
    for path in files.paths:
        rows = read_file(stored.location, path, schema)
        if without_metrics:
            gone = holds_metrics(rows["metric"], without_metrics)
            rows = rows.take(from_numpy(np.flatnonzero(~gone), pa.int64()))
        parts.append(rows)
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def holds_metrics(column: pa.ChunkedArray, metrics: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which rows of a dictionary column have one of these texts, bool of shape (n_rows,)."""
    masks = [np.empty(0, bool)]
    for chunk in column.chunks:
        wanted = np.array([text in metrics for text in chunk.dictionary.to_pylist()], bool)
        masks.append(wanted[to_numpy(chunk.indices)])
    return np.concatenate(masks)


def series_order(rows: pa.Table) -> npt.NDArray[np.int64]:
    """The places of the rows in the order of their series, and of time within; shape (n_rows,)."""
    group = np.zeros(rows.num_rows, np.int64)
    for name in _ORDER:
        if name in rows.schema.names:
            codes, count = _ranks(rows[name].chunk(0))
            # Made dense again each time, so that the product never overflows.
            group = np.unique(group * count + codes, return_inverse=True)[1]
    times = to_numpy(rows["time"])
    return np.lexsort((times, group))


def _ranks(column: pa.DictionaryArray) -> tuple[npt.NDArray[np.int64], int]:
    """The rank of each row's text, from 1, or 0 where there is none; and one more than the last."""
    texts = column.dictionary.to_pylist()
    rank_of = {text: rank for rank, text in enumerate(sorted(texts), start=1)}
    ranks = np.array([*(rank_of[text] for text in texts), 0], np.int64)
    codes = to_numpy(column.indices, default=len(texts))
    return ranks[codes], len(texts) + 1
