# SPDX-License-Identifier: Apache-2.0
"""What this process uses itself."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.collect.attempts import attempt
from tidegauge.collect.cgroup import ControlGroup
from tidegauge.collect.host import usable_cpus
from tidegauge.collect.share import Share
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.loading import loading

__all__ = ["OwnProcess", "ProcessReading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReading:
    """One look at a process; None is what cannot be told here.

    Attributes:
        cpu_percent: Share that it used of the CPUs it may use since the look before, 0 to 100. The
            shares of several processes of a machine add up to at most 100.
        memory_bytes: Memory that it holds (the resident set).
        threads: Threads that it has.
        file_descriptors: File descriptors that it has open.
    """

    cpu_percent: float | None = None
    memory_bytes: int | None = None
    threads: int | None = None
    file_descriptors: int | None = None


class OwnProcess:
    """Looks at the process that made this object; a forked child makes one of its own.

    Used by one thread at a time.

    Args:
        group: The limits of this process.
        clock: Where the time comes from.
    """

    def __init__(self, group: ControlGroup, clock: Clock = SYSTEM_CLOCK) -> None:
        with loading():
            import psutil

        self._process = psutil.Process()
        self._group = group
        self._clock = clock
        self._share = Share()

    def read(self) -> ProcessReading:
        """Look once."""
        process = self._process
        with process.oneshot():
            return ProcessReading(
                cpu_percent=attempt(self._cpu_percent),
                memory_bytes=attempt(lambda: process.memory_info().rss),
                threads=attempt(process.num_threads),
                file_descriptors=attempt(process.num_fds),
            )

    def _cpu_percent(self) -> float | None:
        times = self._process.cpu_times()
        capacity = usable_cpus(self._group.cpu())
        return self._share.percent(times.user + times.system, self._clock.monotonic_s(), capacity)
