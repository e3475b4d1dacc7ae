# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted numbers that are no sums over rows, and intervals of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.statistics.estimate import Estimate
from tidegauge.statistics.given import is_share
from tidegauge.statistics.quality.arrays import LARGEST, numbers
from tidegauge.statistics.quality.error_sums import ErrorSums
from tidegauge.statistics.quality.linear import (
    linear_estimate,
    mean_influence,
    ratio_influence,
    share_estimate,
)
from tidegauge.statistics.quality.metrics import Metrics

__all__ = [
    "Forecasts",
    "forecasts_of",
    "number_differences",
    "number_intervals",
    "numbers_measured",
]


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """What was predicted of each row, checked; all arrays of shape (n,).

    Attributes:
        true: The true values.
        predicted: The predicted ones.
        low: Lower ends of prediction intervals; None if there are none.
        high: Upper ends.
        quantiles: Predicted quantiles, by their probability.
        naive_error: Mean size of the error of the naive forecast, for MASE; None if it is not
            asked for.
    """

    true: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    quantiles: dict[float, np.ndarray]
    naive_error: float | None

    @property
    def error(self) -> np.ndarray:
        """Predicted less true."""
        error: np.ndarray = self.predicted - self.true
        return error

    def subset(self, chosen: np.ndarray) -> Forecasts:
        """Some of the rows."""
        return replace(
            self,
            true=self.true[chosen],
            predicted=self.predicted[chosen],
            low=None if self.low is None else self.low[chosen],
            high=None if self.high is None else self.high[chosen],
            quantiles={at: values[chosen] for at, values in self.quantiles.items()},
        )


def forecasts_of(
    y_true: Any,
    y_pred: Any,
    *,
    y_low: Any = None,
    y_high: Any = None,
    quantiles: Mapping[float, Any] | None = None,
    training: Any = None,
    season: int | None = None,
) -> Forecasts:
    """Check columns; arguments as for `regression_metrics`.

    Raises:
        QueryError: The columns cannot be compared.
    """
    true = numbers(y_true, "y_true")
    n = len(true)
    if (y_low is None) != (y_high is None):
        raise QueryError(
            "a prediction interval has two ends", fix="Pass both `y_low` and `y_high`."
        )
    low = None if y_low is None else numbers(y_low, "y_low", n=n)
    high = None if y_high is None else numbers(y_high, "y_high", n=n)
    if low is not None and high is not None and (low > high).any():
        at = int(np.flatnonzero(low > high)[0])
        raise QueryError(
            "a prediction interval ends before it begins",
            got=f"{low[at]:g} to {high[at]:g} in row {at}",
        )
    checked = {}
    for probability, values in (quantiles or {}).items():
        if not is_share(probability) or probability in (0, 1):
            raise QueryError("this is no quantile", got=probability, allowed="above 0, below 1")
        name = f"quantiles[{probability}]"
        checked[float(probability)] = numbers(values, name, n=n)
    naive = None
    if training is not None or season is not None:
        past = true if training is None else numbers(training, "training")
        naive = _naive_error(past, 1 if season is None else season)
    return Forecasts(true, numbers(y_pred, "y_pred", n=n), low, high, checked, naive)


def numbers_measured(rows: Forecasts) -> Metrics:
    """All metrics of rows."""
    sums = ErrorSums.of_numbers(rows.true, rows.predicted)
    result = sums.metrics()
    size = np.abs(rows.error)
    result.put("median_absolute_error", float(np.median(size)))
    if rows.naive_error is not None:
        result.put(
            "mase",
            sums.sum_abs / sums.n / rows.naive_error if rows.naive_error > 0 else None,
            "the naive forecast makes no error",
        )
    for probability, values in rows.quantiles.items():
        loss = _pinball(rows.true, values, probability)
        result.put(_pinball_name(probability), float(loss.mean()))
    if rows.low is not None and rows.high is not None:
        result.put("interval_coverage", float(_is_covered(rows).mean()))
        result.put("interval_width", float((rows.high - rows.low).mean()))
    return result


def number_intervals(
    rows: Forecasts, result: Metrics, clusters: np.ndarray | None, *, confidence: float
) -> dict[str, Estimate]:
    """An estimate for each metric that is defined; arguments as for `class_intervals`."""
    found = {}
    influences = _influences(rows)
    for name, value in result.items():
        if value is None:
            continue
        if name == "interval_coverage":
            found[name] = share_estimate(_is_covered(rows), clusters, confidence=confidence)
        elif name == "median_absolute_error":
            found[name] = _median_estimate(np.abs(rows.error), value, clusters, confidence)
        elif name == "rmse":
            found[name] = _rooted(found["mse"], value)
        else:
            method = "delta" if name in _RATIOS else "t"
            estimate = linear_estimate(
                value, influences[name], clusters, confidence=confidence, method=method
            )
            found[name] = _bounded(estimate, name)
    return found


