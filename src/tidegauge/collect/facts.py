# SPDX-License-Identifier: Apache-2.0
"""From what was read to facts, under the names of the catalogue. What is not known is no fact."""

from __future__ import annotations

from collections.abc import Sequence

from tidegauge.collect.gpu import GpuReading
from tidegauge.collect.host import HostReading
from tidegauge.collect.process import ProcessReading
from tidegauge.collect.share import Increments
from tidegauge.record.front import metric
from tidegauge.record.hot import Record

__all__ = ["Facts"]


class Facts:
    """Records readings. Used by one thread at a time.

    A total is recorded as what it has grown by since the reading before, so of the first reading no
    totals are recorded.
    """

    def __init__(self) -> None:
        self._bound: dict[tuple[str, ...], Record] = {}
        self._grown = Increments()

    def process(self, reading: ProcessReading) -> None:
        """Record what this process uses."""
        self._put("resource:process_cpu_percent", reading.cpu_percent)
        self._put("resource:process_memory_bytes", reading.memory_bytes)
        self._put("resource:process_threads", reading.threads)
        self._put("resource:process_file_descriptors", reading.file_descriptors)

    def host(self, reading: HostReading) -> None:
        """Record what the machine is loaded with."""
        self._put("resource:cpu_percent", reading.cpu_percent)
        self._put("resource:cpu_limit", reading.cpu_limit)
        self._put("resource:memory_percent", reading.memory_percent)
        self._put("resource:memory_used_bytes", reading.memory_used_bytes)
        self._put("resource:memory_available_bytes", reading.memory_available_bytes)
        self._put("resource:memory_limit_bytes", reading.memory_limit_bytes)
        for disk in reading.disks:
            place = {"mountpoint": disk.mountpoint}
            self._put("resource:disk_percent", disk.percent, **place)
            self._put("resource:disk_used_bytes", disk.used_bytes, **place)
            self._put("resource:disk_limit_bytes", disk.limit_bytes, **place)
        self._add("resource:disk_io_bytes", reading.disk_read_bytes, operation="read")
        self._add("resource:disk_io_bytes", reading.disk_written_bytes, operation="write")
        self._add("resource:disk_operations", reading.disk_reads, operation="read")
        self._add("resource:disk_operations", reading.disk_writes, operation="write")
        self._add("resource:network_bytes", reading.network_received_bytes, way="receive")
        self._add("resource:network_bytes", reading.network_sent_bytes, way="transmit")

    def gpus(self, readings: Sequence[GpuReading]) -> None:
        """Record what the GPUs do."""
        for reading in readings:
            about = {"gpu": reading.index, "gpu_uuid": reading.uuid, "gpu_name": reading.name}
            self._gpu(reading, {name: text for name, text in about.items() if text})

    def _gpu(self, reading: GpuReading, gpu: dict[str, str]) -> None:
        for name, value in (
            ("gpu_percent", reading.busy_percent),
            ("gpu_sm_percent", reading.sm_percent),
            ("gpu_tensor_percent", reading.tensor_percent),
            ("gpu_memory_bandwidth_percent", reading.memory_bandwidth_percent),
            ("gpu_memory_busy_percent", reading.memory_busy_percent),
            ("gpu_memory_used_bytes", reading.memory_used_bytes),
            ("gpu_memory_limit_bytes", reading.memory_limit_bytes),
            ("gpu_memory_percent", reading.memory_percent),
            ("gpu_power_watts", reading.power_watts),
            ("gpu_power_limit_watts", reading.power_limit_watts),
            ("gpu_temperature_celsius", reading.temperature_celsius),
        ):
            self._put(f"resource:{name}", value, **gpu)
        for clock, mhz in reading.clocks_mhz.items():
            self._put("resource:gpu_clock_mhz", mhz, **gpu, clock=clock)
        for reason, is_so in reading.throttled.items():
            self._put("resource:gpu_throttled", int(is_so), **gpu, reason=reason)
        self._add("resource:gpu_energy_joules", reading.energy_joules, **gpu)
        self._add("resource:gpu_io_bytes", reading.io_received_bytes, **gpu, way="receive")
        self._add("resource:gpu_io_bytes", reading.io_sent_bytes, **gpu, way="transmit")
        self._put("resource:gpu_io_speed", reading.received_bytes_per_s, **gpu, way="receive")
        self._put("resource:gpu_io_speed", reading.sent_bytes_per_s, **gpu, way="transmit")
        errors = {"corrected": reading.errors_corrected, "uncorrected": reading.errors_uncorrected}
        for kind, total in errors.items():
            self._add("resource:gpu_errors", total, **gpu, error_type=kind)

    def _put(self, name: str, value: float | None, **labels: str) -> None:
        if value is not None:
            self._record(name, labels)(float(value))

    def _add(self, name: str, total: float | None, **labels: str) -> None:
        self._put(name, self._grown.since((name, *labels.values()), total), **labels)

    def _record(self, name: str, labels: dict[str, str]) -> Record:
        key = (name, *labels.values())
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = metric(name, **labels).record
        return bound
