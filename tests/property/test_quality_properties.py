# SPDX-License-Identifier: Apache-2.0
"""Laws of measuring models: minutes add up to their month, in any order, and nothing warns."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.quality import ConfusionCounts, ErrorSums, ModelMetricsCalculator, ScoreHistogram

LABELS = st.sampled_from(["a", "b", "c"])
ROWS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40)
PROBABILITIES = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
SCORED = st.lists(st.tuples(st.booleans(), PROBABILITIES), min_size=1, max_size=40)
NUMBERS = st.floats(-1e6, 1e6)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=40)
CUT = st.integers(1, 39)


@given(ROWS, CUT)
def test_counts_of_minutes_are_counts_of_all(rows: list[tuple[str, str]], cut: int) -> None:
    """Every metric of the sum is that of all rows, exactly, and with the same reasons."""
    true, predicted = zip(*rows, strict=True)
    whole = ConfusionCounts.of(true, predicted)
    parts = [rows[at : at + cut] for at in range(0, len(rows), cut)]
    total = None
    for part in reversed(parts):
        counts = ConfusionCounts.of(*zip(*part, strict=True))
        total = counts if total is None else total + counts
    assert total == whole
    metrics = ModelMetricsCalculator.classification_metrics(true, predicted)
    assert total.metrics() == metrics
    assert total.metrics().reasons == metrics.reasons


@given(SCORED, CUT)
def test_scores_of_minutes_are_scores_of_all(rows: list[tuple[bool, float]], cut: int) -> None:
    """Sums to nine digits, ranks within the bound."""
    y, p = (np.array(each) for each in zip(*rows, strict=True))
    parts = [ScoreHistogram.of(y[at : at + cut], p[at : at + cut]) for at in range(0, len(y), cut)]
    total = sum(parts[1:], parts[0])
    binned = total.metrics()
    exact = ModelMetricsCalculator.classification_metrics(y, None, p, labels=[False, True])
    for name in ("log_loss", "brier", "ece", "ece_null", "prevalence", "calibration_ratio"):
        expected = exact[name]
        assert binned[name] == (expected and pytest.approx(expected, rel=1e-9, abs=1e-9)), name
    assert binned.reasons == exact.reasons
    if exact["auc_roc"] is not None:
        assert abs(binned["auc_roc"] - exact["auc_roc"]) <= total.auc_bound() + 1e-12


@given(PAIRS, CUT)
def test_errors_of_minutes_are_errors_of_all(rows: list[tuple[float, float]], cut: int) -> None:
    """Sums to nine digits of what is large in them, and the same reasons."""
    y, predicted = (np.array(each) for each in zip(*rows, strict=True))
    total = ErrorSums()
    for at in range(0, len(y), cut):
        total = ErrorSums.of(y[at : at + cut], predicted[at : at + cut]) + total
    whole = ErrorSums.of(y, predicted)
    for name in ErrorSums.__slots__:
        size = {"sum_error": whole.sum_abs, "mean_true": np.abs(y).max()}.get(name, 1.0)
        got, expected = getattr(total, name), getattr(whole, name)
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(size, 1e-6)), name
    assert total.metrics().reasons == whole.metrics().reasons


@given(SCORED)
def test_whatever_is_measured_is_json(rows: list[tuple[bool, float]]) -> None:
    """With intervals, however odd the rows: numbers or None with a reason, never NaN."""
    y, p = zip(*rows, strict=True)
    predicted = [each >= 0.5 for each in p]
    metrics = ModelMetricsCalculator.classification_metrics(y, predicted, p, confidence=0.9)
    assert {name for name, value in metrics.items() if value is None} == set(metrics.reasons)
    assert all(metrics.reasons.values())
    json.dumps(metrics.as_dict(), allow_nan=False)
    for name, estimate in metrics.intervals.items():
        assert (estimate.low is None) == bool(estimate.reason), name
        if estimate.low is not None:
            assert estimate.low <= estimate.high
