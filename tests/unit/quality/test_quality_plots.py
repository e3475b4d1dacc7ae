# SPDX-License-Identifier: Apache-2.0
"""Charts of how good a model is are really drawn, and few marks stand for many rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.plots.chart import save
from tidegauge.plots.quality import reliability, residual_chart, roc_and_precision
from tidegauge.quality import (
    Metrics,
    ModelMetricsCalculator,
    ScoreHistogram,
    residuals,
    threshold_curve,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """True classes and probabilities of 100,000 rows."""
    rng = np.random.default_rng(0)
    p = rng.beta(1, 4, 100_000)
    return rng.random(100_000) < p**1.3, p


@pytest.fixture(scope="module")
def result(rows: tuple[np.ndarray, np.ndarray]) -> Metrics:
    """The rows, measured."""
    y, p = rows
    return ModelMetricsCalculator.classification_metrics(y, p > 0.5, p)


def test_calibration_is_drawn_with_its_band(result: Metrics, tmp_path: Path) -> None:
    """As an image, and as a drawing that tells the error and what chance explains of it."""
    chart = reliability(result)
    assert save(chart, tmp_path / "c.png").read_bytes().startswith(PNG)
    svg = save(chart, tmp_path / "c.svg").read_text(encoding="utf-8")
    for text in ("Calibration", "share of positives", "chance explains 0.00", "100,000 rows"):
        assert text in svg, text
    assert svg.count("mark-area") == 1
    assert svg.count("mark-line") == 2
    assert len(svg) < 60_000


def test_curves_stand_side_by_side(result: Metrics, tmp_path: Path) -> None:
    """ROC and precision with what chance would do, in some hundred points."""
    chart = roc_and_precision(result)
    assert save(chart, tmp_path / "c.png").stat().st_size > 10_000
    svg = save(chart, tmp_path / "c.svg").read_text(encoding="utf-8")
    area = result.scores.metrics()["auc_roc"]
    for text in (f"ROC, area {area:.3f}", "Average precision 0.", "of 100,000 rows are positive"):
        assert text in svg, text
    assert svg.count("mark-line") == 4
    assert len(svg) < 80_000


def test_single_scores_may_be_drawn_as_well(rows: tuple[np.ndarray, np.ndarray]) -> None:
    """The curve of 100,000 scores is thinned to as many points as fit."""
    y, p = rows
    document = roc_and_precision(threshold_curve(y, p)).to_dict()
    sizes = [len(each) for each in document["datasets"].values()]
    assert max(sizes) <= 303


def test_errors_are_drawn_in_bands(tmp_path: Path) -> None:
    """Two areas, a median, a line at 0, and how often which error is."""
    rng = np.random.default_rng(1)
    x = rng.gamma(3, 10, 50_000)
    chart = residual_chart(residuals(x + rng.normal(size=50_000), x))
    assert save(chart, tmp_path / "c.png").read_bytes().startswith(PNG)
    svg = save(chart, tmp_path / "c.svg").read_text(encoding="utf-8")
    assert "predicted less true" in svg
    assert "50,000 rows" in svg
    assert svg.count("mark-area") == 2
    assert len(svg) < 60_000


def test_what_has_no_scores_cannot_be_drawn() -> None:
    """Nor what has one class only; both errors say so."""
    with pytest.raises(QueryError) as caught:
        reliability(ModelMetricsCalculator.classification_metrics([0, 1], [0, 1]))
    assert str(caught.value) == (
        "these metrics have no scores that could be drawn; allowed: metrics of classes. "
        "Measure with `y_prob`."
    )
    metrics = ModelMetricsCalculator.classification_metrics([0, 0], None, [0.1, 0.2])
    with pytest.raises(QueryError) as caught:
        roc_and_precision(metrics)
    assert str(caught.value) == ("there is no curve of one class; got '0 positives, 2 negatives'.")


def test_confidence_in_one_of_three_classes_is_drawn(tmp_path: Path) -> None:
    """Calibration of the most likely class."""
    scores = np.random.default_rng(2).dirichlet([1, 1, 1], 500)
    metrics = ModelMetricsCalculator.classification_metrics(
        scores.argmax(axis=1), scores.argmax(axis=1), scores
    )
    assert save(reliability(metrics), tmp_path / "c.svg").stat().st_size > 1000


def test_a_band_of_no_probability_is_not_drawn() -> None:
    """The heading would say 500 % of models."""
    scores = ScoreHistogram.of([0, 1], [0.2, 0.8])
    with pytest.raises(QueryError, match="confidence is a probability; got 5"):
        reliability(scores, confidence=5)
