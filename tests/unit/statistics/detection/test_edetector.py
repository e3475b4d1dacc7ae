# SPDX-License-Identifier: Apache-2.0
"""E-detectors of rates and bounded numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.statistics.detection.edetector import (
    EDetector,
    alarmed_of_many,
    tolerated_rate,
)

FORMS = pytest.mark.parametrize("form", ["sr", "cusum"])


def by_hand(values: list[float], tolerated: float, form: str) -> list[float]:
    """The mean wealth of all bets, as a loop."""
    bets = [
        (odds - 1) / (1 - tolerated + odds * tolerated)
        for odds in (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
    ]
    wealth, path = [0.0] * len(bets), []
    for value in values:
        wealth = [
            (each + 1 if form == "sr" else max(each, 1)) * (1 + bet * (value - tolerated))
            for each, bet in zip(wealth, bets, strict=True)
        ]
        path.append(sum(wealth) / len(wealth))
    return path


@FORMS
def test_wealth_is_as_defined(form: Any) -> None:
    """Of Shiryaev and Roberts one is added before each step, of Page it is never below one."""
    values = np.random.default_rng(1).random(500)
    detector = EDetector.begin(0.6, 1e300, form=form)
    for value in values:
        detector.update(np.array([value]))
    expected = by_hand(values.tolist(), 0.6, form)
    assert detector.evidence()[0] == pytest.approx(expected[-1], rel=1e-9)
    at_once = EDetector.begin(0.6, 1e300, form=form)
    at_once.update(values)
    assert at_once.evidence()[0] == pytest.approx(expected[-1], rel=1e-9)


@FORMS
def test_alarms_of_batches_are_those_of_the_whole(form: Any) -> None:
    """Also with the state as JSON in between; wealth begins anew after each alarm."""
    rng = np.random.default_rng(2)
    failed = (rng.random((2, 4000)) < np.where(np.arange(4000) < 2000, 0.02, 0.06)).astype(float)
    whole = EDetector.begin(0.02, 1000, form=form, n_series=2).update(failed)
    detector, parts = EDetector.begin(0.02, 1000, form=form, n_series=2), []
    for place in range(0, 4000, 37):
        found = detector.update(failed[:, place : place + 37])
        parts += [(series, step + place) for series, step in found]
        detector = EDetector.from_dict(json.loads(json.dumps(detector.as_dict())))
    assert len(whole) > 5
    assert sorted(parts) == sorted(whole)


def test_counts_are_the_product_of_their_trials() -> None:
    """Three failures of ten multiply wealth as ten single trials do, whatever their order."""
    stake = (2 - 1) / (1 - 0.1 + 2 * 0.1)
    detector = EDetector.begin(0.1, 1e9)
    detector.update(np.array([3.0]), np.array([10.0]))
    expected = (1 + stake * 0.9) ** 3 * (1 - stake * 0.1) ** 7
    assert detector.wealth[2, 0] == pytest.approx(expected)


def test_sums_of_numbers_are_taken_for_the_least_they_can_mean() -> None:
    """Ten numbers of 0.3 multiply wealth by no less than three ones and seven zeros do."""
    counted, single = EDetector.begin(0.1, 1e9, form="cusum"), math.prod([1 + 0.2] * 10)
    counted.update(np.array([3.0]), np.array([10.0]))
    stake = 1 / 1.1
    assert counted.wealth[2, 0] <= (1 + stake * 0.2) ** 10 <= single


def test_runs_are_as_long_as_was_asked_for() -> None:
    """On average over 200 streams of exactly what is tolerated; a change is noticed soon."""
    rng = np.random.default_rng(3)
    quiet = (rng.random((200, 4000)) < 0.02).astype(float)
    alarms = EDetector.begin(0.02, 1000, n_series=200).update(quiet)
    assert 200 * 4000 / len(alarms) > 1000
    changed = (rng.random((200, 2000)) < 0.10).astype(float)
    first: dict[int, int] = {}
    for series, step in EDetector.begin(0.02, 1000, n_series=200).update(changed):
        first.setdefault(series, step)
    assert len(first) == 200
    assert np.mean(list(first.values())) < 100


def test_lower_is_higher_of_the_complement() -> None:
    """An accuracy that falls is an error rate that rises."""
    values = np.random.default_rng(4).random(1000) * 0.9
    lower = EDetector.begin(0.7, 100, worse="lower").update(values)
    higher = EDetector.begin(1 - 0.7, 100).update(1 - values)
    assert lower == higher
    assert lower


def test_gaps_and_very_large_counts_are_borne() -> None:
    """NaN bets nothing; a million trials at once overflow no float into NaN."""
    detector = EDetector.begin(0.02, 1000)
    assert not detector.update(np.full(10, np.nan))
    many = np.array([5e4, 1e5, 1e4])
    assert detector.update(many, np.full(3, 1e6)) == [(0, 0), (0, 1)]
    assert np.isfinite(detector.evidence()).all()


@FORMS
def test_nothing_is_no_evidence(form: Any) -> None:
    """Steps without a value, or without trials, leave the wealth as it is."""
    detector = EDetector.begin(0.02, 100, form=form)
    assert detector.update(np.full(250, np.nan)) == []
    assert detector.update(np.zeros(250), np.zeros(250)) == []
    gaps, whole = EDetector.begin(0.1, 1e300, form=form), EDetector.begin(0.1, 1e300, form=form)
    gaps.update(np.array([np.nan, 0.3, np.nan, np.nan, 0.2, 0.7]))
    whole.update(np.array([0.3, 0.2, 0.7]))
    assert gaps.evidence()[0] == pytest.approx(whole.evidence()[0])


@pytest.mark.parametrize(("values", "trials"), [([1.5], None), ([-0.1], None), ([11.0], [10.0])])
def test_values_beyond_the_bounds_are_refused(values: list[float], trials: Any) -> None:
    """Nothing would be promised of them."""
    detector = EDetector.begin(0.5, 100)
    with pytest.raises(QueryError, match="an e-detector cannot take these values; got"):
        detector.update(np.array(values), None if trials is None else np.array(trials))


def test_bad_arguments_are_refused() -> None:
    """Before anything is watched."""
    with pytest.raises(QueryError, match="such a mean cannot be tolerated; got 0"):
        EDetector.begin(0, 100)
    with pytest.raises(QueryError, match="this is no run length; got 1"):
        EDetector.begin(0.5, 1)
    with pytest.raises(QueryError, match="there is no such e-detector"):
        EDetector.begin(0.5, 100, form="page")  # type: ignore[arg-type]


def test_what_is_tolerated_is_worse_than_the_history() -> None:
    """By what of the history is chance, and by a margin."""
    assert tolerated_rate(20, 1000) == pytest.approx(0.03070 * 1.1, rel=1e-2)
    assert tolerated_rate(950, 1000, worse="lower", margin=0.02) == pytest.approx(0.916, abs=2e-3)
    assert tolerated_rate(0, 0) is None
    assert tolerated_rate(99, 100) is None


def test_rates_that_cannot_be_are_refused() -> None:
    """Of five failures in three trials nothing is known."""
    with pytest.raises(QueryError, match="so many cannot fail; got 5; allowed: 0 to 3"):
        tolerated_rate(5, 3)
    with pytest.raises(QueryError, match="no way to become worse; got 'up'"):
        tolerated_rate(1, 3, worse="up")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="this is no margin; got -1"):
        tolerated_rate(1, 3, margin=-1)


def test_of_many_streams_those_that_failed_are_told() -> None:
    """From requests to names: evidence is kept where nothing begins anew."""
    rng = np.random.default_rng(7)
    rates = np.full(50, 0.02)
    rates[[3, 17, 42]] = 0.2
    failed = (rng.random((50, 300)) < rates[:, None]).astype(float)
    detector = EDetector.begin(0.03, 1000, n_series=50, restarts=False)
    found = []
    for place in range(0, 300, 100):
        found += detector.update(failed[:, place : place + 100])
        detector = EDetector.from_dict(json.loads(json.dumps(detector.as_dict())))
    assert alarmed_of_many(detector.evidence(), 1000).tolist() == [3, 17, 42]
    assert {series for series, _ in found} == {3, 17, 42}
    forgetful = EDetector.begin(0.03, 1000, n_series=50)
    forgetful.update(failed)
    assert alarmed_of_many(forgetful.evidence(), 1000).tolist() == []


def test_of_many_series_the_strongest_are_told() -> None:
    """The second needs half of what one alone would need: K / k times the run length."""
    assert alarmed_of_many(np.array([1.0, 4100.0, 2.0, 2100.0]), 1000).tolist() == [1, 3]
    assert alarmed_of_many(np.array([1.0, 3900.0, 2.0, 1900.0]), 1000).tolist() == []
    assert alarmed_of_many(np.empty(0), 1000).tolist() == []
