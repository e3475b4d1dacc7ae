# SPDX-License-Identifier: Apache-2.0
"""GPUs of NVIDIA, through the library of their driver. The only home of pynvml.

Cards differ in what they tell: each field is asked for by itself, and what a card does not have is
None. Without the package, the driver or a card there are simply no GPUs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from tidegauge.collect.attempts import attempt
from tidegauge.collect.gpm import NO_ACTIVITY, ActivitySampler
from tidegauge.collect.gpu import GpuReading
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.loading import loading

__all__ = ["Nvml"]

_log = logging.getLogger("tidegauge")
#: Seconds after which a driver that was not there is looked for again.
_RETRY_S = 60.0
_SUCCESS = 0
_KB = 1000

#: Bits of the reasons for which clocks are lowered, by our names for them.
_THROTTLED = {
    "power_cap": "nvmlClocksEventReasonSwPowerCap",
    "power_brake": "nvmlClocksEventReasonHwPowerBrakeSlowdown",
    "hardware_slowdown": "nvmlClocksEventReasonHwSlowdown",
    "software_thermal": "nvmlClocksEventReasonSwThermalSlowdown",
    "hardware_thermal": "nvmlClocksEventReasonHwThermalSlowdown",
}
_CLOCKS = {
    "graphics": "NVML_CLOCK_GRAPHICS",
    "sm": "NVML_CLOCK_SM",
    "memory": "NVML_CLOCK_MEM",
    "video": "NVML_CLOCK_VIDEO",
}
#: Where the value of a field is, by its type.
_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class Nvml:
    """Looks at the GPUs of this machine. Used by one thread at a time.

    The driver may come and go: what is not there is looked for again after a minute.

    Args:
        clock: Where the time comes from.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._library: ModuleType | None = None
        self._activity: ActivitySampler | None = None
        self._again_s = float("-inf")
        self._told: set[str] = set()

    def read(self) -> list[GpuReading]:
        """Look once; the list is empty where there are no GPUs. Never raises.

        Where a card keeps no total of what goes over its bus, the driver measures for 20 ms in each
        direction, and this takes as long.
        """
        library = self._library or self._open()
        if library is None:
            return []
        try:
            count = library.nvmlDeviceGetCount()
        except library.NVMLError as error:
            self._tell(f"the driver of the GPUs does not answer: {error}", logging.WARNING)
            self.close()
            return []
        return [reading for number in range(count) for reading in self._gpu(library, number)]

    def close(self) -> None:
        """Give back what the driver keeps for this object; looking again opens it again, later."""
        library, self._library = self._library, None
        self._again_s = self._clock.monotonic_s() + _RETRY_S
        if self._activity is not None:
            self._activity.close()
            self._activity = None
        if library is not None:
            attempt(library.nvmlShutdown)

    def _open(self) -> ModuleType | None:
        if self._clock.monotonic_s() < self._again_s:
            return None
        self._again_s = self._clock.monotonic_s() + _RETRY_S
        try:
            with loading():
                import pynvml
        except ImportError:
            self._tell("GPUs are not looked at without the extra: pip install 'tidegauge[gpu]'")
            return None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self._tell(f"there are no GPUs that could be looked at: {error}")
            return None
        library: ModuleType = pynvml
        self._library = library
        self._activity = ActivitySampler(library, self._clock)
        return library

    def _gpu(self, library: ModuleType, number: int) -> Iterator[GpuReading]:
        """A GPU, and the parts that MIG has made of it."""
        try:
            device = library.nvmlDeviceGetHandleByIndex(number)
        except library.NVMLError as error:
            self._tell(f"GPU {number} cannot be looked at: {error}", logging.WARNING)
            return
        yield self._read(library, device, str(number))
        mode = attempt(library.nvmlDeviceGetMigMode, device)
        if mode is None or mode[0] != library.NVML_DEVICE_MIG_ENABLE:
            return
        for place in range(attempt(library.nvmlDeviceGetMaxMigDeviceCount, device) or 0):
            try:
                part = library.nvmlDeviceGetMigDeviceHandleByIndex(device, place)
            except library.NVMLError:  # nothing has been made there
                continue
            yield self._read(library, part, f"{number}:{place}", whole=device)

    def _read(
        self, library: ModuleType, device: Any, index: str, *, whole: Any = None
    ) -> GpuReading:
        """What a GPU tells, or a part of the GPU `whole`."""

        def ask(name: str, *arguments: Any) -> Any:
            return attempt(lambda: getattr(library, name)(device, *arguments))

        uuid = ask("nvmlDeviceGetUUID")
        rates = ask("nvmlDeviceGetUtilizationRates")
        instance = None if whole is None else ask("nvmlDeviceGetGpuInstanceId")
        activity = NO_ACTIVITY
        if self._activity is not None and (whole is None or instance is not None):
            sampler, counted = self._activity, device if whole is None else whole
            read = attempt(sampler.read, uuid or index, counted, instance)
            activity = NO_ACTIVITY if read is None else read
        memory = _memory(library, device)
        reasons = ask("nvmlDeviceGetCurrentClocksEventReasons")
        errors = [
            ask("nvmlDeviceGetTotalEccErrors", kind, library.NVML_VOLATILE_ECC)
            for kind in (
                library.NVML_MEMORY_ERROR_TYPE_CORRECTED,
                library.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            )
        ]
        clocks = {
            name: ask("nvmlDeviceGetClockInfo", getattr(library, constant))
            for name, constant in _CLOCKS.items()
        }
        return GpuReading(
            index=index,
            uuid=uuid,
            name=ask("nvmlDeviceGetName"),
            busy_percent=activity.busy if rates is None else rates.gpu,
            memory_busy_percent=None if rates is None else rates.memory,
            sm_percent=activity.sm,
            tensor_percent=activity.tensor,
            memory_bandwidth_percent=activity.bandwidth,
            memory_used_bytes=None if memory is None else memory.used,
            memory_limit_bytes=None if memory is None else memory.total,
            power_watts=_thousandth(ask("nvmlDeviceGetPowerUsage")),
            power_limit_watts=_thousandth(ask("nvmlDeviceGetEnforcedPowerLimit")),
            energy_joules=_thousandth(ask("nvmlDeviceGetTotalEnergyConsumption")),
            temperature_celsius=_temperature(library, ask),
            clocks_mhz={name: mhz for name, mhz in clocks.items() if mhz is not None},
            throttled={} if reasons is None else attempt(_throttled, library, reasons) or {},
            errors_corrected=errors[0],
            errors_uncorrected=errors[1],
            **(attempt(_bus, library, ask) or {}),  # older packages have no names for its fields
        )

    def _tell(self, text: str, level: int = logging.INFO) -> None:
        """Log what is so from now on, once."""
        if text not in self._told:
            self._told.add(text)
            _log.log(level, "%s", text)


