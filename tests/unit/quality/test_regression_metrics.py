# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted numbers, their edges, and their intervals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tidegauge.model.errors import QueryError
from tidegauge.quality import ModelMetricsCalculator, residuals

measure = ModelMetricsCalculator.regression_metrics


def test_a_small_case_by_hand() -> None:
    """Errors 1, -1, 2, 0 of true values 1, 2, 4, 5."""
    metrics = measure([1, 2, 4, 5], [2, 1, 6, 5], quantiles={0.9: [2, 3, 5, 4]}, season=1)
    assert {name: value and round(value, 6) for name, value in metrics.items()} == {
        "mae": 1.0,
        "mse": 1.5,
        "rmse": 1.224745,
        "r2": 0.4,
        "mape": 50.0,
        "wape": 0.333333,
        "smape": 0.433333,
        "bias": 0.5,
        "median_absolute_error": 1.0,
        "mase": 0.75,  # the naive forecast is wrong by 1, 2 and 1
        "pinball.p90": 0.3,  # 0.1 + 0.1 + 0.1 + 0.9, of four
    }


def test_it_is_what_scikit_learn_says() -> None:
    """To nine digits, where it has a metric."""
    rng = np.random.default_rng(1)
    y = rng.gamma(2, 50, 3000) + 1
    predicted = y + rng.normal(0, 20, 3000)
    metrics = measure(y, predicted, quantiles={0.1: predicted - 25})
    expected = {
        "mae": sk.mean_absolute_error(y, predicted),
        "mse": sk.mean_squared_error(y, predicted),
        "rmse": sk.root_mean_squared_error(y, predicted),
        "r2": sk.r2_score(y, predicted),
        "mape": 100 * sk.mean_absolute_percentage_error(y, predicted),
        "median_absolute_error": sk.median_absolute_error(y, predicted),
        "pinball.p10": sk.mean_pinball_loss(y, predicted - 25, alpha=0.1),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=1e-9), name


def test_zero_targets_have_no_percentage() -> None:
    """One is enough, and how many there are is told; WAPE needs a single one that is not 0."""
    metrics = measure([0, 0, 4], [1, 0, 5])
    assert metrics["mape"] is None
    assert metrics.reasons["mape"] == "2 of 3 true values are 0; see wape"
    assert metrics["wape"] == 0.5
    assert metrics["smape"] == pytest.approx((2 + 0 + 2 / 9) / 3)
    assert measure([0, 0], [1, 2]).reasons["wape"] == "all true values are 0"


@pytest.mark.parametrize("predicted", [0.1, 0.3])
def test_a_constant_has_no_variance_to_explain(predicted: float) -> None:
    """Neither 0 nor 1 is true of it, not even for a perfect model or an odd number."""
    metrics = measure([0.1] * 7, [predicted] * 7)
    assert metrics["r2"] is None
    assert metrics.reasons["r2"] == (
        "all true values are 0.1: there is no variance to be explained"
    )


def test_one_row_has_no_r2() -> None:
    """And all else is told."""
    metrics = measure([3.0], [4.0], confidence=0.95)
    assert metrics["mae"] == 1.0
    assert metrics.reasons["r2"] == "one row has no variance that could be explained"
    assert metrics.intervals["mae"].reason == "one row or cluster has no spread"
    assert metrics.intervals["mae"].low is None


def test_prediction_intervals_are_counted_and_measured() -> None:
    """Three of four true values are inside; the ends belong to the interval."""
    metrics = measure(
        [1, 2, 3, 4], [1, 2, 3, 4], y_low=[0, 2, 1, 5], y_high=[2, 4, 3, 7], confidence=0.95
    )
    assert metrics["interval_coverage"] == 0.75
    assert metrics["interval_width"] == 2.0
    coverage = metrics.intervals["interval_coverage"]
    assert (coverage.low, coverage.high) == pytest.approx((0.3006418, 0.9544127), abs=1e-6)


def test_the_interval_of_the_mean_error_is_students() -> None:
    """Sizes 1 to 5: mean 3, standard error 0.7071, t of four degrees of freedom 2.7764."""
    estimate = measure([0] * 5, [1, 2, 3, 4, 5], confidence=0.95).intervals["mae"]
    assert (estimate.low, estimate.high) == pytest.approx((1.036757, 4.963243), abs=1e-6)
    assert estimate.method == "t"