def number_differences(
    a: Forecasts,
    b: Forecasts,
    results: tuple[Metrics, Metrics],
    clusters: np.ndarray | None,
    *,
    confidence: float,
) -> dict[str, Estimate]:
    """How much higher each metric is for the second model, on the same rows."""
    of_a, of_b = _influences(a), _influences(b)
    differences = {}
    for name, second in results[1].items():
        first = results[0].get(name)
        if name not in results[0]:
            continue
        if first is None or second is None:
            reason = results[0].reasons.get(name) or results[1].reasons.get(name, "")
            differences[name] = Estimate(None, confidence=confidence, n=len(a.true), reason=reason)
        elif name in of_a and name in of_b:
            differences[name] = linear_estimate(
                second - first,
                of_b[name] - of_a[name],
                clusters,
                confidence=confidence,
                method="paired delta" if name in _RATIOS else "paired t",
            )
        else:
            differences[name] = Estimate(
                second - first,
                confidence=confidence,
                reason="medians of the same rows have no simple interval of their difference",
            )
    return differences


#: What metrics can be that do not go from 0 to infinity.
_RANGES = {"r2": (-math.inf, 1.0), "bias": (-math.inf, math.inf), "smape": (0.0, 2.0)}

_RATIOS = ("rmse", "r2", "wape")


def _influences(rows: Forecasts) -> dict[str, np.ndarray]:
    """How much each row moves each metric; shape (n,) each."""
    error, true, n = rows.error, rows.true, len(rows.true)
    size, size_true = np.abs(error), np.abs(rows.true)
    squares = np.square(error)
    of_mse = mean_influence(squares)
    both = size_true + np.abs(rows.predicted)
    symmetric = np.divide(2 * size, both, out=np.zeros_like(size), where=both > 0)
    found = {
        "mae": mean_influence(size),
        "mse": of_mse,
        "smape": mean_influence(symmetric),
        "bias": mean_influence(error),
    }
    rmse = math.sqrt(float(squares.mean()))
    if rmse > 0:
        found["rmse"] = of_mse / (2 * rmse)
    spread = np.square(true - true.mean())
    if spread.any() and n > 1:
        found["r2"] = -ratio_influence(squares, spread)
    if (size_true >= 1 / LARGEST).all():
        found["mape"] = mean_influence(100 * size / size_true)
    if size_true.any():
        found["wape"] = ratio_influence(size, size_true)
    if rows.naive_error:
        found["mase"] = found["mae"] / rows.naive_error
    for probability, values in rows.quantiles.items():
        loss = _pinball(true, values, probability)
        found[_pinball_name(probability)] = mean_influence(loss)
    if rows.low is not None and rows.high is not None:
        found["interval_coverage"] = mean_influence(_is_covered(rows))
        found["interval_width"] = mean_influence(rows.high - rows.low)
    return found


def _naive_error(past: np.ndarray, season: int) -> float:
    """Mean size of the error of saying what was true a season ago (Hyndman and Koehler 2006)."""
    if not hasattr(season, "__index__") or not 1 <= season < len(past):
        raise QueryError(
            "there is no value a season ago",
            got=season,
            allowed=f"1 to {len(past) - 1} values",
            fix="Pass the past of the series as `training`.",
        )
    return float(np.abs(past[season:] - past[:-season]).mean())


def _pinball(true: np.ndarray, predicted: np.ndarray, probability: float) -> np.ndarray:
    above = true - predicted
    loss: np.ndarray = np.maximum(probability * above, (probability - 1) * above)
    return loss


def _pinball_name(probability: float) -> str:
    """Such as `pinball.p90`, `pinball.p97_5`."""
    return "pinball.p" + f"{100 * probability:.6g}".replace(".", "_")


def _is_covered(rows: Forecasts) -> np.ndarray:
    assert rows.low is not None
    assert rows.high is not None
    is_covered: np.ndarray = (rows.low <= rows.true) & (rows.true <= rows.high)
    return is_covered


def _median_estimate(
    values: np.ndarray, median: float, clusters: np.ndarray | None, confidence: float
) -> Estimate:
    """An interval between two of the values, whatever their distribution (Woodruff 1952)."""
    below = linear_estimate(
        0.5, mean_influence(values <= median), clusters, confidence=confidence, method="woodruff"
    )
    if below.low is None or below.high is None:
        return replace(below, value=median)
    low, high = np.quantile(values, [max(below.low, 0.0), min(below.high, 1.0)])
    return replace(below, value=median, low=float(low), high=float(high))


def _rooted(mse: Estimate, rmse: float) -> Estimate:
    if mse.low is None or mse.high is None:
        return replace(mse, value=rmse)
    return replace(mse, value=rmse, low=math.sqrt(mse.low), high=math.sqrt(mse.high))


def _bounded(estimate: Estimate, name: str) -> Estimate:
    """Without ends that the metric cannot have."""
    if estimate.low is None or estimate.high is None:
        return estimate
    least, most = _RANGES.get(name, (0.0, math.inf))
    return replace(estimate, low=max(estimate.low, least), high=min(estimate.high, most))
