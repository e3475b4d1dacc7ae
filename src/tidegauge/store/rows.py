# SPDX-License-Identifier: Apache-2.0
"""Decoded facts gathered into the rows of one table, a column at a time."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.journal.layout import NO_STEP
from tidegauge.journal.reader import Event, PointsBatch
from tidegauge.model.tables import Table
from tidegauge.model.times import TimeRange
from tidegauge.store.arrays import from_list, from_numpy
from tidegauge.store.schema import PARTITION, SERIES_COLUMNS, arrow_schema, dictionary_schema
from tidegauge.store.series_rows import UNKNOWN, Resolve, SeriesRows

__all__ = ["Rows", "UnfitEvent", "tail_schema"]

_DAY_US = 86_400 * 10**6
_TIME = pa.timestamp("us", "UTC")
_EPOCH = dt.date(1970, 1, 1)


class UnfitEvent(msgspec.Struct, frozen=True):
    """An event that does not fit its table.

    Attributes:
        slot: The slot it was in.
        event: The event.
        problem: What does not fit.
    """

    slot: str
    event: Event
    problem: str


class Rows:
    """Rows of one table, from several slots and from both lanes.

    Args:
        table: The table.
        journal_id: Identity of the journal; with the slot's name it makes the column `slot`.

    Attributes:
        table: The table.
        added: Rows, by slot.
        unfit: Events left out because they do not fit the table. Facts of a series that nobody
            knows any more are left out as well.
    """

    def __init__(self, table: Table, journal_id: str) -> None:
        self.table = table
        self.added: Counter[str] = Counter()
        self.unfit: list[UnfitEvent] = []
        self._journal_id = journal_id
        self._schema = arrow_schema(table)
        # The columns that come neither from the series nor from the time.
        self._own = [
            column
            for column in self._schema
            if column.name not in {"time", PARTITION, "labels", *SERIES_COLUMNS}
        ]
        self._series = SeriesRows()
        self._numbers: list[npt.NDArray[np.int32]] = []
        self._times_ns: list[npt.NDArray[np.int64]] = []
        self._columns: dict[str, list[pa.Array]] = {column.name: [] for column in self._own}

    def __len__(self) -> int:
        return self.added.total()

    def add_points(self, slot: str, batch: PointsBatch, resolve: Resolve) -> int:
        """Add decoded points, the table being `points`; returns how many were added."""
        numbers = self._series.numbers(self._label(slot), batch.series, resolve)
        columns = {
            "value": from_numpy(batch.value, pa.float64()),
            "step": from_numpy(batch.step, pa.int64(), absent=batch.step == NO_STEP),
        }
        return self._add(slot, numbers, batch.time_ns, columns)

    def add_events(self, slot: str, events: Sequence[Event], resolve: Resolve) -> int:
        """Add events of this table; returns how many were added."""
        if not events:
            return 0
        columns, events = self._converted(slot, events)
        label = self._label(slot)
        numbers = [self._series.number(label, event.series, resolve) for event in events]
        times_ns = np.array([event.time_ns for event in events], np.int64)
        return self._add(slot, np.array(numbers, np.int32), times_ns, columns)

    def days(self) -> Iterator[tuple[dt.date, pa.Table]]:
        """The rows of each day without their `date`, ordered by series, for a file of that day.

        Rows of a series keep the order in which they were added. Neighbours in a file are then
        alike: it is a fifth smaller, and whoever asks for one metric reads only its part.
        """
        numbers, times_ns = self._joined()
        days = times_ns // (1000 * _DAY_US)
        ranks = self._series.ranks()[numbers]
        if not len(days):
            return
        if days.min() == days.max():
            # Sorting 16-bit integers takes a fraction of the time of longer ones.
            narrow = ranks.astype(np.uint16) if len(self._series) <= 1 << 16 else ranks
            order = np.argsort(narrow, kind="stable")
        else:
            order = np.lexsort((ranks, days))
        starts = [0, *np.flatnonzero(np.diff(days[order])) + 1, len(order)]
        for start, end in itertools.pairwise(starts):
            chosen = order[start:end]
            day = _EPOCH + dt.timedelta(days=int(days[chosen[0]]))
            yield day, self._table(chosen, numbers[chosen], times_ns[chosen])

    def tail(self, time_range: TimeRange | None = None) -> pa.Table:
        """The rows in a range in the order they were added, in the schema of `tail_schema`."""
        numbers, times_ns = self._joined()
        chosen = np.ones(len(numbers), dtype=bool)
        if time_range is not None and time_range.start_ns is not None:
            chosen &= times_ns >= time_range.start_ns
        if time_range is not None and time_range.end_ns is not None:
            chosen &= times_ns < time_range.end_ns
        columns = self._own_columns(None if chosen.all() else np.flatnonzero(chosen))
        numbers, times_ns = numbers[chosen], times_ns[chosen]
        columns |= self._series.texts(numbers)
        columns["labels"] = self._series.labels(numbers)
        times_us = times_ns // 1000
        columns["time"] = from_numpy(times_us, _TIME)
        columns[PARTITION] = from_numpy((times_us // _DAY_US).astype(np.int32), pa.date32())
        schema = tail_schema(self.table)
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _label(self, slot: str) -> str:
        return f"{self._journal_id}/{slot}"

    def _add(
        self,
        slot: str,
        numbers: npt.NDArray[np.int32],
        times_ns: npt.NDArray[np.int64],
        columns: dict[str, pa.Array],
    ) -> int:
        known = numbers != UNKNOWN
        if not known.all():
            columns = {
                name: column.take(from_numpy(np.flatnonzero(known), pa.int64()))
                for name, column in columns.items()
            }
            numbers, times_ns = numbers[known], times_ns[known]
        self.added[slot] += len(numbers)
        self._numbers.append(numbers)
        self._times_ns.append(times_ns)
        for column in self._own:
            given = columns.get(column.name)
            empty = pa.nulls(len(numbers), column.type) if given is None else given
            self._columns[column.name].append(empty)
        return len(numbers)

    def _converted(
        self, slot: str, events: Sequence[Event]
    ) -> tuple[dict[str, pa.Array], Sequence[Event]]:
        try:
            return _columns(self._own, events), events
        except (TypeError, ValueError, OverflowError):
            good = []
        for event in events:  # rare: find out which
            try:
                _columns(self._own, [event])
                good.append(event)
            except (TypeError, ValueError, OverflowError) as error:
                self.unfit.append(UnfitEvent(slot, event, str(error)))
        return _columns(self._own, good), good

    def _joined(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        if not self._numbers:
            return np.empty(0, np.int32), np.empty(0, np.int64)
        return np.concatenate(self._numbers), np.concatenate(self._times_ns)

    def _own_columns(self, chosen: npt.NDArray[np.int64] | None) -> dict[str, pa.ChunkedArray]:
        columns = {
            column.name: pa.chunked_array(self._columns[column.name], type=column.type)
            for column in self._own
        }
        if chosen is None:
            return columns
        places = from_numpy(chosen, pa.int64())
        return {name: _taken(column, places) for name, column in columns.items()}

    def _table(
        self,
        chosen: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.int32],
        times_ns: npt.NDArray[np.int64],
    ) -> pa.Table:
        columns = self._own_columns(chosen) | self._series.texts(numbers)
        columns["labels"] = self._series.labels(numbers).dictionary_decode()
        columns["time"] = from_numpy(times_ns // 1000, _TIME)
        schema = dictionary_schema(self.table)
        schema = schema.remove(schema.get_field_index(PARTITION))
        return pa.table([columns[name] for name in schema.names], schema=schema)


def tail_schema(table: Table) -> pa.Schema:
    """The schema of `Rows.tail`: everything that comes from the series is a dictionary."""
    schema = dictionary_schema(table)
    at = schema.get_field_index("labels")
    labels = schema.field(at)
    return schema.set(at, labels.with_type(pa.dictionary(pa.int32(), labels.type)))


def _columns(fields: Sequence[pa.Field], events: Sequence[Event]) -> dict[str, pa.Array]:
    columns = {}
    for column in fields:
        values = [event.columns.get(column.name) for event in events]
        if not column.nullable and None in values:
            raise ValueError(f"{column.name} is missing")
        columns[column.name] = from_list(values, column.type)
    return columns


def _taken(column: pa.ChunkedArray, places: pa.Array) -> pa.Array | pa.ChunkedArray:
    if column.null_count == len(column):
        return pa.nulls(len(places), column.type)
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return whole.take(places)
