# SPDX-License-Identifier: Apache-2.0
"""Honest correlation as a whole: what is found, what is refused, and how it is told."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.statistics.correlation.grid import Grid
from tidegauge.statistics.correlation.recipe import Recipe
from tidegauge.statistics.correlation.relate import Observed, relate
from tidegauge.statistics.correlation.report import Relations

MONDAY_US = 20_458 * 86_400_000_000  # 2026-01-05
WEEK = np.array([1.0, 0, 2, 0, 3, -4, -2])


def remembering(noise: np.ndarray, phi: float = 0.8) -> np.ndarray:
    """Each value is `phi` times the one before and some noise; with a weekly pattern on top."""
    values = noise.copy()
    for step in range(1, len(values)):
        values[step] += phi * values[step - 1]
    return values + 2 * WEEK[np.arange(len(values)) % 7]


@pytest.fixture
def led() -> tuple[np.ndarray, np.ndarray]:
    """Two series of 200 days, of which the first leads by three days, and days resemble days."""
    rng = np.random.default_rng(1)
    noise, other = rng.normal(size=(2, 200))
    later = 0.6 * np.roll(noise, 3) + 0.8 * other
    return remembering(noise), remembering(later)


def related(*values: np.ndarray, step_s: int = 86_400, **recipe: Any) -> Relations:
    """Each series with each other."""
    series = [Observed(f"s{number}", np.asarray(each)) for number, each in enumerate(values)]
    pairs = [(one, two) for two in range(len(series)) for one in range(two)]
    return relate(series, pairs, Grid(MONDAY_US, step_s, len(values[0])), Recipe(**recipe))


def test_who_leads_is_found(led: tuple[np.ndarray, np.ndarray]) -> None:
    """With the lag, an interval that holds the truth, and words that claim no cause."""
    found = related(*led)["s0_vs_s1"]
    assert found["significant"] is True
    assert found["lag"] == 3
    assert found["interval_low"] < 0.6 < found["interval_high"]
    assert found["q_value"] == found["p_value"] < 1e-4
    assert found["moves"] == "s0 may lead s1 by 3 days"
    assert found["reason"] is None
    assert 150 < found["n"] <= 197
    assert found["n_effective"] < 80


def test_who_follows_does_not_lead(led: tuple[np.ndarray, np.ndarray]) -> None:
    """The other way round the lag is below 0, and the first one is not said to lead."""
    (found,) = related(*led[::-1]).pairs
    assert found.lag == -3
    assert found.moves == "s0 moves with s1, 3 days later"


def test_moving_against_each_other_is_said(led: tuple[np.ndarray, np.ndarray]) -> None:
    """On the same day, by the hour as by the day."""
    (found,) = related(led[0], -led[0], max_lag=0).pairs
    assert found.moves == "s0 moves with s1, in the opposite direction"
    assert found.finding == "moves with it, in the opposite direction"
    assert found.correlation.value == pytest.approx(-1)
    assert found.correlation.high == pytest.approx(-1, abs=1e-3)


def test_unrelated_series_are_not_related_however_alike_they_look() -> None:
    """Two walks with the same week: naively certain, honestly nothing."""
    rng = np.random.default_rng(2)
    first, second = (remembering(each, 1.0) for each in rng.normal(size=(2, 150)))
    found = related(first, second)["s0_vs_s1"]
    assert found["naive_p_value"] < 1e-3
    assert found["significant"] is False
    assert found["moves"] == "no relation shown"
    assert found["n_effective"] < 30


def test_false_discoveries_are_rare() -> None:
    """Of 400 pairs of wandering series with one weekly pattern, one in twenty is below 5 %."""
    noise = np.random.default_rng(6).normal(size=(40, 120))
    series = [Observed(f"s{i}", remembering(each, 0.95)) for i, each in enumerate(noise)]
    pairs = [(one, two) for one in range(20) for two in range(20, 40)]
    found = relate(series, pairs, Grid(MONDAY_US, 86_400, 120), Recipe(draws=0))
    p_values = np.array([each.p_value for each in found.pairs])
    assert (p_values < 0.05).mean() < 0.08
    assert not found.significant
    naive = np.array([each.naive_p_value for each in found.pairs])
    assert (naive < 0.05).mean() > 0.5


def test_the_best_lag_pays_for_the_others() -> None:
    """Šidák's formula, over the lags that were looked at."""
    rng = np.random.default_rng(7)
    first, second = rng.normal(size=(2, 100))
    one = related(first, second, max_lag=0, draws=0).pairs[0]
    many = related(first, second, max_lag=4, draws=0).pairs[0]
    assert len(many.lags) == 9
    assert one.p_value is not None
    assert many.p_value is not None
    if many.lag == 0:
        assert many.p_value == pytest.approx(1 - (1 - one.p_value) ** 9)
    else:
        assert many.p_value < 1 - (1 - one.p_value) ** 9


