# SPDX-License-Identifier: Apache-2.0
"""The impact of a change on a series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.statistics.impact.placebos import Placebos
from tidegauge.statistics.impact.steps import MEMORIES, Contrast, fit_steps
from tidegauge.statistics.impact.windows import Level, Window, fit_window

NOISE = np.random.default_rng(0).normal(size=400)


def remembering(phi: float, count: int = 140, seed: int = 1) -> np.ndarray:
    """A series about 100 that follows its own past."""
    noise = np.random.default_rng(seed).normal(size=count)
    series = np.zeros(count)
    for step in range(1, count):
        series[step] = phi * series[step - 1] + noise[step]
    return 100 + series


def correlations(index: int, at: np.ndarray) -> np.ndarray:
    """Of the values at some steps, if their memory is that of an index."""
    autocorrelation, share = MEMORIES[index]
    remembered = share * autocorrelation ** np.abs(at[:, None] - at[None])
    return remembered + (1 - share) * np.eye(len(at))


def test_a_step_is_found_with_its_size() -> None:
    """The interval covers it, and the share is of the level before."""
    series = remembering(0.3)
    series[112:] += 5
    impact = tg.measure_impact(series, at=112)
    assert impact.design == "one series"
    assert (impact.claim, impact.verdict) == ("changed after", "changed")
    assert impact.difference.low < 5 < impact.difference.high
    assert impact.relative.low < 0.05 < impact.relative.high
    assert impact.after == pytest.approx(impact.before + impact.difference.value)
    assert impact.expected == impact.before
    assert impact.relative.value == pytest.approx(impact.after / impact.before - 1)
    assert impact.n == 56
    assert 5 < impact.n_effective < 56


def test_nothing_is_no_clear_change() -> None:
    """And its interval includes 0, exactly where the p-value is above 0.05."""
    impact = tg.measure_impact(remembering(0.8), at=112)
    assert impact.claim == "no clear change"
    assert impact.verdict == "not clear"
    assert impact.p_value > 0.05
    assert impact.difference.low < 0 < impact.difference.high


@pytest.mark.parametrize("size", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_interval_and_p_value_agree(size: float) -> None:
    """0 is outside of the interval if and only if the change is clear."""
    for phi in (0.0, 0.5, 0.8):
        series = remembering(phi, seed=int(10 * phi))
        series[112:] += size
        impact = tg.measure_impact(series, at=112)
        outside = not impact.difference.low <= 0 <= impact.difference.high
        assert impact.is_clear == outside


def test_independent_days_are_compared_like_welch_does() -> None:
    """With a memory of nothing, generalised least squares is the difference of means."""
    values, after = NOISE[:40], np.arange(40) >= 20
    design = np.column_stack([np.ones(40), after])
    contrast = Contrast(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    fits = fit_steps(values[None], design, contrast, np.arange(40), least=1e-12)
    nearest = int(np.argmin(np.abs(MEMORIES[:, 0])))
    expected = stats.ttest_ind(values[20:], values[:20])
    assert fits.changes[0, nearest] == pytest.approx(
        values[20:].mean() - values[:20].mean(), abs=0.02
    )
    t = fits.changes[0, nearest] / np.sqrt(fits.variances[1, 0, nearest])
    assert t == pytest.approx(expected.statistic, rel=0.05)
    assert fits.freedom == expected.df


def test_an_autocorrelation_is_handled_as_by_statsmodels() -> None:
    """At a given one, coefficients and errors are those of generalised least squares."""
    from statsmodels.regression.linear_model import GLS

    values, after = remembering(0.6, 50), np.arange(50) >= 25
    design = np.column_stack([np.ones(50), after])
    contrast = Contrast(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    present = np.delete(np.arange(50), [10, 11, 30])  # with gaps
    fits = fit_steps(values[None, present], design[present], contrast, present, least=1e-12)
    for index in (5, 30, 40, 60):
        oracle = GLS(values[present], design[present], sigma=correlations(index, present)).fit()
        assert fits.levels[0, index] == pytest.approx(oracle.params[0])
        assert fits.changes[0, index] == pytest.approx(oracle.params[1])
        covariance = oracle.cov_params()
        assert fits.variances[:, 0, index] == pytest.approx(covariance[[0, 1, 0], [0, 1, 1]])


def test_weights_are_the_restricted_likelihood() -> None:
    """Their ratio is that of the determinants and sums of squares."""
    from statsmodels.regression.linear_model import GLS

    values, after = remembering(0.6, 40), np.arange(40) >= 20
    design = np.column_stack([np.ones(40), after])
    contrast = Contrast(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    fits = fit_steps(values[None], design, contrast, np.arange(40), least=1e-12)

    def likelihood(index: int) -> float:
        sigma = correlations(index, np.arange(40))
        oracle = GLS(values, design, sigma=sigma).fit()
        squares = oracle.scale * oracle.df_resid
        inner = design.T @ np.linalg.inv(sigma) @ design
        determinants = np.linalg.slogdet(sigma)[1] + np.linalg.slogdet(inner)[1]
        return -0.5 * (38 * np.log(squares) + determinants)

    wanted = likelihood(30) - likelihood(25)
    assert np.log(fits.weights[0, 30] / fits.weights[0, 25]) == pytest.approx(wanted)
    beside_noise = likelihood(55) - likelihood(50)
    assert np.log(fits.weights[0, 55] / fits.weights[0, 50]) == pytest.approx(beside_noise)
    assert fits.weights.sum() == pytest.approx(1)


def test_a_slow_course_hidden_in_noise_is_a_memory() -> None:
    """Of series without a change, a tenth is called one at most, and not a quarter."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(120):
        course = [0.0]
        for noise in rng.normal(size=155):
            course.append(0.9 * course[-1] + noise * np.sqrt(1 - 0.9**2))
        series = np.array(course[100:]) + rng.normal(size=56)
        found += tg.measure_impact(series, at=28).is_clear
    assert found <= 0.15 * 120


