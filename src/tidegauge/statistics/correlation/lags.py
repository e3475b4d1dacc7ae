# SPDX-License-Identifier: Apache-2.0
"""The correlation of two series at each lag, for many pairs at once, and how far chance takes it.

A lag is how many steps after the first series the second one is looked at: at lag 3 the values of
Mondays are put beside those of Thursdays. If the correlation is large there, the first one leads.

A sum over time of what two series have in common is an element of a product of matrices, so all
pairs take hardly longer than one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from tidegauge.statistics.correlation.transforms import size_of

__all__ = ["LagScan", "chance_bands", "scan_lags", "student_p", "tail_p"]


@dataclass(frozen=True, slots=True, eq=False)
class LagScan:
    """The correlations of p pairs of series at each of m lags.

    Attributes:
        lags: In steps, ascending; shape (m,).
        correlations: Pearson's; shape (m, p), NaN where one side does not vary.
        counts: Of how many pairs of values; shape (m, p).
        spreads: Standard errors of correlations if there is no relation, whatever the variances of
            the single values are; shape (m, p).
    """

    lags: np.ndarray
    correlations: np.ndarray
    counts: np.ndarray
    spreads: np.ndarray


def scan_lags(values: np.ndarray, first: np.ndarray, second: np.ndarray, max_lag: int) -> LagScan:
    """Correlate pairs of series at lags of `-max_lag` to `max_lag`.

    Args:
        values: The series, shape (s, n), NaN where there is no value.
        first: Which of them is the first one of each pair; shape (p,).
        second: Which is the second one; shape (p,).
        max_lag: Below n.
    """
    n = values.shape[1]
    centred, present = _centred(values)
    # Each series once on each side: of pairs, every series may be in many.
    lefts, rows = np.unique(first, return_inverse=True)
    rights, columns = np.unique(second, return_inverse=True)
    lags = np.arange(-max_lag, max_lag + 1)
    correlations, counts, spreads = (np.empty((len(lags), len(first))) for _ in range(3))
    for index, lag in enumerate(lags):
        early = slice(max(-lag, 0), n - max(lag, 0))
        late = slice(max(lag, 0), n - max(-lag, 0))
        x, has_x = centred[lefts, early], present[lefts, early]
        y, has_y = centred[rights, late].T, present[rights, late].T
        count = has_x @ has_y
        with np.errstate(invalid="ignore", divide="ignore"):
            sum_x, sum_y = x @ has_y, has_x @ y
            ss_x = x**2 @ has_y - sum_x**2 / count
            ss_y = has_x @ y**2 - sum_y**2 / count
            scale = np.sqrt(_more_than_rounding(ss_x) * _more_than_rounding(ss_y))
            correlation = np.clip((x @ y - sum_x * sum_y / count) / scale, -1, 1)
            spread = np.sqrt(x**2 @ y**2) / scale
        correlations[index] = correlation[rows, columns]
        counts[index] = count[rows, columns]
        spreads[index] = spread[rows, columns]
    return LagScan(lags, correlations, counts, spreads)


def tail_p(scan: LagScan, parameters: np.ndarray) -> np.ndarray:
    """P-values of Student's test that the products of both series are 0 on average.

    The usual test of a correlation takes for granted that all values vary alike. This one does not,
    so days on which both series are restless, or a few large values, make it no less valid.

    Args:
        scan: The correlations.
        parameters: How many numbers were estimated of a series of each pair; shape (p,).

    Returns:
        Shape (m, p), NaN where there is no correlation.
    """
    degrees = scan.counts - parameters
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = scan.correlations / scan.spreads * np.sqrt(degrees / scan.counts)
        students = ratios * np.sqrt(degrees / (degrees + 1 - ratios**2))
        p_values: np.ndarray = 2 * stats.t.sf(np.abs(students), degrees)
    return p_values


def chance_bands(scan: LagScan, parameters: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """How large a correlation has to be for its p-value to be as small as a level.

    Args:
        scan: The correlations.
        parameters: As for `tail_p`.
        levels: 0 to 1, exclusive; shape (p,).

    Returns:
        Shape (m, p).
    """
    degrees = scan.counts - parameters
    with np.errstate(invalid="ignore", divide="ignore"):
        students = stats.t.isf(levels / 2, degrees)
        ratios = students * np.sqrt((degrees + 1) / (degrees + students**2))
        bands: np.ndarray = ratios * scan.spreads * np.sqrt(scan.counts / degrees)
    return bands


def student_p(correlations: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """P-values of the usual test of a correlation, which takes all values for independent."""
    with np.errstate(invalid="ignore", divide="ignore"):
        students = correlations * np.sqrt((counts - 2) / (1 - correlations**2))
        p_values: np.ndarray = 2 * stats.t.sf(np.abs(students), counts - 2)
    return p_values


def _centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values less the mean of their series, 0 where there is none; and 1 where there is one."""
    present = np.isfinite(values).astype(float)
    counts = np.maximum(present.sum(axis=1, keepdims=True), 1)
    sizes = np.array([[size_of(each)] for each in values])
    known = np.where(present > 0, values, 0.0) / sizes
    centred = (known - known.sum(axis=1, keepdims=True) / counts) * present
    # Series of very different size must not lose digits to one another, nor overflow.
    sizes = np.abs(centred).max(axis=1, keepdims=True, initial=0)
    return centred / np.where(sizes > 0, sizes, 1), present


def _more_than_rounding(sums: np.ndarray) -> np.ndarray:
    """Sums of squares; NaN instead of those that are nothing but rounding."""
    return np.where(sums > 1e-12, sums, np.nan)
