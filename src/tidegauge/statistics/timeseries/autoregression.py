# SPDX-License-Identifier: Apache-2.0
"""How strongly a series follows its own past, and what is left of it when that is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg

__all__ = ["MAX_ORDER", "Autoregression", "autocorrelation", "fit_autoregression"]

#: No more values of the past are looked at than this, nor than a tenth of the series.
MAX_ORDER = 10

# A partial autocorrelation of 1 would leave a noise of variance 0.
_LARGEST_PARTIAL = 0.999

# So many runs of values without a gap tell a partial autocorrelation, at least.
_LEAST_RUNS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Autoregression:
    """Each value as a weighted sum of those before it, and noise.

    Attributes:
        mean: What the series fluctuates about.
        coefficients: Weight of the value one step before, two steps before, and so on; shape (p,).
        variance: Variance of the noise.
    """

    mean: float
    coefficients: np.ndarray
    variance: float

    @property
    def order(self) -> int:
        """How many values of the past matter."""
        return len(self.coefficients)

    @property
    def inflation(self) -> float:
        """How much larger the variance of a mean is than if values were independent, by this model.

        Above 1 if neighbours are alike; n values are worth n divided by this.
        """
        if self.order == 0:
            return 1.0
        gain = 1 / (1 - self.coefficients.sum())
        # The variance of values, if that of the noise is 1.
        spread = linalg.solve_discrete_lyapunov(*self._transition())
        return float(gain**2 / spread[0, 0])

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """What the past does not tell: the noise; shape (n,).

        The first `order` values are NaN, and so is what follows a gap so closely.
        """
        filtered = np.convolve(values - self.mean, np.concatenate([[1.0], -self.coefficients]))
        noise: np.ndarray = filtered[: len(values)]
        noise[: self.order] = np.nan
        return noise

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """What the past does not tell, as far as it is known, all with the variance of the noise.

        After a gap the past tells less, so what it does not tell is larger, and is made smaller by
        as much. These are the exact innovations of the filter of Kalman (Jones 1980): the model's
        values have independent ones, wherever the gaps are.

        Args:
            values: Shape (n,), NaN where there is none.

        Returns:
            Shape (n,), NaN where there is no value.
        """
        noise = values - self.mean
        if self.order == 0:
            return noise
        shift, fresh = self._transition()
        state = np.zeros(self.order)
        spread = linalg.solve_discrete_lyapunov(shift, fresh)
        centred = noise.copy()
        whole = self.residuals(values)
        is_whole = np.isfinite(whole)
        noise[is_whole] = whole[is_whole]
        for step in range(len(noise)):
            if is_whole[step]:
                # All of the past that matters is known, so the filter need not run.
                continue
            if step and is_whole[step - 1]:
                state = shift @ centred[step - self.order : step][::-1]
                spread = fresh
            if np.isfinite(centred[step]):
                surprise = centred[step] - state[0]
                gain = spread[:, 0] / spread[0, 0]
                noise[step] = surprise / np.sqrt(spread[0, 0])
                state = state + gain * surprise
                spread = spread - np.outer(gain, spread[0])
            state = shift @ state
            spread = shift @ spread @ shift.T + fresh
        return noise

    def _transition(self) -> tuple[np.ndarray, np.ndarray]:
        """What a step does to the last values, the newest first, and what noise it adds to them."""
        shift = np.eye(self.order, k=-1)
        shift[0] = self.coefficients
        fresh = np.zeros((self.order, self.order))
        fresh[0, 0] = 1
        return shift, fresh


def autocorrelation(values: np.ndarray, max_lag: int) -> np.ndarray:
    """Correlation of a series with itself, 0 to `max_lag` steps before; shape (max_lag + 1,).

    Without gaps this is the usual estimate, whose sums are divided by n at each lag. With gaps each
    sum is over the pairs that there are.

    Args:
        values: Shape (n,), NaN where there is none.
        max_lag: Below n.
    """
    n = len(values)
    present = np.isfinite(values)
    centred = np.where(present, values - values[present].mean(), 0.0)
    lags = range(max_lag + 1)
    sums = np.array([centred[: n - lag] @ centred[lag:] for lag in lags])
    if present.all():
        shares = np.ones(max_lag + 1)
    else:
        pairs = np.array([(present[: n - lag] & present[lag:]).sum() for lag in lags])
        shares = np.maximum(pairs, 1) / (present.sum() * (n - np.arange(max_lag + 1)) / n)
    if sums[0] <= 0:
        return np.concatenate([[1.0], np.zeros(max_lag)])
    correlations: np.ndarray = sums / shares / (sums[0] / shares[0])
    return correlations


def fit_autoregression(values: np.ndarray, max_order: int | None = None) -> Autoregression:
    """The autoregression that describes a series best.

    The order is the one with the least information criterion of Akaike. Without gaps its weights
    solve Yule and Walker's equations; the recursion of Levinson and Durbin gives all orders at
    once. With gaps the partial autocorrelations are Burg's (1975), over the runs of values that
    have none: correlations of different pairs at each lag may belong to no series at all.

    Args:
        values: Shape (n,), NaN where there is none; at least one is there.
        max_order: The largest order; if None, `MAX_ORDER` or a tenth of the values.
    """
    present = np.isfinite(values)
    known = np.flatnonzero(present)
    limit = min(MAX_ORDER, len(known) // 10) if max_order is None else max_order
    limit = min(limit, len(known) - 1)
    partials: Iterable[tuple[float, int]]
    if len(known) == known[-1] - known[0] + 1:
        partials = _yule_walker(autocorrelation(values, limit), len(known))
    else:
        partials = _burg(values - values[present].mean(), limit)
    best = coefficients = np.zeros(0)
    noise = best_noise = 1.0
    criterion = least = 0.0
    for partial, count in partials:
        coefficients = np.append(coefficients - partial * coefficients[::-1], partial)
        noise *= 1 - partial**2
        criterion += count * np.log(1 - partial**2) + 2
        if criterion < least:
            least, best, best_noise = criterion, coefficients, noise
    variance = float(values[present].var())
    return Autoregression(float(values[present].mean()), best, best_noise * variance)


def _yule_walker(correlations: np.ndarray, count: int) -> Iterator[tuple[float, int]]:
    """Partial autocorrelations of orders 1, 2, …, and how many values each rests on."""
    coefficients = np.zeros(0)
    noise = 1.0
    for order in range(1, len(correlations)):
        explained = coefficients @ correlations[order - 1 : 0 : -1]
        partial = _clipped((correlations[order] - explained) / noise)
        coefficients = np.append(coefficients - partial * coefficients[::-1], partial)
        noise *= 1 - partial**2
        yield partial, count


def _burg(centred: np.ndarray, limit: int) -> Iterator[tuple[float, int]]:
    """The same, from what neither the values between two tell of the one, nor of the other."""
    later, earlier = centred[1:], centred[:-1]
    for _ in range(limit):
        both = np.isfinite(later) & np.isfinite(earlier)
        count = int(both.sum())
        squares = (later[both] ** 2).sum() + (earlier[both] ** 2).sum()
        if count < _LEAST_RUNS or not squares > 0:
            return
        partial = _clipped(2 * (later[both] @ earlier[both]) / squares)
        yield partial, count
        later, earlier = (later - partial * earlier)[1:], (earlier - partial * later)[:-1]


def _clipped(partial: float) -> float:
    return float(np.clip(partial, -_LARGEST_PARTIAL, _LARGEST_PARTIAL))
