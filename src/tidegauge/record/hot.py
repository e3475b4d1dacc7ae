# SPDX-License-Identifier: Apache-2.0
"""The hot path: the few functions that run once per fact. Everything rare is in `recorder`.

They are closures because a closure's variable is the cheapest thing to read in CPython, and they
repeat three lines instead of sharing a function because a call costs as much as the three lines
(measured by bench/record.py: 0.03 µs of 0.2 µs). What they rely on:

- `writer.here` is read before a series id, see `JournalWriter`. A stale id therefore never meets
  a new segment.
- An offset is taken by a `for` loop that is left in its first turn, see `Here`: one step of an
  iterator in C, which the GIL makes atomic and after which nothing can come before the packing.
  The loop does not begin when the segment is full.
- The chained range check also refuses NaN and infinities, for which both comparisons are false.
- Only floats and ints pass by their exact class, so a bool, a str or an array never does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta

from tidegauge.catalog.validation import STEP_MAX, STEP_MIN
from tidegauge.journal.events import encode
from tidegauge.journal.layout import ALL_BITS, STEP_FACTOR, STEP_OFFSET, pack_point
from tidegauge.journal.points import packs_points
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import StoreError
from tidegauge.model.times import TimeLike

__all__ = ["Binding", "Caches", "Hot", "Record", "SlowPath", "compile_hot"]

#: What encoding and checking a batch may raise, and the journal. Not every exception: one that a
#: signal handler raises in the middle is for the program, and what was written is not repeated.
NOT_PLAIN = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    UnicodeError,
    msgspec.MsgspecError,
    StoreError,
)
_INFINITY = float("inf")
_MOST_KNOWN = 100_000
_MOST_KNOWN_TO_A_HANDLE = 1_000
_NOWHERE: Iterator[int] = iter(())


class Caches:
    """What the hot path knows by heart. Emptied when ids or specs stop being valid.

    Attributes:
        known: By metric name as written in the call, then for each label in the order of the call
            by its name and by its value, then by context: min, max (inclusive and finite) and
            series id. Walking down takes half as long as building one key of it all
            (bench/record.py: 0.13 µs less with two labels).
        batches: By the names of a batch: what raises if a payload of theirs is not allowed, and
            per context the vector's id and its generation.
        bound: What makes a handle's record function forget, for as long as the function lives.
    """

    __slots__ = ("_size", "batches", "bound", "known")

    def __init__(self) -> None:
        self.known: dict[str, dict[object, Any]] = {}
        self._size = 0
        self.batches: dict[
            tuple[str, ...], tuple[Callable[[bytes], object], dict[object, tuple[int, int]]]
        ] = {}
        self.bound: WeakKeyDictionary[Record, Callable[[], None]] = WeakKeyDictionary()

    def learn(
        self,
        name: str,
        labels: Mapping[str, object],
        context: object,
        found: tuple[float, float, int],
    ) -> None:
        """Remember min, max and id of a series. Called under the writer's lock."""
        self._make_room()
        node = self.known.setdefault(name, {})
        for label, value in labels.items():
            node = node.setdefault(label, {}).setdefault(value, {})
        node[context] = found
        self._size += 1

    def learn_batch(
        self,
        names: tuple[str, ...],
        limits: Sequence[tuple[float, float]],
        context: object,
        found: tuple[int, int],
    ) -> None:
        """Remember the vector of a batch and its generation. Called under the writer's lock."""
        self._make_room()
        if names not in self.batches:
            self.batches[names] = payload_check(limits), {}
        self.batches[names][1][context] = found
        self._size += 1

    def clear(self) -> None:
        """Forget everything. Called under the writer's lock."""
        self.known.clear()
        self.batches.clear()
        self._size = 0
        for forget in list(self.bound.values()):
            forget()

    def _make_room(self) -> None:
        if self._size >= _MOST_KNOWN:
            self.known.clear()
            self.batches.clear()
            self._size = 0