def test_pairs_pay_for_their_company(led: tuple[np.ndarray, np.ndarray]) -> None:
    """By Benjamini and Hochberg, or by Yekutieli, who is stricter."""
    rng = np.random.default_rng(8)
    others = [remembering(each) for each in rng.normal(size=(4, 200))]
    kinder = related(*led, *others, draws=0)
    stricter = related(*led, *others, draws=0, fdr="by")
    p_values = sorted(each["p_value"] for each in kinder.values())
    assert kinder["s0_vs_s1"]["q_value"] == pytest.approx(15 * p_values[0])
    harmonic = sum(1 / rank for rank in range(1, 16))
    expected = harmonic * kinder["s0_vs_s1"]["q_value"]
    assert stricter["s0_vs_s1"]["q_value"] == pytest.approx(expected)


def test_ranks_do_not_mind_a_wild_day(led: tuple[np.ndarray, np.ndarray]) -> None:
    """Spearman finds what Pearson loses to one day that went wrong on both sides."""
    first, second = led[0].copy(), led[1].copy()
    first[50], second[120] = 400.0, -300.0
    recipe: dict[str, Any] = {"transform": None, "draws": 0}
    assert related(first, second, method="spearman", **recipe)["s0_vs_s1"]["lag"] == 3
    assert related(first, second, method="spearman", **recipe)["s0_vs_s1"]["significant"]
    assert not related(first, second, **recipe)["s0_vs_s1"]["significant"]


