# SPDX-License-Identifier: Apache-2.0
"""Drift as an effect with an interval."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import spatial, stats

from tidegauge.model.errors import QueryError
from tidegauge.statistics.drift.counts import (
    OTHER,
    counted_histograms,
    counted_labels,
    counted_texts,
    counted_values,
)
from tidegauge.statistics.drift.drift import MEASURES, drift_of
from tidegauge.statistics.drift.effects import (
    jensen_shannon,
    population_stability,
    stability_by_chance,
    wasserstein,
)
from tidegauge.statistics.drift.memory import drawn_strengths, widened
from tidegauge.statistics.histogram import ExponentialHistogram


def normal(n: int, seed: int, mean: float = 0.0) -> np.ndarray:
    """Values with variance 1."""
    return np.random.default_rng(seed).normal(mean, 1, size=n)


def test_effects_are_those_of_the_textbooks() -> None:
    """Against scipy, and against the index worked out by hand."""
    before, now = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    assert population_stability(before, now) == pytest.approx(
        0.1 * np.log(1.25) + 0.1 * np.log(4 / 3)
    )
    assert jensen_shannon(before, now) == pytest.approx(
        spatial.distance.jensenshannon(before, now, base=2)
    )
    places = np.array([1.0, 2.0, 5.0])
    assert wasserstein(before, now, places) == pytest.approx(
        stats.wasserstein_distance(places, places, before, now)
    )


def test_what_chance_adds_to_the_index_is_taken_off() -> None:
    """With 50 and 50 values and ten bins it is 0.36 on average where nothing has changed."""
    assert stability_by_chance(50, 50, 10) == pytest.approx(0.36)
    values = []
    for seed in range(20):
        drift = drift_of(counted_values(normal(200, seed), normal(200, 1000 + seed)))
        shares = np.array([[each.reference, each.current] for each in drift.bins])
        raw = population_stability(*np.maximum(shares.T, 0.5 / 200))
        assert drift.psi.value == pytest.approx(max(raw - 0.09, 0), abs=1e-12)
        values.append(raw)
    assert np.mean(values) == pytest.approx(0.09, abs=0.025)


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_without_drift_there_is_none(n: int) -> None:
    """The index alone is above 0.1 in nearly all windows of 50, and in half of those of 200."""
    for seed in range(10):
        counts = counted_values(normal(n, seed), normal(n, 500 + seed))
        assert drift_of(counts).is_drift is False


def test_drift_is_found_with_its_size_and_direction() -> None:
    """Values that are half a deviation lower: the true index is about 0.25."""
    drift = drift_of(counted_values(normal(2000, 1), normal(2000, 2, -0.5)), name="score")
    assert (drift.is_drift, drift.direction, drift.reason) == (True, "down", None)
    assert drift.psi.value == pytest.approx(0.25, abs=0.05)
    assert (drift.psi.low or 0) < 0.25 < (drift.psi.high or 0)
    assert drift.wasserstein.value == pytest.approx(0.5, abs=0.07)
    assert drift.shift.value == pytest.approx(-0.5, abs=0.07)
    assert (drift.shift.low or 0) < -0.5 < (drift.shift.high or -1)
    assert sum(each.reference for each in drift.bins) == pytest.approx(1)
    assert drift.summary.startswith("score: has drifted down (psi 0.2")
    assert json.loads(json.dumps(drift.as_dict()))["psi"]["method"] == "bootstrap of rows"


def test_small_drift_of_many_values_is_certain_but_of_no_interest() -> None:
    """A test would be significant; the effect is known to be small."""
    drift = drift_of(counted_values(normal(50_000, 3), normal(50_000, 4, 0.05)))
    assert drift.is_drift is False
    assert (drift.psi.high or 1) < 0.02
    assert drift.direction == "up"


def test_values_of_a_day_resemble_each_other() -> None:
    """Days differ: as independent values they look like a shift, by day they mostly do not."""
    days = np.repeat(np.arange(14), 300)
    shifted = {"rows": 0, "days": 0}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        sides = [rng.normal(size=4200) + np.repeat(rng.normal(0, 0.7, 14), 300) for _ in "ab"]
        rows = drift_of(counted_values(*sides))
        by_day = drift_of(counted_values(*sides, reference_days=days, current_days=days))
        shifted["rows"] += rows.direction is not None
        shifted["days"] += by_day.direction is not None
        wide, narrow = [(d.shift.high or 0) - (d.shift.low or 0) for d in (by_day, rows)]
        assert wide > 4 * narrow
        assert by_day.is_drift is False
    assert shifted["rows"] >= 4
    assert shifted["days"] <= 1
    assert (by_day.shift.n, by_day.shift.method) == (14, "bootstrap of days")


@pytest.mark.parametrize(("phi", "n_current"), [(0.5, 7), (0.8, 7), (0.5, 1)])
def test_days_may_resemble_the_day_before(phi: float, n_current: int) -> None:
    """Of 16 pairs without drift three at most seem to have moved, and none has drifted."""
    days = np.repeat(np.arange(28 + n_current), 20)
    moved = drifted = 0
    for seed in range(16):
        rng = np.random.default_rng(seed)
        level = np.zeros(28 + n_current + 50)
        for day in range(1, len(level)):
            level[day] = phi * level[day - 1] + rng.normal() * np.sqrt(1 - phi**2)
        values = 0.45 * level[50:][days] + rng.normal(0, 0.9, size=len(days))
        before, now = days < 28, days >= 28
        drift = drift_of(
            counted_values(
                values[before], values[now], reference_days=days[before], current_days=days[now]
            )
        )
        moved += drift.direction is not None
        drifted += drift.is_drift is True
    assert moved <= 3
    assert drifted <= 1


def test_the_memory_of_days_is_found_and_widens() -> None:
    """Of independent days little; an odd week is no memory; of days in a row a lot."""
    rng = np.random.default_rng(8)
    noise = rng.normal(size=400)
    following = noise.copy()
    for day in range(1, 400):
        following[day] += 0.8 * following[day - 1]
    odd = noise.copy()
    odd[200:207] += 50
    median = {
        name: float(np.median(drawn_strengths([levels], np.random.default_rng(1), 500)))
        for name, levels in (("noise", noise), ("following", following), ("odd", odd))
    }
    assert median["following"] == pytest.approx(0.8, abs=0.07)
    assert median["noise"] < 0.1
    assert median["odd"] < 0.25
    half = np.full(3, 0.5)
    # The mean of two values, one half of the other and noise, has 3/2 of the variance.
    assert widened(np.array([0.5]), 10_000, 2, half[:1])[0] == pytest.approx(1.5**0.5, rel=1e-3)
    assert widened(np.zeros(1), 7, 7, np.array([0.05]))[0] > 1.8


def test_histograms_tell_what_values_tell() -> None:
    """Within the width of their buckets; one current day is enough, for days of the reference."""
    rng = np.random.default_rng(6)

    def day(mean: float) -> tuple[np.ndarray, ExponentialHistogram]:
        values = np.exp(rng.normal(mean, 0.5, size=400))
        histogram = ExponentialHistogram()
        histogram.add_many(values.tolist())
        return values, histogram

    reference, current = [day(0) for _ in range(14)], [day(0.4) for _ in range(3)]
    stored = drift_of(counted_histograms([h for _, h in reference], [h for _, h in current]))
    single = drift_of(
        counted_values(
            np.concatenate([v for v, _ in reference]),
            np.concatenate([v for v, _ in current]),
            reference_days=np.repeat(np.arange(14), 400),
            current_days=np.repeat(np.arange(3), 400),
        )
    )
    assert stored.is_drift is single.is_drift is True
    assert stored.n_reference == 5600
    assert stored.wasserstein.value == pytest.approx(single.wasserstein.value, rel=0.05)
    assert stored.psi.value == pytest.approx(single.psi.value, rel=0.25)


def test_histograms_of_different_scales_and_signs_are_joined() -> None:
    """A wide day is coarser; counts stay what they are."""
    days = []
    for factor in (1e-9, 1.0, 1e9):
        histogram = ExponentialHistogram(max_buckets=40)
        histogram.add_many([-2 * factor, -factor, 0.0, factor, 3 * factor] * 3)
        days.append(histogram)
    counts = counted_histograms(days, days[:1])
    assert counts.reference.sum(axis=1).tolist() == [15, 15, 15]
    assert counts.current.sum() == 15
    assert counts.positions is not None
    assert (np.diff(counts.positions) > 0).all()


def test_labels_drift_as_well() -> None:
    """Shares of classes; they have no order, and so no direction."""
    before = np.array(["cat"] * 700 + ["dog"] * 300, dtype=object)
    now = np.array(["cat"] * 400 + ["dog"] * 500 + ["eel"] * 100, dtype=object)
    drift = drift_of(counted_texts(before, now))
    assert (drift.is_drift, drift.direction) == (True, None)
    assert drift.wasserstein.reason == "labels have no order"
    assert [(each.name, each.reference, each.current) for each in drift.bins] == [
        ("cat", 0.7, 0.4),
        ("dog", 0.3, 0.5),
        ("eel", 0.0, 0.1),
    ]
    many = counted_labels([{f"l{n}": 1 + n for n in range(80)}], [{"l1": 1}], by_day=False)
    assert len(many.names) == 50
    assert many.names[-1] == OTHER
    assert many.reference.sum() == 80 * 81 / 2


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (
            counted_values(normal(20, 1), normal(500, 2)),
            "20 values in the reference; 30 are needed",
        ),
        (
            counted_values(normal(500, 1), np.full(9, np.nan)),
            "0 values in what is compared; 30 are needed",
        ),
        (
            counted_labels([{"a": 40}] * 3, [{"a": 40}] * 9, by_day=True),
            "3 days in the reference; 7 are needed",
        ),
    ],
)
def test_too_little_data_has_a_reason(counts: Any, reason: str) -> None:
    """And no verdict."""
    drift = drift_of(counts)
    assert (drift.is_drift, drift.reason, drift.psi.value) == (None, reason, None)
    assert drift.summary == f"the distribution: cannot be told: {reason}"


def test_what_does_not_vary_has_no_deviation_to_measure_in() -> None:
    """The index can still be told."""
    drift = drift_of(counted_values(np.full(100, 2.0), np.full(100, 2.0)))
    assert drift.wasserstein.reason == "the reference does not vary"
    assert (drift.psi.value, drift.is_drift) == (0, False)
    asked = drift_of(counted_values(np.full(100, 2.0), normal(100, 1)), measure="wasserstein")
    assert (asked.is_drift, asked.reason) == (None, "the reference does not vary")


@pytest.mark.parametrize("measure", MEASURES)
def test_any_measure_can_decide(measure: Any) -> None:
    """With a threshold of one's own."""
    counts = counted_values(normal(1000, 1), normal(1000, 2, 0.7))
    assert drift_of(counts, measure=measure).is_drift is True
    assert drift_of(counts, measure=measure, threshold=5).is_drift is False