def test_intervals_cover_about_as_often_as_they_say() -> None:
    """200 samples of 200 rows: each interval holds the truth in 90 % of them or more."""
    rng = np.random.default_rng(7)
    truth = {"mae": 0.797885, "rmse": 1.0, "r2": 0.8, "bias": 0.0, "median_absolute_error": 0.67449}
    hits = dict.fromkeys(truth, 0)
    for _ in range(200):
        y = rng.normal(0, np.sqrt(5), 200)
        # The error is independent of y; y explained less errors: 1 - 1/5.
        metrics = measure(y, y + rng.normal(size=200), confidence=0.95)
        for name, value in truth.items():
            estimate = metrics.intervals[name]
            assert estimate.low is not None
            assert estimate.high is not None
            hits[name] += estimate.low <= value <= estimate.high
    assert min(hits.values()) >= 180, hits


def test_rows_of_one_user_widen_the_interval() -> None:
    """Twenty copies of each row say no more than the row."""
    rng = np.random.default_rng(2)
    y, predicted = rng.normal(size=50), rng.normal(size=50)
    once = measure(y, predicted, confidence=0.95).intervals
    users = np.repeat(np.arange(50), 20)
    copies = np.repeat(y, 20), np.repeat(predicted, 20)
    clustered = measure(*copies, clusters=users, confidence=0.95).intervals
    naive = measure(*copies, confidence=0.95).intervals
    for name in ("mae", "rmse", "r2", "bias", "smape", "wape"):
        width, wide, narrow = (
            each[name].high - each[name].low for each in (once, clustered, naive)
        )
        assert wide == pytest.approx(width, rel=1e-3), name
        assert narrow < width / 3
        assert clustered[name].n == 50


def test_groups_are_measured_by_themselves() -> None:
    """By name, with the same metrics, intervals included."""
    metrics = measure([1, 2, 3, 4], [1, 2, 5, 6], groups=[1, 1, 2, 2], confidence=0.9)
    assert [metrics.per_group[name]["mae"] for name in (1, 2)] == [0.0, 2.0]
    assert metrics.per_group[2].intervals["mae"].reason is not None
    assert json.loads(json.dumps(metrics.as_dict()))["per_group"]["2"]["n"] == 2


def test_residuals_are_summed_up_in_bands() -> None:
    """A thousand rows become thirty bands and sixty bins that hold all of them."""
    rng = np.random.default_rng(3)
    y = rng.normal(size=1000)
    found = residuals(y, y + 1)
    assert found.predicted.shape == (30,)
    assert found.quantiles == pytest.approx(np.ones((30, 5)))
    assert found.counts.sum() == found.n == 1000
    assert residuals([1.0], [2.0]).quantiles.tolist() == [[1.0] * 5]


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([], []), {}, "y_true is empty"),
        (([1.0, 2.0], [1.0]), {}, "y_pred has not as many rows as y_true"),
        (([1.0, float("nan")], [1.0, 2.0]), {}, "y_true has values that are missing"),
        (([1.0, 2.0], [1.0, float("inf")]), {}, "y_pred has values that are missing"),
        (([1.0, 2.0], [1.0, 1e200]), {}, "too large to be squared; got 1e+200; allowed: up to"),
        ((["a"], [1.0]), {}, "y_true has something that is no number"),
        (([[1.0, 2.0]], [1.0]), {}, "y_true has several columns"),
        (([1.0], [1.0]), {"y_low": [0.0]}, "a prediction interval has two ends"),
        (([1.0], [1.0]), {"y_low": [2.0], "y_high": [1.0]}, "ends before it begins; got '2 to 1"),
        (([1.0], [1.0]), {"quantiles": {1.0: [1.0]}}, "this is no quantile; got 1.0"),
        (([1.0], [1.0]), {"quantiles": {"0.5": [1.0]}}, "this is no quantile; got '0.5'"),
        (([1.0] * 5, [1.0] * 5), {"season": 1.5}, "there is no value a season ago; got 1.5"),
        (([1.0], [1.0]), {"season": 1}, "there is no value a season ago; got 1"),
        (([1.0], [1.0]), {"confidence": 1}, "confidence is a probability"),
    ],
)
def test_what_cannot_be_compared_is_an_error(arguments: Any, options: Any, text: str) -> None:
    """It says what, what was got and what is allowed."""
    with pytest.raises(QueryError) as caught:
        measure(*arguments, **options)
    assert text in str(caught.value)
