# SPDX-License-Identifier: Apache-2.0
"""How much it takes to see an effect."""

from __future__ import annotations

import math

import pytest

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.statistics.impact.power import Plan


@pytest.mark.parametrize("effect", [2.0, 0.5, 0.05, 0.001])
def test_means_are_planned_as_by_statsmodels(effect: float) -> None:
    """By the noncentral t distribution, rounded up."""
    from statsmodels.stats.power import TTestIndPower

    oracle = TTestIndPower().solve_power(effect, power=0.8, alpha=0.05)
    assert tg.sample_size(None, 3 * effect, std=3.0) == math.ceil(oracle)


@pytest.mark.parametrize(("baseline", "effect"), [(0.1, 0.02), (0.5, -0.05), (0.01, 0.01)])
def test_proportions_are_planned_as_by_statsmodels(baseline: float, effect: float) -> None:
    """With the pooled proportion where there is no effect."""
    from statsmodels.stats.proportion import power_proportions_2indep

    count = tg.sample_size(baseline, effect, kind="proportion")
    powers = [power_proportions_2indep(effect, baseline, each).power for each in (count - 1, count)]
    assert powers[0] < 0.8 <= powers[1]


@pytest.mark.parametrize(
    "asked",
    [
        {"baseline": None, "std": 2.0},
        {"baseline": 0.1, "kind": "proportion"},
        {"baseline": None, "std": 2.0, "autocorrelation": 0.5},
        {"baseline": 50.0, "std": 2.0, "relative": True},
    ],
)
def test_the_smallest_effect_is_the_other_way_round(asked: dict[str, object]) -> None:
    """Whoever plans with it gets at most the number he had."""
    effect = tg.minimum_detectable_effect(count=300, **asked)  # type: ignore[arg-type]
    assert tg.sample_size(effect=effect * 1.0001, **asked) <= 300  # type: ignore[arg-type]
    assert tg.sample_size(effect=effect * 0.99, **asked) > 300  # type: ignore[arg-type]


def test_days_that_remember_are_worth_less() -> None:
    """The more so, the more they remember; simulations/impact.py says whether they suffice."""
    days = [tg.sample_size(None, 1.0, std=1.0, autocorrelation=phi) for phi in (0, 0.3, 0.5, 0.8)]
    assert days == [31, 48, 68, 168]


def test_a_relative_effect_is_one_of_the_baseline() -> None:
    """Ten percent of 50 is 5."""
    assert tg.sample_size(50.0, 0.1, std=10.0, relative=True) == tg.sample_size(None, 5, std=10.0)


def test_power_stays_a_number_far_out() -> None:
    """Also where scipy's distribution does not."""
    for count in (10, 800, 10**6, 10**9):
        assert Plan(std=1.0).power_of(50.0, count) == pytest.approx(1)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"effect": 0.0, "std": 1.0}, "an effect of this size cannot be looked for; got 0.0"),
        ({"effect": 1.0}, "the standard deviation of the values is needed"),
        ({"effect": 1.0, "std": 1.0, "power": 1.0}, "power is no probability; got 1.0"),
        ({"effect": 1.0, "std": 1.0, "alpha": 0}, "alpha is no probability; got 0"),
        ({"effect": 0.1, "kind": "proportion"}, "a proportion needs its baseline"),
        ({"effect": 1.0, "kind": "rate", "std": 1.0}, "this cannot be planned; got 'rate'"),
        ({"effect": 0.1, "std": 1.0, "relative": True}, "a relative effect needs"),
        ({"effect": 1.0, "std": 1.0, "autocorrelation": 1.0}, "this is no autocorrelation"),
        ({"effect": 1.0, "std": 1.0, "autocorrelation": 1 - 1e-12}, "this is no autocorrelation"),
        ({"effect": 1.0, "std": 1e308}, "the standard deviation of the values is needed"),
        ({"effect": 1e-9, "std": 1.0}, "more than 1000000000 would be needed"),
        ({"effect": 0.1, "std": 1.0, "kind": "proportion"}, "a proportion has no spread"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], text: str) -> None:
    """With what is wrong, and what would do."""
    with pytest.raises(QueryError) as caught:
        tg.sample_size(None, **asked)  # type: ignore[arg-type]
    assert text in str(caught.value)


def test_proportions_have_bounds() -> None:
    """Neither the baseline nor what it becomes may leave them."""
    with pytest.raises(QueryError, match=r"this is no proportion; got 1\.1"):
        tg.sample_size(0.9, 0.2, kind="proportion")
    with pytest.raises(QueryError, match=r"this is no proportion; got 1\.5"):
        tg.sample_size(1.5, 0.2, kind="proportion")
    with pytest.raises(QueryError, match="no effect can be seen with so few; got 3"):
        tg.minimum_detectable_effect(0.9, 3, kind="proportion")
    with pytest.raises(QueryError, match="no effect can be seen with so few; got 1"):
        tg.minimum_detectable_effect(None, 1, std=1.0)
