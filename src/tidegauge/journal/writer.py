# SPDX-License-Identifier: Apache-2.0
"""The one entrance to the journal: from facts to a slot, whatever becomes of the slot.

One writer serves all threads of a process. It takes a slot when the first fact comes, and another
one after a fork or when the directory was deleted.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from tidegauge.journal.events import Batch, Record, decode_facts, encode
from tidegauge.journal.layout import MAX_SEGMENT_SLOTS, step_code
from tidegauge.journal.points import CLOSED, Here
from tidegauge.journal.refusal import Cooldown, Refused, refusal_of
from tidegauge.journal.series import SeriesLogFull, Vector
from tidegauge.journal.slot import slot_bytes, slot_directories, sync_slot
from tidegauge.journal.tenure import Fact, Tenure
from tidegauge.model import loading as _loading  # noqa: F401  (its hooks come before ours)
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import ConfigError, StoreError
from tidegauge.model.reasons import REASONS
from tidegauge.model.series import SeriesKey

__all__ = ["BUDGET_BYTES", "SEGMENT_SLOTS", "JournalWriter", "journal_bytes"]

BUDGET_BYTES = 1 << 30
SEGMENT_SLOTS = 65_536

P = ParamSpec("P")
R = TypeVar("R")


def _alone(
    method: Callable[Concatenate[JournalWriter, P], R],
) -> Callable[Concatenate[JournalWriter, P], R]:
    """Run a method under the lock, and never inside another one of the same thread.

    A signal handler or a destructor that records may interrupt the journal itself, half-way
    through changing its files. It cannot wait for what it interrupts, so its fact is refused.
    """

    @functools.wraps(method)
    def call(self: JournalWriter, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            if self._busy:
                raise _interrupting()
            self._busy = True
            try:
                return method(self, *args, **kwargs)
            finally:
                self._busy = False

    return call


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

    Raises:
        ConfigError: `segment_slots` is out of range.
    """

    __slots__ = (
        "__weakref__",
        "_budget_bytes",
        "_busy",
        "_clock",
        "_cooldown",
        "_drops",
        "_ended",
        "_forget",
        "_segment_slots",
        "_tenure",
        "_unsaved",
        "generation",
        "here",
        "lock",
        "root",
    )

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
        self._segment_slots = _checked_slots(segment_slots)
        self._clock = clock
        self._forget = forget
        self._reset()
        _writers.add(self)

    def _reset(self) -> None:
        self.here: Here = CLOSED
        self.generation += 1
        self.lock = threading.RLock()
        self._busy = False
        self._cooldown = Cooldown(self._clock)
        self._tenure: Tenure | None = None
        # Slots given up while a call may still have been writing a point there.
        self._ended: list[Tenure] = []
        # Facts whose files were deleted, to be written again.
        self._unsaved: list[Fact] = []
        # Facts dropped and not yet counted on disk.
        self._drops = dict.fromkeys(REASONS, 0)

    @_alone
    def relocate(self, root: Path, *, budget_bytes: int, segment_slots: int) -> None:
        """Write to another journal from now on.

        Raises:
            ConfigError: `segment_slots` is out of range.
        """
        self._segment_slots = _checked_slots(segment_slots)
        self._give_up()
        self.root = root
        self._budget_bytes = budget_bytes
        self._cooldown.end()
        self._tidy()

    @_alone
    def open(self) -> None:
        """Take a slot, if there is none yet. Every writing call does so by itself.

        Raises:
            StorePermissionError: The journal does not admit this user.
            Refused: The journal cannot be created.
        """
        self._open()

    @_alone
    def series_id(self, key: SeriesKey) -> int:
        """The id under which points of a series are written, valid for this `generation`.

        Raises:
            Refused: The journal cannot take a new series.
        """
        return self._persistently(self._series_id, key)

    @_alone
    def vector_id(self, keys: Sequence[SeriesKey]) -> int:
        """The id of several series that are recorded together; see `put_batch`.

        Raises:
            Refused: The journal cannot take a new series.
        """
        return self._persistently(self._vector_id, keys)

    @_alone
    def put_point(
        self, key: SeriesKey, value: float, *, time_ns: int | None = None, step: int | None = None
    ) -> None:
        """Write one point, now unless a time is given.

        Raises:
            Refused: The journal cannot take it.
        """
        time_ns = self._clock.wall_ns() if time_ns is None else time_ns
        second = time_ns if step is None else time_ns ^ step_code(step)
        self._persistently(self._put_point, key, value, time_ns, second)

    @_alone
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
        self._persistently(self._put_event, table, key, time_ns, columns)

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
        payload = encode(("b", time_ns, vector, step, values))
        return self.put_payload(payload, generation, len(values))

    def put_payload(self, payload: bytes, generation: int, count: int) -> bool:
        """The same for the payload of a batch with `count` values, or of a row."""
        # `_alone`, written out: this is the hot path of a batch.
        with self.lock:
            if self._busy:
                raise _interrupting()
            tenure = self._tenure
            if tenure is None or generation != self.generation:
                return False
            self._busy = True
            try:
                tenure.events.put(payload, count)
            except _Deleted:
                again = tenure.with_keys(decode_facts(payload))
                self._begin_anew()
                self._put_again(again)
            finally:
                self._busy = False
            return True

    def count_drop(self, reason: str, count: int = 1) -> None:
        """Count facts as dropped; in memory for as long as no slot can be had."""
        with self.lock:
            self._drops[reason] += count
            if not self._busy:
                self._busy = True
                try:
                    self._count_drops()
                finally:
                    self._busy = False

    @_alone
    def forget_drops(self) -> None:
        """Forget what was dropped and could not be counted in any journal."""
        self._drops = dict.fromkeys(REASONS, 0)

    def count_fixed(self, count: int = 1) -> None:
        """Count facts, just written, whose names were fixed."""
        with self.lock:
            if count and self._tenure is not None:
                self._tenure.slot.state["fixed_names"] += count

    @_alone
    def tick(self) -> None:
        """Do what must be done now and then: settle slots given up, notice a deleted directory."""
        self._count_drops()
        if self._tenure is not None:
            if self._tenure.look():
                self._tenure.points.settle()
            else:
                self._begin_anew()
        self._tidy()

    def sync(self) -> None:
        """Have the operating system write everything to the disk, against a loss of power."""
        with self.lock:
            directory = None if self._tenure is None else self._tenure.slot.directory
        if directory is not None:
            sync_slot(directory)

    def close(self, timeout_s: float = 1.0) -> None:
        """Give the slot back; the writer takes another one if more facts come.

        If a thread is in the middle of a record call for all of `timeout_s`, the slot stays
        taken until a later tick or the end of the process, so that nobody else writes where that
        thread may.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        self._close()
        # Not under the lock: the calls that are waited for may be waiting for it.
        while self._has_ended() and self._clock.monotonic_s() < deadline_s:
            threading.Event().wait(0.001)

    def after_fork(self) -> None:
        """Leave the parent's slot to the parent. To be called in the child, before it records."""
        tenures = [*self._ended, *([self._tenure] if self._tenure is not None else [])]
        self._reset()
        for tenure in tenures:
            tenure.release()

    @property
    def slot_name(self) -> str | None:
        """Name of the slot in use."""
        return None if self._tenure is None else self._tenure.slot.directory.name

    # What follows is called by the above only: under the lock, and alone.

    def _open(self) -> Tenure:
        if self._tenure is None:
            self._cooldown.check()
            try:
                tenure = Tenure(
                    self.root,
                    segment_slots=self._segment_slots,
                    allow=self._allow,
                    clock=self._clock,
                )
            except OSError as error:
                raise self._cooldown.begin(refusal_of(error, self.root)) from error
            self._cooldown.end()
            self._forget()
            self._tenure = tenure
            self.here = tenure.points.here
            self._count_drops()
        return self._tenure

    def _series_id(self, key: SeriesKey) -> int:
        return self._open().series.id_of(key)

    def _vector_id(self, keys: Sequence[SeriesKey]) -> int:
        series = self._open().series
        return series.id_of(Vector(tuple(series.id_of(key) for key in keys)))

    def _put_point(self, key: SeriesKey, value: float, time_ns: int, second: int) -> None:
        tenure = self._open()
        try:
            tenure.points.put(tenure.series.id_of(key), value, time_ns, second)
        finally:
            self.here = tenure.points.here

    def _put_event(
        self, table: str, key: SeriesKey, time_ns: int, columns: dict[str, object]
    ) -> None:
        tenure = self._open()
        tenure.events.put(encode(Record(table, time_ns, tenure.series.id_of(key), columns)))

    def _persistently(self, put: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Put a fact, into another slot if this one turns out to be deleted or worn out."""
        try:
            return put(*args, **kwargs)
        except (_Deleted, SeriesLogFull):
            self._begin_anew()
            return put(*args, **kwargs)

    def _count_drops(self) -> None:
        if self._tenure is None and any(self._drops.values()):
            with contextlib.suppress(StoreError):
                self._open()  # which counts them
        if self._tenure is not None:
            for reason, count in self._drops.items():
                if count:
                    self._tenure.slot.state.add_drop(reason, count)
                    self._drops[reason] -= count  # a signal handler may have added to it

    def _allow(self, more_bytes: int) -> None:
        """Raise if the journal may not grow. Called before every new segment."""
        if self._tenure is not None and not self._tenure.look():
            raise _Deleted("deleted", "the journal was deleted", got=str(self.root))
        used_bytes = journal_bytes(self.root)
        if used_bytes + more_bytes > self._budget_bytes:
            raise Refused(
                "budget",
                "the journal has used up its byte budget",
                got=f"{used_bytes} of {self._budget_bytes} bytes",
                fix="Run `tidegauge status` to see which follower is behind, or `tidegauge drain`.",
            )

    @_alone
    def _close(self) -> None:
        if self._tenure is not None and not self._tenure.look():
            self._begin_anew()
        self._count_drops()
        self._give_up()
        self._tidy()

    @_alone
    def _has_ended(self) -> bool:
        self._tidy()
        return bool(self._ended)

    def _give_up(self) -> None:
        """Let the present slot go as soon as nobody can be writing there."""
        self.here = CLOSED
        self.generation += 1
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            tenure.end()
            self._ended.append(tenure)

    def _begin_anew(self) -> None:
        """Go on in another slot."""
        self._give_up()
        self._tidy()

    def _tidy(self) -> None:
        """Release the slots given up, and write again what was in them when they were deleted."""
        for tenure in [tenure for tenure in self._ended if tenure.is_quiet()]:
            if not tenure.look():
                self._unsaved += tenure.facts_since_look()
            tenure.release()
            self._ended.remove(tenure)
        unsaved, self._unsaved = self._unsaved, []
        while unsaved:
            try:
                self._put_again(unsaved[-1])
            except (OSError, StoreError):
                self._unsaved += unsaved
                return
            unsaved.pop()

    def _put_again(self, fact: Fact) -> None:
        if len(fact) == 4:
            self._put_point(*fact)
            return
        key, event = fact
        if isinstance(event, Record):
            assert isinstance(key, SeriesKey)
            self._put_event(event.table, key, event.time_ns, event.columns)
        else:
            assert isinstance(key, list)
            again = Batch(event.time_ns, self._vector_id(key), event.step, event.values)
            self._open().events.put(encode(again), len(event.values))


class _Deleted(Refused):
    """The files of the present slot are gone."""


def journal_bytes(root: Path) -> int:
    """Room that the files of the journal at `root` take on the disk."""
    return sum(slot_bytes(directory) for directory in slot_directories(root))


_writers: weakref.WeakSet[JournalWriter] = weakref.WeakSet()
_held = threading.local()


def _before_fork() -> None:
    """Fork between calls: a child of half a call would keep files that nobody can close."""
    _held.locks = [writer.lock for writer in sorted(_writers, key=id)]
    for lock in _held.locks:
        lock.acquire()


def _after_fork() -> None:
    for lock in _held.locks:
        lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _checked_slots(segment_slots: int) -> int:
    if 1 <= segment_slots <= MAX_SEGMENT_SLOTS:
        return segment_slots
    raise ConfigError(
        "a segment cannot have so many slots",
        got=segment_slots,
        allowed=f"1 to {MAX_SEGMENT_SLOTS}",
        fix=f"Leave it at the default of {SEGMENT_SLOTS}.",
    )


def _interrupting() -> Refused:
    return Refused(
        "internal",
        "a fact was recorded in the middle of the journal's own work",
        fix="Do not record in signal handlers and destructors.",
    )
