# SPDX-License-Identifier: Apache-2.0
"""Handles: a metric with its labels looked up once, for code that records often."""

from __future__ import annotations

from collections.abc import Mapping

from tidegauge.model.times import TimeLike
from tidegauge.record.hot import Record
from tidegauge.record.recorder import Recorder
from tidegauge.record.timing import Timer

__all__ = ["Metric"]


class Metric:
    """A metric bound to labels; see `tidegauge.metric`.

    Thread-safe. Labels of the context in force when a value is recorded apply as well, beneath
    the handle's own.

    Attributes:
        name: The metric's name as it was given.
        labels: The bound labels.
        record: `record(value, step=None, time=None)` records one value, as `tidegauge.log_metric`
            does and with the same checks, but faster. A plain function: keep it in a local
            variable in a tight loop.
    """

    __slots__ = ("__weakref__", "_binding", "_recorder", "labels", "name", "record")

    def __init__(self, recorder: Recorder, name: str, labels: Mapping[str, object]) -> None:
        self._recorder = recorder
        self.name = name
        self.labels = dict(labels)
        self._binding = recorder.hot.bind(self._careful)
        self.record: Record = self._binding.record

    def timer(self) -> Timer:
        """Time a block, or every call of a function; see `tidegauge.timer`."""
        return Timer(self._recorder, self.name, self.record)

    def _careful(self, value: float, step: int | None = None, time: TimeLike | None = None) -> None:
        if value.__class__ is not float and value.__class__ is not int:
            # The scalars of NumPy and PyTorch are common: turn them into what is fast.
            if (number := self._recorder.number(self.name, value)) is not None:
                self.record(number, step, time)
            return
        self._recorder.record(self.name, value, step, time, self.labels, self._binding.learn)

    def __repr__(self) -> str:
        labels = "".join(f", {name}={value!r}" for name, value in self.labels.items())
        return f"metric({self.name!r}{labels})"
