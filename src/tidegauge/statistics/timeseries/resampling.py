# SPDX-License-Identifier: Apache-2.0
"""Drawing a series again in blocks, so that neighbours stay neighbours."""

from __future__ import annotations

import math

import numpy as np

from tidegauge.statistics.timeseries.autoregression import autocorrelation

__all__ = ["block_length", "circular_blocks"]


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


def block_length(values: np.ndarray) -> int:
    """The length of blocks that suits the memory of a series, for the variance of its mean.

    By Politis and White (2004), with the correction of Patton, Politis and White (2009).

    Args:
        values: Shape (n,), NaN where there is none.

    Returns:
        1 to a third of n.
    """
    n = len(values)
    quiet_for = max(5, math.ceil(math.sqrt(math.log10(n)))) if n > 1 else 1
    longest = min(math.ceil(min(3 * math.sqrt(n), n / 3)), n)
    furthest = min(math.ceil(math.sqrt(n)) + quiet_for, n - 1)
    if furthest <= quiet_for:
        return 1
    correlations = autocorrelation(values, furthest)
    loud = np.abs(correlations) >= 2 * math.sqrt(math.log10(n) / n)
    # The last lag after which so many in a row are quiet.
    memory = next(
        lag
        for lag in range(furthest)
        if not loud[lag + 1 : lag + 1 + quiet_for].any() or lag == furthest - 1
    )
    lags = np.arange(1, min(2 * max(memory, 1), furthest) + 1)
    # A window that is flat up to half its width and then falls to 0.
    window = np.clip(2 * (1 - lags / (2 * max(memory, 1))), 0, 1)
    weighted = window * correlations[lags]
    slope = 2 * (lags * weighted).sum()
    spectrum = 1 + 2 * weighted.sum()
    if spectrum <= 0:
        return longest
    length = (1.5 * (slope / spectrum) ** 2 * n) ** (1 / 3)
    return int(np.clip(round(length), 1, max(longest, 1)))
