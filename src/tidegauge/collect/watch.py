# SPDX-License-Identifier: Apache-2.0
"""One look at the machine, its GPUs and this process, recorded: the machine once per store.

Several processes may be told to look. Each records itself; what belongs to all of them is recorded
by the one that has come first, for as long as it lives.
"""

from __future__ import annotations

import threading
from pathlib import Path

from tidegauge.collect.attempts import attempt
from tidegauge.collect.cgroup import ControlGroup
from tidegauge.collect.facts import Facts
from tidegauge.collect.host import Host
from tidegauge.collect.nvml import Nvml
from tidegauge.collect.process import OwnProcess
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import StoreError
from tidegauge.store.leader import Claim

__all__ = ["RESOURCES_LOCK", "Watch"]

#: Held by the process that records the machine.
RESOURCES_LOCK = "resources.lock"

#: Seconds to wait for a look that is being taken. A driver may hang for ever.
_LOOK_S = 1.0


class Watch:
    """Looks at what there is, and records it. Safe to share between threads; not over a fork.

    Args:
        root: The store's directory.
        group: The limits of this process.
        clock: Where the time comes from.
    """

    def __init__(
        self, root: Path, group: ControlGroup | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        group = group or ControlGroup()
        self._process = attempt(lambda: OwnProcess(group, clock))
        self._host = Host(group, [root], clock)
        self._nvml = Nvml(clock)
        self._facts = Facts()
        self._claim = Claim(root / RESOURCES_LOCK)
        self._lock = threading.Lock()
        self._is_open = True

    @property
    def leads(self) -> bool:
        """Whether this process is the one that records the machine."""
        return self._claim.is_held

    def look(self) -> None:
        """Look and record, unless that was ended. What the machine lacks is left out."""
        with self._lock:
            if not self._is_open:
                return
            if self._process is not None:
                self._facts.process(self._process.read())
            if not self._take():
                return
            self._facts.host(self._host.read())
            gpus = self._nvml.read()
            if self._is_open:  # the driver may have kept us for longer than the process records
                self._facts.gpus(gpus)

    def close(self) -> None:
        """Look no more, and let another process do so.

        Waits a second for a look that is being taken. One that hangs in a driver is left behind; it
        records nothing afterwards.
        """
        self._is_open = False
        is_idle = self._lock.acquire(timeout=_LOOK_S)
        try:
            self._claim.release()
            if is_idle:
                self._nvml.close()
        finally:
            if is_idle:
                self._lock.release()

    def _take(self) -> bool:
        try:
            return self._claim.take()
        except (OSError, StoreError):  # recording says itself what is wrong with the store
            return False