class SlowPath(Protocol):
    """Where a call goes when the hot path cannot finish it; nothing of it was recorded yet."""

    def one(
        self,
        name: str,
        value: object,
        step: int | None,
        time: TimeLike | None,
        labels: Mapping[str, object],
    ) -> None:
        """Check and record one fact, and remember what the hot path needs for the next."""

    def many(self, metrics: Mapping[str, object], step: int | None) -> None:
        """The same for a batch."""


class Record(Protocol):
    """The type of a handle's `record`."""

    def __call__(self, value: float, step: int | None = None, time: TimeLike | None = None) -> None:
        """Record one value; see `tidegauge.log_metric`."""


class Binding(NamedTuple):
    """The record function of a handle, and what teaches it.

    Attributes:
        record: What the user calls.
        learn: `learn(lo, hi, context, series)` makes the next call in that context fast.
    """

    record: Record
    learn: Callable[[float, float, object, int], None]


class Hot(NamedTuple):
    """The compiled functions of one recorder.

    Attributes:
        log_metric: See `tidegauge.log_metric`.
        log_metrics: See `tidegauge.log_metrics`.
        bind: Builds the record function of a handle from the one that does it the careful way.
        set_context: Replaces the function that tells the context in force.
    """

    log_metric: LogMetric
    log_metrics: LogMetrics
    bind: Callable[[Record], Binding]
    set_context: Callable[[Callable[[], object]], None]


class LogMetric(Protocol):
    """The type of `tidegauge.log_metric`."""

    def __call__(
        self,
        name: str,
        value: float,
        *,
        step: int | None = None,
        time: TimeLike | None = None,
        **labels: object,
    ) -> None:
        """Record one value."""


