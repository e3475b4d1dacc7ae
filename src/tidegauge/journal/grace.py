# SPDX-License-Identifier: Apache-2.0
"""When can a slot that was taken without a lock no longer change?

A record call takes a slot and fills it a moment later. An exception from outside (a signal handler,
Ctrl-C) can come between, and then nobody fills it. From the bytes the two look alike; from inside
the process they do not: a call that may still fill its slot is on some thread's stack.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import TypeVar

__all__ = ["Grace", "packs_points"]

_packers: set[CodeType] = set()
F = TypeVar("F", bound=Callable[..., object])


def packs_points(function: F) -> F:
    """Mark a function that takes an offset from a lane and fills it."""
    _packers.add(function.__code__)
    return function


class Grace:
    """The calls of marked functions that run at this moment, in any thread of the process.

    Once it is over, whatever was taken before it began has been filled or never will be. This is
    the grace period of read-copy-update: it costs the marked functions nothing.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls = _packing()

    def is_over(self) -> bool:
        """Whether each of these calls has ended."""
        if self._calls:
            self._calls &= _packing()
        return not self._calls


def _packing() -> set[tuple[int, int]]:
    # Frames are told apart by thread and address, so that none is kept alive with all that its
    # caller holds. A later call of a thread at the same address looks like the earlier one: the
    # grace period then takes a little longer than it must, never less.
    calls = set()
    for thread, top in sys._current_frames().items():  # noqa: SLF001  (documented, if underscored)
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_code in _packers:
                calls.add((thread, id(frame)))
            frame = frame.f_back
    return calls
