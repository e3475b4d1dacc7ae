# SPDX-License-Identifier: Apache-2.0
"""Reading from the journals the facts that belong to MLflow runs, a window at a time.

A window is a range of positions in every lane of every slot. Its ends are remembered before
anything of it is sent, so that sending it again after a crash sends the very same facts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tidegauge.catalog import Catalog
from tidegauge.export.mlflow_batch import Fact
from tidegauge.journal.layout import NO_STEP
from tidegauge.journal.reader import Event, Journal, SlotReader
from tidegauge.model.errors import TidegaugeError
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Combine
from tidegauge.model.tables import INTERVALS, POINTS

__all__ = ["Accepts", "Positions", "Window", "WindowReader"]

#: Position by lane, written `000/points` and `000/events`; a lane not named is at its beginning.
Positions = dict[str, int]

#: Tells whether the facts of a run are asked for.
Accepts = Callable[[str], bool]

_CHUNK_POINTS = 4_096
_CHUNK_BYTES = 256 << 10
_MAX_CHUNKS = 64


class Window(msgspec.Struct, frozen=True):
    """The facts of a range of positions.

    Attributes:
        end: Where the range ends.
        facts: The facts in it that belong to a run and were asked for.
        unknown: Facts whose series cannot be told, because its entry is damaged.
        is_last: Whether there is nothing to read after it now.
    """

    end: Positions
    facts: list[Fact]
    unknown: int
    is_last: bool


class WindowReader:
    """Reads windows from a journal.

    Args:
        journal: The journal.
        catalog: Tells how a metric's values combine, for intervals.
        wanted_facts: A window ends soon after it has this many facts.
    """

    def __init__(self, journal: Journal, catalog: Catalog, *, wanted_facts: int) -> None:
        self._journal = journal
        self._catalog = catalog
        self._wanted_facts = wanted_facts

    def next(self, at: Positions, accepts: Accepts, *, limit: Positions | None = None) -> Window:
        """Read on from `at`, all lanes by turns, until there are enough facts.

        Args:
            at: Where to begin.
            accepts: Whose facts are asked for.
            limit: Where to stop at the latest.
        """
        lanes = self._lanes(at, accepts)
        waiting, chunks = list(lanes), 0
        while waiting and chunks < _MAX_CHUNKS and _count(lanes) < self._wanted_facts:
            lane = waiting.pop(0)
            stop = None if limit is None else limit.get(lane.name, 0)
            if lane.read(stop):
                waiting.append(lane)
            chunks += 1
        return _window(at, lanes, is_last=not waiting)

    def again(self, at: Positions, end: Positions, accepts: Accepts) -> Window | None:
        """Read the very window that `next` read before.

        Returns:
            The window; None if the journal cannot be read up to its end just now.
        """
        lanes = [lane for lane in self._lanes(at, accepts) if lane.name in end]
        for lane in lanes:
            while lane.position < end[lane.name]:
                if not lane.read(end[lane.name]):
                    break
            if lane.position < end[lane.name]:
                return None
        return _window(end, lanes, is_last=False)

    def _lanes(self, at: Positions, accepts: Accepts) -> list[_Lane]:
        kinds = (_PointsLane, _EventsLane)
        chunk_points = min(_CHUNK_POINTS, 2 * self._wanted_facts)
        return [
            kind(slot, at, accepts, self._catalog, chunk_points)
            for slot in self._journal.slots()
            for kind in kinds
        ]


class _Lane:
    """One lane of a slot while a window is read."""

    kind: str

    def __init__(
        self,
        slot: SlotReader,
        at: Positions,
        accepts: Accepts,
        catalog: Catalog,
        chunk_points: int,
    ) -> None:
        self.name = f"{slot.name}/{self.kind}"
        self.facts: list[Fact] = []
        self.unknown = 0
        self.position = at[self.name] if self.name in at else self._first(slot)
        self._slot = slot
        self._accepts = accepts
        self._catalog = catalog
        self._chunk_points = chunk_points

    def read(self, stop: int | None) -> bool:
        """Read a chunk, at most up to position `stop`; False if there was nothing to read."""
        begin = self.position
        if stop is None or stop > begin:
            self._read(stop)
        return self.position > begin

    def _first(self, slot: SlotReader) -> int:
        raise NotImplementedError

    def _read(self, stop: int | None) -> None:
        raise NotImplementedError

    def _wanted_run(self, series: SeriesKey) -> str | None:
        for name, value in series.dimensions:
            if name == "run_id":
                return value if self._accepts(value) else None
        return None

    def _add(
        self,
        run_id: str,
        series: SeriesKey,
        time_ns: int,
        value: float,
        step: int | None = None,
        metadata: str | None = None,
    ) -> None:
        order = len(self.facts)
        self.facts.append(
            Fact(run_id, time_ns, self.name, order, series, float(value), step, metadata)
        )


class _PointsLane(_Lane):
    kind = "points"

    def _first(self, slot: SlotReader) -> int:
        return slot.first_points()

    def _read(self, stop: int | None) -> None:
        room = self._chunk_points if stop is None else stop - self.position
        batch = self._slot.points(self.position, min(self._chunk_points, room))
        self.position = batch.end
        identifiers = batch.series.tolist()
        wanted: dict[int, tuple[str, SeriesKey]] = {}
        for identifier in set(identifiers):
            series = self._slot.series(identifier)
            if series is None:
                self.unknown += identifiers.count(identifier)
            elif (run_id := self._wanted_run(series)) is not None:
                wanted[identifier] = (run_id, series)
        if not wanted:
            return
        columns = (batch.time_ns.tolist(), batch.value.tolist(), batch.step.tolist())
        for identifier, time_ns, value, step in zip(identifiers, *columns, strict=True):
            if (found := wanted.get(identifier)) is not None:
                self._add(*found, time_ns, value, None if step == NO_STEP else step)


class _EventsLane(_Lane):
    kind = "events"

    def _first(self, slot: SlotReader) -> int:
        return slot.first_events()

    def _read(self, stop: int | None) -> None:
        batch = self._slot.events(self.position, limit_bytes=_CHUNK_BYTES, stop=stop)
        # What was there once and is not there now is lost, and must not hold up the rest.
        found = batch.end > self.position
        self.position = batch.end if found or stop is None else stop
        for event in batch.records:
            if event.table not in (POINTS.name, INTERVALS.name):
                continue
            series = self._slot.series(event.series)
            if series is None:
                self.unknown += 1
            elif (run_id := self._wanted_run(series)) is not None:
                self._take(run_id, series, event)

    def _take(self, run_id: str, series: SeriesKey, event: Event) -> None:
        columns = event.columns
        if event.table == POINTS.name:
            details = (columns.get("step"), columns.get("metadata"))
            self._add(run_id, series, event.time_ns, columns["value"], *details)
        else:
            end_ns = event.time_ns + round(columns["interval_s"] * 1e9)
            self._add(run_id, series, end_ns, self._interval_value(series, columns))

    def _interval_value(self, series: SeriesKey, columns: dict[str, Any]) -> float:
        try:
            combine = self._catalog.resolve(series.metric).combined_by
        except TidegaugeError:  # gone from the catalogue since
            combine = Combine.MEAN
        if combine is Combine.MEAN:
            return float(columns["sum"]) / int(columns["count"])
        return float(columns[combine.value])


def _count(lanes: list[_Lane]) -> int:
    return sum(len(lane.facts) for lane in lanes)


def _window(at: Positions, lanes: list[_Lane], *, is_last: bool) -> Window:
    return Window(
        end={**at, **{lane.name: lane.position for lane in lanes}},
        facts=[fact for lane in lanes for fact in lane.facts],
        unknown=sum(lane.unknown for lane in lanes),
        is_last=is_last,
    )
