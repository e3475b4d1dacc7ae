# SPDX-License-Identifier: Apache-2.0
"""All facts in the tables of a store, with the positions in the journals that come after them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.series import DIMENSIONS, SeriesKey, split_labels
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.store.arrays import to_numpy
from tidegauge.store.cursors import SlotCursor, read_cursors, transaction_names
from tidegauge.store.files import read_file
from tidegauge.store.instance import working
from tidegauge.store.schema import PARTITION, dictionary_schema
from tidegauge.store.store import Store
from tidegauge.store.stored_table import NO_TABLE, StoredTable, TableView

__all__ = ["StoredFacts", "StoredPoints", "StoredRow"]

_ROWS = 10_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_POINT_COLUMNS = ("slot", "metric", *DIMENSIONS, "labels", "time", "value")
# A series' values lie together in the result: `list` costs less than sorting the rows.
_GROUPED = f"""
    SELECT metric, {", ".join(DIMENSIONS)}, labels, list(value), list(epoch_us(time))
    FROM rows WHERE split_part(slot::VARCHAR, '/', 1) IN (SELECT unnest(?))
    GROUP BY ALL
"""


class StoredPoints(NamedTuple):
    """Values of some series.

    Attributes:
        keys: The series.
        numbers: For each value the number of its series in `keys`, int64 of shape (n,).
        values: The values, float64 of shape (n,).
        times_ns: When they happened, int64 of shape (n,); rounded down to microseconds.
    """

    keys: list[SeriesKey]
    numbers: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    times_ns: npt.NDArray[np.int64]


class StoredRow(NamedTuple):
    """A row of another table than `points`.

    Attributes:
        key: Its metric, if it has one, dimensions and labels.
        time_ns: When it happened; rounded down to microseconds.
        columns: The table's own columns; absent where they are empty.
    """

    key: SeriesKey
    time_ns: int
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """The tables at one moment.

    Attributes:
        journal_id: The present journal.
        cursors: For each slot how far its lanes are stored, as the table `points` says.
        ahead: For each slot the tables that hold events beyond that, with the number of the first
            event of the lane that they do not hold.
    """

    journal_id: str
    cursors: dict[str, SlotCursor]
    ahead: dict[str, dict[str, int]]
    _journals: list[str]
    _views: dict[str, tuple[StoredTable, TableView]]

    @classmethod
    def look(cls, store: Store) -> StoredFacts:
        """What the tables hold now, of this store's journals.

        Raises:
            StoreError: A table is damaged.
        """
        journal_id, slots = store.slots()
        names = [slot.name for slot in slots]
        wanted = transaction_names(journal_id, names)
        tables = store.tables.separate()
        views: dict[str, tuple[StoredTable, TableView]] = {}
        cursors: dict[str, dict[str, SlotCursor]] = {}
        # The anchor first: what it says of the lane of events then holds for the others as well.
        for name in (POINTS.name, *(name for name in TABLES if name != POINTS.name)):
            stored = tables.open(name)
            view = NO_TABLE if stored is None else stored.view(wanted)
            cursors[name] = read_cursors(view.transactions, journal_id, names)
            if stored is not None:
                views[name] = stored, view
        anchor = cursors[POINTS.name]
        ahead = {
            slot: {
                name: cursors[name][slot].events_facts
                for name in TABLES
                if cursors[name][slot].events_facts > anchor[slot].events_facts
            }
            for slot in names
        }
        journals = sorted({journal_id, *store.state.journals()})
        return cls(journal_id, anchor, ahead, journals, views)

    def points(self) -> Iterator[StoredPoints]:
        """The table `points`, about one file at a time."""
        schema = pa.schema([dictionary_schema(POINTS).field(name) for name in _POINT_COLUMNS])
        for rows in self._files(POINTS.name, schema):
            with working() as connection:
                connection.register("rows", rows)
                grouped = connection.sql(_GROUPED, params=[self._journals])
                yield _series_of(grouped.to_arrow_table())

    def rows(self, table: str) -> Iterator[StoredRow]:
        """Another table, row by row."""
        schema = dictionary_schema(TABLES[table])
        schema = schema.remove(schema.get_field_index(PARTITION))
        own = [column.name for column in TABLES[table].columns if column.name != "metric"]
        for rows in self._files(table, schema):
            for batch in rows.to_batches(max_chunksize=_ROWS):
                for row in batch.to_pylist():
                    if row["slot"].partition("/")[0] in self._journals:
                        columns = {name: row[name] for name in own if row[name] is not None}
                        yield StoredRow(_key(row), _ns(row["time"]), columns)

    def _files(self, table: str, schema: pa.Schema) -> Iterator[pa.Table]:
        if table in self._views:
            stored, view = self._views[table]
            for path in view.files.paths:
                yield read_file(stored.location, path, schema)


def _series_of(groups: pa.Table) -> StoredPoints:
    columns = groups.combine_chunks()
    values, times_us = columns.column(columns.num_columns - 2), columns.column(-1)
    lengths = [len(each) for each in values]
    keys = [_key(row) for row in columns.select(["metric", *DIMENSIONS, "labels"]).to_pylist()]
    return StoredPoints(
        keys,
        np.repeat(np.arange(len(keys)), lengths),
        _flat(values).view(np.float64),
        _flat(times_us) * 1000,
    )


def _flat(lists: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    parts = [to_numpy(chunk.flatten()) for chunk in lists.chunks]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _key(row: dict[str, Any]) -> SeriesKey:
    labels = dict(row["labels"] or ())
    labels |= {name: row[name] for name in DIMENSIONS if row[name] is not None}
    return SeriesKey(row.get("metric") or "", *split_labels(labels))


def _ns(time: dt.datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND * 1000
