# SPDX-License-Identifier: Apache-2.0
"""CUSUM and EWMA charts."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from tidegauge.statistics.detection.cusum import Cusum
from tidegauge.statistics.detection.ewma import Ewma
from tidegauge.statistics.detection.passages import Signal

Chart = Cusum | Ewma

CHARTS = pytest.mark.parametrize(
    "begin",
    [
        lambda count: Cusum.begin(np.full(count, 4.0)),
        lambda count: Ewma.begin(np.full(count, 2.5)),
    ],
    ids=["cusum", "ewma"],
)


def by_hand(scores: list[float], threshold: float, slack: float) -> list[tuple[int, str]]:
    """A one-sided CUSUM as a loop."""
    level, is_alarmed, found = 0.0, False, []
    for index, score in enumerate(scores):
        level = max(level + score - slack, 0.0)
        if is_alarmed:
            level = min(level, threshold)
            if level == 0:
                is_alarmed = False
                found.append((index, "over"))
        elif level > threshold:
            is_alarmed, level = True, threshold
            found.append((index, "alarm"))
    return found


def test_a_sum_passes_its_threshold_and_returns() -> None:
    """Ones from the third step on: each adds a half; the alarm is over when the sum is back."""
    scores = np.array([0.0, 0.0, *[1.0] * 12, *[-1.0] * 4])
    chart = Cusum.begin(2.0, falls=False)
    assert chart.update(scores) == [
        Signal(0, 6, "alarm", rises=True, change=2),
        Signal(0, 15, "over", rises=True, change=15),
    ]


def test_the_vectorised_chart_is_the_loop() -> None:
    """On noise with changes, for many alarms and ends."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=6000) + np.repeat(rng.normal(size=60), 100)
    found = [(signal.index, signal.kind) for signal in Cusum.begin(3.0, falls=False).update(scores)]
    expected = by_hand(scores.tolist(), 3.0, 0.5)
    assert len(expected) > 100
    assert found == expected


def test_falls_are_rises_of_the_negative() -> None:
    """Both sides are watched alike, unless one is not."""
    scores = np.random.default_rng(2).normal(size=3000)
    rises = Cusum.begin(3.0, falls=False).update(scores)
    falls = Cusum.begin(3.0, rises=False).update(-scores)
    assert [each.index for each in rises] == [each.index for each in falls]
    assert {each.rises for each in rises} == {True}
    assert {each.rises for each in falls} == {False}


def test_a_long_change_is_over_as_soon_as_a_short_one() -> None:
    """The sum does not grow beyond the threshold, or it would take as long to come down."""
    for length in (20, 20_000):
        scores = np.concatenate([np.full(length, 3.0), np.zeros(20)])
        signals = Cusum.begin(5.0, falls=False).update(scores)
        assert [each.kind for each in signals] == ["alarm", "over"]
        assert signals[1].index - length == 10


@CHARTS
def test_batches_give_what_the_whole_gives(begin: Callable[[int], Chart]) -> None:
    """Also when the state has been written as JSON in between, and with gaps."""
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(3, 2000))
    scores[:, 800:900] += 1.5
    scores[0, 300:340] = np.nan
    scores[1, rng.random(2000) < 0.1] = np.nan
    whole = begin(3).update(scores)
    chart, parts, place = begin(3), [], 0
    while place < 2000:
        size = int(rng.integers(1, 90))
        parts += [
            (each.series, each.index + place, each.kind, each.change + place)
            for each in chart.update(scores[:, place : place + size])
        ]
        chart = type(chart).from_dict(json.loads(json.dumps(chart.as_dict())))
        place += size
    assert len(whole) > 30
    assert sorted(parts) == sorted((e.series, e.index, e.kind, e.change) for e in whole)


@CHARTS
def test_charts_stand_still_in_gaps(begin: Callable[[int], Chart]) -> None:
    """A gap of any length changes nothing but the numbers of steps."""
    scores = np.random.default_rng(4).normal(size=400) + 0.4
    gap = np.full(77, np.nan)
    plain = begin(1).update(scores)
    gappy = begin(1).update(np.concatenate([scores[:50], gap, scores[50:]]))
    assert [each.index + 77 * (each.index >= 50) for each in plain] == [e.index for e in gappy]
    assert not begin(1).update(np.full((1, 30), np.nan))
    assert not begin(1).update(np.empty((1, 0)))


def test_an_ewma_follows_its_definition() -> None:
    """The mean after each step is a fifth of the score and four fifths of the mean before."""
    chart = Ewma.begin(1.0, falls=False)
    # In the long run the deviation is a third, so a mean above 1/3 is an alarm.
    assert chart.update(np.array([1.0, 0.5, 1.0])) == [Signal(0, 2, "alarm", rises=True, change=0)]
    assert chart.levels.tolist() == pytest.approx([0.408])
    assert chart.update(np.array([-3.0])) == [Signal(0, 0, "over", rises=True, change=0)]


def test_series_have_thresholds_of_their_own() -> None:
    """One chart watches many series."""
    scores = np.tile(np.full(20, 1.0), (3, 1))
    signals = Cusum.begin(np.array([2.0, 4.0, 100.0])).update(scores)
    assert [(each.series, each.index) for each in signals] == [(0, 4), (1, 8)]
