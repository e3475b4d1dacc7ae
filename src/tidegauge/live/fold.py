# SPDX-License-Identifier: Apache-2.0
"""From the journals of a store to totals: what was recorded since the last look, slot by slot."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.catalog import Catalog
from tidegauge.journal.reader import Event, SlotReader
from tidegauge.journal.slot import owner_of
from tidegauge.journal.state import StateView, read_state, state_path
from tidegauge.live.families import Exemplar, Labels
from tidegauge.live.kept import NOWHERE, Facts, FamilyTotals
from tidegauge.live.row_feed import RowFeed, process_labels
from tidegauge.live.totals import NO_CELL, Totals
from tidegauge.model.clock import Clock
from tidegauge.model.errors import StoreError, TidegaugeError
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import LabelSpec
from tidegauge.model.tables import INTERVALS, POINTS, TABLES
from tidegauge.statistics.accumulator import Accumulator

__all__ = ["Fold", "Position", "SegmentsGone", "labels_of"]

_POINTS = 1 << 18
_EVENT_BYTES = 4 << 20
_ROWS = 10_000
# An id is an offset with check bits below, so ids without them are dense enough to index a table.
_CHECK_BITS = 8
_UNSEEN = -2
# What an event that does not fit its table can lead to; the tables do not get it either.
_UNFIT = (KeyError, TypeError, ValueError, OverflowError)
#: Table, time, series, own columns, number among the events of the slot.
_Row = tuple[str, int, int | SeriesKey, dict[str, Any], int]

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
        dropped: Facts refused, by reason, in the life of the slot.
        fixed_names: Facts recorded under another name than was given.
    """

    __slots__ = ("cells", "dropped", "ended", "fixed_names", "is_owned", "tenure")

    def __init__(self) -> None:
        self.cells: Ints = np.full(0, _UNSEEN, np.int64)
        self.ended: bytes | None = None
        self.is_owned = False
        self.tenure: tuple[int, int] | None = None
        self.dropped: Counter[str] = Counter()
        self.fixed_names = 0


