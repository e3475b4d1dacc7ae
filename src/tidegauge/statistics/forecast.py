# SPDX-License-Identifier: Apache-2.0
"""What a period will come to in the end, told from the days before, with a prediction interval.

Days are taken to scatter around a level, or around a level for each day of the week, without a
trend. What follows is the sum of several days to come, so both their scatter and the uncertainty of
the level count: with n days behind and r ahead its variance is `r s² + r² s² / n`. Days that
resemble the day before make sums scatter more; that is estimated, and made good.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tidegauge.statistics.welch import independent_count, student_quantile

__all__ = ["LEAST_DAYS", "WEEKDAY_DAYS", "Ahead", "Forecast", "forecast_total"]

#: Days without which nothing is told.
LEAST_DAYS = 3

#: Days from which on days of the week are told apart: three weeks.
WEEKDAY_DAYS = 21

_WEEK = 7
#: Memory that is longer than this cannot be told from so few days.
_MOST_MEMORY = 0.95


class Ahead(NamedTuple):
    """A day to come, or what is left of today.

    Attributes:
        weekday: 0 for Monday to 6 for Sunday.
        share: How much of it is to come, 0 to 1.
    """

    weekday: int
    share: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """A total with its uncertainty, in the unit of the values.

    Attributes:
        expected: The mean of what it may be.
        low: Lower end of the prediction interval.
        high: Upper end.
        method: Whether days of the week were told apart.
        n_days: From how many days.
    """

    expected: float
    low: float
    high: float
    method: Literal["mean", "weekday"]
    n_days: int


def forecast_total(
    so_far: float,
    history: Sequence[float],
    first_weekday: int,
    ahead: Sequence[Ahead],
    *,
    confidence: float,
) -> Forecast | None:
    """Tell what a total will be after the days ahead.

    Args:
        so_far: What it is now. The answer is never below it.
        history: Totals of complete days, one after the other without gaps, the oldest first; shape
            (n_days,), 0 or more each.
        first_weekday: The day of the week of the first of them, 0 for Monday.
        ahead: What is to come, beginning with the rest of today.
        confidence: Probability that such intervals cover the total, 0 to 1, exclusive.

    Returns:
        The forecast; None if there are fewer than `LEAST_DAYS` days behind.
    """
    count = len(history)
    if count < LEAST_DAYS:
        return None
    is_weekly = count >= WEEKDAY_DAYS
    groups = [(first_weekday + at) % _WEEK if is_weekly else 0 for at in range(count)]
    sizes, means = _means(history, groups)
    residuals = [value - means[group] for value, group in zip(history, groups, strict=True)]
    shares: dict[int, float] = {}
    for day in ahead:
        group = day.weekday if is_weekly else 0
        shares[group] = shares.get(group, 0.0) + day.share
    expected = so_far + sum(share * means[group] for group, share in shares.items())
    memory = _memory(residuals)
    # Days that resemble each other stand for fewer, and stay closer to their own mean.
    worth = max(independent_count(count, memory), 1.5) / count
    freedom = max((count - len(means)) * worth, 1.0)
    fitted = len(means) * min(1 / worth, count / (len(means) + 1))
    variance = math.fsum(each * each for each in residuals) / (count - fitted)
    of_level = sum(share**2 / (sizes[group] * worth) for group, share in shares.items())
    of_days = _summed_scatter([day.share for day in ahead], memory)
    reach = student_quantile((1 + confidence) / 2, freedom) * math.sqrt(
        variance * (of_days + of_level)
    )
    return Forecast(
        expected=expected,
        low=max(expected - reach, so_far),
        high=expected + reach,
        method="weekday" if is_weekly else "mean",
        n_days=count,
    )


def _means(
    values: Sequence[float], groups: Sequence[int]
) -> tuple[dict[int, int], dict[int, float]]:
    """How many values each group has, and their mean."""
    members: dict[int, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        members.setdefault(group, []).append(value)
    sizes = {group: len(each) for group, each in members.items()}
    return sizes, {group: math.fsum(each) / len(each) for group, each in members.items()}


def _memory(residuals: Sequence[float]) -> float:
    """How much a day resembles the one before it; 0 for days that do the opposite."""
    squares = math.fsum(each * each for each in residuals)
    if squares == 0:
        return 0.0
    products = math.fsum(a * b for a, b in itertools.pairwise(residuals))
    return min(max(products / squares, 0.0), _MOST_MEMORY)


def _summed_scatter(shares: Sequence[float], memory: float) -> float:
    """The variance of the sum of days ahead, in variances of a day.

    A part of a day scatters as its share of the day does; neighbours correlate by `memory`.
    """
    scatter = math.fsum(shares)
    for lag in range(1, len(shares)):
        weight = 2 * memory**lag
        if weight < 1e-9:
            break
        scatter += weight * math.fsum(
            math.sqrt(a * b) for a, b in zip(shares, shares[lag:], strict=False)
        )
    return scatter
