# SPDX-License-Identifier: Apache-2.0
"""How much of a GPU really works, from its performance counters (Hopper and later).

That a kernel ran does not say how full the GPU was. The counters do: each is told as an average
between two samples, which are kept by the driver and must be given back to it.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, NamedTuple

from tidegauge.collect.attempts import attempt
from tidegauge.model.clock import SYSTEM_CLOCK, Clock

__all__ = ["NO_ACTIVITY", "Activity", "ActivitySampler"]

#: The driver refreshes its counters about so often.
_SHORTEST_S = 0.1
_SUCCESS = 0


class Activity(NamedTuple):
    """Averages in percent since the sample before; None is what is not known.

    Attributes:
        busy: Of the time, in which anything ran.
        sm: Of the multiprocessors.
        tensor: Of the time, in which tensor cores worked.
        bandwidth: Of the bandwidth of the memory.
    """

    busy: float | None = None
    sm: float | None = None
    tensor: float | None = None
    bandwidth: float | None = None


NO_ACTIVITY = Activity()


class ActivitySampler:
    """Keeps the latest sample of each GPU. Used by one thread at a time.

    Args:
        library: pynvml, initialised.
        clock: Where the time comes from.
    """

    def __init__(self, library: ModuleType, clock: Clock = SYSTEM_CLOCK) -> None:
        self._library = library
        self._clock = clock
        self._supported: dict[str, bool] = {}
        self._before: dict[str, tuple[float, Any]] = {}

    def read(self, key: str, device: Any, part: int | None = None) -> Activity:
        """What a GPU, or a part of it, has done since it was last asked about.

        Args:
            key: What tells it from others.
            device: The GPU.
            part: Number of the GPU instance that MIG has made of it.

        Raises:
            NVMLError: The driver does not tell.
        """
        library, now_s = self._library, self._clock.monotonic_s()
        before = self._before.get(key)
        if not self._supports(key, device) or (before and now_s - before[0] < _SHORTEST_S):
            return NO_ACTIVITY
        sample = library.nvmlGpmSampleAlloc()
        try:
            if part is None:
                library.nvmlGpmSampleGet(device, sample)
            else:
                library.nvmlGpmMigSampleGet(device, part, sample)
        except library.NVMLError:
            library.nvmlGpmSampleFree(sample)
            raise
        self._before[key] = now_s, sample
        if before is None:
            return NO_ACTIVITY
        try:
            return self._between(before[1], sample)
        finally:
            library.nvmlGpmSampleFree(before[1])

    def close(self) -> None:
        """Give the samples back."""
        while self._before:
            _, (_, sample) = self._before.popitem()
            attempt(self._library.nvmlGpmSampleFree, sample)

    def _supports(self, key: str, device: Any) -> bool:
        if key not in self._supported:
            found = attempt(self._library.nvmlGpmQueryDeviceSupport, device)
            self._supported[key] = found is not None and bool(found.isSupportedDevice)
        return self._supported[key]

    def _between(self, first: Any, second: Any) -> Activity:
        library = self._library
        wanted = (
            library.NVML_GPM_METRIC_GRAPHICS_UTIL,
            library.NVML_GPM_METRIC_SM_UTIL,
            library.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
            library.NVML_GPM_METRIC_DRAM_BW_UTIL,
        )
        asked = library.c_nvmlGpmMetricsGet_t()
        asked.version = library.NVML_GPM_METRICS_GET_VERSION
        asked.numMetrics = len(wanted)
        asked.sample1, asked.sample2 = first, second
        for index, number in enumerate(wanted):
            asked.metrics[index].metricId = number
        library.nvmlGpmMetricsGet(asked)
        return Activity(*(_percent(asked.metrics[index]) for index in range(len(wanted))))


def _percent(metric: Any) -> float | None:
    value = float(metric.value)
    if metric.nvmlReturn != _SUCCESS or not math.isfinite(value):
        return None
    return min(max(value, 0.0), 100.0)
