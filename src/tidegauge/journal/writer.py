# SPDX-License-Identifier: Apache-2.0
"""The one entrance to the journal: a slot with its lanes, counters and budget.

One writer serves all threads of a process. It opens its slot when the first fact comes, and again
after a fork or after the directory was deleted.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tidegauge.journal.drops import DropCounters
from tidegauge.journal.events import Batch, EventLane, Record
from tidegauge.journal.layout import EVENTS_MAGIC, HEADER_BYTES, POINTS_MAGIC, step_code
from tidegauge.journal.points import CLOSED, Here, PointLane
from tidegauge.journal.segment import Allocator, Refused
from tidegauge.journal.series import SeriesLog, Vector
from tidegauge.journal.slot import Slot, slot_directories
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import StoreError
from tidegauge.model.series import SeriesKey

__all__ = ["BUDGET_BYTES", "SEGMENT_SLOTS", "JournalWriter", "journal_bytes"]

BUDGET_BYTES = 1 << 30
SEGMENT_SLOTS = 65_536
_EVENTS_BYTES = 4 << 20
_RETRY_S = 1.0


class JournalWriter:
    """Writes facts to the slot that this process owns in the journal at `root`.

    Args:
        root: `<store>/journal`; created when needed.
        budget_bytes: Most bytes that all files of the journal may take together.
        segment_slots: Points per segment.
        clock: Where the time comes from.
        forget: Called whenever ids handed out before stop being valid, and before `here` leads
            to where they would be wrong.

    Attributes:
        root: The journal's directory.
        here: Where the next point goes; see `tidegauge.journal.points.Here`. Whoever packs points
            reads it before the series id that goes with it.
        generation: Changes whenever ids handed out before stop being valid.
        lock: Held by every call here; reentrant. Hold it to use an id before it can go stale.
    """

    __slots__ = (
        "_budget_bytes",
        "_checked",
        "_clock",
        "_drops",
        "_events",
        "_forget",
        "_points",
        "_refusal",
        "_segment_slots",
        "_series",
        "_slot",
        "_unwritten_drops",
        "generation",
        "here",
        "lock",
        "root",
    )

    _drops: DropCounters
    _events: EventLane
    _points: PointLane
    _series: SeriesLog

    def __init__(
        self,
        root: Path,
        *,
        budget_bytes: int = BUDGET_BYTES,
        segment_slots: int = SEGMENT_SLOTS,
        clock: Clock = SYSTEM_CLOCK,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = root
        self.generation = 0
        self._budget_bytes = budget_bytes
        self._segment_slots = segment_slots
        self._clock = clock
        self._forget = forget
        self._reset()

    def relocate(self, root: Path, *, budget_bytes: int, segment_slots: int) -> None:
        """Write to another journal from now on."""
        with self.lock:
            self.close()
            self.root = root
            self._budget_bytes = budget_bytes
            self._segment_slots = segment_slots
            self._refusal = None

    def _reset(self) -> None:
        self.here: Here = CLOSED
        self.generation += 1
        # Reentrant: a signal handler may record while its own thread is inside.
        self.lock = threading.RLock()
        self._slot: Slot | None = None
        self._refusal: tuple[float, Exception] | None = None
        self._unwritten_drops: Counter[str] = Counter()
        # Offsets up to which everything was on disk when last looked; see `tick`.
        self._checked = (HEADER_BYTES, HEADER_BYTES)

    def open(self) -> None:
        """Take a slot, if there is none yet. Every writing call does so by itself.

        Raises:
            StorePermissionError: The journal does not admit this user.
            Refused: The journal cannot be created.
        """
        with self.lock:
            if self._slot is not None:
                return
            now_s = self._clock.monotonic_s()
            if self._refusal is not None and now_s < self._refusal[0]:
                raise self._refusal[1]
            try:
                self._take_slot()
            except (OSError, Refused) as error:
                failure = error if isinstance(error, StoreError) else _unavailable(self.root, error)
                self._refusal = (now_s + _RETRY_S, failure.with_traceback(None))
                raise failure from error
            for reason, count in self._unwritten_drops.items():
                self._drops.add(reason, count)
            self._unwritten_drops.clear()

    def _take_slot(self) -> None:
        slot = Slot.take(self.root)
        try:
            directory = slot.directory
            self._drops = DropCounters(directory)
            self._series = SeriesLog(directory)
            self._points = PointLane(
                directory,
                self._allocator(directory, "points", POINTS_MAGIC),
                slots=self._segment_slots,
            )
            self._events = EventLane(
                directory,
                self._allocator(directory, "events", EVENTS_MAGIC),
                capacity_bytes=_EVENTS_BYTES,
            )
        except BaseException:
            slot.release()
            raise
        self._forget()
        self._slot = slot
        self._checked = (self._points.offset(), self._events.offset())
        self.here = self._points.here

    def _allocator(self, directory: Path, lane: str, magic: bytes) -> Allocator:
        return Allocator(directory, lane, magic, allow=self._allow, clock=self._clock)

    def series_id(self, key: SeriesKey) -> int:
        """The id under which points of a series are written, valid for this `generation`.

        Raises:
            Refused: The journal cannot take a new series.
        """
        with self.lock:
            self.open()
            return self._series.id_of(key)

    def vector_id(self, keys: Sequence[SeriesKey]) -> int:
        """The id of several series that are recorded together; see `put_batch`.

        Raises:
            Refused: The journal cannot take a new series.
        """
        with self.lock:
            self.open()
            return self._series.id_of(Vector(tuple(self._series.id_of(key) for key in keys)))

    def put_point(
        self, key: SeriesKey, value: float, *, time_ns: int | None = None, step: int | None = None
    ) -> None:
        """Write one point, now unless a time is given.

        Raises:
            Refused: The journal cannot take it.
        """
        time_ns = self._clock.wall_ns() if time_ns is None else time_ns
        second = time_ns if step is None else time_ns ^ step_code(step)
        with self.lock:
            self.open()
            self._put_point(key, value, time_ns, second)

    def put_event(
        self, table: str, key: SeriesKey, time_ns: int, columns: dict[str, object]
    ) -> None:
        """Write one record of a table.

        Args:
            table: Name of the table.
            key: Its metric (empty if the table has none), dimensions and labels.
            time_ns: When it happened.
            columns: The table's own columns and `metadata`, as msgpack can carry them.

        Raises:
            Refused: The journal cannot take it.
        """
        with self.lock:
            self.open()
            self._events.put(Record(table, time_ns, self._series.id_of(key), columns))

    def put_batch(
        self, vector: int, generation: int, values: list[float], time_ns: int, step: int | None
    ) -> bool:
        """Write one value for each series of a vector, all or none.

        Args:
            vector: From `vector_id`.
            generation: The `generation` at which the vector's id was handed out.
            values: In the vector's order.
            time_ns: When it happened.
            step: Training step, if there is one.

        Returns:
            False, with nothing written, if the id is no longer valid.

        Raises:
            Refused: The journal cannot take it.
        """
        with self.lock:
            if generation != self.generation:
                return False
            self._events.put(Batch(time_ns, vector, step, values))
            return True

    def count_drop(self, reason: str, count: int = 1) -> None:
        """Count facts as dropped; in memory until there is a slot to write it to."""
        with self.lock:
            if self._slot is None:
                self._unwritten_drops[reason] += count
            else:
                self._drops.add(reason, count)

    def tick(self) -> None:
        """Do what must be done now and then: settle slots given up, notice a deleted directory."""
        with self.lock:
            if self._slot is None:
                return
            if self._is_deleted():
                self._begin_anew()
            else:
                self._points.settle()
                self._checked = (self._points.offset(), self._events.offset())

    def sync(self) -> None:
        """Have the operating system write everything to the disk, against a loss of power."""
        with self.lock:
            segments = () if self._slot is None else (self._points.segment, self._events.segment)
        for segment in segments:
            if segment is not None:
                segment.buffer.flush()

    def close(self, timeout_s: float = 1.0) -> None:
        """Give the slot back; the writer takes another one if more facts come.

        If a thread is in the middle of a record call for all of `timeout_s`, the slot stays
        taken until the process ends, so that nobody else writes where that thread may.
        """
        with self.lock:
            self.here = CLOSED
            self.generation += 1
            slot, self._slot = self._slot, None
            if slot is None:
                return
            deadline_s = self._clock.monotonic_s() + timeout_s
            while not (quiet := self._points.close()) and self._clock.monotonic_s() < deadline_s:
                threading.Event().wait(0.001)
            self._series.close()
            if quiet:
                slot.release()

    def after_fork(self) -> None:
        """Leave the parent's slot to the parent. To be called in the child, before it records."""
        slot = self._slot
        self._reset()
        if slot is not None:
            slot.release()
            self._series.close()

    @property
    def slot_name(self) -> str | None:
        """Name of the slot in use."""
        return None if self._slot is None else self._slot.directory.name

    def _put_point(self, key: SeriesKey, value: float, time_ns: int, second: int) -> None:
        self._points.put(self._series.id_of(key), value, time_ns, second)
        self.here = self._points.here

    def _allow(self, more_bytes: int) -> None:
        used_bytes = journal_bytes(self.root)
        if used_bytes + more_bytes > self._budget_bytes:
            raise Refused(
                "budget",
                "the journal has used up its byte budget",
                got=f"{used_bytes} of {self._budget_bytes} bytes",
                fix="Run `tidegauge status` to see which follower is behind, or `tidegauge drain`.",
            )

    def _is_deleted(self) -> bool:
        return any(
            segment is not None and not segment.is_on_disk()
            for segment in (self._points.segment, self._events.segment)
        )

    def _begin_anew(self) -> None:
        """Go on after the directory was deleted: what came since the last look is written again."""
        points = self._points.facts_since(self._checked[0])
        events = self._events.facts_since(self._checked[1])
        known = self._series.keys
        self.close()
        self.open()
        for series, value, time_ns, second in points:
            if isinstance(key := known.get(series), SeriesKey):
                self._put_point(key, value, time_ns, second)
        for fact in events:
            if isinstance(fact, Batch):
                if isinstance(vector := known.get(fact.vector), Vector):
                    keys = [key for each in vector.series if isinstance(key := known[each], SeriesKey)]
                    self._events.put(Batch(fact.time_ns, self.vector_id(keys), fact.step, fact.values))
            elif isinstance(key := known.get(fact.series), SeriesKey):
                self.put_event(fact.table, key, fact.time_ns, fact.columns)


def journal_bytes(root: Path) -> int:
    """Room that the files of the journal at `root` take on the disk."""
    total = 0
    for directory in slot_directories(root):
        for file in directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # freed in this moment
                total += file.stat().st_blocks * 512
    return total


def _unavailable(root: Path, error: Exception) -> Refused:
    return Refused(
        "unavailable",
        f"the journal cannot be opened ({error})",
        got=str(root),
        fix="Check that the directory exists and that this user may write it.",
    )