class LogMetrics(Protocol):
    """The type of `tidegauge.log_metrics`."""

    def __call__(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record several values."""


def payload_check(limits: Sequence[tuple[float, float]]) -> Callable[[bytes], object]:
    """What raises for the payload of a batch with a step or a value that is not allowed.

    Decoding what was just encoded looks like a detour. Yet it checks the types and the bounds of
    ten values in the time that a loop here needs for five (bench/record.py).

    Args:
        limits: Min and max of each value, inclusive and finite: NaN and infinities are refused.
    """
    values: Any = tuple[tuple(Annotated[float, Meta(ge=lo, le=hi)] for lo, hi in limits)]  # type: ignore[misc]
    step = Annotated[int, Meta(ge=STEP_MIN, le=STEP_MAX)] | None
    return msgspec.msgpack.Decoder(tuple[str, int, int, step, values]).decode


def compile_hot(  # noqa: C901, PLR0915  (one closure per kind of call)
    writer: JournalWriter,
    caches: Caches,
    slow: SlowPath,
    *,
    context: Callable[[], object],
    now: Callable[[], int],
) -> Hot:
    """Build the hot path of a recorder.

    Args:
        writer: Where points go.
        caches: What is known; filled by `slow`.
        slow: Takes over whatever is not known or not plain.
        context: Tells the context in force; its result is compared by identity.
        now: Wall clock in nanoseconds.
    """
    known, batches = caches.known, caches.batches
    pack = pack_point

    def set_context(replacement: Callable[[], object]) -> None:
        nonlocal context
        context = replacement

    def log_metric(
        name: str,
        value: float,
        *,
        step: int | None = None,
        time: TimeLike | None = None,
        **labels: object,
    ) -> None:
        """Record one value of a metric.

        Safe on disk when it returns: killing the process loses nothing. Never waits for the
        network, a database or another process, and in lenient mode never raises.

        Args:
            name: Full name (`usage:reply_rate`), or a bare name or alias that only one metric has.
            value: A finite number within the metric's min and max, in the metric's unit. Numpy
                and torch scalars are accepted; a bool, NaN or infinity is refused.
            step: Training step, a whole number of 48 bits.
            time: When it happened, if not now: a datetime, ISO 8601 text, or seconds since 1970.
            labels: Dimensions (`model`, `model_version`, `experiment`, `run_id`, `service`,
                `environment`) and any other labels.

        Raises:
            MetricValidationError: In strict mode, for a name, value, label, step or time that is
                not allowed. In lenient mode the fact is dropped, counted and logged instead.

        Example:
            >>> import tidegauge as tg
            >>> tg.log_metric("reply_rate", 0.1523)
            >>> tg.log_metric("model:accuracy", 0.91, step=3, model="fraud")
        """
        try:
            offsets, buffer = writer.here
            node = known[name]
            if labels:
                for label in labels:
                    node = node[label][labels[label]]
            lo, hi, series = node[context()]
            if (
                time is None
                and (value.__class__ is float or value.__class__ is int)
                and value >= lo
                and value <= hi
            ):
                if step is None:
                    t = now()
                    for i in offsets:
                        pack(buffer, i, value, t, t, value, series, i)
                        return
                elif step.__class__ is int and STEP_MIN <= step <= STEP_MAX:
                    # `step_code`, written out.
                    second = (t := now()) ^ (step * STEP_FACTOR + STEP_OFFSET & ALL_BITS)
                    for i in offsets:
                        pack(buffer, i, value, t, second, value, series, i)
                        return
        except (KeyError, TypeError):
            pass  # not seen before, or not hashable
        # That, or not plain, or the segment is full.
        slow.one(name, value, step, time, labels)

    def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record several values at one moment, all or none of them.

        Args:
            metrics: Metric name to value, as for `log_metric`.
            step: Training step for all of them.

        Raises:
            MetricValidationError: In strict mode, if one of them is not allowed; nothing of the
                batch was recorded then. In lenient mode the others are recorded.

        Example:
            >>> import tidegauge as tg
            >>> tg.log_metrics({"usage:reply_rate": 0.1523, "model:accuracy": 0.8934}, step=1)
        """
        try:
            check, vectors = batches[tuple(metrics)]
            vector, generation = vectors[context()]
            values = [*metrics.values()]
            # An Enum's member is encoded as its value, but cannot be added up.
            sum(values)
            if step is not None and step.__class__ is not int:
                raise TypeError
            payload = encode(("b", now(), vector, step, values))
            check(payload)
            if writer.put_payload(payload, generation, len(values)):
                return
        except NOT_PLAIN:
            pass  # the slow path finds out what it is and tells
        slow.many(metrics, step)

    def bind(careful: Record) -> Binding:
        # Nothing lies between these bounds, so nothing passes before `learn`.
        lo, hi = _INFINITY, -_INFINITY
        ids: dict[object, int] = {}

        def record(value: float, step: int | None = None, time: TimeLike | None = None) -> None:
            """Record one value; see `tidegauge.log_metric`."""
            if (
                time is None
                and (value.__class__ is float or value.__class__ is int)
                and value >= lo
                and value <= hi
            ):
                offsets, buffer = writer.here
                try:
                    series = ids[context()]
                except KeyError:  # not seen in this context
                    series, offsets = 0, _NOWHERE
                if step is None:
                    t = now()
                    for i in offsets:
                        pack(buffer, i, value, t, t, value, series, i)
                        return
                elif step.__class__ is int and STEP_MIN <= step <= STEP_MAX:
                    # `step_code`, written out.
                    second = (t := now()) ^ (step * STEP_FACTOR + STEP_OFFSET & ALL_BITS)
                    for i in offsets:
                        pack(buffer, i, value, t, second, value, series, i)
                        return
            # Not plain, not seen before, or the segment is full.
            careful(value, step, time)

        def learn(new_lo: float, new_hi: float, context: object, series: int) -> None:
            nonlocal lo, hi
            lo, hi = new_lo, new_hi
            if len(ids) >= _MOST_KNOWN_TO_A_HANDLE:
                ids.clear()
            ids[context] = series

        def forget() -> None:
            nonlocal lo, hi
            lo, hi = _INFINITY, -_INFINITY
            ids.clear()

        packs_points(record)
        with writer.lock:
            caches.bound[record] = forget
        return Binding(record, learn)

    return Hot(packs_points(log_metric), log_metrics, bind, set_context)