def test_bad_questions_are_refused() -> None:
    """With what is allowed."""
    counts = counted_values(normal(100, 1), normal(100, 2))
    labels = counted_labels([{"a": 50}], [{"a": 50}], by_day=False)
    with pytest.raises(QueryError, match="drift is not measured by this; got 'ks'"):
        drift_of(counts, measure="ks")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="labels have no order, and so no Wasserstein distance"):
        drift_of(labels, measure="wasserstein")
    with pytest.raises(QueryError, match="this is no threshold; got -1"):
        drift_of(counts, threshold=-1)
    with pytest.raises(QueryError, match="this is no confidence; got 95"):
        drift_of(counts, confidence=95)
    with pytest.raises(QueryError, match=r"drift is not measured by this; got .'psi'."):
        drift_of(counts, measure=["psi"])  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="this is no threshold; got 'x'"):
        drift_of(counts, threshold="x")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="this is no confidence; got 'x'"):
        drift_of(counts, confidence="x")  # type: ignore[arg-type]


def test_numbers_that_have_no_square_drift_too() -> None:
    """The largest floats have a deviation."""
    values = normal(200, 5)
    large = drift_of(counted_values(values * 1e300, values * 1e300 + 1e300))
    assert large.wasserstein.value == pytest.approx(1, abs=0.15)
    assert large.direction == "up"
