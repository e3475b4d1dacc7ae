# SPDX-License-Identifier: Apache-2.0
"""Gauges that are looked at once a second instead of being recorded with every change.

For numbers that change more often than anybody can look, such as requests in flight: what costs a
counter of the process costs the program nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from weakref import WeakSet

from tidegauge.record.handle import Metric
from tidegauge.record.recorder import FAULTS, Recorder

__all__ = ["SampledGauge", "sample_gauges"]

_all: WeakSet[SampledGauge] = WeakSet()


class SampledGauge:
    """A gauge whose value is asked for every second, and recorded if it is another than before.

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
        # The value, and the slot's generation: a new slot knows nothing of the one before.
        self._recorded: tuple[float, int] | None = None
        _all.add(self)

    def sample(self) -> None:
        """Record the value if it has changed."""
        try:
            value = self._read()
        except FAULTS as error:
            self._recorder.refuse(error, self._metric.name)
            return
        if self._recorded != (value, self._recorder.writer.generation):
            self._metric.record(value)
            self._recorded = value, self._recorder.writer.generation


def sample_gauges() -> None:
    """Sample every gauge of this process."""
    for each in list(_all):
        each.sample()
