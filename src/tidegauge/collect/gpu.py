# SPDX-License-Identifier: Apache-2.0
"""What is known of a GPU at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["THROTTLE_REASONS", "GpuReading"]

#: Why a GPU may be slowed down.
THROTTLE_REASONS = (
    "power_cap",
    "power_brake",
    "hardware_slowdown",
    "software_thermal",
    "hardware_thermal",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    """One look at a GPU, or at a part of one that MIG has made; None is what it does not tell.

    Totals count since the driver was loaded.

    Attributes:
        index: Its number; of a part `number:part`.
        uuid: What it is called wherever it is plugged in.
        name: Its model.
        busy_percent: Share of the last moment in which any kernel ran, however small, 0 to 100.
        memory_busy_percent: Share of it in which its memory was read or written.
        sm_percent: Share of its multiprocessors that worked since the look before.
        tensor_percent: Share of that time in which its tensor cores worked.
        memory_bandwidth_percent: Share of its memory bandwidth that was used.
        memory_used_bytes: Memory in use.
        memory_limit_bytes: Memory that it has.
        power_watts: What it draws.
        power_limit_watts: What it may draw.
        energy_joules: Total that it has used.
        temperature_celsius: How hot it is.
        clocks_mhz: Clocks of its parts: `graphics`, `sm`, `memory`, `video`.
        throttled: For each of `THROTTLE_REASONS` whether it is slowed down by it; empty if not
            known.
        errors_corrected: Total of memory errors that ECC has mended.
        errors_uncorrected: Total of those that it could not mend.
        io_received_bytes: Total received over its bus.
        io_sent_bytes: Total sent.
        received_bytes_per_s: What it received just now, where it keeps no total.
        sent_bytes_per_s: What it sent.
    """

    index: str
    uuid: str | None = None
    name: str | None = None
    busy_percent: float | None = None
    memory_busy_percent: float | None = None
    sm_percent: float | None = None
    tensor_percent: float | None = None
    memory_bandwidth_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_limit_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: float | None = None
    clocks_mhz: Mapping[str, float] = field(default_factory=dict)
    throttled: Mapping[str, bool] = field(default_factory=dict)
    errors_corrected: int | None = None
    errors_uncorrected: int | None = None
    io_received_bytes: int | None = None
    io_sent_bytes: int | None = None
    received_bytes_per_s: float | None = None
    sent_bytes_per_s: float | None = None

    @property
    def memory_percent(self) -> float | None:
        """Share of its memory that is in use, 0 to 100."""
        if self.memory_used_bytes is None or not self.memory_limit_bytes:
            return None
        return min(100.0 * self.memory_used_bytes / self.memory_limit_bytes, 100.0)
