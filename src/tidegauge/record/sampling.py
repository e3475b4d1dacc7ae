# SPDX-License-Identifier: Apache-2.0
"""Gauges that are looked at once a second instead of being recorded with every change.

For numbers that change more often than anybody can look, such as requests in flight: what costs a
counter of the process costs the program nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from weakref import WeakSet

from tidegauge.model.errors import MetricValidationError
from tidegauge.record.handle import Metric
from tidegauge.record.recorder import FAULTS, Recorder, Rules

__all__ = ["SampledGauge", "sample_gauges"]

_all: WeakSet[SampledGauge] = WeakSet()


class SampledGauge:
    """A gauge whose value is asked for every second, and recorded when it has changed.

    Once a minute it is recorded in any case, for whoever has lost sight of it.

    It is sampled for as long as somebody holds this object.

    Args:
        recorder: Records it.
        name: The metric.
        labels: Its labels.
        read: Tells the present value; called in a background thread.
    """

    __slots__ = ("__weakref__", "_metric", "_read", "_recorded", "_recorder")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        labels: Mapping[str, object],
        read: Callable[[], float],
    ) -> None:
        self._recorder = recorder
        self._metric = Metric(recorder, name, labels)
        self._read = read
        # The value, the slot's generation (a new slot knows nothing of the one before), the minute.
        self._recorded: tuple[float, int, int] | None = None
        _all.add(self)

    def sample(self) -> None:
        """Record the value if it has changed."""
        try:
            value = self._read()
        except FAULTS as error:
            # Never raised: nobody is there to catch it.
            self._recorder.refuse(error, self._metric.name, rules=Rules(raises=False))
            return
        minute = self._recorder.now_ns() // (60 * 10**9)
        if self._recorded != (value, self._recorder.writer.generation, minute):
            with contextlib.suppress(MetricValidationError):  # in strict mode; the next may fit
                self._metric.record(value)
            self._recorded = value, self._recorder.writer.generation, minute


def sample_gauges() -> None:
    """Sample every gauge of this process."""
    for each in list(_all):
        each.sample()
