# SPDX-License-Identifier: Apache-2.0
"""Watching a series: from its history to alarms within a budget."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.model.spec import Direction
from tidegauge.statistics.detection.detect import detect_changes
from tidegauge.statistics.detection.monitor import (
    METHODS,
    Method,
    Monitor,
    fit_monitor,
    run_length_of,
)
from tidegauge.statistics.detection.scoring import fit_scoring
from tidegauge.statistics.detection.tails import fit_tails

HOUR_S, DAY_S = 3_600, 86_400
MONDAY_US = 20_458 * DAY_S * 1_000_000


def times(count: int, step_s: int = DAY_S) -> np.ndarray:
    """Beginnings of steps from a Monday on."""
    return MONDAY_US + np.arange(count, dtype=np.int64) * step_s * 1_000_000


def remembering(phi: float, count: int, seed: int) -> np.ndarray:
    """Values with variance 1 of which each is `phi` times the one before, and noise."""
    noise = np.random.default_rng(seed).normal(size=count) * np.sqrt(1 - phi**2)
    for step in range(1, count):
        noise[step] += phi * noise[step - 1]
    return noise


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_false_alarms_keep_to_the_budget(phi: float, method: Method) -> None:
    """Of 40 series learned from four weeks of hours there is one each 0.8 to 3 times as asked."""
    steps = alarms = 0
    for seed in range(40):
        values = remembering(phi, 672 + 1200, seed)
        at = times(len(values), HOUR_S)
        monitor = fit_monitor(at[:672], values[:672], HOUR_S, run_length=300, method=method)
        assert isinstance(monitor, Monitor)
        found = monitor.update(at[672:], values[672:])
        alarms += sum(notice.kind == "alarm" for notice in found)
        steps += 1200
    assert 0.8 * 300 <= steps / alarms <= 3 * 300


def test_a_change_is_noticed_and_dated() -> None:
    """Accuracy falls by three usual differences; the weekly pattern is no alarm."""
    rng = np.random.default_rng(5)
    at = times(98)
    values = 0.9 + 0.02 * (np.arange(98) % 7 < 5) + rng.normal(0, 0.004, size=98)
    values[84:] -= 0.012
    found = detect_changes(
        at, values, DAY_S, 28, run_length=365, name="accuracy", better=Direction.HIGHER
    )
    assert found.season == "day_of_week"
    assert found.summary == "accuracy: 1 alarm in 28 steps (cusum, a false alarm each 365 steps)"
    (alarm,) = found.alarms
    assert (alarm.direction, alarm.is_worse, alarm.end_us) == ("down", True, None)
    assert at[84] <= alarm.time_us <= at[90]
    assert abs(alarm.change_us - at[84]) <= 5 * DAY_S * 1e6
    assert alarm.expected == pytest.approx(0.91, abs=0.015)
    assert json.loads(json.dumps(found.as_dict()))["alarms"][0]["direction"] == "down"


def test_only_the_worse_side_is_watched_if_asked_for() -> None:
    """A rise of accuracy is no alarm then, and the threshold is lower for it."""
    values = np.random.default_rng(6).normal(size=120)
    values[100:] += 4
    both = detect_changes(times(120), values, DAY_S, 30, run_length=100, better=Direction.HIGHER)
    worse = detect_changes(
        times(120), values, DAY_S, 30, run_length=100, better=Direction.HIGHER, only_worse=True
    )
    assert [alarm.is_worse for alarm in both.alarms] == [False]
    assert worse.alarms == ()
    assert (worse.threshold or 9) < (both.threshold or 0)


def test_a_monitor_goes_on_elsewhere() -> None:
    """Written as JSON after each day and read again, it says what the whole would have."""
    values = remembering(0.6, 300, 7)
    values[150:200] += 2
    values[220:224] = np.nan
    at = times(300)
    whole = fit_monitor(at[:100], values[:100], DAY_S, run_length=60)
    assert isinstance(whole, Monitor)
    monitor = Monitor.from_dict(json.loads(json.dumps(whole.as_dict())))
    expected = [(e.kind, e.time_us, e.change_us) for e in whole.update(at[100:], values[100:])]
    found = []
    for place in range(100, 300, 3):
        found += monitor.update(at[place : place + 3], values[place : place + 3])
        monitor = Monitor.from_dict(json.loads(json.dumps(monitor.as_dict())))
    assert len(expected) > 3
    assert [(e.kind, e.time_us, e.change_us) for e in found] == expected


def test_a_change_is_dated_across_steps_that_were_skipped() -> None:
    """As if they had been told as gaps."""
    values = np.random.default_rng(12).normal(size=130)
    values[100:] += 1.5
    values[103:109] = np.nan
    at = times(130)
    whole = fit_monitor(at[:100], values[:100], DAY_S, run_length=200)
    assert isinstance(whole, Monitor)
    skipping = Monitor.from_dict(whole.as_dict())
    expected = whole.update(at[100:], values[100:])
    found = skipping.update(at[100:103], values[100:103]) + skipping.update(at[109:], values[109:])
    assert [(e.kind, e.time_us, e.change_us) for e in found] == [
        (e.kind, e.time_us, e.change_us) for e in expected
    ]
    assert at[98] <= found[0].change_us < at[103]


@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("weekly", [0.0, 3.0])
def test_a_series_of_weekdays_is_watched_on_each_of_them(phi: float, weekly: float) -> None:
    """Friday is the day before Monday, whether days of the week differ or not."""
    at = times(140)
    is_open = np.arange(140) % 7 < 5
    values = np.full(140, np.nan)
    values[is_open] = remembering(phi, 100, 13)
    values += weekly * (np.arange(140) % 7)
    monitor = fit_monitor(at[:84], values[:84], DAY_S, run_length=200)
    assert isinstance(monitor, Monitor)
    order = monitor.scoring.memory.order
    scores, _, _ = monitor.scoring.scores(at, values, np.full(order, np.nan))
    np.testing.assert_array_equal(np.isfinite(scores)[order:], is_open[order:])
    assert "gap" not in monitor.scoring.baseline.note
    again = Monitor.from_dict(json.loads(json.dumps(monitor.as_dict())))
    week, weekdays = monitor.update(at[84:], values[84:]), []
    for begin in range(84, 140, 7):
        weekdays += again.update(at[begin : begin + 5], values[begin : begin + 5])
    assert weekdays == week


def test_many_gaps_shorten_the_memory_and_are_noted() -> None:
    """What follows a gap has no past; the note tells how many values that are."""
    rng = np.random.default_rng(14)
    values = remembering(0.8, 200, 14)
    values[rng.random(200) < 0.3] = np.nan
    scoring = fit_scoring(times(200), values, DAY_S)
    assert not isinstance(scoring, str)
    assert scoring.memory.order == 1
    assert scoring.baseline.note.endswith("values of history follow a gap and tell nothing")


def test_steps_are_seen_once() -> None:
    """Those that were missed are a gap."""
    values = remembering(0.6, 130, 8)
    monitor = fit_monitor(times(100), values[:100], DAY_S, run_length=60)
    assert isinstance(monitor, Monitor)
    monitor.update(times(130)[110:], values[110:])
    with pytest.raises(QueryError, match="this step has been seen before; got"):
        monitor.update(times(130)[129:], values[129:])
    assert monitor.update(np.empty(0, np.int64), np.empty(0)) == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full(60, 0.0), "the history does not vary"),
        (np.where(np.arange(60) % 9, 1.0, 1 - 1e-14), "the history does not vary"),
        (np.arange(20.0), "20 values of history; 28 are needed"),
        (np.full(60, np.nan), "0 values of history; 28 are needed"),
    ],
)
def test_what_cannot_be_watched_has_a_reason(values: np.ndarray, reason: str) -> None:
    """And no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = detect_changes(
            times(len(values) + 5), np.append(values, np.zeros(5)), DAY_S, 5, run_length=30
        )
    assert found.reason == reason
    assert found.alarms == ()
    assert found.summary == f": not watched: {reason}"


