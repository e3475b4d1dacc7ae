# SPDX-License-Identifier: Apache-2.0
"""Percentiles of sides, of values with and without equals."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.versions import percentile_side, place_of
from tidegauge.statistics.percentiles import Place, quantile_side
from tidegauge.statistics.verdicts import Side, contrasts


def test_a_percentile_of_equal_values_lies_between_two_of_them() -> None:
    """Of 40 and 41, as often as one another, the median is 40.5; half of the equal ones count."""
    half = place_of(np.array([40.0, 41.0] * 50), 0.5)
    assert (half.below, half.above, half.value) == (40, 41, 40.5)
    assert half.counted == (0.75, 0.25)
    assert place_of(np.array([40.0] * 3 + [41.0]), 0.5).value == 40.25
    exact = place_of(np.array([1.0, 2.0, 3.0]), 0.5)
    assert (exact.value, exact.counted, exact.is_within) == (2, (0.5, 0.5), True)


def test_without_equals_it_is_the_usual_percentile() -> None:
    """Hazen's, of a hundred values."""
    values = np.random.default_rng(2).normal(size=100)
    for share in (0.05, 0.5, 0.95):
        usual = np.quantile(values, share, method="hazen")
        assert place_of(values, share).value == pytest.approx(float(usual))


def test_beyond_the_least_and_the_greatest_nothing_is_known() -> None:
    """The 95th percentile of 40 and 41 is 41 for want of more."""
    place = place_of(np.array([40.0, 41.0] * 50), 0.95)
    assert (place.value, place.is_within) == (41, False)
    assert Place.between(0.01, (40.0, 0.25), (40.0, 0.25)).is_within is False


def test_a_percentile_that_stays_is_worth_one_block() -> None:
    """As a mean of one number is; and memory that leaves too little is passed on."""
    below = Side(0.5, 0.1, 20.0, 20)
    assert quantile_side(0.04, below, 0.04, 0.04, 0.95) == Side(0.04, 0.0, 1.0, 20)
    assert quantile_side(0.04, Side(0.5, 0.1, 1.5, 20), 0.0, 1.0, 0.95).worth == 1.5


def test_a_percentile_is_as_uncertain_as_the_share_below_it() -> None:
    """Woodruff's interval covers the true p90 of exponential values as often as it says."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        side = percentile_side(rng.exponential(size=(40, 50)), 0.9)
        assert side is not None
        found = side.estimate(0.95)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= np.log(10) <= found.high
    assert 0.93 <= covered / 200 <= 1.0


@pytest.mark.parametrize("kind", ["two values", "a gap"])
def test_few_values_make_no_verdict(kind: str) -> None:
    """Neither where a median jumps between two values, nor where it lies next to a gap."""
    rng = np.random.default_rng(9)
    false = 0
    for _ in range(150):
        chance = rng.random((2, 2, 20, 100))
        values = np.where(chance[0] < 0.5, 0.040, 0.041)
        if kind == "a gap":
            values = values + np.where(chance[0] < 0.5, 0, 1) + chance[1] / 1000
        first, second = (percentile_side(side, 0.5) for side in values)
        assert first is not None
        assert second is not None
        false += contrasts([(first, second)])[0].differs
    assert false / 150 <= 0.07
