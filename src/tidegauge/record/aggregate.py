# SPDX-License-Identifier: Apache-2.0
"""Handles that record one summary per interval instead of every value.

For values so frequent that even the journal is too much. The price is said plainly: killing the
process loses the interval that is open, never one that is closed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from tidegauge.catalog.validation import check_value
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.tables import INTERVALS
from tidegauge.model.times import TimeLike
from tidegauge.record.recorder import Recorder, bounds
from tidegauge.record.timing import Timer, per_second
from tidegauge.statistics.accumulator import Accumulator

__all__ = ["IntervalMetric", "flush_intervals"]

_MOST_WAITING = 4096
#: Handles with an open interval; held here, so that none is lost with a handle nobody keeps.
_open: set[IntervalMetric] = set()


class IntervalMetric:
    """A metric bound to labels that keeps count, sum, extremes and a histogram per interval.

    Intervals are aligned to the epoch, so those of several processes coincide. Thread-safe.

    Attributes:
        name: The metric's name as it was given.
        labels: The bound labels.
        interval_s: Length of an interval in seconds.
    """

    def __init__(
        self, recorder: Recorder, name: str, labels: Mapping[str, object], interval_s: float
    ) -> None:
        self._recorder = recorder
        self.name = name
        self.labels = dict(labels)
        self.interval_s = interval_s
        self._interval_ns = round(interval_s * 1e9)
        self._lock = threading.RLock()
        # Values wait here until somebody has time to sort them into buckets; `append` and
        # `popleft` are atomic, so recording takes no lock.
        self._waiting: dict[object, deque[float]] = {}
        self._sums: dict[object, Accumulator] = {}
        self._start_ns = self._end_ns = 0

    def record(self, value: float, step: int | None = None, time: TimeLike | None = None) -> None:
        """Add one value to the open interval; checked as by `tidegauge.log_metric`.

        Raises:
            MetricValidationError: In strict mode, as `tidegauge.log_metric`; and always if a step
                or time is given, for which an interval has no place.
        """
        recorder = self._recorder
        try:
            _refuse_place(self.name, step, time)
            spec = recorder.resolve(self.name)
            lo, hi = bounds(spec)
            if not ((value.__class__ is float or value.__class__ is int) and lo <= value <= hi):
                value = check_value(spec, value)
            now_ns = recorder.now_ns()
            if not self._start_ns <= now_ns < self._end_ns:
                self._begin(now_ns)
            context = recorder.context()
            waiting = self._waiting.get(context)
            if waiting is None:
                recorder.key_of(spec, context, self.labels)  # refuses what is not allowed
                waiting = self._waiting.setdefault(context, deque())
            waiting.append(value)
            _open.add(self)  # after the value, so that no flush in between leaves it behind
            if len(waiting) >= _MOST_WAITING:
                self._sum_up()
        except Exception as error:  # noqa: BLE001  (a metric must never hurt its program)
            recorder.refuse(error, self.name)

    def timer(self) -> Timer:
        """Time a block, or every call of a function; see `tidegauge.timer`."""
        return Timer(self.record, per_second(self._recorder, self.name))

    def flush(self, *, due_only: bool = False) -> None:
        """Record what has been summed up so far; if `due_only`, only an interval that is over."""
        with self._lock:
            if due_only and self._recorder.now_ns() < self._end_ns:
                return
            self._write()

    def after_fork(self) -> None:
        """In a forked child: leave what the parent has gathered to the parent."""
        self._lock = threading.RLock()
        self._waiting, self._sums = {}, {}

    def _begin(self, now_ns: int) -> None:
        with self._lock:
            if not self._start_ns <= now_ns < self._end_ns:
                self._write()
                self._start_ns = now_ns // self._interval_ns * self._interval_ns
                self._end_ns = self._start_ns + self._interval_ns

    def _sum_up(self) -> None:
        with self._lock:
            for context, waiting in list(self._waiting.items()):
                values = [waiting.popleft() for _ in range(len(waiting))]
                if values:
                    self._sums.setdefault(context, Accumulator()).add_many(values)

    def _write(self) -> None:
        _open.discard(self)
        self._sum_up()
        sums, self._sums = self._sums, {}
        recorder = self._recorder
        for context, total in sums.items():
            try:
                key, _ = recorder.key_of(recorder.resolve(self.name), context, self.labels)
                columns = total.columns(self.interval_s)
                recorder.writer.put_event(INTERVALS.name, key, self._start_ns, columns)
            except Exception as error:  # noqa: BLE001  (a metric must never hurt its program)
                recorder.refuse(error, self.name)


def flush_intervals(*, due_only: bool = False) -> None:
    """Record the open intervals of every handle of this process."""
    for handle in list(_open):
        handle.flush(due_only=due_only)


def after_fork() -> None:
    """In a forked child: see `IntervalMetric.after_fork`."""
    for handle in list(_open):
        handle.after_fork()
    _open.clear()


def _refuse_place(name: str, step: int | None, time: TimeLike | None) -> None:
    if step is not None or time is not None:
        raise MetricValidationError(
            f"metric {name!r} is recorded per interval, which has no step or time of its own",
            reason="bad_step",
            allowed="a value alone",
            fix="Use a handle without aggregate=… for facts with a step or time.",
        )
