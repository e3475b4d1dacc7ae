# SPDX-License-Identifier: Apache-2.0
"""Whether what has probability 0.7 happens seven times of ten, and how far chance alone leads off.

The expected calibration error is never 0 for a finite number of rows, not even of a perfectly
calibrated model: with 100 rows it is about 0.1. What it would be for one is told beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrik, gammaln

__all__ = ["CalibrationBin", "calibration_bins", "calibration_error", "calibration_null"]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose scores are about the same.

    Attributes:
        low: Scores from here.
        high: To here, which belongs to the next bin.
        n: How many rows.
        mean_score: Their mean score.
        share: Share of them that are positive.
        null_low: The share of a calibrated model is not below this, with the probability asked for.
        null_high: It is not above this.
    """

    low: float
    high: float
    n: int
    mean_score: float
    share: float
    null_low: float
    null_high: float


def calibration_error(counts: np.ndarray, positives: np.ndarray, sums: np.ndarray) -> float:
    """Expected calibration error: the mean distance of share and mean score, over rows.

    Args:
        counts: Rows of each bin; shape (n_bins,).
        positives: How many of them are positive.
        sums: Sum of their scores.
    """
    return float(np.abs(positives - sums).sum() / counts.sum())


def calibration_null(counts: np.ndarray, sums: np.ndarray) -> float:
    """What `calibration_error` is on average if rows are positive with the bin's mean probability.

    It is the mean absolute deviation of binomial numbers, which has a closed form (de Moivre 1730).
    Nothing is drawn, so the same counts always have the same answer.

    Args:
        counts: Rows of each bin; shape (n_bins,).
        sums: Sum of their scores.
    """
    counts, sums = counts[counts > 0].astype(float), sums[counts > 0]
    share = np.clip(sums / counts, 0, 1)
    uncertain = (share > 0) & (share < 1)
    n, p = counts[uncertain], share[uncertain]
    above = np.minimum(np.floor(n * p) + 1, n)
    logarithm = (
        gammaln(n + 1)
        - gammaln(above + 1)
        - gammaln(n - above + 1)
        + above * np.log(p)
        + (n - above + 1) * np.log1p(-p)
    )
    return float((2 * above * np.exp(logarithm)).sum() / counts.sum())


def calibration_bins(
    counts: np.ndarray, positives: np.ndarray, sums: np.ndarray, *, confidence: float
) -> list[CalibrationBin]:
    """The bins that have rows, with what chance alone would do to them.

    Args:
        counts: Rows of each bin, of equal width over 0 to 1; shape (n_bins,).
        positives: How many of them are positive.
        sums: Sum of their scores.
        confidence: Probability that the share of a calibrated model is within the band, 0 to 1,
            exclusive.
    """
    found = []
    width = 1 / len(counts)
    for at in np.flatnonzero(counts):
        n = int(counts[at])
        mean = min(max(float(sums[at]) / n, 0.0), 1.0)
        found.append(
            CalibrationBin(
                low=float(at) * width,
                high=float(at + 1) * width,
                n=n,
                mean_score=mean,
                share=float(positives[at]) / n,
                null_low=_binomial_quantile((1 - confidence) / 2, n, mean) / n,
                null_high=_binomial_quantile((1 + confidence) / 2, n, mean) / n,
            )
        )
    return found


def _binomial_quantile(probability: float, n: int, p: float) -> float:
    """The smallest number of successes that is not exceeded with a probability."""
    if p in (0.0, 1.0):
        return n * p
    found = float(bdtrik(probability, n, p))
    return 0.0 if math.isnan(found) else max(0.0, float(np.ceil(found - 1e-9)))
