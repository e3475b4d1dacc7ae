# SPDX-License-Identifier: Apache-2.0
"""From the bytes of point slots to arrays, telling whole points from torn and damaged ones."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.journal.layout import (
    HEADER_BYTES,
    NO_STEP,
    POINT_BYTES,
    SERIES_CHECK_SEED,
    STEP_FACTOR,
    STEP_OFFSET,
)

__all__ = ["PointsBatch", "decode_points", "joined_points", "lost_points", "view_points"]

Slots = npt.NDArray[Any]

_POINT = np.dtype(
    [
        ("value", "<u8"),
        ("time", "<u8"),
        ("second", "<u8"),
        ("again", "<u8"),
        ("series", "<u4"),
        ("stamp", "<u4"),
    ]
)


_STEP_INVERSE = pow(STEP_FACTOR, -1, 2**64)


class PointsBatch(msgspec.Struct, frozen=True):
    """Decoded points of the positions `[start, end)`.

    `end - start` is the number of points plus `unacknowledged` plus `damaged`.

    Attributes:
        start: First position covered.
        end: Where to go on reading.
        position: Positions of the points, int64 of shape (n_points,), ascending.
        series: Series ids, uint32 of shape (n_points,).
        time_ns: Times, int64 of shape (n_points,).
        value: Values, float64 of shape (n_points,).
        step: Steps, int64 of shape (n_points,); `NO_STEP` where there is none.
        unacknowledged: Slots without a stamp: of calls that never returned, or zeroed since.
        damaged: Slots whose bytes changed after they were written, or whose file is gone.
    """

    start: int
    end: int
    position: npt.NDArray[np.int64]
    series: npt.NDArray[np.uint32]
    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    step: npt.NDArray[np.int64]
    unacknowledged: int
    damaged: int


def view_points(data: bytes) -> Slots:
    """See bytes as slots; an incomplete one at the end is left out."""
    return np.frombuffer(data[: len(data) // POINT_BYTES * POINT_BYTES], dtype=_POINT)


def decode_points(position: int, offset: int, stamped: Slots, slots: Slots) -> PointsBatch:
    """Decode slots and count those that hold no point.

    Args:
        position: Position of the first slot.
        offset: Its offset in the file.
        stamped: Whether each slot had a stamp before `slots` was read, bool of shape (n_slots,).
        slots: The slots, of shape (n_slots,).
    """
    expected = np.arange(offset, offset + POINT_BYTES * len(slots), POINT_BYTES, dtype=np.uint64)
    code = slots["time"] ^ slots["second"]
    # `step_code` backwards: modulo 2**64, dividing by an odd number is multiplying by its inverse.
    step = ((code - np.uint64(STEP_OFFSET)) * np.uint64(_STEP_INVERSE)).view(np.int64)
    index = slots["series"] >> 8
    check = (index ^ index >> 8 ^ index >> 16 ^ SERIES_CHECK_SEED) & 0xFF
    whole = (
        stamped
        & (slots["stamp"] == expected)
        & (slots["value"] == slots["again"])
        & ((code == 0) | (step >> 47 == step >> 63))
        & ((slots["series"] & 0xFF) == check)
    )
    found = slots[whole]
    return PointsBatch(
        start=position,
        end=position + len(slots),
        position=position + np.flatnonzero(whole),
        series=found["series"].copy(),
        time_ns=found["time"].astype(np.int64),
        value=found["value"].copy().view(np.float64),
        step=np.where(code == 0, NO_STEP, step)[whole],
        unacknowledged=int((~stamped).sum()),
        damaged=int((stamped & ~whole).sum()),
    )


def lost_points(start: int, end: int) -> PointsBatch:
    """A batch of positions whose slots are gone."""
    empty = view_points(b"")
    batch = decode_points(start, HEADER_BYTES, empty["stamp"] != 0, empty)
    return msgspec.structs.replace(batch, end=end, damaged=end - start)


def joined_points(start: int, parts: list[PointsBatch]) -> PointsBatch:
    """One batch of several that follow each other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return lost_points(start, start)
    return PointsBatch(
        start=start,
        end=parts[-1].end,
        position=np.concatenate([part.position for part in parts]),
        series=np.concatenate([part.series for part in parts]),
        time_ns=np.concatenate([part.time_ns for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        step=np.concatenate([part.step for part in parts]),
        unacknowledged=sum(part.unacknowledged for part in parts),
        damaged=sum(part.damaged for part in parts),
    )
