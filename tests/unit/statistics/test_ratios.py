# SPDX-License-Identifier: Apache-2.0
"""Ratios of sums and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tidegauge.statistics.ratios import Sums, ratio, share
from tidegauge.statistics.wilson import wilson_interval


def test_a_ratio_of_sums_is_no_mean_of_ratios() -> None:
    """Ten of a hundred and nine of ten are nineteen of a hundred and ten, and not one half."""
    assert ratio(Sums.of([(10, 100), (9, 10)])).value == pytest.approx(19 / 110)


def test_with_denominators_of_one_it_is_a_mean_with_students_interval() -> None:
    """Of 1, 2, 3, 4: 2.5 ± 3.182446 * sqrt(5 / 3 / 4)."""
    found = ratio(Sums.of([(1, 1), (2, 1), (3, 1), (4, 1)]))
    assert found.value == 2.5
    assert (found.low, found.high) == (pytest.approx(0.445739, abs=1e-6), pytest.approx(4.554261))
    assert (found.method, found.n) == ("delta method", 4)


def test_sums_of_parts_add_up() -> None:
    """Processes and days can be summed up on their own."""
    clusters = [(1.0, 2.0), (0.0, 3.0), (5.0, 4.0)]
    added = Sums.of(clusters[:1]) + Sums.of(clusters[1:])
    whole = Sums.of(clusters)
    for name in Sums.__slots__:
        assert getattr(added, name) == pytest.approx(getattr(whole, name))
    assert added + Sums() == Sums() + added == added


def test_values_far_from_zero_keep_their_variance() -> None:
    """Of 1e8, 1e8 + 1 and 1e8 + 2 the standard error is 0.577, in one part or in two."""
    clusters = [(1e8 + at, 1.0) for at in range(3)]
    assert Sums.of(clusters).variance == pytest.approx(1 / 3)
    assert (Sums.of(clusters[:2]) + Sums.of(clusters[2:])).variance == pytest.approx(1 / 3)


def test_what_cannot_be_told_has_a_reason() -> None:
    """Nothing below the line gives no ratio; one cluster gives no interval."""
    assert ratio(Sums(), what="users").reason == "no users"
    one = ratio(Sums.of([(3, 2)]))
    assert (one.value, one.low) == (1.5, None)
    assert one.reason == "one cluster: how much clusters differ is not known"
    assert share(0, 0, what="impressions").reason == "no impressions"
    assert share(3, 2, what="visits").value is None
    alone = share(3, 9, clusters=Sums.of([(3, 9)]))
    assert (alone.low, alone.reason) == (None, one.reason)


def test_what_cannot_be_below_zero_has_no_interval_below_it() -> None:
    """Revenue per user of few users is uncertain, and not negative."""
    assert ratio(Sums.of([(0, 1), (0, 1), (9, 1)]), least=0).low == 0


def test_a_share_of_independent_trials_has_wilsons_interval() -> None:
    """As it is without clusters."""
    found = share(50, 100)
    assert (found.value, found.method, found.n) == (0.5, "wilson", 100)
    assert (found.low, found.high) == wilson_interval(50, 100)


def test_users_who_always_do_the_same_count_as_one_trial_each() -> None:
    """Twenty users of fifty trials each are worth twenty, less what so few of them teach."""
    clusters = Sums.of([(50 * (user % 2), 50) for user in range(20)])
    found = share(500, 1000, clusters=clusters)
    assert found.method == "wilson with design effect"
    # 19 = 20 * 19 / 20, of the variance of a sample; times the square of 1.959964 / 2.093024.
    assert found.n == pytest.approx(19 * (1.959964 / 2.093024) ** 2, rel=1e-5)
    assert found.low is not None
    assert found.low < 0.29


def test_clusters_never_make_an_interval_narrower() -> None:
    """Users who are more alike than chance would have it are an accident."""
    clusters = Sums.of([(5, 10)] * 1000)
    found = share(5000, 10_000, clusters=clusters)
    assert found.n == pytest.approx(10_000, rel=0.01)
    assert found.n < 10_000


def test_nothing_among_clusters_is_known_as_of_so_many_clusters() -> None:
    """No click of ten users with a thousand impressions may be because of the ten users."""
    found = share(0, 10_000, clusters=Sums.of([(0, 1000)] * 10))
    assert (found.value, found.low) == (0, 0)
    assert found.high is not None
    assert found.high > 0.25


def test_intervals_cover_as_often_as_they_say() -> None:
    """Of users whose own shares differ; Wilson's interval alone covers half as often."""
    rng = np.random.default_rng(20261122)
    covered = naive = 0
    for _ in range(400):
        trials = rng.integers(1, 60, size=80)
        hits = rng.binomial(trials, rng.beta(1, 9, size=80))
        found = share(hits.sum(), trials.sum(), clusters=Sums.of(zip(hits, trials, strict=True)))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.1 <= found.high
        low, high = wilson_interval(hits.sum(), trials.sum())
        naive += low <= 0.1 <= high
    assert 0.92 <= covered / 400 <= 0.98
    assert naive / 400 < 0.75


def test_a_ratios_interval_covers_as_often_as_it_says() -> None:
    """Of revenue per visit, where users with many visits spend more on each."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        visits = rng.integers(1, 20, size=60)
        spent = visits * rng.gamma(2.0, 1.0, size=60) * (1 + visits / 20)
        found = ratio(Sums.of(zip(spent, visits, strict=True)))
        assert found.low is not None
        assert found.high is not None
        # E[v (1 + v / 20)] * 2 / E[v], v from 1 to 19: 10 and 130.
        covered += found.low <= 2 * (10 + 130 / 20) / 10 <= found.high
    assert 0.91 <= covered / 400 <= 0.98
    assert math.isclose(sum(v * v for v in range(1, 20)) / 19, 130)
