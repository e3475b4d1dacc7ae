# SPDX-License-Identifier: Apache-2.0
"""How sure one can be of pairs: at their best lag, chosen among several, as some among many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from tidegauge.statistics.correlation.bootstrap import bootstrap_errors, usual_block
from tidegauge.statistics.correlation.innovations import LEAST
from tidegauge.statistics.correlation.lags import LagScan, chance_bands, scan_lags, tail_p
from tidegauge.statistics.correlation.recipe import Recipe

__all__ = ["Evidence", "weigh"]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was found of each of p pairs.

    Attributes:
        scan: Correlations at all m lags.
        best: Where the best lag is among those of the scan; shape (p,).
        p_values: Of the best lag, after the choice; shape (p,), NaN if no lag can be looked at.
        q_values: The same after the choice of pairs; shape (p,).
        lows: Lower ends of intervals of the correlation at the best lag, which hold for all lags
            together; shape (p,), NaN if there is none.
        highs: Upper ends; shape (p,).
        bands: How far chance takes a correlation at each lag, all lags considered; shape (m, p).
    """

    scan: LagScan
    best: np.ndarray
    p_values: np.ndarray
    q_values: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    bands: np.ndarray


def weigh(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    parameters: np.ndarray,
    recipe: Recipe,
) -> Evidence:
    """Find the best lag of each pair, and how sure one can be of it.

    Args:
        values: Innovations, shape (s, n), NaN where there is none.
        first: Which of them is the first one of each pair; shape (p,).
        second: Which is the second one; shape (p,).
        parameters: How many numbers were estimated of each series besides its autoregression;
            shape (s,).
        recipe: How relations are looked for.
    """
    if recipe.method == "spearman":
        values = stats.rankdata(values, axis=1, nan_policy="omit")
    estimated = np.maximum(parameters[first], parameters[second])
    scan = scan_lags(values, first, second, min(recipe.max_lag, values.shape[1] - 1))
    tails = np.where(scan.counts >= LEAST, tail_p(scan, estimated), np.nan)
    tried = np.isfinite(tails).sum(axis=0)
    best = np.where(np.isfinite(tails), tails, np.inf).argmin(axis=0)
    smallest = np.take_along_axis(tails, best[None], axis=0)[0]
    # The chance that the best of so many independent ones is that good (Šidák 1967).
    p_values = -np.expm1(np.maximum(tried, 1) * np.log1p(-smallest))
    level = -np.expm1(np.log1p(-recipe.alpha) / np.maximum(tried, 1))
    errors = _errors(values, first, second, scan.lags[best], np.isfinite(smallest), recipe)
    count = np.take_along_axis(scan.counts, best[None], axis=0)[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Residuals vary less than what they are residuals of.
        errors = errors * np.sqrt(count / (count - estimated))
        # An error is known as well as the number of blocks allows.
        blocks = count / usual_block(values.shape[1])
        width = stats.t.isf(level / 2, np.maximum(blocks - 1, 1)) * errors
        middle = np.arctanh(np.take_along_axis(scan.correlations, best[None], axis=0)[0])
    return Evidence(
        scan=scan,
        best=best,
        p_values=p_values,
        q_values=_q_values(p_values, recipe),
        lows=np.tanh(middle - width),
        highs=np.tanh(middle + width),
        bands=chance_bands(scan, estimated, level),
    )


def _errors(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    lags: np.ndarray,
    is_known: np.ndarray,
    recipe: Recipe,
) -> np.ndarray:
    """Standard errors of atanh r of each pair at its lag; shape (p,), NaN where there is none."""
    errors = np.full(len(first), np.nan)
    if recipe.draws and is_known.any():
        n = values.shape[1]
        left = values[first[is_known]]
        later = np.arange(n) + lags[is_known, None]
        right = values[second[is_known, None], np.clip(later, 0, n - 1)]
        right = np.where((later >= 0) & (later < n), right, np.nan)
        errors[is_known] = bootstrap_errors(left, right, recipe.draws, recipe.seed)
    return errors


def _q_values(p_values: np.ndarray, recipe: Recipe) -> np.ndarray:
    known = np.isfinite(p_values)
    q_values = np.full(len(p_values), np.nan)
    if known.any():
        q_values[known] = stats.false_discovery_control(p_values[known], method=recipe.fdr)
    return q_values
