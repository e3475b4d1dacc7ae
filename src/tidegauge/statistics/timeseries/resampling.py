# SPDX-License-Identifier: Apache-2.0
"""Drawing a series again in blocks, so that neighbours stay neighbours."""

from __future__ import annotations

import numpy as np

__all__ = ["circular_blocks"]


def circular_blocks(rng: np.random.Generator, n: int, length: int, count: int) -> np.ndarray:
    """Positions for `count` series of n values, drawn in blocks; shape (count, n).

    The end of the series is followed by its beginning, so that each value is as likely as any other
    (Politis and Romano 1992).

    Args:
        rng: Where chance is from.
        n: Length of the series.
        length: Length of the blocks, 1 to n. With 1 values are drawn independently.
        count: How many to draw.
    """
    blocks = -(-n // length)
    starts = rng.integers(n, size=(count, blocks, 1))
    positions: np.ndarray = (starts + np.arange(length)) % n
    return positions.reshape(count, blocks * length)[:, :n]