class Fold:
    """Totals, and how far into the journals they reach. Not thread-safe.

    Args:
        catalog: The vocabulary.
        clock: Where the time comes from.
        journal_id: Identity of the journal that is folded; empty if there is none.
        totals: What to go on from; nothing if None.
        positions: How far that reaches, by name of the slot.

    Attributes:
        journal_id: The journal.
        totals: The totals.
        positions: By name of the slot.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        *,
        journal_id: str,
        totals: Totals | None = None,
        positions: dict[str, Position] | None = None,
    ) -> None:
        self.journal_id = journal_id
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

    def of_journal(self, journal_id: str) -> Fold:
        """The same totals, to which all of another journal is added next."""
        return Fold(self._catalog, self._clock, journal_id=journal_id, totals=self.totals)

    def with_totals(self, totals: Totals) -> Fold:
        """Other totals, as far into the same journal."""
        return Fold(
            self._catalog,
            self._clock,
            journal_id=self.journal_id,
            totals=totals,
            positions=self.positions,
        )

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

    def refused(self) -> tuple[Counter[str], int]:
        """Facts that were refused, by reason; and how many got another name than was given."""
        dropped = sum((slot.dropped for slot in self._slots.values()), Counter[str]())
        return dropped, sum(slot.fixed_names for slot in self._slots.values())

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
        self._add(Facts(cells, values, times_ns, places, NOWHERE), len(cells))

    def add_rows(self, table: str, rows: Iterable[tuple[SeriesKey, int, dict[str, Any]]]) -> None:
        """Add stored rows of a table other than `points`: series, time, own columns."""
        for part in _batched(rows, _ROWS):
            self._add_rows(None, [(table, time, key, columns, -1) for key, time, columns in part])

    def _advance(self, slot: SlotReader) -> int:
        known = self._slots.setdefault(slot.name, _Slot())
        if known.ended is not None and known.ended == _token(slot.directory):
            return 0  # nobody has taken it since
        # Before anything is read: what a process recorded that ended by now is then on the disk.
        is_owned, token = owner_of(slot.directory)
        page = read_state(state_path(slot.directory))
        takes = page.number("takes")
        known.is_owned = is_owned
        known.dropped, known.fixed_names = page.drops(), page.number("fixed_names") or 0
        begun = page.number("tenure_points"), page.number("tenure_facts")
        is_told = page.number("tenure") == takes and None not in begun
        known.tenure = (begun[0] or 0, begun[1] or 0) if is_told else None
        position = self.positions.setdefault(slot.name, Position())
        folded = self._advance_points(slot, known, position)
        folded += self._advance_events(slot, known, position, page)
        known.ended = None if is_owned else token
        return folded

    def _advance_points(self, slot: SlotReader, known: _Slot, position: Position) -> int:
        folded, stop = 0, slot.room_end("points")
        while True:
            if slot.first_points() > position.points:
                raise SegmentsGone
            batch = slot.points(position.points, _POINTS)
            if slot.first_points() > position.points:  # deleted while they were read
                raise SegmentsGone
            if len(batch.series):
                cells = self._cells_of(slot, known, batch.series)
                source = 2 * int(slot.name)
                facts = Facts(cells, batch.value, batch.time_ns, batch.position, source)
                self._add(facts, len(cells))
            folded += len(batch.series)
            position.points = batch.end
            if batch.end - batch.start < _POINTS or batch.end >= stop:
                return folded

    def _advance_events(
        self, slot: SlotReader, known: _Slot, position: Position, page: StateView
    ) -> int:
        folded = 0
        if known.is_owned and page.number("events_facts") == position.facts and position.events:
            return 0  # a living owner counts its events before the call returns
        stop = slot.room_end("events")
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
            if batch.end - batch.start < _EVENT_BYTES or batch.end >= stop:
                return folded

    def _add_slot_events(self, slot: SlotReader, known: _Slot, events: Sequence[Event]) -> None:
        points = [event for event in events if event.table == POINTS.name]
        if points:
            series = np.array([event.series for event in points], np.uint32)
            values = np.array([_number(event.columns.get("value")) for event in points])
            cells = self._cells_of(slot, known, series)
            times_ns = np.array([event.time_ns for event in points], np.int64)
            places = np.array([event.ordinal for event in points], np.int64)
            source = 2 * int(slot.name) + 1
            self._add(Facts(cells, values, times_ns, places, source), len(points))
            for cell, value, event in zip(cells.tolist(), values.tolist(), points, strict=True):
                trace = trace_of(event.columns.get("metadata"))
                if trace and cell != NO_CELL and math.isfinite(value):
                    self.totals.note_exemplar(cell, Exemplar(trace, value, event.time_ns))
        if len(points) < len(events):
            self._add_rows(
                slot,
                [
                    (event.table, event.time_ns, event.series, event.columns, event.ordinal)
                    for event in events
                    if event.table != POINTS.name
                ],
            )

    def _add_rows(self, slot: SlotReader | None, events: Sequence[_Row]) -> None:
        """Add events that are no points; `slot` tells what the ids of their series mean."""
        source = NOWHERE if slot is None else 2 * int(slot.name) + 1
        cells: list[int] = []
        values: list[float] = []
        times_ns: list[int] = []
        n_facts = 0

        def key() -> SeriesKey | None:
            if isinstance(series, SeriesKey):
                return series
            return slot.series(series) if slot is not None else None

        for table, time_ns, series, columns, place in events:
            if table == INTERVALS.name:
                self._add_interval(key(), time_ns, columns, place, source)
            elif (feed := self._feeds.get(table)) is not None:
                begin = len(cells)
                origin = series if slot is None else (slot.name, series)
                n_facts += 1
                try:
                    feed.add(origin, key, columns, time_ns, cells, values)
                except _UNFIT:
                    del cells[begin:], values[begin:]
                    self.totals.skipped["unfit"] += 1
                times_ns += [time_ns] * (len(cells) - begin)
                if isinstance(trace_id := columns.get("trace_id"), str):
                    trace = (("trace_id", trace_id),)
                    for cell, value in zip(cells[begin:], values[begin:], strict=True):
                        self.totals.note_exemplar(cell, Exemplar(trace, value, time_ns))
            else:
                n_facts += 1
        facts = Facts(
            np.array(cells, np.int64),
            np.array(values, np.float64),
            np.array(times_ns, np.int64),
            np.zeros(len(cells), np.int64),
            NOWHERE,  # rows feed counters and distributions only
        )
        self._add(facts, n_facts)

    def _add(self, facts: Facts, n_facts: int) -> None:
        self.totals.add(facts, now_ns=self._clock.wall_ns(), n_facts=n_facts)

    def _add_interval(
        self,
        key: SeriesKey | None,
        time_ns: int,
        columns: dict[str, Any],
        place: int,
        source: int,
    ) -> None:
        cell = NO_CELL if key is None else self._cell_of(key)
        try:
            summary = Accumulator.from_columns(columns)
            is_plain = math.isfinite(summary.sum + summary.last) and summary.count > 0
        except _UNFIT:
            is_plain = False
        if cell == NO_CELL or not is_plain:
            self.totals.skipped["unknown" if cell == NO_CELL else "unfit"] += 1
            self.totals.recorded += 1
            return
        now_ns = self._clock.wall_ns()
        self.totals.add_summary(cell, summary, time_ns, place, source=source, now_ns=now_ns)

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
        if family is None:
            return NO_CELL
        return self.totals.cell(family, labels_of(key, family.spec.labels))

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
        except StoreError:  # what programs declared cannot be read: later it may be
            raise
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
    if not isinstance(found, dict):
        return ()
    pairs = ((name, found.get(name)) for name in ("span_id", "trace_id"))
    return tuple((name, value) for name, value in pairs if isinstance(value, str))


def _number(value: object) -> float:
    """A column's value; NaN if it is no number."""
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            pass  # a whole number beyond all floats is not counted, as NaN is not
    return math.nan


def _token(directory: Path) -> bytes | None:
    """What `owner_of` recognises the last owner by, without asking whether it lives."""
    try:
        takes = StateView(state_path(directory).read_bytes()).number("takes")
    except FileNotFoundError:
        takes = None
    return None if takes is None else b"%d" % takes


def labels_of(key: SeriesKey, declared: Mapping[str, LabelSpec] | None = None) -> Labels:
    """The labels of a series in monitoring systems.

    Everything but the run, of which there are too many; the model is `model_name` there. What the
    metric declares as a label of its own is called as it says.
    """
    dimensions = dict(key.dimensions)
    labels = {**dict(key.labels), **process_labels(dimensions)}
    for name, label in (
        ("model", "model_name"),
        ("model_version", "model_version"),
        ("experiment", "experiment"),
        ("run_id", None),
    ):
        shown = name if name in (declared or {}) else label
        if name in dimensions and shown is not None:
            labels[shown] = dimensions[name]
    for name, spec in (declared or {}).items():
        if spec.shown_as is not None and name in labels:
            labels[spec.shown_as] = labels.pop(name)
    return tuple(sorted(labels.items()))


def _batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same in lists of at most so many."""
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part
