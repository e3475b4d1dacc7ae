# SPDX-License-Identifier: Apache-2.0
"""Charts of relations, really drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.plots.chart import save
from tidegauge.plots.correlation import lag_chart, pairs_chart
from tidegauge.statistics.correlation.grid import Grid
from tidegauge.statistics.correlation.recipe import Recipe
from tidegauge.statistics.correlation.relate import Observed, relate
from tidegauge.statistics.correlation.report import Relations

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def relations() -> Relations:
    """Accuracy leads revenue by two days; of a constant nothing is known."""
    accuracy, revenue = np.random.default_rng(1).normal(size=(2, 120))
    revenue = 0.8 * np.roll(accuracy, 2) + 0.6 * revenue
    series = [
        Observed("accuracy", accuracy),
        Observed("revenue", revenue),
        Observed("price", np.ones(120)),
    ]
    recipe = Recipe(max_lag=4, transform=None, draws=0)
    return relate(series, [(0, 1), (0, 2)], Grid(0, 86_400, 120), recipe)


def test_every_lag_is_drawn_with_what_chance_does(relations: Relations, tmp_path: Path) -> None:
    """Nine lags, of which the best one has a colour of its own; a band, and the naive line."""
    chart = lag_chart(relations.pairs[0])
    (rows,) = chart.to_dict()["datasets"].values()
    assert [row["lag"] for row in rows] == list(range(-4, 5))
    assert [row["lag"] for row in rows if row["is_best"]] == [2]
    assert all(-1 < row["low"] < 0 < row["high"] < 1 for row in rows)
    svg = save(chart, tmp_path / "lags.svg").read_text()
    assert "days by which accuracy leads" in svg
    assert "accuracy may lead revenue by 2 days" in svg
    assert svg.count("#d1495b") == 2  # a stem and a dot
    png = save(chart, tmp_path / "lags.png").read_bytes()
    assert png.startswith(PNG)
    assert len(png) > 5_000


def test_all_pairs_are_drawn(relations: Relations, tmp_path: Path) -> None:
    """With correlation and lag in words, and a dash where nothing is known."""
    chart = pairs_chart(relations)
    (rows,) = chart.to_dict()["datasets"].values()
    assert [(row["second"], row["told"][-3:], row["weight"]) for row in rows] == [
        ("revenue", " +2", 1.0),
        ("price", "–", 0.35),
    ]
    svg = save(chart, tmp_path / "pairs.svg").read_text()
    assert "What moves together" in svg
    png = save(chart, tmp_path / "pairs.png").read_bytes()
    assert png.startswith(PNG)
    assert len(png) > 5_000


def test_what_is_not_known_is_not_drawn(relations: Relations) -> None:
    """The error says why."""
    with pytest.raises(QueryError, match="no correlation to draw; got 'price: constant'"):
        lag_chart(relations.pairs[1])
    with pytest.raises(QueryError, match="there are no pairs to draw"):
        pairs_chart(Relations((), Recipe()))
