# SPDX-License-Identifier: Apache-2.0
"""From the journals of a store to totals: what was recorded since the last look, slot by slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.catalog import Catalog
from tidegauge.journal.reader import Event, SlotReader
from tidegauge.journal.slot import owner_of
from tidegauge.journal.state import read_state, state_path
from tidegauge.live.families import Exemplar, Labels
from tidegauge.live.row_feed import RowFeed, process_labels
from tidegauge.live.totals import NO_CELL, NOWHERE, FamilyTotals, Totals
from tidegauge.model.clock import Clock
from tidegauge.model.errors import TidegaugeError
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import INTERVALS, POINTS, TABLES
from tidegauge.statistics.accumulator import Accumulator

__all__ = ["Fold", "Position", "SegmentsGone", "labels_of"]

_POINTS = 1 << 18
_EVENT_BYTES = 4 << 20
_ROWS = 10_000
# An id is an offset with check bits below, so ids without them are dense enough to index a table.
_CHECK_BITS = 8
_UNSEEN = -2

Ints = npt.NDArray[np.int64]
T = TypeVar("T")


class SegmentsGone(Exception):
    """The journal no longer holds what comes next."""


class Position(msgspec.Struct):
    """How far a slot has been folded.

    Attributes:
        points: Next position to read of the lane of points.
        events: Next byte to read of the lane of events.
        facts: Facts written to that lane before that byte.
        skip: For each table, the first fact of the lane of events that is not folded yet, where
            that is beyond `facts`.
    """

    points: int = 0
    events: int = 0
    facts: int = 0
    skip: dict[str, int] = {}


class _Slot:
    """What is known of a slot beside its position.

    Attributes:
        cells: The cell of each series by its id without check bits.
        ended: What the owner was recognised by when nobody owned the slot and all of it was read.
        is_owned: Whether it had a living owner at the last look.
        tenure: Where that owner began: position of its first point, number of its first event.
    """

    __slots__ = ("cells", "ended", "is_owned", "tenure")

    def __init__(self) -> None:
        self.cells: Ints = np.full(0, _UNSEEN, np.int64)
        self.ended: bytes | None = None
        self.is_owned = False
        self.tenure: tuple[int, int] | None = None


class Fold:
    """Totals, and how far into the journals they reach. Not thread-safe.

    Args:
        catalog: The vocabulary.
        clock: Where the time comes from.

    Attributes:
        totals: The totals.
        positions: By name of the slot.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        *,
        totals: Totals | None = None,
        positions: dict[str, Position] | None = None,
    ) -> None:
        self.totals = Totals() if totals is None else totals
        self.positions = {} if positions is None else positions
        self._catalog = catalog
        self._clock = clock
        self._slots: dict[str, _Slot] = {}
        self._feeds = {
            table.name: RowFeed(self.totals, table, catalog)
            for table in TABLES.values()
            if table.metrics
        }

    def advance(self, slots: Sequence[SlotReader]) -> int:
        """Fold everything that cannot change any more.

        Returns:
            How many facts were folded.

        Raises:
            SegmentsGone: Others were faster, and the segments were deleted since.
        """
        return sum(self._advance(slot) for slot in slots)

    def is_owned(self, slot: str) -> bool:
        """Whether a slot had a living owner at the last look."""
        return slot in self._slots and self._slots[slot].is_owned

    def is_current(self, source: int, place: int) -> bool:
        """Whether a fact was recorded by the process that owns its slot, and lives."""
        known = self._slots.get(f"{source // 2:03d}")
        return (
            known is not None
            and known.is_owned
            and known.tenure is not None
            and (place >= known.tenure[source % 2])
        )

    def add_points(
        self,
        keys: Sequence[SeriesKey],
        numbers: Ints,
        values: npt.NDArray[np.float64],
        times_ns: Ints,
    ) -> None:
        """Add values that are stored already.

        Args:
            keys: Their series.
            numbers: For each value the number of its series in `keys`, shape (n,).
            values: The values, shape (n,).
            times_ns: When they happened, shape (n,).
        """
        cells = np.array([self._cell_of(key) for key in keys], np.int64)[numbers]
        # Whose they are is not stored; they come before everything in the journals.
        places = np.full(len(cells), -1, np.int64)
        now_ns = self._clock.wall_ns()
        self.totals.add(
            cells, values, times_ns, places, source=NOWHERE, now_ns=now_ns, n_facts=len(cells)
        )

    def add_rows(self, table: str, rows: Iterable[tuple[SeriesKey, int, dict[str, Any]]]) -> None:
        """Add stored rows of a table other than `points`: series, time, own columns."""
        for part in _batched(rows, _ROWS):
            self._add_events(None, [(table, time, key, columns) for key, time, columns in part])

    def _advance(self, slot: SlotReader) -> int:
        known = self._slots.setdefault(slot.name, _Slot())
        # Before anything is read: what a process recorded that ended by now is then on the disk.
        is_owned, token = owner_of(slot.directory)
        if not is_owned and known.ended == token:
            known.is_owned = False
            return 0
        page = read_state(state_path(slot.directory))
        takes = page.number("takes")
        known.is_owned = is_owned
        begun = page.number("tenure_points"), page.number("tenure_facts")
        is_told = page.number("tenure") == takes and None not in begun
        known.tenure = (begun[0] or 0, begun[1] or 0) if is_told else None
        position = self.positions.setdefault(slot.name, Position())
        folded = self._advance_points(slot, known, position)
        folded += self._advance_events(slot, known, position)
        known.ended = None if is_owned else token
        return folded

    def _advance_points(self, slot: SlotReader, known: _Slot, position: Position) -> int:
        folded = 0
        while True:
            if slot.first_points() > position.points:
                raise SegmentsGone
            batch = slot.points(position.points, _POINTS)
            if slot.first_points() > position.points:  # deleted while they were read
                raise SegmentsGone
            if len(batch.series):
                cells = self._cells_of(slot, known, batch.series)
                self.totals.add(
                    cells,
                    batch.value,
                    batch.time_ns,
                    batch.position,
                    source=2 * int(slot.name),
                    now_ns=self._clock.wall_ns(),
                    n_facts=len(cells),
                )
            folded += len(batch.series)
            position.points = batch.end
            if batch.end - batch.start < _POINTS:
                return folded

    def _advance_events(self, slot: SlotReader, known: _Slot, position: Position) -> int:
        folded = 0
        page = read_state(state_path(slot.directory))
        if known.is_owned and page.number("events_facts") == position.facts and position.events:
            return 0  # a living owner counts its events before the call returns
        while True:
            if slot.first_events() > position.events:
                raise SegmentsGone
            batch = slot.events(
                position.events, facts_before=position.facts, limit_bytes=_EVENT_BYTES
            )
            if slot.first_events() > position.events:
                raise SegmentsGone
            records = batch.records
            if position.skip:
                skip = position.skip
                records = [each for each in records if each.ordinal >= skip.get(each.table, 0)]
            self._add_slot_events(slot, known, records)
            folded += len(records)
            position.events = batch.end
            position.facts = position.facts if batch.ordinal is None else batch.ordinal
            position.skip = {
                table: first for table, first in position.skip.items() if first > position.facts
            }
            if batch.end - batch.start < _EVENT_BYTES:
                return folded

    def _add_slot_events(self, slot: SlotReader, known: _Slot, events: Sequence[Event]) -> None:
        points = [event for event in events if event.table == POINTS.name]
        if points:
            series = np.array([event.series for event in points], np.uint32)
            values = np.array([event.columns.get("value", np.nan) for event in points], np.float64)
            cells = self._cells_of(slot, known, series)
            cells[~np.isfinite(values)] = NO_CELL
            self.totals.add(
                cells,
                values,
                np.array([event.time_ns for event in points], np.int64),
                np.array([event.ordinal for event in points], np.int64),
                source=2 * int(slot.name) + 1,
                now_ns=self._clock.wall_ns(),
                n_facts=len(points),
            )
            for cell, event in zip(cells.tolist(), points, strict=True):
                trace = trace_of(event.columns.get("metadata"))
                if trace and cell != NO_CELL:
                    exemplar = Exemplar(trace, float(event.columns["value"]), event.time_ns)
                    self.totals.note_exemplar(cell, exemplar)
        if len(points) < len(events):
            self._add_events(
                slot,
                [
                    (event.table, event.time_ns, event.series, event.columns)
                    for event in events
                    if event.table != POINTS.name
                ],
            )

    def _add_events(
        self,
        slot: SlotReader | None,
        events: Sequence[tuple[str, int, int | SeriesKey, dict[str, Any]]],
    ) -> None:
        """Add events that are no points; `slot` tells what the ids of their series mean."""
        cells: list[int] = []
        values: list[float] = []
        times_ns: list[int] = []
        n_facts = 0

        def key() -> SeriesKey | None:
            if isinstance(series, SeriesKey):
                return series
            return slot.series(series) if slot is not None else None

        for table, time_ns, series, columns in events:
            if table == INTERVALS.name:
                self._add_interval(key(), time_ns, columns)
            elif (feed := self._feeds.get(table)) is not None:
                origin = series if slot is None else (slot.name, series)
                feed.add(origin, key, columns, cells, values)
                begin = len(times_ns)
                times_ns += [time_ns] * (len(cells) - begin)
                n_facts += 1
                if (trace_id := columns.get("trace_id")) is not None:
                    trace = (("trace_id", trace_id),)
                    for cell, value in zip(cells[begin:], values[begin:], strict=True):
                        self.totals.note_exemplar(cell, Exemplar(trace, value, time_ns))
            else:
                n_facts += 1
        self.totals.add(
            np.array(cells, np.int64),
            np.array(values, np.float64),
            np.array(times_ns, np.int64),
            np.zeros(len(cells), np.int64),
            source=NOWHERE,  # rows feed counters and distributions only
            now_ns=self._clock.wall_ns(),
            n_facts=n_facts,
        )

    def _add_interval(self, key: SeriesKey | None, time_ns: int, columns: dict[str, Any]) -> None:
        cell = NO_CELL if key is None else self._cell_of(key)
        if cell == NO_CELL:
            self.totals.skipped["unknown"] += 1
            self.totals.recorded += 1
            return
        self.totals.add_summary(
            cell, Accumulator.from_columns(columns), time_ns, now_ns=self._clock.wall_ns()
        )

    def _cells_of(self, slot: SlotReader, known: _Slot, series: npt.NDArray[np.uint32]) -> Ints:
        """The cell of each series id; `NO_CELL` where nobody knows what it stands for."""
        index = (series >> _CHECK_BITS).astype(np.int64)
        largest = int(index.max())
        if largest >= len(known.cells):
            room = max(largest + 1, 2 * len(known.cells)) - len(known.cells)
            known.cells = np.pad(known.cells, (0, room), constant_values=_UNSEEN)
        cells = known.cells[index]
        unseen = cells == _UNSEEN
        if unseen.any():
            for identifier in np.unique(series[unseen]).tolist():
                key = slot.series(identifier)
                known.cells[identifier >> _CHECK_BITS] = (
                    NO_CELL if key is None else self._cell_of(key)
                )
            cells = known.cells[index]
        return cells

    def _cell_of(self, key: SeriesKey) -> int:
        """The cell of a series; `NO_CELL` if the vocabulary has no name for it."""
        family = self._family_of(key.metric)
        return NO_CELL if family is None else self.totals.cell(family, labels_of(key))

    def _family_of(self, metric: str) -> FamilyTotals | None:
        """The family of a metric; None if it cannot be told what it is."""
        try:
            spec = self._catalog.resolve(metric)
            if spec.name not in self._catalog.metrics:
                # Another process may have counted it as its own catalogue says.
                known = self.totals.usual_family(spec.name)
                if known is not None:
                    return known
            return self.totals.family_of(spec, self._catalog.exported(spec.name))
        except TidegaugeError:
            return self.totals.usual_family(metric)


def trace_of(metadata: object) -> Labels:
    """The labels of an exemplar in the metadata of a fact; none if it leads to no trace."""
    if not isinstance(metadata, str) or '"trace_id"' not in metadata:
        return ()
    try:
        found = msgspec.json.decode(metadata)
    except msgspec.DecodeError:
        return ()
    pairs = ((name, found.get(name)) for name in ("span_id", "trace_id"))
    return tuple((name, value) for name, value in pairs if isinstance(value, str))


def labels_of(key: SeriesKey) -> Labels:
    """The labels of a series in monitoring systems.

    Everything but the run, of which there are too many; the model is `model_name` there.
    """
    dimensions = dict(key.dimensions)
    labels = {**dict(key.labels), **process_labels(dimensions)}
    for name, label in (
        ("model", "model_name"),
        ("model_version", "model_version"),
        ("experiment", "experiment"),
    ):
        if name in dimensions:
            labels[label] = dimensions[name]
    return tuple(sorted(labels.items()))


def _batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same in lists of at most so many."""
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part
