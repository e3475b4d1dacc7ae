# SPDX-License-Identifier: Apache-2.0
"""A difference of two quantiles, by a bootstrap that draws ranks in place of samples.

The rank of a bootstrapped quantile is known without drawing any sample: it has a beta distribution
(Schultzberg and Ankargren 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegauge.statistics.estimate import Estimate, unknown

__all__ = ["Quantiles", "compare_quantiles"]

_DRAWS = 20_000
_SEED = 20_260_115

# With fewer values beyond a quantile its interval would end at the largest value there is.
_LEAST_BEYOND = 5


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A quantile of two samples, and how they differ.

    Attributes:
        before: Of the first.
        after: Of the second.
        difference: The second less the first.
        relative: The same as a share of the first.
        p_value: Two-sided, by the bootstrap; None if there is no interval.
    """

    before: float
    after: float
    difference: Estimate
    relative: Estimate
    p_value: float | None


def compare_quantiles(
    before: np.ndarray, after: np.ndarray, probability: float, confidence: float
) -> Quantiles:
    """Compare a quantile of two samples of independent values.

    Args:
        before: Shape (n,).
        after: Shape (m,).
        probability: Which quantile, 0 to 1, exclusive.
        confidence: Probability that intervals cover the truth.
    """
    first, second = (float(np.quantile(each, probability)) for each in (before, after))
    n = min(len(before), len(after))
    beyond = n * min(probability, 1 - probability)
    if beyond < _LEAST_BEYOND:
        reason = f"the smaller sample has {beyond:.3g} values beyond the quantile, and 5 are needed"
        nothing = unknown(reason, n=n, confidence=confidence)
        difference = Estimate(second - first, confidence=confidence, n=n, reason=reason)
        return Quantiles(first, second, difference, nothing, None)
    rng = np.random.default_rng(_SEED)
    drawn = [_drawn(rng, each, probability) for each in (before, after)]
    tails = (1 - confidence) / 2, (1 + confidence) / 2

    def told(value: float, draws: np.ndarray) -> Estimate:
        low, high = np.quantile(draws, tails).tolist()
        return Estimate(value, low, high, confidence, "bootstrap of ranks", n)

    differences = drawn[1] - drawn[0]
    below = (1 + (differences <= 0).sum()) / (1 + _DRAWS)
    above = (1 + (differences >= 0).sum()) / (1 + _DRAWS)
    if drawn[0].min() > 0:
        relative = told(second / first - 1, drawn[1] / drawn[0] - 1)
    else:
        reason = "the quantile before is not clearly above 0"
        relative = unknown(reason, n=n, confidence=confidence)
    p_value = min(1.0, 2 * float(min(below, above)))
    return Quantiles(first, second, told(second - first, differences), relative, p_value)


def _drawn(rng: np.random.Generator, values: np.ndarray, probability: float) -> np.ndarray:
    n = len(values)
    ranks = rng.beta((n + 1) * probability, (n + 1) * (1 - probability), _DRAWS)
    return np.asarray(np.quantile(values, ranks))
