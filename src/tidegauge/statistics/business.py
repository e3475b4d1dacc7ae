# SPDX-License-Identifier: Apache-2.0
"""What is worked out from several estimates: what a customer is worth, and what was saved.

Intervals are put together from the ends of those that go in (MOVER, Zou and Donner 2008), so that
uneven ones stay uneven. The estimates that go in are taken as independent.
"""

from __future__ import annotations

import math

from tidegauge.statistics.bounds import check_number
from tidegauge.statistics.estimate import Estimate, unknown

__all__ = ["check_worth", "lifetime_value", "saved"]


def lifetime_value(
    revenue: Estimate, retention: Estimate, *, margin: float, discount: float
) -> Estimate:
    """What a customer brings from the next period on: `margin * a * r / (1 + discount - r)`.

    Assumes what is known as contractual geometric retention: of those who are customers in a period
    the same share `r` is still there in the next, for ever; each of them brings `a` per period; and
    money of the next period is worth `1 / (1 + discount)` of today's. The present period is not in.

    Args:
        revenue: Revenue per user and period, `a`, 0 or more.
        retention: Share of users who are still there a period later, `r`, 0 to 1.
        margin: Share of revenue that is kept, above 0 and up to 1.
        discount: Discount rate per period, 0 or more.
    """
    confidence = revenue.confidence
    a, r = revenue.value, retention.value
    for name, part in (("revenue per user", revenue), ("retention", retention)):
        if part.value is None:
            return unknown(f"{name}: {part.reason}", confidence=confidence)
    assert a is not None
    assert r is not None
    if r < 0:
        return unknown("retention is below 0", confidence=confidence)
    if r >= 1 + discount:
        return unknown("nobody leaves, and nothing is discounted", confidence=confidence)
    if a < 0:
        return unknown("revenue per user is below 0", confidence=confidence)
    value = margin * a * _periods(r, discount)
    n = min(revenue.n, retention.n)
    for name, part in (("revenue per user", revenue), ("retention", retention)):
        if part.low is None or part.high is None:
            reason = f"no interval of {name}: {part.reason}"
            return Estimate(value, confidence=confidence, n=n, reason=reason)
    low, high = _product(
        (a, revenue.low or 0.0, revenue.high or 0.0),
        (
            _periods(r, discount),
            _periods(retention.low or 0.0, discount),
            _periods(retention.high or 0.0, discount),
        ),
    )
    if math.isinf(high):
        reason = "no upper end: nobody may leave, and nothing is discounted"
        return Estimate(value, margin * low, None, confidence, "mover", n, reason)
    return Estimate(value, margin * low, margin * high, confidence, "mover", n)


def check_worth(margin: object, discount: object) -> None:
    """Refuse what no lifetime value can be worked out with.

    Raises:
        QueryError: The margin is not above 0 and up to 1, or the discount rate is below 0.
    """
    if margin is not None:
        check_number("a margin cannot be this", margin, "above 0, up to 1", above=0, most=1)
    check_number("a discount rate cannot be this", discount, "0 or more", least=0)


def saved(before: Estimate, after: Estimate, units: float) -> Estimate:
    """What is saved in all where each of some units costs less than before: money, or time.

    Args:
        before: Cost of a unit before, such as the mean of some tasks.
        after: Cost of a unit now.
        units: How many units, 0 or more; known, and not estimated.
    """
    confidence = before.confidence
    for name, part in (("before", before), ("after", after)):
        if part.value is None:
            return unknown(f"{name}: {part.reason}", confidence=confidence)
    assert before.value is not None
    assert after.value is not None
    difference = before.value - after.value
    n = min(before.n, after.n)
    for name, part in (("before", before), ("after", after)):
        if part.low is None or part.high is None:
            reason = f"no interval of the cost {name}: {part.reason}"
            return Estimate(difference * units, confidence=confidence, n=n, reason=reason)
    assert before.low is not None
    assert before.high is not None
    assert after.low is not None
    assert after.high is not None
    low = difference - math.hypot(before.value - before.low, after.high - after.value)
    high = difference + math.hypot(before.high - before.value, after.value - after.low)
    return Estimate(difference * units, low * units, high * units, confidence, "mover", n)


def _periods(retention: float, discount: float) -> float:
    """How many periods a customer will be there, money of later ones counting for less."""
    left = 1 + discount - retention
    return retention / left if left > 0 else math.inf


def _product(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """Ends of the interval of a product of two estimates (value, low, high), values 0 or more.

    Logarithms add up. Where a value is 0 it has none, and the ends are those of both together.
    Lower ends below 0 count as 0, and upper ones below the value as the value.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    a_low, b_low = max(a_low, 0.0), max(b_low, 0.0)
    a_high, b_high = max(a_high, a), max(b_high, b)
    if a == 0 or b == 0:
        return a_low * b_low, a_high * b_high
    low = 0.0
    if a_low > 0 and b_low > 0:
        low = a * b * math.exp(-math.hypot(math.log(a / a_low), math.log(b / b_low)))
    if math.isinf(b_high):
        return low, math.inf
    return low, a * b * math.exp(math.hypot(math.log(a_high / a), math.log(b_high / b)))
