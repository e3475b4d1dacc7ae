# SPDX-License-Identifier: Apache-2.0
"""The steps of honest correlation, one at a time, against statsmodels, scipy and known truth."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from tidegauge.model.errors import QueryError
from tidegauge.statistics.correlation.bootstrap import bootstrap_errors
from tidegauge.statistics.correlation.grid import grid_over, usual_step_s
from tidegauge.statistics.correlation.innovations import innovations, ljung_box
from tidegauge.statistics.correlation.lags import (
    chance_bands,
    scan_lags,
    student_p,
    tail_p,
)
from tidegauge.statistics.correlation.transforms import least_skewed, skewness
from tidegauge.statistics.correlation.unit_root import (
    comes_back,
    dickey_fuller,
    dickey_fuller_critical,
    kpss,
)

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
MONDAY_US = 20_458 * DAY_US  # 2026-01-05
FIRST, SECOND = np.array([0]), np.array([1])


def noise_following_itself(phi: float, n: int, seed: int) -> np.ndarray:
    """Values of which each is `phi` times the one before, and noise of variance 1."""
    values = np.random.default_rng(seed).normal(size=n + 100)
    for step in range(1, len(values)):
        values[step] += phi * values[step - 1]
    return values[100:]


@pytest.mark.parametrize(("phi", "n"), [(0.0, 60), (0.5, 120), (0.9, 120), (1.0, 365), (0.97, 90)])
def test_dickey_and_fullers_statistic_is_that_of_statsmodels(phi: float, n: int) -> None:
    """So are the choice of past differences and what is decided at 5 %."""
    from statsmodels.tsa.stattools import adfuller

    for seed in range(5):
        values = noise_following_itself(phi, n, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it will return something else
            result = adfuller(values, regression="ct", autolag="AIC")
        expected, _, _, count, critical = result[:5]
        statistic, found = dickey_fuller(values)
        assert statistic == pytest.approx(expected, abs=1e-9)
        assert found == count
        assert dickey_fuller_critical(found) == pytest.approx(critical["5%"], abs=1e-9)


@pytest.mark.parametrize(("phi", "lags"), [(0.0, 5), (0.8, 5), (1.0, 5)])
def test_kpss_is_that_of_statsmodels(phi: float, lags: int) -> None:
    """With a trend and 4 (n / 100)^¼ lags, rounded up."""
    from statsmodels.tsa.stattools import kpss as reference

    values = noise_following_itself(phi, 120, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its p-values end at 1 % and 10 %
        expected = reference(values, regression="ct", nlags=lags)[0]
    assert kpss(values) == pytest.approx(expected, abs=1e-9)


def test_what_comes_back_and_what_wanders() -> None:
    """Noise about a line comes back; a random walk and a bent line do not, gaps or not."""
    noise = noise_following_itself(0.3, 200, 1)
    gappy = np.where(np.arange(200) % 7 == 6, np.nan, noise)
    assert comes_back(noise + np.linspace(0, 9, 200))
    assert comes_back(gappy)
    assert not comes_back(np.cumsum(noise))
    assert not comes_back(noise + 9 * np.linspace(-1, 1, 200) ** 2)


def test_long_noise_is_hardly_ever_taken_for_wandering() -> None:
    """Two months of hours, less a weekly pattern; a walk of the same length still wanders."""
    noise = np.random.default_rng(16).normal(size=(40, 1440))
    assert sum(not comes_back(each) for each in noise) <= 2
    assert not any(comes_back(np.cumsum(each)) for each in noise[:10])


@pytest.mark.parametrize("n", [0, 1, 3, 5, 8])
def test_too_few_values_show_nothing(n: int) -> None:
    """So they are not said to come back."""
    assert not comes_back(np.arange(float(n)))
    assert not comes_back(np.sqrt(np.arange(float(n))))


def test_the_least_skewed_scale_is_taken() -> None:
    """Logarithms for amounts, logits for rates near 1, and nothing where nothing is gained."""
    normal = np.random.default_rng(1).normal(size=300)
    assert least_skewed(np.exp(normal))[1] == "log"
    assert least_skewed(1 / (1 + np.exp(-normal - 3)))[1] == "logit"
    assert least_skewed(normal)[1] == "none"
    assert least_skewed(np.exp(normal) - 0.1)[1] == "none"  # some are below 0
    assert least_skewed(np.array([0.0, 0.5, 1.0, np.nan]))[1] == "none"
    assert least_skewed(np.exp(normal))[0] == pytest.approx(normal)
    assert skewness(np.exp(normal)) == pytest.approx(stats.skew(np.exp(normal)))


def test_values_of_a_step_are_averaged_in_any_order() -> None:
    """What is not finite does not count, and a step without values is a gap."""
    times = MONDAY_US + np.array([50, 3, 2, 51, 4]) * HOUR_US
    grid = grid_over([times], 86_400)
    values = grid.averaged(times, np.array([7.0, 1.0, 3.0, np.inf, np.nan]))
    assert (grid.start_us, grid.n) == (MONDAY_US, 3)
    assert values[[0, 2]].tolist() == [2.0, 7.0]
    assert np.isnan(values[1])
    assert grid.phases.tolist() == [0, 1, 2]


def test_the_step_is_told_from_the_times() -> None:
    """Days if rows are usually half a day apart or more, whatever their order and number."""
    days = MONDAY_US + np.array([3, 1, 1, 2, 9]) * DAY_US
    assert usual_step_s(days) == 86_400
    assert usual_step_s(MONDAY_US + np.arange(48) * HOUR_US) == 3_600
    assert usual_step_s(days[:1]) == 86_400


def test_a_time_that_is_none_is_refused() -> None:
    """Nanoseconds taken for microseconds would make a grid of a million years."""
    with pytest.raises(QueryError, match="the times are too far apart; got '20,456,001,024 days'"):
        grid_over([np.array([2 * DAY_US * 1, 20_456_001_025 * DAY_US])], 86_400)


def test_innovations_are_the_noise_that_a_series_was_made_of() -> None:
    """A line, a week and a memory are taken out; what is left is what was put in."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=600)
    memory = noise.copy()
    for step in range(1, 600):
        memory[step] += 0.6 * memory[step - 1]
    days = np.arange(600)
    week = 5 * np.array([1.0, 0, 2, 0, 3, -4, -2])[days % 7]
    found = innovations(memory + week + 0.02 * days, days % 7, 1 / 7)
    known = np.isfinite(found.values)
    assert np.corrcoef(found.values[known], noise[known])[0, 1] > 0.98
    assert (found.transform, found.is_differenced, found.parameters) == ("none", False, 8)
    assert found.order >= 1
    assert found.leftover_p is not None
    assert found.leftover_p > 0.01


