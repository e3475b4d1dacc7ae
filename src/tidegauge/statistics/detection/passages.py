# SPDX-License-Identifier: Apache-2.0
"""Walks that cannot fall below 0, and when they pass a threshold.

A step is the larger of 0 and the level plus an increment, which is what numpy's running minimum
makes of a running sum without a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Signal", "first_passage", "reflected"]

_FIRST_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Signal:
    """A chart has something to say.

    Attributes:
        series: Number of the series.
        index: Number of the step, in what was given to `update`.
        kind: `alarm`, or `over` when what there was an alarm of has ended.
        rises: Whether scores are larger than they were, or smaller.
        change: The step with which the change probably began; below 0 if it was before what was
            given to `update`. Of `over`, the same as `index`.
    """

    series: int
    index: int
    kind: Literal["alarm", "over"]
    rises: bool
    change: int


def reflected(increments: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    """The walk after each increment; shape (..., n).

    Args:
        increments: Shape (..., n).
        level: Where it stands before the first one, 0 or more; shape (...,).
    """
    walk: np.ndarray = np.cumsum(increments, axis=-1)
    walk += np.asarray(level)[..., None]
    lowest = np.minimum.accumulate(walk, axis=-1)
    np.minimum(lowest, 0, out=lowest)
    walk -= lowest
    return walk


def first_passage(
    increments: np.ndarray, begin: int, level: float, threshold: float, *, sign: int = 1
) -> tuple[int | None, float, int]:
    """When a walk passes a threshold first.

    Args:
        increments: Shape (n,).
        begin: The first of them that counts.
        level: Where the walk stands before it.
        threshold: To be exceeded.
        sign: -1 if the walk is made of the negative increments.

    Returns:
        Number of the step, None if it does not; where it stands then, or at the end; and the last
        step at which it stood at 0, -1 if there was none.
    """
    size, last_zero = _FIRST_CHUNK, -1
    while begin < len(increments):
        # Chunks that grow: whoever asks again from the step found reads nothing much twice.
        walk = reflected(sign * increments[begin : begin + size], level)
        above = walk > threshold
        at = int(above.argmax())
        is_found = bool(above[at])
        zeros = np.flatnonzero(walk[: at if is_found else None] == 0)
        if len(zeros):
            last_zero = begin + int(zeros[-1])
        if is_found:
            return begin + at, float(walk[at]), last_zero
        level = float(walk[-1])
        begin, size = begin + size, 2 * size
    return None, level, last_zero
