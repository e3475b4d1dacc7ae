# SPDX-License-Identifier: Apache-2.0
"""Families that a program contributes when somebody looks, beside those made of facts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from tidegauge.live.families import Histograms, Labels, Numbers, Samples, gauge

__all__ = ["Collect", "Collectors"]

_log = logging.getLogger("tidegauge")
_LOG_EVERY_S = 60.0

#: Makes families. Called by whichever process is looked at, in any of its threads.
Collect = Callable[[], Iterable[Numbers | Histograms | Samples]]


class Collectors:
    """The collectors of this process. Thread-safe, by the interpreter's lock.

    It has no lock of its own, which a child forked at the wrong moment would find taken.
    """

    def __init__(self) -> None:
        self._collectors: dict[str, Collect] = {}
        self._logged_s: dict[str, float] = {}

    def register(self, collect: Collect, name: str = "") -> str:
        """Have a callable contribute families from now on; one of the same name is replaced.

        Args:
            collect: The callable.
            name: For `unregister` and the log; the callable's own name if empty.

        Returns:
            The name.
        """
        name = name or getattr(collect, "__qualname__", type(collect).__qualname__)
        self._collectors[name] = collect
        return name

    def unregister(self, name: str) -> None:
        """Have a callable contribute no more; no effect if there is none of that name."""
        self._collectors.pop(name, None)

    def collect(self) -> list[Numbers | Histograms | Samples]:
        """The families of all collectors, and one that says which of them failed."""
        collectors = list(self._collectors.items())
        families: list[Numbers | Histograms | Samples] = []
        failed: dict[Labels, float] = {}
        for name, collect in collectors:
            try:
                found = list(collect())
            except Exception:  # noqa: BLE001  (somebody's code; the rest of the page is as good)
                failed[("collector", name),] = 1.0
                self._say(name)
            else:
                failed[("collector", name),] = 0.0
                families += found
        if failed:
            text = "Whether a collector of this process failed just now"
            families.append(gauge("tidegauge_collector_failed", text, failed))
        return families

    def _say(self, name: str) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s.get(name, float("-inf")) >= _LOG_EVERY_S:
            self._logged_s[name] = now_s
            _log.warning("the collector %s failed; its families are left out", name, exc_info=True)
