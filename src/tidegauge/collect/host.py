# SPDX-License-Identifier: Apache-2.0
"""What the machine is loaded with: CPU, memory, disks, network."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegauge.collect.attempts import attempt
from tidegauge.collect.cgroup import ControlGroup, CpuQuota
from tidegauge.collect.share import Share
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.loading import loading

__all__ = ["DiskSpace", "Host", "HostReading", "usable_cpus"]

_INTERFACES = Path("/sys/class/net")
_ROOT = Path("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """The space of one file system.

    Attributes:
        mountpoint: Where it is mounted.
        used_bytes: What is used.
        limit_bytes: Its size.
        percent: What is used of that which programs may use, 0 to 100.
    """

    mountpoint: str
    used_bytes: int
    limit_bytes: int
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """One look at the machine; None is what cannot be told here.

    Totals count since some time that is the machine's own business, such as its start.

    Attributes:
        cpu_percent: Share of the CPUs that may be used that was since the look before, 0 to 100.
        cpu_limit: How many CPUs may be used, all together; a part of one counts as such.
        memory_percent: Share of the memory that is used, 0 to 100.
        memory_used_bytes: Memory in use.
        memory_available_bytes: What can still be had without swapping.
        memory_limit_bytes: Most that may be used.
        disks: The file systems that were asked for.
        disk_read_bytes: Total read from disks of the machine.
        disk_written_bytes: Total written to them.
        disk_reads: Total of operations that read.
        disk_writes: Total of operations that write.
        network_received_bytes: Total received, not counting what never leaves the machine.
        network_sent_bytes: Total sent, likewise.
    """

    cpu_percent: float | None = None
    cpu_limit: float | None = None
    memory_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_available_bytes: int | None = None
    memory_limit_bytes: int | None = None
    disks: tuple[DiskSpace, ...] = ()
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None
    disk_reads: int | None = None
    disk_writes: int | None = None
    network_received_bytes: int | None = None
    network_sent_bytes: int | None = None


class Host:
    """Looks at the machine. Used by one thread at a time.

    A limit of the control group is the truth about memory and CPU; where there is none it is the
    machine. Disks and network are the machine's, or those that a container has of its own.

    Args:
        group: The limits of this process.
        places: Files or directories whose file systems are looked at, besides that of `/`.
        clock: Where the time comes from.
    """

    def __init__(
        self, group: ControlGroup, places: Iterable[Path] = (), clock: Clock = SYSTEM_CLOCK
    ) -> None:
        with loading():
            import psutil

        self._psutil = psutil
        self._group = group
        self._places = (_ROOT, *places)
        self._clock = clock
        self._quota_share, self._cpu_share = Share(), Share()

    def read(self) -> HostReading:
        """Look once."""
        quota = self._group.cpu()
        return HostReading(
            cpu_percent=attempt(self._cpu_percent, quota),
            cpu_limit=attempt(usable_cpus, quota),
            disks=tuple(self._disks()),
            **(attempt(self._memory) or {}),
            **(attempt(self._disk_totals) or {}),
            **(attempt(self._network_totals) or {}),
        )

    def _cpu_percent(self, quota: CpuQuota | None) -> float | None:
        if quota is not None:
            now_s = self._clock.monotonic_s()
            return self._quota_share.percent(quota.used_s, now_s, usable_cpus(quota))
        total_s = idle_s = 0.0
        for times in self._usable_times():
            # Linux counts the time of guests among that of users, too.
            guests_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
            total_s += sum(times) - guests_s
            idle_s += times.idle + getattr(times, "iowait", 0.0)
        return self._cpu_share.percent(total_s - idle_s, total_s)

    def _usable_times(self) -> list[Any]:
        """The times of the CPUs that this process may run on, which `cpu_limit` counts."""
        each = self._psutil.cpu_times(percpu=True)
        usable = os.sched_getaffinity(0)
        # The kernel leaves out CPUs that are switched off: then nobody knows which is which.
        return [each[cpu] for cpu in usable] if max(usable) < len(each) else each

    def _memory(self) -> dict[str, Any]:
        machine = self._psutil.virtual_memory()
        limit = self._group.memory()
        if limit is None or limit.limit_bytes > machine.total:
            return {
                "memory_percent": machine.percent,
                "memory_used_bytes": machine.used,
                "memory_available_bytes": machine.available,
                "memory_limit_bytes": machine.total,
            }
        left_bytes = limit.limit_bytes - limit.used_bytes
        return {
            "memory_percent": 100 * limit.used_bytes / limit.limit_bytes,
            "memory_used_bytes": limit.used_bytes,
            "memory_available_bytes": min(left_bytes, machine.available),
            "memory_limit_bytes": limit.limit_bytes,
        }

    def _disks(self) -> Iterable[DiskSpace]:
        mountpoints = (attempt(_mountpoint, place) for place in self._places)
        for mountpoint in dict.fromkeys(each for each in mountpoints if each is not None):
            usage = attempt(self._psutil.disk_usage, mountpoint)
            if usage is not None and usage.total:
                yield DiskSpace(
                    mountpoint=mountpoint,
                    used_bytes=usage.used,
                    limit_bytes=usage.total,
                    percent=usage.percent,
                )

    def _disk_totals(self) -> dict[str, Any]:
        totals = self._psutil.disk_io_counters()
        if totals is None:  # no disk at all
            return {}
        return {
            "disk_read_bytes": totals.read_bytes,
            "disk_written_bytes": totals.write_bytes,
            "disk_reads": totals.read_count,
            "disk_writes": totals.write_count,
        }

    def _network_totals(self) -> dict[str, Any]:
        totals = self._psutil.net_io_counters(pernic=True)
        names = _outward(totals)
        if not names:
            return {}
        return {
            "network_received_bytes": sum(totals[name].bytes_recv for name in names),
            "network_sent_bytes": sum(totals[name].bytes_sent for name in names),
        }


def usable_cpus(quota: CpuQuota | None) -> float:
    """How many CPUs this process may use at a time: by its quota and by the CPUs it may run on."""
    may_run_on = len(os.sched_getaffinity(0))
    return float(may_run_on if quota is None else min(quota.cpus, may_run_on))


def _outward(interfaces: Iterable[str]) -> list[str]:
    """The interfaces that lead out, each byte being counted by one.

    Where there are devices, these are they: bridges and tunnels only pass on what goes through
    them. In a container there are none, and all but the loopback lead out.
    """
    names = [name for name in interfaces if name != "lo"]
    return [name for name in names if (_INTERFACES / name / "device").exists()] or names


def _mountpoint(place: Path) -> str:
    """Where the file system is mounted on which a path is, or will be when it is made."""
    path = place.absolute()
    while not path.is_mount() and path != path.parent:
        path = path.parent
    return str(path)
