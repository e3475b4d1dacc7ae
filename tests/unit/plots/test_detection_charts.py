# SPDX-License-Identifier: Apache-2.0
"""Charts of alarms, levels and drift, really drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidegauge.model.spec import Direction
from tidegauge.plots.chart import save
from tidegauge.plots.detection import control_chart, drift_chart, level_chart
from tidegauge.statistics.detection.detect import Detection, detect_changes
from tidegauge.statistics.detection.segments import segmented_series
from tidegauge.statistics.drift.counts import counted_labels, counted_values
from tidegauge.statistics.drift.drift import drift_of

DAY_S = 86_400
TIMES_US = (20_458 + np.arange(90)) * DAY_S * 1_000_000


@pytest.fixture
def detection() -> Detection:
    """A fall in the last weeks, and a gap."""
    values = np.random.default_rng(1).normal(50, 2, size=90)
    values[75:] -= 12
    values[70] = np.nan
    return detect_changes(
        TIMES_US,
        values,
        DAY_S,
        30,
        run_length=365,
        name="model:score",
        unit="points",
        better=Direction.HIGHER,
    )


def test_a_control_chart_shows_alarms_and_when_the_change_began(
    detection: Detection, tmp_path: Path
) -> None:
    """As a picture of some size, and as vectors with the words that explain it."""
    picture = save(control_chart(detection), tmp_path / "chart.png")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 10_000
    text = save(control_chart(detection), tmp_path / "chart.svg").read_text()
    for words in ("model:score, points", "down, worse", "a false alarm each 365 steps"):
        assert words in text
    # Where the change began is a dashed rule.
    assert text.count('stroke-dasharray="4,3"') == len(detection.alarms) == 1


def test_a_chart_of_what_is_not_watched_says_why(tmp_path: Path) -> None:
    """Values are there, and no band."""
    short = detect_changes(TIMES_US[:20], np.arange(20.0), DAY_S, 5, run_length=30, name="x")
    text = save(control_chart(short), tmp_path / "chart.svg").read_text()
    assert "not watched: 15 values of history; 28 are needed" in text


def test_a_chart_of_levels_has_a_line_for_each(tmp_path: Path) -> None:
    """Two changes are three levels."""
    values = np.repeat([1.0, 4.0, 2.0], 30) + np.random.default_rng(2).normal(0, 0.3, size=90)
    series = segmented_series(TIMES_US, values, DAY_S, name="latency")
    chart = level_chart(series)
    text = save(chart, tmp_path / "levels.svg").read_text()
    assert "2 changes of the level" in text
    document = chart.to_dict()
    names = {layer["mark"]["type"]: layer["data"]["name"] for layer in document["layer"]}
    assert len(document["datasets"][names["rule"]]) == 3


def test_a_chart_of_drift_shows_both_distributions_and_the_effect(tmp_path: Path) -> None:
    """Twenty bars of ten bins; labels have their names."""
    rng = np.random.default_rng(3)
    drift = drift_of(counted_values(rng.normal(size=900), rng.normal(1, 1, size=900)), name="score")
    text = save(drift_chart(drift), tmp_path / "drift.svg").read_text()
    for words in ("score: has drifted", "reference", "current", "threshold 0.1"):
        assert words in text
    assert text.count('aria-roledescription="bar"') == 20
    labels = drift_of(counted_labels([{"cat": 9}], [{"dog": 9}], by_day=False))
    text = save(drift_chart(labels), tmp_path / "labels.svg").read_text()
    for words in ("cannot be told", "9 values in the reference; 30 are needed", "cat", "dog"):
        assert words in text


def test_bins_that_lie_close_have_names_of_their_own() -> None:
    """Numbers have as many digits as that takes."""
    rng = np.random.default_rng(4)
    values = 1000 + 1e-4 * rng.normal(size=600)
    chart = drift_chart(drift_of(counted_values(values[:300], values[300:])))
    document = chart.to_dict()
    (rows,) = document["datasets"].values()
    assert len(rows) == 20
    assert len({row["bin"] for row in rows}) == 10
    assert max(len(row["bin"]) for row in rows) < 30