def test_a_wandering_series_is_differenced() -> None:
    """Its innovations are its changes."""
    noise = np.random.default_rng(3).normal(size=400)
    found = innovations(np.cumsum(noise), np.arange(400) % 7, 1 / 7)
    known = np.isfinite(found.values)
    assert found.is_differenced
    assert np.corrcoef(found.values[known], noise[known])[0, 1] > 0.97


@pytest.mark.parametrize("phi", [0.6, 1.0])
def test_gaps_do_not_swallow_their_neighbours(phi: float) -> None:
    """Without weekends there is still an innovation for each day with a value, but the first."""
    values = noise_following_itself(phi, 210, 4)
    weekdays = np.arange(210) % 7 < 5
    found = innovations(np.where(weekdays, values, np.nan), np.arange(210) % 7, 1 / 7)
    assert np.isfinite(found.values).sum() >= weekdays.sum() - 1 - found.order
    assert not np.isfinite(found.values[~weekdays]).any()


def test_a_missing_value_is_taken_as_expected() -> None:
    """After a gap, an innovation is what differs from two steps of the same memory."""
    values = noise_following_itself(0.8, 300, 5)
    values[100] = np.nan
    found = innovations(values, None, 1 / 7, can_transform=False)
    assert not found.is_differenced
    adjusted = found.adjusted
    whole = np.delete(found.values, [99, 100, 101])
    assert np.isfinite(whole[found.order :]).all()
    assert np.isfinite(found.values[101])
    assert abs(found.values[101] - adjusted[101]) < abs(adjusted[99])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([np.nan] * 30, "no values"),
        ([np.inf] * 30, "no values"),
        ([0.1 + 0.2] * 20 + [0.3] * 20, "constant"),
        (range(19), "19 values, and 20 are needed"),
        (range(21), "spans 3 weeks, and a weekly pattern shows in 4 at least"),
        (np.arange(60) % 7 + 0.5 * np.arange(60), "a straight line and a weekly pattern"),
    ],
)
def test_what_cannot_be_looked_at_says_why(values: object, reason: str) -> None:
    """And has no innovations."""
    series = np.array(values, dtype=float)  # type: ignore[arg-type]
    found = innovations(series, np.arange(len(series)) % 7, 1 / 7)
    assert found.reason is not None
    assert found.reason.startswith(reason)
    assert np.isnan(found.values).all()


