# SPDX-License-Identifier: Apache-2.0
"""Charts of an impact, really drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.plots.chart import save
from tidegauge.plots.impact import course_chart, impact_chart, placebo_chart
from tidegauge.statistics.impact.result import Impact


def rows(document: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The data of each layer of a chart."""
    datasets = document["datasets"]
    return [datasets[each["data"]["name"]] for each in document["layer"]]


@pytest.fixture
def impact() -> Impact:
    """A step of 5 after 90 of 118 days, with 35 earlier dates."""
    series = 100 + np.random.default_rng(0).normal(size=118)
    series[90:] += 5
    series[40] = np.nan
    return tg.measure_impact(series, at=90)


def test_both_charts_are_drawn(impact: Impact, tmp_path: Path) -> None:
    """As a picture with the claim and axes in it."""
    chart = impact_chart(impact)
    assert save(chart, tmp_path / "impact.png").read_bytes()[:4] == b"\x89PNG"
    drawn = save(chart, tmp_path / "impact.svg").read_text()
    assert "impact after the first 90 values" in drawn
    assert "changed after, p = " in drawn
    assert "seeming change at earlier dates" in drawn


def test_the_series_has_its_levels_and_what_was_expected(impact: Impact) -> None:
    """Five layers: values, level before, level after, expected, and the date."""
    layers = rows(course_chart(impact).to_dict())
    assert [len(each) for each in layers] == [56, 28, 28, 28, 1]
    levels = [each[0]["value"] for each in layers[1:4]]
    assert levels == pytest.approx([impact.before, impact.after, impact.expected])
    assert layers[4] == [{"at": 90}]


def test_earlier_dates_are_a_histogram(impact: Impact) -> None:
    """With a line for the change's own effect."""
    bars, own = rows(placebo_chart(impact).to_dict())
    assert len(bars) == 35
    assert own == [{"effect": impact.difference.value}]


def test_times_are_an_axis_of_time() -> None:
    """In milliseconds, as Vega has them."""
    times = [f"2026-01-{day:02}" for day in range(1, 31)]
    values = np.random.default_rng(0).normal(size=30)
    document = course_chart(tg.measure_impact(values, at="2026-01-16", times=times)).to_dict()
    assert document["layer"][0]["encoding"]["x"]["type"] == "temporal"
    assert rows(document)[4] == [{"at": 1_768_521_600_000}]


def test_what_cannot_be_drawn_is_refused() -> None:
    """Samples have no course, and new series no earlier dates."""
    with pytest.raises(QueryError, match="there is no series to draw; got 'two samples'"):
        course_chart(tg.measure_impact([1.0, 2.0, 3.0], [2.0, 3.0, 4.5]))
    short = tg.measure_impact(np.random.default_rng(0).normal(size=40), at=20)
    with pytest.raises(QueryError, match="there are no earlier dates to draw"):
        placebo_chart(short)
    assert "vconcat" not in impact_chart(short).to_dict()
