# SPDX-License-Identifier: Apache-2.0
"""How uncertain a correlation is, by drawing the days again in blocks (Politis and Romano 1992)."""

from __future__ import annotations

import math

import numpy as np

from tidegauge.statistics.timeseries.resampling import circular_blocks

__all__ = ["bootstrap_errors", "usual_block"]

# So many numbers of a matrix are held at a time: 32 MiB.
_MOST_HELD = 1 << 22


def bootstrap_errors(left: np.ndarray, right: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Standard errors of Fisher's transform of correlations, atanh r.

    All pairs see the same draws. A draw is a count of how often each step is in it, so what is
    needed of all draws and pairs are a few products of matrices.

    Args:
        left: Shape (p, n), NaN where there is no value.
        right: What is put beside it, shape (p, n).
        draws: How many.
        seed: Of chance.

    Returns:
        Shape (p,).
    """
    pairs, n = left.shape
    rng = np.random.default_rng(seed)
    length = usual_block(n)
    transformed = np.empty((draws, pairs))
    held = max(1, _MOST_HELD // n)
    for start in range(0, draws, held):
        rows = slice(start, min(start + held, draws))
        drawn = _counts(circular_blocks(rng, n, length, rows.stop - rows.start))
        for beginning in range(0, pairs, held):
            chosen = slice(beginning, beginning + held)
            transformed[rows, chosen] = _fisher(drawn, left[chosen], right[chosen])
    errors: np.ndarray = np.nanstd(transformed, axis=0, ddof=1)
    return errors


def usual_block(n: int) -> int:
    """How long blocks of n innovations are: n^⅓, for they have no memory that is known of."""
    return max(1, round(math.cbrt(n)))


def _counts(positions: np.ndarray) -> np.ndarray:
    """How often each position is in each draw; shape (draws, n)."""
    draws, n = positions.shape
    flat = (positions + n * np.arange(draws)[:, None]).ravel()
    counts: np.ndarray = np.bincount(flat, minlength=draws * n).reshape(draws, n).astype(float)
    return counts


def _fisher(drawn: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Fisher's transform of the correlation of each draw and pair; shape (draws, p)."""
    present = np.isfinite(left) & np.isfinite(right)
    x, y = _standardised(left, present), _standardised(right, present)
    counts = drawn @ present.T.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = drawn @ x.T / counts, drawn @ y.T / counts
        variance_x = drawn @ (x**2).T / counts - mean_x**2
        variance_y = drawn @ (y**2).T / counts - mean_y**2
        covariance = drawn @ (x * y).T / counts - mean_x * mean_y
        correlations = covariance / np.sqrt(variance_x * variance_y)
    # What is perfectly correlated stays so in each draw, up to rounding.
    limit = math.nextafter(1, 0)
    transformed: np.ndarray = np.arctanh(np.clip(correlations, -limit, limit))
    return transformed


def _standardised(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """With mean 0 and variance 1 over what is present, and 0 elsewhere."""
    known = np.where(present, values, 0.0)
    counts = present.sum(axis=1, keepdims=True)
    centred = (known - known.sum(axis=1, keepdims=True) / counts) * present
    standardised: np.ndarray = centred / np.sqrt((centred**2).sum(axis=1, keepdims=True) / counts)
    return standardised
