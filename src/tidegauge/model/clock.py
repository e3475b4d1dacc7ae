# SPDX-License-Identifier: Apache-2.0
"""The clock that everything except the record path's inner loop asks for the time."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Where time comes from. Implementations must be safe to call from any thread."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may jump in either direction."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin; never goes back."""


class SystemClock:
    """The operating system's clocks."""

    __slots__ = ()

    def wall_ns(self) -> int:
        """See `Clock.wall_ns`."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()
