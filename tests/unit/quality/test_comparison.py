# SPDX-License-Identifier: Apache-2.0
"""Two models on the same rows: differences, and how much of them may be chance."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.quality import ModelMetricsCalculator, compare_models
from tidegauge.statistics.welch import student_quantile


def two_models(seed: int, n: int) -> tuple[np.ndarray, ...]:
    """True classes and the probabilities of two models that make much the same errors."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    shared = 1.2 * (2 * y - 1) + 1.5 * rng.normal(size=n)
    a, b = (1 / (1 + np.exp(-(shared + 0.3 * rng.normal(size=n)))) for _ in range(2))
    return y, a, b


def test_differences_are_those_of_the_metrics() -> None:
    """The second less the first, in every metric that both have."""
    y, a, b = two_models(1, 300)
    compared = compare_models(y, a > 0.5, b > 0.5, prob_a=a, prob_b=b)
    for name, estimate in compared.differences.items():
        assert estimate.value == pytest.approx(compared.b[name] - compared.a[name]), name
    assert "prevalence" not in compared.differences
    assert json.loads(json.dumps(compared.as_dict()))["differences"]["auc_roc"]["n"] == 300
    assert len(compared.summary().splitlines()) == len(compared.differences)


def test_what_both_get_right_says_nothing() -> None:
    """The interval of the difference is much narrower than those of the models."""
    y, a, b = two_models(2, 400)
    compared = compare_models(y, a > 0.5, b > 0.5, prob_a=a, prob_b=b)
    alone = ModelMetricsCalculator.classification_metrics(y, a > 0.5, a, confidence=0.95).intervals
    for name in ("accuracy", "f1", "auc_roc", "avg_precision", "log_loss"):
        estimate = compared.differences[name]
        assert estimate.method.startswith("paired"), name
        width = alone[name].high - alone[name].low
        assert estimate.high - estimate.low < 0.8 * width, name


def test_the_difference_of_areas_has_delongs_variance() -> None:
    """The variance of the differences of the placements."""
    y, a, b = two_models(3, 120)
    sides = [(np.sign(p[y == 1][:, None] - p[y == 0][None, :]) / 2 + 0.5) for p in (a, b)]
    apart = sides[1] - sides[0]
    sizes = (y == 1).sum(), (y == 0).sum()
    parts = [apart.mean(axis=1 - side).var(ddof=1) / sizes[side] for side in (0, 1)]
    freedom = sum(parts) ** 2 / sum(p**2 / (n - 1) for p, n in zip(parts, sizes, strict=True))
    estimate = compare_models(y, None, None, prob_a=a, prob_b=b).differences["auc_roc"]
    reach = student_quantile(0.975, freedom) * sum(parts) ** 0.5
    assert (estimate.high - estimate.low) / 2 == pytest.approx(reach, rel=1e-6)


def test_equal_models_differ_as_often_as_chance_allows() -> None:
    """Of 80 comparisons of models that are equally good, 5 % find a difference, not 20 %."""
    wrong = dict.fromkeys(("accuracy", "auc_roc", "log_loss"), 0)
    for seed in range(80):
        y, a, b = two_models(seed, 150)
        differences = compare_models(y, a > 0.5, b > 0.5, prob_a=a, prob_b=b).differences
        for name in wrong:
            estimate = differences[name]
            if estimate.low is not None:
                wrong[name] += not estimate.low <= 0 <= estimate.high
    assert max(wrong.values()) <= 10, wrong


def test_the_same_model_twice_has_no_interval() -> None:
    """A difference of 0 with a reason, and no division by it."""
    y, a, _ = two_models(4, 50)
    compared = compare_models(y, a > 0.5, a > 0.5, prob_a=a, prob_b=a)
    for estimate in compared.differences.values():
        assert estimate.value == 0
        assert estimate.low is None
        assert estimate.reason


def test_users_count_and_not_their_rows() -> None:
    """With ten copies of every row the interval is as wide as with one, if users are told."""
    y, a, b = two_models(5, 100)
    users = np.repeat(np.arange(100), 10)
    once = compare_models(y, a > 0.5, b > 0.5, prob_a=a, prob_b=b).differences
    copies = [np.repeat(each, 10) for each in (y, a, b)]
    many = compare_models(
        copies[0],
        copies[1] > 0.5,
        copies[2] > 0.5,
        prob_a=copies[1],
        prob_b=copies[2],
        clusters=users,
    ).differences
    for name in ("accuracy", "auc_roc", "log_loss", "brier"):
        width = once[name].high - once[name].low
        assert many[name].high - many[name].low == pytest.approx(width, rel=0.1), name


def test_models_of_numbers_are_compared_by_their_errors() -> None:
    """True values with fractions are numbers; medians have no interval and say so."""
    rng = np.random.default_rng(6)
    y = rng.normal(size=200)
    a, b = y + rng.normal(size=200), y + 0.8 * rng.normal(size=200)
    differences = compare_models(y, a, b).differences
    assert differences["mae"].high < 0
    assert differences["rmse"].high < 0
    assert differences["r2"].low > 0
    assert differences["mae"].method == "paired t"
    assert differences["median_absolute_error"].low is None
    counts = compare_models([1, 2, 3], [1, 2, 4], [1, 2, 3], task="regression").differences
    assert counts["mae"].value == pytest.approx(-1 / 3)


def test_what_one_model_lacks_is_none_with_its_reason() -> None:
    """A class that one of them never predicts has no precision to be compared."""
    compared = compare_models(["a", "b", "b"], ["a", "a", "a"], ["a", "b", "a"])
    assert compared.differences["precision"].value is None
    assert compared.differences["precision"].reason == "the class 'b' was never predicted"


def test_models_are_compared_as_they_are_measured() -> None:
    """One class that nobody named has no log loss, in either function."""
    p = [0.9, 0.8, 0.4]
    alone = ModelMetricsCalculator.classification_metrics([1, 1, 1], [1, 1, 0], p)
    compared = compare_models([1, 1, 1], [1, 1, 0], [1, 1, 1], prob_a=p, prob_b=p)
    assert compared.a == alone
    assert compared.a["log_loss"] is None
    assert compared.differences["log_loss"].reason == alone.reasons["log_loss"]
    named = compare_models([1, 1, 1], None, None, prob_a=p, prob_b=p, labels=[0, 1])
    assert named.differences["log_loss"].value == 0


def test_columns_of_probabilities_name_classes_that_do_not_occur() -> None:
    """Numbers from 0 are the classes of the columns, and both models have the same."""
    y, p = [0, 1, 1], [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1]]
    compared = compare_models(y, y, [0, 0, 1], prob_a=p)
    assert compared.a == ModelMetricsCalculator.classification_metrics(y, y, p)
    assert compared.differences["accuracy"].value == pytest.approx(-1 / 3)
    with pytest.raises(QueryError, match="y_prob has not one column per class"):
        compare_models(y, y, y, prob_a=p, prob_b=[[0.5, 0.5]] * 3)


def test_there_are_two_tasks() -> None:
    """Anything else is an error that names them."""
    with pytest.raises(QueryError) as caught:
        compare_models([1], [1], [1], task="ranking")
    assert str(caught.value) == (
        "there is no such task; got 'ranking'; allowed: classification, regression."
    )
