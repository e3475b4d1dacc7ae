# SPDX-License-Identifier: Apache-2.0
"""Handles that record one summary per interval instead of every value.

For values so frequent that even the journal is too much. The price is said plainly: killing the
process loses the interval that is open, never one that is closed.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple
from weakref import WeakSet

from tidegauge.catalog.validation import check_value
from tidegauge.model.errors import ConfigError, MetricValidationError, QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import INTERVALS
from tidegauge.model.times import TimeLike, parse_duration_s
from tidegauge.record.recorder import FAULTS, Recorder, bounds
from tidegauge.record.timing import Timer
from tidegauge.statistics.accumulator import Accumulator

__all__ = ["IntervalMetric", "flush_intervals"]

_SHORTEST_S, _LONGEST_S = 0.001, 365 * 86_400.0
_MOST_WAITING = 4096
_MOST_CONTEXTS = 1000
#: Handles with an open interval; held here, so that none is lost with a handle nobody keeps.
_open: set[IntervalMetric] = set()
_all: WeakSet[IntervalMetric] = WeakSet()
#: Whether the end of this process, if it is a child of `multiprocessing`, is taken care of.
_sees_its_end = False


class _Series(NamedTuple):
    """One series in the open interval.

    Attributes:
        waiting: Values that nobody had time to sort into buckets yet; `append` and `popleft` are
            atomic, so recording takes no lock.
        total: The others.
    """

    waiting: deque[float]
    total: Accumulator


class IntervalMetric:
    """A metric bound to labels that keeps count, sum, extremes and a histogram per interval.

    Intervals are aligned to the epoch, so those of several processes coincide. Thread-safe.

    Args:
        recorder: Records it.
        name: The metric, looked up with the first value.
        labels: Its labels.
        interval: Length of an interval: seconds, or a text such as `10s`; 1 ms to 365 days.

    Attributes:
        name: The metric's name as it was given.
        labels: The bound labels.
        interval_s: Length of an interval in seconds.

    Raises:
        ConfigError: The interval cannot be used.
    """

    def __init__(
        self, recorder: Recorder, name: str, labels: Mapping[str, object], interval: str | float
    ) -> None:
        self._recorder = recorder
        self.name = name
        self.labels = dict(labels)
        self.interval_s = _seconds(interval)
        self._interval_ns = round(self.interval_s * 1e9)
        # Of the writer, and what the bounds and `_waiting` are of: it changes with the settings.
        self._generation = -1
        self._lo = self._hi = 0.0
        self._begin_empty()
        _all.add(self)

    def record(self, value: float, step: int | None = None, time: TimeLike | None = None) -> None:
        """Add one value to the open interval; checked as by `tidegauge.log_metric`.

        Raises:
            MetricValidationError: In strict mode, as `tidegauge.log_metric`, or if a step or time
                is given, for which an interval has no place. In lenient mode the value is dropped,
                counted and logged instead.
        """
        recorder = self._recorder
        try:
            if not (
                step is None
                and time is None
                and self._generation == recorder.writer.generation
                and (value.__class__ is float or value.__class__ is int)
                and self._lo <= value <= self._hi
            ):
                value = self._checked(value, step, time)
            now_ns = recorder.now_ns()
            if not self._start_ns <= now_ns < self._end_ns:
                self._begin(now_ns)
            context = recorder.context()
            here = self._waiting
            waiting = here.get(context)
            if waiting is None:
                here, waiting = self._find(context)
            waiting.append(value)
            _open.add(self)  # after the value, so that no flush in between leaves it behind
            if self._waiting is not here:
                self._rescue(context, waiting)
            elif len(waiting) >= _MOST_WAITING:
                self._sum_up()
        except FAULTS as error:
            recorder.refuse(error, self.name)

    def timer(self) -> Timer:
        """Time a block, or every call of a function; see `tidegauge.timer`."""
        return Timer(self._recorder, self.name, self.record)

    def flush(self, *, due_only: bool = False) -> None:
        """Record what has been summed up so far; if `due_only`, only an interval that is over."""
        with self._lock:
            if due_only and self._recorder.now_ns() < self._end_ns:
                return
            self._write()

    def after_fork(self) -> None:
        """In a forked child: leave what the parent has gathered to the parent."""
        self._begin_empty()

    def _begin_empty(self) -> None:
        self._lock = threading.RLock()
        self._series: dict[SeriesKey, _Series] = {}
        # By context, for several contexts may be one series: labels of the handle replace theirs,
        # and beyond the metric's cap all are one. Replaced with each interval, never kept.
        self._waiting: dict[object, deque[float]] = {}
        self._start_ns = self._end_ns = 0

    def _begin(self, now_ns: int) -> None:
        _see_the_end()
        with self._lock:
            if not self._start_ns <= now_ns < self._end_ns:
                self._write()
                self._start_ns = now_ns // self._interval_ns * self._interval_ns
                self._end_ns = self._start_ns + self._interval_ns

    def _checked(self, value: object, step: int | None, time: TimeLike | None) -> float:
        """Check a value the careful way, and learn what makes it fast for the next."""
        recorder = self._recorder
        with recorder.writer.lock:  # else the settings may have changed by half
            generation = recorder.writer.generation
        spec = recorder.resolve(self.name)
        if step is not None or time is not None:
            raise _no_place(self.name, step)
        if generation != self._generation:
            with self._lock:
                self._waiting.clear()
                self._lo, self._hi = bounds(spec)
                self._generation = generation  # last, for `record` reads it first
        return check_value(spec, value)

    def _find(self, context: object) -> tuple[dict[object, deque[float]], deque[float]]:
        """Where the values of a context wait, and the dict that says so."""
        recorder, generation = self._recorder, self._generation
        spec = recorder.resolve(self.name)
        key, _ = recorder.key_of(spec, context, self.labels)  # refuses what is not allowed
        with self._lock:
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = _Series(deque(), Accumulator())
            if len(self._waiting) >= _MOST_CONTEXTS:
                self._waiting.clear()
            if generation == self._generation:
                self._waiting[context] = series.waiting
            return self._waiting, series.waiting

    def _rescue(self, context: object, waiting: deque[float]) -> None:
        """Take what came too late for an interval that was being written over into the next."""
        with self._lock:  # so that it has been written
            if values := _taken(waiting):
                self._find(context)[1].extend(values)
                _open.add(self)

    def _sum_up(self) -> None:
        with self._lock:
            for waiting, total in self._series.values():
                total.add_many(_taken(waiting))

    def _write(self) -> None:
        _open.discard(self)
        written, self._series = self._series, {}
        self._waiting = {}  # before the values are taken, see `record`
        recorder = self._recorder
        for key, (waiting, total) in written.items():
            try:
                total.add_many(_taken(waiting))
                if total.count:
                    columns = total.columns(self.interval_s)
                    recorder.writer.put_event(INTERVALS.name, key, self._start_ns, columns)
            except FAULTS as error:
                recorder.refuse(error, self.name)


def flush_intervals(*, due_only: bool = False) -> None:
    """Record the open intervals of every handle of this process."""
    for handle in list(_open):
        handle.flush(due_only=due_only)


def after_fork() -> None:
    """In a forked child: see `IntervalMetric.after_fork`."""
    global _sees_its_end  # noqa: PLW0603  (one per process)
    _sees_its_end = False
    for handle in list(_all):  # also one that another thread of the parent was just writing
        handle.after_fork()
    _open.clear()


def _see_the_end() -> None:
    """In a child of `multiprocessing`, have the open intervals recorded at its end.

    Such a child often ends without what `atexit` knows of. Other programs never import it here.
    """
    global _sees_its_end  # noqa: PLW0603  (one per process)
    if _sees_its_end:
        return
    _sees_its_end = True
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import process, util

        if process.parent_process() is not None:
            # After the program's own finalizers, which may record.
            util.Finalize(None, flush_intervals, exitpriority=-100)


def _taken(waiting: deque[float]) -> list[float]:
    return [waiting.popleft() for _ in range(len(waiting))]


def _seconds(interval: str | float) -> float:
    try:
        seconds = parse_duration_s(interval)
    except (QueryError, TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise ConfigError(
            "the length of an interval cannot be used",
            got=interval,
            allowed="a number of seconds, or a text such as '250ms', '10s', '5m', '1h'; from 1 ms "
            "to 365 days",
            fix="Write for example aggregate='10s'.",
        )
    return seconds


def _no_place(name: str, step: int | None) -> MetricValidationError:
    return MetricValidationError(
        f"metric {name!r} is recorded per interval, which has no step or time of its own",
        reason="bad_time" if step is None else "bad_step",
        allowed="a value alone",
        fix="Use a handle without aggregate=… for facts with a step or time.",
    )
