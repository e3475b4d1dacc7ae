# SPDX-License-Identifier: Apache-2.0
"""Changing rows of a table where they are: their files are replaced by others in one commit.

Copy on write: whoever reads the Delta table, with whatever engine, sees all rows as they were or
all rows as they are now. One file at a time is in memory.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from tidegauge.model.tables import Table
from tidegauge.model.times import TimeRange
from tidegauge.store.arrays import from_list, from_numpy
from tidegauge.store.files import FileList, read_file, write_file
from tidegauge.store.matching import Mask, Selection
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, replace_files, series_order
from tidegauge.store.schema import PARTITION, dictionary_schema
from tidegauge.store.stored_table import StoredTable, TableView

__all__ = ["Draft", "Edit", "Overwrite", "Removal", "draft_edit"]

_EPOCH = dt.date(1970, 1, 1)
Values = Mapping[str, Sequence[Any]]


class Edit(Protocol):
    """What becomes of the rows of a file."""

    @property
    def time_range(self) -> TimeRange:
        """The range of time that the rows are in."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that `mask` looks at; those that the table lacks are left out."""

    @property
    def reorders(self) -> bool:
        """Whether rows may change the series that they are of."""

    def mask(self, rows: pa.Table) -> Mask:
        """The rows to change."""

    def apply(self, rows: pa.Table, mask: Mask) -> pa.Table:
        """The rows of a file after the change; may be fewer."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Takes rows out.

    Attributes:
        selection: Which.
    """

    selection: Selection
    reorders = False

    @property
    def time_range(self) -> TimeRange:
        """See `Edit`."""
        return self.selection.time_range

    @property
    def columns(self) -> Sequence[str]:
        """See `Edit`."""
        return self.selection.columns

    def mask(self, rows: pa.Table) -> Mask:
        """See `Edit`."""
        return self.selection.mask(rows)

    def apply(self, rows: pa.Table, mask: Mask) -> pa.Table:
        """See `Edit`."""
        return rows.take(from_numpy(np.flatnonzero(~mask), pa.int64()))


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Gives columns of rows other values.

    Attributes:
        selection: Which rows.
        values: The value of each column for all of them.
        derive: Is given the rows, with `needs` as they will be, and returns the values of further
            columns, one for each row. Raises to refuse the change.
        needs: The columns that it is given.
    """

    selection: Selection
    values: Mapping[str, Any]
    derive: Callable[[list[dict[str, Any]]], Values] | None = None
    needs: Sequence[str] = ()
    reorders = False

    @property
    def time_range(self) -> TimeRange:
        """See `Edit`."""
        return self.selection.time_range

    @property
    def columns(self) -> Sequence[str]:
        """See `Edit`."""
        return self.selection.columns

    def mask(self, rows: pa.Table) -> Mask:
        """See `Edit`."""
        return self.selection.mask(rows)

    def apply(self, rows: pa.Table, mask: Mask) -> pa.Table:
        """See `Edit`."""
        n_rows = int(mask.sum())
        for name, value in self.values.items():
            rows = _with(rows, name, mask, [value] * n_rows)
        if self.derive is not None:
            places = from_numpy(np.flatnonzero(mask), pa.int64())
            given = rows.select(list(self.needs)).take(places).to_pylist()
            for name, values in self.derive(given).items():
                rows = _with(rows, name, mask, values)
        return rows


@dataclass(frozen=True, slots=True)
class Draft:
    """A change whose files are written, and which nobody sees yet.

    Attributes:
        rows: Rows that it changes or takes out.
        days: The days they are of, in order.
    """

    rows: int
    days: tuple[dt.date, ...]
    _stored: StoredTable
    _view: TableView
    _files: FileList
    _added: Sequence[AddAction]
    _gone: int

    def transaction(self, name: str) -> int:
        """The version of an application transaction that `draft_edit` was told of, or 0."""
        return self._view.transactions.get(name, 0)

    def commit(self, transactions: Mapping[str, int]) -> None:
        """Make it, in one commit that also moves application transactions.

        Raises:
            Overtaken: Another process has removed files since. Nothing was changed.
            StoreError: The table cannot be used.
        """
        replace_files(
            self._stored,
            self._view,
            self._files,
            self._added,
            gone=self._gone,
            is_changed=True,
            transactions=transactions,
        )

    def discard(self) -> None:
        """Delete what was written."""
        for action in self._added:
            self._stored.location.delete(action.path)


def draft_edit(
    stored: StoredTable,
    table: Table,
    edit: Edit,
    *,
    transactions: Sequence[str] = (),
    dry_run: bool = False,
) -> Draft:
    """Prepare a change of the newest version of a table. For whoever maintains the store.

    Args:
        stored: The table, loaded.
        table: Its definition.
        edit: What is to become of the rows.
        transactions: Application transactions that the commit is to move.
        dry_run: Work everything out and write nothing.

    Raises:
        StoreError: The table cannot be used.
        Exception: Whatever the edit raises. No file is left then.
    """
    view = stored.view((MAINTENANCE, RETIRED, *transactions))
    schema = dictionary_schema(table)
    schema = schema.remove(schema.get_field_index(PARTITION))
    looked_at = pa.schema([schema.field(name) for name in edit.columns if name in schema.names])
    files = view.files.within(edit.time_range)
    touched = np.zeros(len(files), bool)
    added: list[AddAction] = []
    changed = gone = 0
    try:
        for at, path in enumerate(files.paths):
            if not edit.mask(read_file(stored.location, path, looked_at)).any():
                continue
            rows = read_file(stored.location, path, schema).unify_dictionaries().combine_chunks()
            mask = edit.mask(rows)
            after = edit.apply(rows, mask)
            touched[at], changed = True, changed + int(mask.sum())
            gone += rows.num_rows - after.num_rows
            if after.num_rows and not dry_run:
                after = after.unify_dictionaries().combine_chunks()
                order = series_order(after) if edit.reorders else None
                day = _EPOCH + dt.timedelta(days=int(files.dates[at]))
                added.append(write_file(stored.location, after, day, order=order))
    except BaseException:
        for action in added:
            stored.location.delete(action.path)
        raise
    chosen = files.chosen(touched)
    days = tuple(_EPOCH + dt.timedelta(days=int(day)) for day in np.unique(chosen.dates))
    return Draft(changed, days, stored, view, chosen, added, gone)


def _with(rows: pa.Table, name: str, mask: Mask, values: Sequence[Any]) -> pa.Table:
    """The rows with other values of a column where the mask is set."""
    at = rows.schema.get_field_index(name)
    field = rows.schema.field(at)
    flags = from_list(mask.tolist(), pa.bool_())
    column = rows.column(at).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # without rows
        return rows
    after = pc.replace_with_mask(column, flags, from_list(values, field.type))
    return rows.set_column(at, field, after)
