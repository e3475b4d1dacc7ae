# SPDX-License-Identifier: Apache-2.0
"""Trend, season, autoregressions and blocks, against statsmodels and against known truth."""

from __future__ import annotations

import numpy as np
import pytest

from tidegauge.statistics.timeseries.adjustment import adjusted, bent, phases_of, season_of
from tidegauge.statistics.timeseries.autoregression import (
    Autoregression,
    autocorrelation,
    fit_autoregression,
)
from tidegauge.statistics.timeseries.resampling import circular_blocks

SUNDAY_US = 1_767_484_800_000_000  # 2026-01-04
DAY_US = 86_400_000_000


def noise_following_itself(phi: float, n: int, seed: int = 1) -> np.ndarray:
    """Values of which each is `phi` times the one before, and noise of variance 1."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    for step in range(1, n):
        values[step] += phi * values[step - 1]
    return values


def test_a_week_begins_on_monday() -> None:
    """Days and hours of the week count from Monday, 00:00 UTC."""
    times = SUNDAY_US + DAY_US * np.arange(3)
    assert phases_of(times, 86_400).tolist() == [6, 0, 1]
    assert phases_of(times, 3_600).tolist() == [144, 0, 24]
    assert (season_of(86_400), season_of(3_600)) == (7, 168)


def test_a_trend_and_a_week_are_taken_out_exactly() -> None:
    """A series that is nothing but a line and a weekly pattern leaves nothing, gaps or not."""
    days = np.arange(56)
    pattern = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])
    values = 10 + 0.25 * days + pattern[days % 7]
    values[[5, 20]] = np.nan
    result = adjusted(values, days % 7)
    assert np.nanmax(np.abs(result.residuals)) < 1e-12
    assert np.isnan(result.residuals[[5, 20]]).all()
    assert result.expected[20] == pytest.approx(10 + 0.25 * 20 + pattern[20 % 7])
    assert result.parameters == 8


def test_a_phase_without_values_is_expected_to_be_average() -> None:
    """No Sunday was ever seen: the expectation of one is the level of the other days."""
    days = np.arange(35)
    values = np.where(days % 7 == 6, np.nan, np.array([1.0, 2, 3, 4, 5, 6, 0])[days % 7])
    assert adjusted(values, days % 7, has_trend=False).expected[6] == pytest.approx(3.5)


def test_too_few_values_leave_nothing() -> None:
    """With no more values than numbers to estimate, nothing is known."""
    assert np.isnan(adjusted(np.arange(8.0), np.arange(8) % 7).residuals).all()


@pytest.mark.parametrize("max_lag", [0, 1, 12])
def test_autocorrelation_is_that_of_statsmodels(max_lag: int) -> None:
    """Without gaps the estimate is the usual one."""
    from statsmodels.tsa.stattools import acf

    values = noise_following_itself(0.7, 150)
    expected = acf(values, nlags=max_lag, fft=False)
    assert autocorrelation(values, max_lag) == pytest.approx(expected, abs=1e-12)


def test_autocorrelation_with_gaps_is_over_the_pairs_that_there_are() -> None:
    """A tenth of the values missing moves the estimate hardly."""
    values = noise_following_itself(0.7, 4000)
    whole = autocorrelation(values, 3)
    values[np.random.default_rng(2).random(4000) < 0.1] = np.nan
    assert autocorrelation(values, 3) == pytest.approx(whole, abs=0.03)


def test_a_constant_does_not_follow_itself() -> None:
    """Where nothing varies there is nothing to correlate, and no division by 0."""
    assert autocorrelation(np.full(20, 3.0), 2).tolist() == [1.0, 0.0, 0.0]
    assert fit_autoregression(np.full(40, 3.0)).order == 0


def test_coefficients_are_those_of_yule_and_walker() -> None:
    """For a given order the weights solve their equations, as another solver does."""
    from scipy.linalg import solve_toeplitz

    rng = np.random.default_rng(3)
    values = rng.normal(size=500)
    for step in range(2, 500):
        values[step] += 0.6 * values[step - 1] - 0.5 * values[step - 2]
    model = fit_autoregression(values, 2)
    correlations = autocorrelation(values, 2)
    expected = solve_toeplitz(correlations[:2], correlations[1:])
    assert model.coefficients == pytest.approx(expected, abs=1e-12)
    assert model.variance == pytest.approx(values.var() * (1 - expected @ correlations[1:]))


def test_the_order_is_0_where_there_is_no_memory_and_1_where_there_is_one_step_of_it() -> None:
    """Akaike's criterion takes no more of the past than it has to, nearly always."""
    independent = [
        fit_autoregression(np.random.default_rng(seed).normal(size=200), 3).order
        for seed in range(40)
    ]
    assert independent.count(0) >= 25
    assert fit_autoregression(noise_following_itself(0.8, 400), 3).order >= 1


