# SPDX-License-Identifier: Apache-2.0
"""What values of a series are usually like."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.statistics.detection.baseline import Baseline, fit_baseline

HOUR_S, DAY_S = 3_600, 86_400
#: 2026-01-05, a Monday, in microseconds.
MONDAY_US = 20_458 * DAY_S * 1_000_000


def times(count: int, step_s: int) -> np.ndarray:
    """Beginnings of steps from a Monday on."""
    return MONDAY_US + np.arange(count, dtype=np.int64) * step_s * 1_000_000


def test_each_day_of_the_week_is_compared_with_its_like() -> None:
    """Values are 10 on Mondays, 11 on Tuesdays, …, give or take one."""
    rng = np.random.default_rng(1)
    at = times(70, DAY_S)
    values = 10 + np.arange(70) % 7 * 5 + rng.choice([-1.0, 0.0, 1.0], size=70)
    baseline = fit_baseline(at, values, DAY_S).baseline
    assert (baseline.season, baseline.note, baseline.n) == ("day_of_week", "", 70)
    assert np.abs(baseline.expected(at[:7]) - (10 + np.arange(7) * 5)).max() <= 1
    z = baseline.z(times(77, DAY_S)[70:], np.full(7, 10.0))
    assert abs(z[0]) < 1
    assert z[6] < -10


def test_the_median_deviation_is_scaled_like_a_standard_deviation() -> None:
    """Of normal values with deviation 2 the scale is about 2, also with a tenth of outliers."""
    values = np.random.default_rng(2).normal(50, 2, size=4000)
    values[::10] = 1e6
    baseline = fit_baseline(times(4000, DAY_S), values, DAY_S, season="none").baseline
    assert baseline.centres[0] == pytest.approx(50, abs=0.5)
    assert baseline.scales[0] == pytest.approx(2, rel=0.25)


def test_hours_of_the_week_need_four_weeks() -> None:
    """With three weeks there are hours of the day, and a note says why."""
    at = times(5 * 168, HOUR_S)
    phase = np.arange(5 * 168) % 168
    values = np.where(phase < 120, 0.0, 50.0) + phase % 24
    values += np.random.default_rng(3).normal(size=len(values))
    long = fit_baseline(at, values, HOUR_S).baseline
    assert (long.season, long.note) == ("hour_of_week", "")
    short = fit_baseline(at[: 3 * 168], values[: 3 * 168], HOUR_S).baseline
    assert short.season == "hour_of_day"
    assert "3.0 weeks of history; the hour of week needs 4" in short.note


def test_a_season_that_tells_nothing_is_not_used() -> None:
    """Fewer things to estimate is better; the note says that the season tells no more."""
    values = np.random.default_rng(4).normal(size=112)
    baseline = fit_baseline(times(112, DAY_S), values, DAY_S).baseline
    assert baseline.season == "none"
    assert baseline.note == "the day of week tells no more"


def test_a_value_is_judged_by_the_others_of_its_phase() -> None:
    """So that the spread is that of new values, not of values that are part of what is usual."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0, 6.0, 7.0, 8.0])
    fitted = fit_baseline(times(8, DAY_S), values, DAY_S, season="none")
    left = fitted.z * fitted.baseline.scales[0]
    assert left.tolist() == pytest.approx([-5, -4, -3, -2, 96, 2, 3, 4])


def test_gaps_are_no_values() -> None:
    """NaN has no z, and an hour of which nothing is known expects nothing."""
    values = np.tile([1.0, 2.0, 3.0, 4.0, 5.0, np.nan, np.nan], 8)
    values += np.tile([0, 0.1, -0.1, 0.2, -0.2, 0, 0.05, -0.05], (7, 1)).T.ravel()
    at = times(56, DAY_S)
    baseline = fit_baseline(at, values, DAY_S).baseline
    assert baseline.season == "day_of_week"
    assert np.isnan(baseline.expected(at[5:7])).all()
    assert np.isnan(baseline.z(at[5:6], np.array([3.0]))).all()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(40), "the history does not vary"),
        (np.full(40, 5.0), "the history does not vary"),
        (100 + 1e-9 * np.arange(40), "the history does not vary"),
        (np.full(40, 1e308), "values beyond 1e+150 cannot be compared"),
        (np.full(40, np.nan), "0 values of history; 8 are needed"),
        (np.arange(5.0), "5 values of history; 8 are needed"),
    ],
)
def test_what_cannot_be_known_has_a_reason(values: np.ndarray, reason: str) -> None:
    """And every z is NaN, without a warning."""
    fitted = fit_baseline(times(len(values), DAY_S), values, DAY_S)
    assert fitted.baseline.reason == reason
    assert np.isnan(fitted.baseline.z(times(3, DAY_S), np.ones(3))).all()


def test_what_varies_with_the_week_alone_is_not_judged() -> None:
    """Nothing but rounding is left of it."""
    at = times(56, DAY_S)
    baseline = fit_baseline(at, np.sin(2 * np.pi * np.arange(56) / 7), DAY_S).baseline
    assert baseline.reason == "the history does not vary, apart from the day of week"


def test_a_season_that_does_not_divide_the_steps_is_refused() -> None:
    """With those that do; and a least scale is a number above 0."""
    values = np.arange(40.0)
    with pytest.raises(QueryError, match="no such season; got 'foo'; allowed: day_of_week, none"):
        fit_baseline(times(40, DAY_S), values, DAY_S, season="foo")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="this is no least scale; got 0"):
        fit_baseline(times(40, DAY_S), values, DAY_S, scale_floor=0)
    few = fit_baseline(times(300, HOUR_S), np.arange(300.0), HOUR_S, season="hour_of_week").baseline
    assert few.reason == "too few values for the hour of week"


def test_what_never_varied_has_the_floor_for_scale() -> None:
    """If one is given; else nothing is said of it."""
    values = np.full(40, 50.0)
    assert fit_baseline(times(40, DAY_S), values, DAY_S).baseline.reason is not None
    floor = fit_baseline(times(40, DAY_S), values, DAY_S, scale_floor=2.0).baseline
    assert floor.z(times(1, DAY_S), np.array([56.0])).tolist() == [3.0]


def test_a_baseline_survives_json() -> None:
    """It expects the same afterwards, gaps included."""
    values = np.tile([1.0, 2.0, 3.0, 4.0, 5.0, np.nan, np.nan], 8) + np.arange(56) % 5
    at = times(56, DAY_S)
    baseline = fit_baseline(at, values, DAY_S).baseline
    again = Baseline.from_dict(json.loads(json.dumps(baseline.as_dict())))
    np.testing.assert_array_equal(again.z(at, values), baseline.z(at, values))