@pytest.mark.parametrize("order", [0, 2])
def test_ljung_and_boxs_test_is_that_of_statsmodels(order: int) -> None:
    """Of ten lags, less the coefficients that were estimated."""
    from statsmodels.stats.diagnostic import acorr_ljungbox

    values = noise_following_itself(0.15, 120, 6)
    values -= values.mean()
    expected = acorr_ljungbox(values, lags=[10], model_df=order)["lb_pvalue"].iloc[0]
    assert ljung_box(values, order) == pytest.approx(expected, abs=1e-9)
    assert ljung_box(values[:4], order) == 1.0


def test_correlations_are_those_of_scipy_at_each_lag() -> None:
    """A lag above 0 puts the first series beside later values of the second; gaps are left out."""
    rng = np.random.default_rng(7)
    values = rng.normal(size=(3, 50)) * [[1], [1e-6], [1e9]] + [[0], [5], [-1e9]]
    values[0, 4] = values[1, 30] = np.nan
    scan = scan_lags(values, np.array([0, 2]), np.array([1, 0]), 2)
    assert scan.lags.tolist() == [-2, -1, 0, 1, 2]
    early, late = values[0, :-2], values[1, 2:]
    both = np.isfinite(early) & np.isfinite(late)
    expected = stats.pearsonr(early[both], late[both])
    assert scan.counts[4].tolist() == [46, 47]
    assert scan.correlations[4, 0] == pytest.approx(expected.statistic, abs=1e-9)
    p_value = student_p(scan.correlations, scan.counts)[4, 0]
    assert p_value == pytest.approx(expected.pvalue, abs=1e-9)


def test_the_test_is_students_of_the_products() -> None:
    """All but exactly: it knows that residuals vary less than what they are residuals of."""
    rng = np.random.default_rng(8)
    values = rng.normal(size=(2, 80))
    values -= values.mean(axis=1, keepdims=True)
    scan = scan_lags(values, FIRST, SECOND, 0)
    expected = stats.ttest_1samp(values[0] * values[1], 0).pvalue
    found = tail_p(scan, np.array([1]))[0, 0]
    assert expected < found == pytest.approx(expected, rel=0.05)
    assert tail_p(scan, np.array([60]))[0, 0] > 3 * found


def test_restless_days_that_two_series_share_are_no_relation() -> None:
    """The usual test calls a fifth of such pairs related at 5 %, this one no more than it says."""
    rng = np.random.default_rng(9)
    restless = np.exp(0.6 * rng.normal(size=(1000, 100)))
    first, second = (restless * rng.normal(size=(1000, 100)) for _ in range(2))
    pairs = np.arange(1000)
    scan = scan_lags(np.vstack([first, second]), pairs, 1000 + pairs, 0)
    assert (tail_p(scan, np.ones(1000)) < 0.05).mean() < 0.06
    assert (student_p(scan.correlations, scan.counts) < 0.05).mean() > 0.15


def test_a_correlation_at_the_end_of_its_band_has_the_p_value_of_the_band() -> None:
    """So what leaves the band is what is called unlikely."""
    values = np.random.default_rng(10).normal(size=(2, 90))
    scan = scan_lags(values, FIRST, SECOND, 3)
    parameters = np.array([8])
    p_values = tail_p(scan, parameters)
    for lag in range(7):
        band = chance_bands(scan, parameters, p_values[lag])[lag, 0]
        assert band == pytest.approx(abs(scan.correlations[lag, 0]), rel=1e-9)


def test_what_does_not_vary_has_no_correlation() -> None:
    """And no warning is given."""
    values = np.array([[3.0] * 30, list(range(30))])
    assert np.isnan(scan_lags(values, FIRST, SECOND, 1).correlations).all()


def test_bootstrap_errors_of_independent_values_are_fishers() -> None:
    """For normal values they are 1 / √(n - 3), with every tenth value missing as well."""
    rng = np.random.default_rng(11)
    left, right = rng.normal(size=(2, 40, 400))
    left[:, ::10] = np.nan
    errors = bootstrap_errors(left, right, 499, 1)
    assert errors.mean() == pytest.approx(1 / np.sqrt(357), rel=0.05)


def test_bootstrap_errors_do_not_depend_on_the_company() -> None:
    """All pairs see the same draws, and the same seed gives the same draws."""
    left, right = np.random.default_rng(12).normal(size=(2, 5, 60))
    alone = bootstrap_errors(left[2:3], right[2:3], 99, 5)
    assert bootstrap_errors(left, right, 99, 5)[2] == pytest.approx(alone[0], rel=1e-12)
    assert bootstrap_errors(left, right, 99, 6)[2] != pytest.approx(alone[0], rel=1e-6)
