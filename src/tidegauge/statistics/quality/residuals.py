# SPDX-License-Identifier: Apache-2.0
"""Errors of predicted numbers, summed up in few numbers that can be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegauge.statistics.quality.arrays import numbers

__all__ = ["Residuals", "residuals"]

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """How errors go with what was predicted. An error is the predicted value less the true one.

    Attributes:
        predicted: Mean predicted value of each band of rows, ascending; shape (n_bands,).
        quantiles: The 5th, 25th, 50th, 75th and 95th percentile of the errors of each band; shape
            (n_bands, 5).
        edges: Edges of the bins of errors; shape (n_bins + 1,).
        counts: How many errors are in each bin; shape (n_bins,).
        n: How many rows there are.
    """

    predicted: np.ndarray
    quantiles: np.ndarray
    edges: np.ndarray
    counts: np.ndarray
    n: int


def residuals(y_true: Any, y_pred: Any, *, bands: int = 30, bins: int = 60) -> Residuals:
    """Sum up errors, in bands of as many rows each.

    Args:
        y_true: True values; shape (n,).
        y_pred: Predicted values.
        bands: Most bands; each has 10 rows or more, if there are as many.
        bins: Bins of errors. Those outside of the middle 99 % are in the outermost ones.

    Raises:
        QueryError: A value is missing or infinite, or the columns differ in length.
    """
    true = numbers(y_true, "y_true")
    predicted = numbers(y_pred, "y_pred", n=len(true))
    error = predicted - true
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, max(1, min(bands, len(order) // 10)))
    low, high = np.quantile(error, [0.005, 0.995])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(error, low, high), bins=edges)
    return Residuals(
        np.array([predicted[part].mean() for part in parts]),
        np.array([np.quantile(error[part], _SHARES) for part in parts]),
        edges,
        counts,
        len(error),
    )