def test_residuals_are_the_noise() -> None:
    """A known autoregression gives its noise back; what touches the start or a gap is unknown."""
    values = noise_following_itself(0.9, 5000)
    model = fit_autoregression(values, 1)
    noise = model.residuals(values)
    assert np.isnan(noise[0])
    assert noise[1:].std() == pytest.approx(1, abs=0.03)
    assert abs(autocorrelation(noise[1:], 1)[1]) < 0.03
    values[100] = np.nan
    assert np.isnan(model.residuals(values)[[100, 101]]).all()
    assert np.isfinite(model.residuals(values)[[99, 102]]).all()


def test_innovations_with_gaps_are_those_of_the_exact_covariances() -> None:
    """Cholesky's factor of what values with these gaps have in common gives the same."""
    from scipy.linalg import cholesky, solve_triangular, toeplitz

    values = noise_following_itself(0.7, 300)[250:]
    values[[0, 7, 8, 20, 31, 33]] = np.nan
    model = Autoregression(0.5, np.array([0.5, 0.3]), 1.0)
    # ρ₁ = 0.5 / (1 - 0.3), each further one by the recursion, and γ₀ from the variance of noise 1.
    memory = [1.0, 5 / 7]
    for _ in range(48):
        memory.append(0.5 * memory[-1] + 0.3 * memory[-2])
    covariances = np.array(memory) / (1 - 0.5 * memory[1] - 0.3 * memory[2])
    known = np.isfinite(values)
    factor = cholesky(toeplitz(covariances)[np.ix_(known, known)], lower=True)
    expected = solve_triangular(factor, values[known] - 0.5, lower=True)
    noise = model.standardised(values)
    assert noise[known] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(noise[~known]).all()


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_gaps_are_not_taken_for_memory(phi: float) -> None:
    """With three tenths missing, orders stay low and weights right."""
    rng = np.random.default_rng(6)
    models = []
    for seed in range(30):
        values = noise_following_itself(phi, 400, seed)
        values[rng.random(400) < 0.3] = np.nan
        models.append(fit_autoregression(values))
    assert np.mean([model.order for model in models]) < 2.5
    assert np.mean([model.coefficients[0] for model in models]) == pytest.approx(phi, abs=0.06)


def test_a_pattern_that_changes_is_taken_out_exactly() -> None:
    """Each day of the week has a line of its own, gaps or not."""
    days = np.arange(70)
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])[days % 7] * (1 + days / 10)
    values[[5, 20]] = np.nan
    found = bent(values, days % 7, 1)
    assert np.nanmax(np.abs(found.residuals)) < 1e-12
    assert found.expected[20] == pytest.approx(2.0 * 3)
    assert found.parameters == 14
    assert np.nanmax(np.abs(bent(values, days % 7, 0).residuals)) > 5


def test_the_variance_of_a_mean_grows_as_theory_says() -> None:
    """With weight 0.5, n values are worth n / 3 independent ones: (1 - 0.5) / (1 + 0.5)."""
    values = noise_following_itself(0.5, 100_000)
    assert fit_autoregression(values, 1).inflation == pytest.approx(3, rel=0.03)


def test_blocks_keep_neighbours_together_and_go_round() -> None:
    """Each block is a run of positions; after the last comes the first."""
    positions = circular_blocks(np.random.default_rng(1), 10, 4, 500)
    assert positions.shape == (500, 10)
    steps = np.diff(positions, axis=1) % 10
    assert (steps[:, [0, 1, 2, 4, 5, 6, 8]] == 1).all()
    assert np.bincount(positions.ravel(), minlength=10) == pytest.approx(500, rel=0.2)


def test_blocks_give_the_variance_of_a_mean_that_values_one_by_one_do_not() -> None:
    """The spread of means of redrawn series is near the truth, which is 9 times the naive one."""
    n, phi = 4000, 0.8
    values = noise_following_itself(phi, n)
    rng = np.random.default_rng(5)
    drawn = values[circular_blocks(rng, n, 60, 400)].mean(axis=1)
    truth = 1 / (1 - phi) / np.sqrt(n)
    assert drawn.std() == pytest.approx(truth, rel=0.25)
