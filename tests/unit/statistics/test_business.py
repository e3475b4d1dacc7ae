# SPDX-License-Identifier: Apache-2.0
"""What a customer is worth, and what was saved."""

from __future__ import annotations

import numpy as np
import pytest

from tidegauge.statistics.business import lifetime_value, saved
from tidegauge.statistics.estimate import Estimate, unknown
from tidegauge.statistics.ratios import Sums, ratio, share


def test_a_customers_worth_is_the_sum_of_the_periods_to_come() -> None:
    """0.6 * 10 * (0.8 / 1.1 + 0.8² / 1.1² + …), summed up one by one."""
    found = lifetime_value(
        Estimate(10, 9, 11, n=50), Estimate(0.8, 0.7, 0.88, n=90), margin=0.6, discount=0.1
    )
    assert found.value == pytest.approx(sum(6 * (0.8 / 1.1) ** t for t in range(1, 500)))
    assert (found.method, found.n) == ("mover", 50)
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(16 * np.exp(-np.hypot(np.log(10 / 9), np.log(8 / 3 / 1.75))))
    assert found.high == pytest.approx(16 * np.exp(np.hypot(np.log(1.1), np.log(1.5))))


def test_with_no_end_in_sight_there_is_no_worth() -> None:
    """Retention of 1 without discount adds up for ever; where it may be 1 there is no upper end."""
    revenue = Estimate(10, 9, 11, n=50)
    for_ever = lifetime_value(revenue, Estimate(1.0, 0.9, 1.0, n=9), margin=1, discount=0)
    assert for_ever.value is None
    assert for_ever.reason == "nobody leaves, and nothing is discounted"
    maybe = lifetime_value(revenue, Estimate(0.9, 0.8, 1.0, n=9), margin=1, discount=0)
    assert (maybe.value, maybe.high) == (pytest.approx(90), None)
    assert maybe.low is not None
    assert maybe.reason is not None


def test_what_is_not_known_is_passed_on_with_its_reason() -> None:
    """Neither worth nor savings are made up."""
    known = Estimate(0.5, 0.4, 0.6)
    worth = lifetime_value(known, unknown("no cohorts"), margin=1, discount=0)
    assert worth.reason == "retention: no cohorts"
    assert saved(unknown("no values"), known, 3).reason == "before: no values"
    assert lifetime_value(Estimate(-1.0, -2, 0), known, margin=1, discount=0).value is None


def test_an_estimate_without_interval_gives_a_worth_without_one() -> None:
    """The value is there, and the reason says whose interval is missing."""
    found = lifetime_value(
        Estimate(10, reason="one day"), Estimate(0.5, 0.4, 0.6), margin=1, discount=0
    )
    assert (found.value, found.low) == (10, None)
    assert found.reason == "no interval of revenue per user: one day"
    assert saved(Estimate(2, reason="x"), Estimate(1, 1, 1), 5).value == 5


def test_nobody_who_stays_is_worth_nothing() -> None:
    """And the interval goes up to what both upper ends make."""
    found = lifetime_value(Estimate(10, 8, 12), Estimate(0.0, 0.0, 0.2, n=9), margin=1, discount=0)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(12 * 0.2 / 0.8)


def test_a_retention_below_zero_is_none() -> None:
    """An end of an interval below 0 counts as 0, and a value below 0 gives no worth."""
    revenue = Estimate(10, 8, 12, n=5)
    found = lifetime_value(revenue, Estimate(0.1, -0.2, 0.3, n=5), margin=1, discount=0)
    assert found.low == 0
    worth = lifetime_value(revenue, Estimate(-0.1, -0.2, 0.0, n=5), margin=1, discount=0)
    assert (worth.value, worth.reason) == (None, "retention is below 0")
    odd = lifetime_value(revenue, Estimate(0.1, -0.2, -0.1, n=5), margin=1, discount=0)
    assert odd.high == pytest.approx(12 / 9)


def test_savings_are_a_difference_times_units() -> None:
    """5 - 3 of each of a hundred; the ends by Pythagoras: 2 ± sqrt(1 + 0.25)."""
    found = saved(Estimate(5, 4, 6, n=20), Estimate(3, 2.5, 3.5, n=30), 100)
    assert found.value == 200
    assert (found.low, found.high) == (
        pytest.approx(100 * (2 - 1.25**0.5)),
        pytest.approx(100 * (2 + 1.25**0.5)),
    )
    assert found.n == 20


def test_a_customers_worth_is_covered_as_often_as_is_said() -> None:
    """Of 300 users with skewed revenue, of which 70 of a hundred stay."""
    rng = np.random.default_rng(11)
    truth = 20 * 0.7 / (1.1 - 0.7)
    covered = 0
    for _ in range(400):
        revenue = ratio(Sums.of((each, 1.0) for each in rng.gamma(0.5, 40, size=300)), least=0)
        retention = share(rng.binomial(300, 0.7), 300)
        found = lifetime_value(revenue, retention, margin=1, discount=0.1)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.98