def test_a_weekly_pattern_does_not_matter() -> None:
    """Adding one to whole weeks changes nothing."""
    series = remembering(0.4)
    weekly = series + 20.0 * (np.arange(140) % 7 >= 5)
    plain, patterned = (tg.measure_impact(each, at=112) for each in (series, weekly))
    assert patterned.difference.value == pytest.approx(plain.difference.value)
    assert patterned.p_value == pytest.approx(plain.p_value)


def test_an_hourly_pattern_does_not_matter() -> None:
    """Neither that of the day nor, after four weeks, that of the week."""
    hours = np.arange(24 * 70)
    series = remembering(0.4, len(hours))
    patterned = series + 9.0 * (hours % 24 < 8) + 5.0 * (hours // 24 % 7 >= 5)
    plain, other = (
        tg.measure_impact(each, at=24 * 56, by="hour", days=14) for each in (series, patterned)
    )
    assert other.difference.value == pytest.approx(plain.difference.value)
    assert other.n == 2 * 14 * 24
    assert len(other.placebos) == 29


def test_a_step_in_a_trend() -> None:
    """Without a step a straight line is no change, and with one its own size is found."""
    series = 100 + 0.2 * np.arange(56) + NOISE[:56]
    assert not tg.measure_impact(series, at=28, trend=True).is_clear
    series[28:] += 6
    impact = tg.measure_impact(series, at=28, trend=True)
    assert impact.is_clear
    assert impact.difference.low < 6 < impact.difference.high
    assert impact.expected == pytest.approx(100 + 0.2 * 41.5, abs=2)


@pytest.mark.parametrize("gaps", [[], [3, 28, 29, 50]])
def test_without_earlier_dates_a_straight_line_is_no_change(gaps: list[int]) -> None:
    """It is put beside the change, and a note says so; a step remains one."""
    series = 10 + 0.1 * np.arange(56) + NOISE[56:112]
    series[gaps] = np.nan
    impact, asked = tg.measure_impact(series, at=28), tg.measure_impact(series, at=28, trend=True)
    assert not impact.is_clear
    assert impact.notes[1].startswith("A straight line fits these values better than a change")
    assert (impact.p_value, impact.difference) == (asked.p_value, asked.difference)
    step = 10 + 3.0 * (np.arange(56) >= 28) + NOISE[56:112]
    step[gaps] = np.nan
    stepped = tg.measure_impact(step, at=28)
    assert stepped.is_clear
    assert len(stepped.notes) == 1


def test_gaps_are_left_out() -> None:
    """They do not move what is found by much, and are not counted."""
    series = remembering(0.3)
    series[112:] += 5
    full = tg.measure_impact(series, at=112)
    series[[5, 50, 90, 91, 120]] = np.nan
    gaps = tg.measure_impact(series, at=112)
    assert gaps.n == 53
    assert gaps.difference.value == pytest.approx(full.difference.value, abs=0.3)
    assert len(gaps.placebos) == len(full.placebos)


def test_earlier_dates_need_a_window_that_ends_before_the_change() -> None:
    """The latest one ends right before it; one day more in front gives one date more."""
    series = remembering(0.3)
    assert len(tg.measure_impact(series, at=112).placebos) == 57
    placebos = tg.measure_impact(series[10:], at=102).placebos
    assert len(placebos) == 47
    assert placebos.steps[[0, -1]].tolist() == [28, 74]


def test_few_earlier_dates_are_told() -> None:
    """Then the model alone decides, and a note says so."""
    impact = tg.measure_impact(remembering(0.3)[-60:], at=32)
    assert impact.difference.method == "autoregressive model"
    [note] = impact.notes
    assert note == (
        "There are only 0 earlier dates with as much before and after them, too few to compare "
        "with: the p-value rests on the model of the series alone."
    )


def test_earlier_dates_can_take_a_change_back() -> None:
    """A step that is nothing beside what happens all the time is not clear."""
    series = remembering(0.0, 400)
    series += 4.0 * (np.arange(400) // 35 % 2)  # levels that come and go
    series[372:] = series[371 - 27 : 372][:28] + 2
    alone = tg.measure_impact(series[-56:], at=28)
    beside = tg.measure_impact(series, at=372)
    assert alone.is_clear
    assert not beside.is_clear
    assert beside.difference.high - beside.difference.low > 2 * (
        alone.difference.high - alone.difference.low
    )


def test_the_rank_among_placebos() -> None:
    """The change's own date counts with them, so nothing is rarer than one in all."""
    placebos = Placebos(np.arange(39), np.zeros(39), np.linspace(0.02, 0.78, 39))
    assert placebos.p_value(0.001) == 1 / 40
    assert placebos.p_value(0.02) == 2 / 40
    assert placebos.level(0.05) == pytest.approx(0.04)
    assert placebos.level(0.01) is None


def test_a_control_takes_out_what_both_share() -> None:
    """A shock on the day of the change is none of the change's."""
    course = remembering(0.8)
    series, control = course + 0.3 * NOISE[:140], 0.4 * (course + 0.3 * NOISE[140:280])
    after = np.arange(140) >= 112
    shocked = np.where(after, 1.2, 1)
    impact = tg.measure_impact(series * shocked, at=112, control=control * shocked)
    assert impact.design == "control series"
    assert not impact.is_clear
    assert impact.expected == pytest.approx(1.2 * impact.before, rel=0.02)
    changed = tg.measure_impact(
        np.where(after, 1.05, 1) * series * shocked, at=112, control=control * shocked
    )
    assert changed.claim == "likely effect"
    assert changed.relative.low < 0.05 < changed.relative.high
    assert changed.trend_p_value > 0.05


def test_a_control_that_ran_another_way_before_proves_less() -> None:
    """The claim is then no more than that of one series."""
    drifting = 100 + 0.3 * np.arange(140) + NOISE[:140]
    drifting[112:] += 30
    impact = tg.measure_impact(drifting, at=112, control=100 + NOISE[140:280])
    assert impact.is_clear
    assert impact.trend_p_value < 0.05
    assert impact.claim == "changed after"


def test_a_control_of_any_sign_is_subtracted() -> None:
    """Shares of what may be below 0 mean nothing."""
    control = NOISE[:140] * 3
    series = control + NOISE[140:280] / 10
    series[112:] += 1
    impact = tg.measure_impact(series, at=112, control=control)
    assert impact.difference.value == pytest.approx(1, abs=0.1)


def test_ratios_are_those_of_sums() -> None:
    """Cost per request is not the mean of daily ratios."""
    requests = np.where(np.arange(56) % 2, 1000.0, 10.0)
    cost = requests * np.where(np.arange(56) >= 28, 3.0, 2.0) + np.abs(NOISE[:56])
    impact = tg.measure_impact(cost, at=28, per=requests)
    assert impact.before == pytest.approx(cost[:28].sum() / requests[:28].sum(), rel=1e-3)
    assert impact.difference.low < 1 < impact.difference.high
    assert impact.is_clear


def test_the_sums_of_a_control_are_divided_by_its_own() -> None:
    """Only its traffic doubles, and so nothing has changed."""
    requests, others = 1000 + 50 * NOISE[:140], 1000 + 50 * NOISE[140:280]
    others[112:] *= 2
    costs = requests * (2 + NOISE[100:240] / 100), others * (2 + NOISE[200:340] / 100)
    impact = tg.measure_impact(costs[0], at=112, control=costs[1], per=(requests, others))
    assert not impact.is_clear
    assert impact.expected == pytest.approx(2, abs=0.02)
    with pytest.raises(QueryError, match="per must be a pair where there is a control"):
        tg.measure_impact(costs[0], at=112, control=costs[1], per=requests)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_a_control_that_is_the_series_itself_leaves_nothing(scale: float) -> None:
    """Or a share of it."""
    series = remembering(0.3, 60)
    impact = tg.measure_impact(series, at=30, control=scale * series)
    assert impact.reason == "the values less those of the control are all the same"


def test_the_rank_that_a_confidence_allows_is_clear() -> None:
    """One in ten is as rare as 90 % asks for, although 1 - 0.9 is a bit less than 0.1."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        impact = tg.measure_impact(rng.normal(size=30), at=25, days=4, confidence=0.9)
        outside = not impact.difference.low <= 0 <= impact.difference.high
        assert impact.is_clear == outside


def test_days_of_a_time_zone_are_days_there() -> None:
    """In summer time midnight is on the day before in UTC; each day has its value all the same."""
    times = pd.date_range("2026-03-01", "2026-04-29", tz="Europe/London")
    series = remembering(0.3, 60)
    impact = tg.measure_impact(series, at="2026-04-10", times=times)
    assert impact.n == 28 + 20
    assert impact.difference == tg.measure_impact(series, at=40).difference
    aware = tg.measure_impact(series, at=times[40], times=times)
    assert (aware.difference, aware.when) == (impact.difference, "2026-04-10")


def test_a_change_in_the_midst_of_a_day_leaves_that_day_out() -> None:
    """It is neither before nor after."""
    times = [f"2026-01-{day:02}" for day in range(1, 31)]
    values = [10.0 + NOISE[day] for day in range(15)] + [500.0]
    values += [20.0 + NOISE[day] for day in range(16, 30)]
    impact = tg.measure_impact(values, at="2026-01-16T10:00:00Z", times=times)
    assert impact.n == 29
    assert impact.difference.value == pytest.approx(10, abs=1)
    assert impact.when == "2026-01-16T10:00:00"
    assert impact.course.change == 1_768_521_600_000_000


@pytest.mark.parametrize(
    ("values", "at", "reason"),
    [
        ([1.0] * 40, 20, "all values are the same"),
        ([0.1] * 60, 30, "all values are the same"),
        (
            [1.0, 2.0, 3.0, 4.0],
            2,
            "there are 2 values before it and 2 after it, and 3 on each side are needed",
        ),
        (
            [np.nan] * 30 + [1.0],
            30,
            "there are 0 values before it and 1 after it, and 3 on each side are needed",
        ),
    ],
)
def test_too_little_is_a_reason(values: list[float], at: int, reason: str) -> None:
    """And never a number, a warning or a crash."""
    impact = tg.measure_impact(values, at=at)
    assert (impact.p_value, impact.difference.value, impact.relative.value) == (None, None, None)
    assert (impact.claim, impact.verdict) == ("unknown", "unknown")
    assert impact.reason is not None
    assert impact.reason.startswith(reason)
    assert impact.reason in impact.summary


def test_a_share_of_what_is_about_zero_is_refused() -> None:
    """The difference is there all the same."""
    series = NOISE[:56].copy()
    series[28:] += 5
    impact = tg.measure_impact(series, at=28)
    assert impact.is_clear
    assert impact.relative.value is None
    assert impact.relative.reason in (
        "the interval of the mean before includes 0",
        "the mean before is not above 0",
    )


def test_constant_levels_do_not_crash() -> None:
    """A step without any noise is as clear as it can be."""
    impact = tg.measure_impact([5.0] * 100 + [7.0] * 28, at=100)
    assert impact.difference.value == pytest.approx(2)
    assert impact.p_value == pytest.approx(1 / 46)


@pytest.mark.parametrize("sign", [1, -1])
def test_rises_and_falls_are_alike(sign: int) -> None:
    """Also where p-values are smaller than what 1 can be told from."""
    series = remembering(0.3, 80)
    series[50:] += 60
    rise, turned = tg.measure_impact(series, at=50), tg.measure_impact(sign * series, at=50)
    assert 0 < turned.p_value < 1e-20
    assert turned.p_value == pytest.approx(rise.p_value)
    ends = sorted([sign * turned.difference.low, sign * turned.difference.high])
    assert ends == pytest.approx([rise.difference.low, rise.difference.high])


def test_a_control_without_values_is_a_reason() -> None:
    """It is not of the same days; what is infinite is no value."""
    impact = tg.measure_impact(remembering(0.3, 60), at=30, control=[np.inf] * 60)
    assert impact.reason is not None
    assert impact.reason.startswith("there are 0 values before it")


def test_a_large_level_leaves_the_digits_of_the_noise() -> None:
    """Adding a billion changes nothing but the level."""
    series = remembering(0.5, 60)
    low, high = (tg.measure_impact(series + level, at=30) for level in (0.0, 1e9))
    assert high.p_value == pytest.approx(low.p_value, rel=1e-4)
    assert high.before == pytest.approx(1e9 + low.before)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({}, "when the change was made is not said, which a series needs"),
        ({"at": "2026-01-01"}, "where the change is cannot be told"),
        ({"at": 60}, "the change is not inside of the series; got 'step 60 of 60'"),
        ({"at": 30, "days": 0}, "days cannot be used; got 0"),
        ({"at": 30, "by": "week"}, "a series has no such step; got 'week'"),
        ({"at": 30, "control": [1.0]}, "control must have a value for each of the series; got 1"),
        ({"at": 30, "days": "28"}, "days cannot be used; got '28'"),
        ({"at": 30, "times": 5}, "times must have one for each value; got 5"),
        ({"at": 30, "times": [0.0]}, "times must have one for each value; got 1"),
        ({"at": 30, "times": [0.0] * 60}, "there are two values for the same step"),
        ({"at": 30, "units": ([1], [2])}, "this does not go with a series; got 'units'"),
        ({"at": 30, "confidence": 1.0}, "confidence is a probability; got 1.0"),
        ({"at": 30, "direction": "up"}, "this is no direction; got 'up'"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], text: str) -> None:
    """With what is wrong, and what would do."""
    with pytest.raises(QueryError, match=text.replace("(", r"\(")):
        tg.measure_impact(remembering(0.3, 60), **asked)


def test_a_window_that_tells_too_little_has_no_fit() -> None:
    """Too few values for the columns of the design."""
    window = Window(3, 3, periods=(7,))
    windows = Level(NOISE[:6]).windows(np.array([0]), window)
    assert fit_window(windows, window, least=1e-12) is None