def test_hours_have_a_pattern_of_the_week() -> None:
    """A daily rhythm and a quiet Sunday that two series share are no relation."""
    rng = np.random.default_rng(9)
    hours = np.arange(24 * 42)
    rhythm = np.sin(2 * np.pi * hours / 24) * (1 + (hours // 24 % 7 == 6))
    first, second = 3 * rhythm + rng.normal(size=(2, len(hours)))
    found = related(first, second, step_s=3_600, draws=0).pairs[0]
    assert not found.is_significant
    assert found.naive_p_value is not None
    assert found.naive_p_value < 1e-50
    late = related(first, np.roll(first, 2), step_s=3_600, draws=0).pairs[0]
    assert late.moves == "s0 may lead s1 by 2 hours"


def test_too_little_data_is_refused_with_a_reason() -> None:
    """There is no correlation then, only the naive one, and nothing is significant."""
    first, second = np.random.default_rng(10).normal(size=(2, 27))
    found = related(first, second)["s0_vs_s1"]
    assert found["reason"] == (
        "s0: spans 3.9 weeks, and a weekly pattern shows in 4 at least; "
        "s1: spans 3.9 weeks, and a weekly pattern shows in 4 at least"
    )
    assert found["correlation"] is found["p_value"] is found["lag"] is None
    assert found["significant"] is False
    assert found["moves"].startswith("not known: s0: spans 3.9 weeks")
    assert isinstance(found["naive_correlation"], float)
    assert related(first, second, season=False, max_lag=0)["s0_vs_s1"]["reason"] is None


def test_series_that_hardly_overlap_are_refused() -> None:
    """Each has enough values, but not together."""
    first, second = np.random.default_rng(11).normal(size=(2, 100))
    first[60:], second[:50] = np.nan, np.nan
    found = related(first, second, max_lag=0)["s0_vs_s1"]
    assert found["reason"] == "10 steps can be compared, and 20 are needed"
    shifted = related(first, second, max_lag=14).pairs[0]
    assert shifted.lag is not None
    assert shifted.lag >= 10


@pytest.mark.parametrize("n", [1, 2, 5, 60])
def test_nothing_at_all_is_refused_as_well(n: int) -> None:
    """However short the grid is, nothing crashes or warns."""
    nothing = np.full(n, np.nan)
    found = related(nothing, np.arange(float(n)))["s0_vs_s1"]
    assert found["reason"].startswith("s0: no values; s1: ")
    assert found["naive_correlation"] is None
    assert related(nothing).pairs == ()


def test_the_result_is_a_dictionary_for_json(led: tuple[np.ndarray, np.ndarray]) -> None:
    """And can be copied, compared and pickled."""
    found = related(*led, np.ones(200), draws=99)
    assert json.loads(json.dumps(found)) == found
    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == found
    assert list(found) == ["s0_vs_s1", "s0_vs_s2", "s1_vs_s2"]


def test_the_same_data_tell_the_same(led: tuple[np.ndarray, np.ndarray]) -> None:
    """Chance in the bootstrap has a seed."""
    assert related(*led) == related(*led)
    assert related(*led, seed=1) != related(*led)


def test_the_summary_says_what_the_usual_test_would_have_said(
    led: tuple[np.ndarray, np.ndarray],
) -> None:
    """And what is not known; the table has a line for each pair."""
    found = related(*led, np.ones(200))
    lines = found.summary.splitlines()
    assert lines[0] == "1 of 1 pairs move together; of what is found, 5% may be chance."
    assert lines[1].startswith("- s0 may lead s1 by 3 days: r = 0.")
    assert lines[2:] == [
        "A test that takes days for independent would have called 1 of them related.",
        "Of 2 pairs nothing is known; each says why.",
        "What moves together need not be cause and effect.",
    ]
    table = found.table().splitlines()
    assert table[0].split() == ["pair", "lag", "r", "interval", "q", "naive", "r", "naive", "p"]
    assert table[1].startswith("s0 ~ s1  +3   0.")
    assert table[2].endswith("not known: s2: constant")


def test_weekends_on_which_nothing_is_recorded_do_not_count() -> None:
    """A week has five days then, Monday comes after Friday, and a note says so."""
    rng = np.random.default_rng(14)
    noise, other = rng.normal(size=(2, 150))
    working = np.arange(210) % 7 < 5
    first, second = np.full((2, 210), np.nan)
    first[working] = noise
    second[working] = 0.6 * np.roll(noise, 1) + 0.8 * other
    (found,) = related(first, second, draws=0).pairs
    assert (found.lag, found.is_significant) == (1, True)
    assert found.n > 140
    assert found.notes == (
        "days of the week without any value are left out, so lags count the other days",
    )
    assert related(first, second, np.ones(210), draws=0).pairs[0].notes == ()


@pytest.mark.parametrize("strength", ["grows", "begins"])
def test_a_weekly_pattern_may_change(strength: str) -> None:
    """Of series that share one which grows, or begins in the middle, few seem related."""
    rng = np.random.default_rng(15)
    days = np.arange(180)
    share = 0.2 + days / 100 if strength == "grows" else days >= 90
    pattern = WEEK[days % 7] / 2 * share
    series = [
        Observed(f"s{i}", pattern + each) for i, each in enumerate(rng.normal(size=(20, 180)))
    ]
    pairs = [(one, two) for one in range(10) for two in range(10, 20)]
    found = relate(series, pairs, Grid(MONDAY_US, 86_400, 180), Recipe(draws=0))
    assert np.mean([each.p_value is not None and each.p_value < 0.05 for each in found.pairs]) < 0.1
    assert all(each.treatments[0].degree >= 1 for each in found.pairs)


def test_what_repeats_by_the_month_has_a_note() -> None:
    """No pattern but that of the week is taken out, so one that both share seems a relation."""
    first, second = np.random.default_rng(16).normal(size=(2, 365))
    monthly = 4.0 * (np.arange(365) % 30 < 2)
    found = related(first + monthly, second + monthly, draws=0).pairs[0]
    text = "seems to repeat after 30 steps; if both do, the p-value is too small"
    assert found.notes == (f"s0 {text}", f"s1 {text}")
    assert related(first, second, draws=0).pairs[0].notes == ()


def test_what_still_follows_its_past_has_a_note() -> None:
    """Of 60 days, no more than six before are looked at; here it is the eighth that matters."""
    first, second = np.random.default_rng(12).normal(size=(2, 60))
    for step in range(8, 60):
        first[step] += 0.8 * first[step - 8]
    found = related(first, second, season=False, draws=0).pairs[0]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("s0 still follows its past (Ljung-Box p = ")
    assert found.as_dict()["notes"] == list(found.notes)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"max_lag": -1}, "this max_lag; got -1; allowed: a whole number of steps, 0 or more"),
        ({"max_lag": 2.5}, "this max_lag; got 2.5"),
        ({"alpha": "0.05"}, "this alpha; got '0.05'; allowed: 0 to 1, exclusive"),
        ({"alpha": 5}, "this alpha; got 5; allowed: 0 to 1, exclusive"),
        ({"method": "kendall"}, "this method; got 'kendall'; allowed: pearson, spearman"),
        ({"transform": "sqrt"}, "this transform; got 'sqrt'; allowed: 'auto' or None"),
        ({"fdr": "none"}, "this fdr; got 'none'; allowed: bh, by"),
        ({"draws": 10}, "this draws; got 10; allowed: 0, or 99 and more"),
    ],
)
def test_what_cannot_be_done_is_refused(given: dict[str, Any], text: str) -> None:
    """Each error says what is allowed."""
    with pytest.raises(QueryError, match=f"relations cannot be looked for with {text}"):
        Recipe(**given)