def _memory(library: ModuleType, device: Any) -> Any:
    """Memory in use and all of it. The second version does not count what the driver reserves."""
    return attempt(
        lambda: library.nvmlDeviceGetMemoryInfo(device, library.nvmlMemory_v2)
    ) or attempt(lambda: library.nvmlDeviceGetMemoryInfo(device))


def _temperature(library: ModuleType, ask: Callable[..., Any]) -> float | None:
    """The temperature, by the call that replaces the older one, or by that where there is none."""
    found = ask("nvmlDeviceGetTemperatureV", library.NVML_TEMPERATURE_GPU)
    if found is None:
        found = ask("nvmlDeviceGetTemperature", library.NVML_TEMPERATURE_GPU)
    return None if found is None else float(found)


def _throttled(library: ModuleType, reasons: int) -> dict[str, bool]:
    return {name: bool(reasons & getattr(library, bit)) for name, bit in _THROTTLED.items()}


def _bus(library: ModuleType, ask: Callable[..., Any]) -> dict[str, Any]:
    """What goes over the bus: totals, or where a card keeps none, its speed at this moment."""
    fields = [library.NVML_FI_DEV_PCIE_COUNT_RX_BYTES, library.NVML_FI_DEV_PCIE_COUNT_TX_BYTES]
    totals = ask("nvmlDeviceGetFieldValues", fields)
    if totals is not None and all(each.nvmlReturn == _SUCCESS for each in totals):
        received, sent = (getattr(each.value, _VALUES[each.valueType]) for each in totals)
        return {"io_received_bytes": received, "io_sent_bytes": sent}
    speeds = {
        "received_bytes_per_s": ask("nvmlDeviceGetPcieThroughput", library.NVML_PCIE_UTIL_RX_BYTES),
        "sent_bytes_per_s": ask("nvmlDeviceGetPcieThroughput", library.NVML_PCIE_UTIL_TX_BYTES),
    }
    return {name: float(speed * _KB) for name, speed in speeds.items() if speed is not None}


def _thousandth(number: int | None) -> float | None:
    return None if number is None else number / 1000
