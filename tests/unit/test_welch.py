# SPDX-License-Identifier: Apache-2.0
"""The interval of a difference of means, against tables and worked examples."""

from __future__ import annotations

import pytest

from tidegauge.statistics.welch import (
    Sample,
    independent_count,
    student_quantile,
    welch_interval,
)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [
        (0.975, 1, 12.706204736),
        (0.975, 2, 4.302652730),
        (0.975, 10, 2.228138852),
        (0.995, 30, 2.749995654),
        (0.95, 29.7, 1.697807117),
        (0.975, 1e4, 1.960201264),
        (0.975, 1e9, 1.959963987),
        (0.5, 5, 0.0),
        (0.025, 10, -2.228138852),
    ],
)
def test_quantiles_of_students_distribution(
    probability: float, freedom: float, expected: float
) -> None:
    """The values of the printed tables, and the normal distribution at the far end."""
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 5), (1.0, 5), (0.5, 0), (0.5, -1)])
def test_quantiles_outside_the_bounds_are_refused(probability: float, freedom: float) -> None:
    """There is no quantile at probability 0 or 1, or without degrees of freedom."""
    with pytest.raises(ValueError, match="no quantile for probability"):
        student_quantile(probability, freedom)


def test_interval_of_unequal_variances() -> None:
    """The interval that SciPy's ttest_ind(equal_var=False) gives for these two samples.

    x = 27.5 21.0 19.0 23.6 17.0 17.9 16.9 20.1 21.9 22.6 23.1 19.6 19.0 21.7 21.4
    y = 27.1 22.0 20.8 23.4 23.4 23.5 25.8 22.0 24.8 20.2 21.9 22.1 22.9 30.2 23.9
    """
    x = Sample(mean=20.82, std=2.804893683, count=15)
    y = Sample(mean=23.6, std=2.569324536, count=15)
    interval = welch_interval(x, y, confidence=0.95)
    assert interval.difference == pytest.approx(2.78)
    assert interval.standard_error == pytest.approx(0.982135671)
    assert (interval.low, interval.high) == pytest.approx((0.767492149, 4.792507851))


def test_constants_differ_for_certain() -> None:
    """Without spread on either side the interval is a point."""
    interval = welch_interval(Sample(1.0, 0.0, 5), Sample(3.0, 0.0, 5), confidence=0.95)
    assert (interval.low, interval.high, interval.standard_error) == (2.0, 2.0, 0.0)


def test_one_value_has_no_interval() -> None:
    """A spread cannot be told from one value."""
    with pytest.raises(ValueError, match="more than one value on both sides"):
        welch_interval(Sample(1.0, 0.0, 1), Sample(1.0, 1.0, 5), confidence=0.95)


@pytest.mark.parametrize(
    ("count", "autocorrelation", "expected"),
    [(100, 0.0, 100.0), (100, -0.4, 100.0), (100, 0.5, 31.147541), (1000, 0.9, 50.585702)],
)
def test_values_that_follow_each_other_are_worth_fewer(
    count: int, autocorrelation: float, expected: float
) -> None:
    """At a correlation of one half, a hundred values are worth about a third."""
    assert independent_count(count, autocorrelation) == pytest.approx(expected, rel=1e-6)
