# SPDX-License-Identifier: Apache-2.0
"""How much is needed to see an effect, and how small an effect can be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from tidegauge.statistics.impact.errors import (
    check_share,
    no_autocorrelation,
    no_effect,
    no_proportion,
    no_spread,
    too_few,
    too_many,
)

__all__ = ["Plan", "least_count", "least_effect"]

# Larger groups are not looked for.
_MOST = 10**9

# So many standard errors are never seen by chance.
_FAR = 5.0

# Of larger numbers the squares are none.
_LARGEST = 1e150

# With more memory than this, sums of days have no digits left.
_LONGEST = 0.999

# Fifty years of days.
_MOST_STEPS = 20_000

# Memory and week have to be estimated, and a line ruled out. Simulated, that costs as much as if
# the variance were larger by so much of a day's share of it.
_ESTIMATED = 28.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What two groups, or the steps before and after a change, are to show.

    Attributes:
        std: Standard deviation of the values; None for proportions.
        baseline: The proportion without the change, 0 to 1, exclusive; None for means.
        power: Probability to see the effect, 0 to 1, exclusive.
        alpha: Probability to see one where there is none, 0 to 1, exclusive.
        autocorrelation: Correlation of each day with the one before, 0 to 0.999; None for
            independent values.
    """

    std: float | None
    baseline: float | None = None
    power: float = 0.8
    alpha: float = 0.05
    autocorrelation: float | None = None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            QueryError: A number is outside of its bounds.
        """
        check_share("power", self.power)
        check_share("alpha", self.alpha)
        if self.baseline is not None:
            if not 0 < self.baseline < 1:
                raise no_proportion(self.baseline)
        elif self.std is None or not 0 < self.std <= _LARGEST:
            raise no_spread(self.std)
        if self.autocorrelation is not None and not 0 <= self.autocorrelation <= _LONGEST:
            raise no_autocorrelation(self.autocorrelation)

    def power_of(self, effect: float, count: int) -> float:
        """Probability to see an effect with so many in each group, two-sided.

        Means by the noncentral t distribution, proportions by the normal one with the pooled
        proportion where there is no effect.

        Args:
            effect: In the unit of the values.
            count: In each group, 2 or more.
        """
        if self.baseline is not None:
            return self._proportion_power(self.baseline, effect, count)
        variance, freedom = 2 / count, 2.0 * count - 2
        if self.autocorrelation is not None:
            variance = _variance(self.autocorrelation, count)
            freedom = max(2 * min(2 / variance, count) - 2, 1.0)
            variance *= 1 + _ESTIMATED / count
        error = (self.std or 0.0) * math.sqrt(variance)
        limit = float(stdtrit(freedom, 1 - self.alpha / 2))
        shift = abs(effect) / error
        # What is too rare is not a number to scipy: such as a significant effect of the wrong sign.
        wrong = nctdtr(freedom, shift, -limit) if shift < _FAR else 0.0
        missed = nctdtr(freedom, shift, limit)
        return float(1 - (0.0 if math.isnan(missed) else missed) + wrong)

    def _proportion_power(self, baseline: float, effect: float, count: int) -> float:
        other = baseline + effect
        pooled = (baseline + other) / 2
        error_null = math.sqrt(2 * pooled * (1 - pooled) / count)
        error = math.sqrt((baseline * (1 - baseline) + other * (1 - other)) / count)
        limit = float(-ndtri(self.alpha / 2)) * error_null
        shift = abs(effect)
        return float(ndtr((shift - limit) / error) + ndtr((-shift - limit) / error))


def least_count(plan: Plan, effect: float) -> int:
    """How many each group needs, or how many steps there must be before and after, as many.

    Args:
        plan: What is to be shown.
        effect: The effect, in the unit of the values; not 0.

    Raises:
        QueryError: A number is outside of its bounds, or more would be needed than anybody has.
    """
    plan.check()
    if not 0 < abs(effect) < math.inf:
        raise no_effect(effect)
    if plan.baseline is not None and not 0 < plan.baseline + effect < 1:
        raise no_proportion(plan.baseline + effect)
    most = _MOST if plan.autocorrelation is None else _MOST_STEPS
    if plan.power_of(effect, most) < plan.power:
        raise too_many(effect, most)
    return _first(lambda count: plan.power_of(effect, count) >= plan.power, 2, most)


def least_effect(plan: Plan, count: int) -> float:
    """The smallest rise that so many in each group show with the power of the plan.

    Args:
        plan: What is to be shown.
        count: In each group, or steps before and after; 2 or more.

    Raises:
        QueryError: A number is outside of its bounds; or no rise of a proportion can be seen.
    """
    plan.check()
    if count < 2:
        raise too_few(count)
    if plan.baseline is None:
        high = float(plan.std or 0.0)
        while plan.power_of(high, count) < plan.power:
            high *= 2
    else:
        high = (1 - plan.baseline) * (1 - 1e-9)
        if plan.power_of(high, count) < plan.power:
            raise too_few(count)
    low = 0.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if plan.power_of(middle, count) < plan.power else (low, middle)
    return high


def _variance(autocorrelation: float, count: int) -> float:
    """Variance of the mean of `count` days less that of as many before, for values of variance 1.

    The days are of one AR(1) series, so those on the two sides of the change are alike as well.
    """
    p = autocorrelation
    inside = (1 + p) / (1 - p) - 2 * p * (1 - p**count) / (count * (1 - p) ** 2)
    across = p * (1 - p**count) ** 2 / (count * (1 - p) ** 2)
    return 2 * (inside - across) / count


def _first(is_enough: Callable[[int], bool], low: int, high: int) -> int:
    """The first number from which on something holds."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low
