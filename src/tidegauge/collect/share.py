# SPDX-License-Identifier: Apache-2.0
"""Numbers that take two looks: the share of something in between, and what a total has grown by."""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["Increments", "Share"]

#: A clock tick is 10 ms: of less than ten of them a share is a guess.
_SHORTEST_S = 0.1
#: Sums of seconds are less exact than this; a count that begins again is further off.
_ROUNDING_S = 1e-3


class Share:
    """How much of a capacity was used since the look before. Used by one thread at a time."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def percent(self, used_s: float, at_s: float, capacity: float = 1.0) -> float | None:
        """The share in percent, 0 to 100.

        Args:
            used_s: Seconds used up to now, all together.
            at_s: The time that has passed up to now, in seconds.
            capacity: How many seconds can be used in a second.

        Returns:
            None at the first look, which has nothing to compare with, and so soon after another one
            that nothing can be told; the next look then goes back to that one.
        """
        before = self._before
        if before is not None and 0 <= at_s - before[1] < _SHORTEST_S:
            return None
        self._before = used_s, at_s
        if before is None or at_s < before[1] or used_s < before[0] - _ROUNDING_S or capacity <= 0:
            return None
        share = (used_s - before[0]) / ((at_s - before[1]) * capacity)
        return min(max(100.0 * share, 0.0), 100.0)


class Increments:
    """What totals have grown by since the look before. Used by one thread at a time."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: dict[Hashable, float] = {}

    def since(self, key: Hashable, total: float | None) -> float | None:
        """The growth of a total; None at its first look, and when it has begun again from less.

        Args:
            key: Which total.
            total: What it is now; None if that is not known, which changes nothing.
        """
        if total is None:
            return None
        before, self._before[key] = self._before.get(key), total
        return None if before is None or total < before else total - before