@pytest.mark.parametrize(
    ("usual", "now"),
    [
        (np.ones(56), 1 - 1e-7),
        (np.where(np.arange(56) == 20, 0.9, 1.0), 1 - 1e-7),
        (np.where(np.isin(np.arange(56), (3, 11, 24, 40, 41)), 1.01, 1.0), 1 - 1e-9),
    ],
)
def test_what_was_rounded_otherwise_is_no_alarm(usual: np.ndarray, now: float) -> None:
    """Also where most values are the same, or none is on one side of the median."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = detect_changes(
            times(84), np.append(usual, np.full(28, now)), DAY_S, 28, run_length=30
        )
    assert found.alarms == ()


def test_a_fall_of_what_was_nearly_always_the_same_is_an_alarm() -> None:
    """Two days of eight weeks were different before."""
    values = np.where(np.isin(np.arange(84), (10, 30)), 0.98, 1.0)
    values[70:] = 0.9
    (alarm,) = detect_changes(times(84), values, DAY_S, 28, run_length=300).alarms
    assert (alarm.direction, alarm.change_us) == ("down", times(84)[70])


@pytest.mark.parametrize(("floor", "alarms"), [(None, 1), (1.0, 1), (50.0, 0), (1e6, 0)])
def test_no_shift_below_the_least_scale_is_an_alarm(floor: float | None, alarms: int) -> None:
    """Three usual differences, where fifty are of interest."""
    values = np.random.default_rng(2).normal(100, 1, size=84)
    values[70:] += 3
    found = detect_changes(times(84), values, DAY_S, 28, run_length=300, scale_floor=floor)
    assert len(found.alarms) == alarms


def test_numbers_that_have_no_square_are_borne() -> None:
    """The largest floats are alarms, what is infinite is a gap."""
    values = np.random.default_rng(3).normal(size=84)
    values[80:82] = 1e308, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = detect_changes(times(84), values, DAY_S, 28, run_length=300)
    assert [(alarm.time_us, alarm.z) for alarm in found.alarms] == [(times(84)[80], 1e12)]


def test_a_small_budget_needs_a_long_history() -> None:
    """Nothing can be promised of a false alarm in a century from a month of days."""
    values = np.random.default_rng(9).normal(size=30)
    found = fit_monitor(times(30), values, DAY_S, run_length=36_500)
    assert found == "30 values of history are too few for one false alarm in 36,500 steps"


def test_a_budget_is_of_all_series_together() -> None:
    """Two false alarms a month of 100 daily series: one in 1500 days of each."""
    assert run_length_of(2, DAY_S, n_series=100) == 1500
    assert run_length_of(1, 60) == 43_200
    with pytest.raises(QueryError, match="this is no budget of false alarms; got 0"):
        run_length_of(0, DAY_S)
    with pytest.raises(QueryError, match="allowed: more than 0 and less than 30 a month"):
        run_length_of(30, DAY_S)
    with pytest.raises(QueryError, match="there is no such method; got 'magic'"):
        fit_monitor(times(30), np.zeros(30), DAY_S, run_length=9, method="magic")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="nothing is watched; allowed: rises, falls, or both"):
        fit_monitor(times(30), np.zeros(30), DAY_S, run_length=9, rises=False, falls=False)
    with pytest.raises(QueryError, match="this is no run length"):
        fit_monitor(times(30), np.zeros(30), DAY_S, run_length=1)


@pytest.mark.parametrize("shape", ["normal", "heavy", "skewed"])
def test_scores_are_normal_whatever_values_are(shape: str) -> None:
    """Of new values one in a hundred is beyond what one normal score in a hundred is."""
    rng = np.random.default_rng(10)
    draw = {
        "normal": lambda n: rng.normal(7, 3, size=n),
        "heavy": lambda n: rng.standard_t(3, size=n),
        "skewed": lambda n: rng.exponential(size=n),
    }[shape]
    scores = fit_tails(draw(2000)).scores(draw(100_000))
    assert scores.mean() == pytest.approx(0, abs=0.06)
    assert scores.std() == pytest.approx(1, abs=0.06)
    assert 0.004 <= (scores > 2.326).mean() <= 0.02
    assert (scores < -2.326).mean() <= 0.02


def test_an_outlier_of_the_past_does_not_make_the_next_value_odd() -> None:
    """One spike in a series with memory: the value after it is as usual, and so is its score."""
    values = remembering(0.8, 220, 11)
    scoring = fit_scoring(times(200), values[:200], DAY_S)
    assert not isinstance(scoring, str)
    values[210] += 30
    scores, _, _ = scoring.scores(
        times(220)[200:], values[200:], np.full(scoring.memory.order, np.nan)
    )
    assert scores[10] > 8
    assert np.abs(scores[11:]).max() < 5.5
