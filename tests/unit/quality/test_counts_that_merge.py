# SPDX-License-Identifier: Apache-2.0
"""Counts and sums of minutes: adding, keeping and reading them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.quality import ConfusionCounts, ErrorSums, ModelMetricsCalculator, ScoreHistogram


def test_counts_of_different_classes_are_joined() -> None:
    """A minute in which a class does not occur is none in which it does not exist."""
    first = ConfusionCounts.of(["a", "a"], ["a", "b"])
    second = ConfusionCounts.of(["c"], ["a"])
    both = first + second
    assert both == second + first
    assert both.classes == ("a", "b", "c")
    assert both.counts == ((1, 1, 0), (0, 0, 0), (1, 0, 0))
    assert both.positive is None
    assert first.positive == "b"


def test_two_minutes_of_one_class_each_have_a_positive_one() -> None:
    """Once there are two classes."""
    both = ConfusionCounts.of(["a"], ["a"]) + ConfusionCounts.of(["b"], ["b"])
    assert both.positive == "b"
    assert both.metrics()["recall_positive"] == 1.0


def test_positive_classes_have_to_agree() -> None:
    """Counts of the same classes with another positive one are an error."""
    first = ConfusionCounts.of(["a", "b"], ["a", "b"])
    with pytest.raises(QueryError) as caught:
        first + ConfusionCounts.of(["a", "b"], ["a", "b"], positive="a")
    assert str(caught.value) == (
        "these counts have different positive classes; got \"'b' and 'a'\"."
    )


def test_positive_classes_have_to_agree_whatever_the_order() -> None:
    """The last class of either order is another one."""
    first = ConfusionCounts.of(["a", "b"], ["a", "b"], labels=["a", "b"])
    second = ConfusionCounts.of(["a", "b"], ["a", "b"], labels=["b", "a"])
    with pytest.raises(QueryError, match="different positive classes; got \"'b' and 'a'\""):
        first + second
    agreed = ConfusionCounts.of(["a", "b"], ["a", "b"], labels=["b", "a"], positive="b")
    assert (first + agreed).positive == "b"


COUNTS = {"classes": ["a", "b"], "counts": [[1, 0], [0, 1]], "positive": "b"}
SCORES = ScoreHistogram.of([0, 1], [0.1, 0.9]).as_dict()
SUMS = ErrorSums.of([1.0, 2.0], [1.0, 3.0]).as_dict()


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (ConfusionCounts, {}),
        (ConfusionCounts, 7),
        (ConfusionCounts, COUNTS | {"counts": [[1, 0]]}),
        (ConfusionCounts, COUNTS | {"counts": [[1, 0], [0]]}),
        (ConfusionCounts, COUNTS | {"counts": [[1, 0], [0, -1]]}),
        (ConfusionCounts, COUNTS | {"counts": [[1, 0], [0, "1"]]}),
        (ConfusionCounts, COUNTS | {"counts": 4}),
        (ConfusionCounts, COUNTS | {"classes": ["a", "a"]}),
        (ConfusionCounts, COUNTS | {"classes": [[], []]}),
        (ScoreHistogram, {}),
        (ScoreHistogram, 7),
        (ScoreHistogram, SCORES | {"counts": [[1, 0]]}),
        (ScoreHistogram, SCORES | {"counts": [[960, 1, 0]]}),
        (ScoreHistogram, SCORES | {"counts": [[0.5, 1, 0]]}),
        (ScoreHistogram, SCORES | {"counts": [[1, -1, 0]]}),
        (ScoreHistogram, SCORES | {"counts": [[1, 2**70, 0]]}),
        (ScoreHistogram, SCORES | {"sums": [1.0]}),
        (ScoreHistogram, SCORES | {"sums": "many"}),
        (ScoreHistogram, SCORES | {"sum_brier": None}),
        (ScoreHistogram, SCORES | {"sum_log_loss": float("nan")}),
        (ErrorSums, {}),
        (ErrorSums, 7),
        (ErrorSums, SUMS | {"n": 1.5}),
        (ErrorSums, SUMS | {"n": -1}),
        (ErrorSums, SUMS | {"n_zero": 3}),
        (ErrorSums, SUMS | {"sum_abs": None}),
        (ErrorSums, SUMS | {"sum_abs": "much"}),
        (ErrorSums, SUMS | {"min_true": None}),
    ],
)
def test_other_documents_are_refused(kind: Any, document: Any) -> None:
    """What was not written by `as_dict` is an error of ours, and no KeyError."""
    with pytest.raises(QueryError, match="these"):
        kind.from_dict(document)


def test_a_positive_class_has_to_be_one_of_the_classes() -> None:
    """Also when it is read."""
    with pytest.raises(QueryError, match="the positive class is not one of the classes; got 'c'"):
        ConfusionCounts.from_dict(COUNTS | {"positive": "c"})


@pytest.mark.parametrize("confidence", [2, 0, 1.0, "0.9", None])
def test_a_band_has_a_probability(confidence: Any) -> None:
    """Above 0 and below 1."""
    with pytest.raises(QueryError, match="confidence is a probability"):
        ScoreHistogram.of([0, 1], [0.1, 0.9]).calibration(confidence=confidence)


def test_all_of_them_are_kept_as_json() -> None:
    """What is written is what is read."""
    y, p = [0, 1, 1, 0], [0.0, 1.0, 0.4, 0.4]
    counts = ConfusionCounts.of(y, [0, 1, 0, 0])
    assert ConfusionCounts.from_dict(json.loads(json.dumps(counts.as_dict()))) == counts
    sums = ErrorSums.of(y, p)
    assert ErrorSums.from_dict(json.loads(json.dumps(sums.as_dict()))) == sums
    assert ErrorSums.from_dict(json.loads(json.dumps(ErrorSums().as_dict()))) == ErrorSums()
    scores = ScoreHistogram.of(y, p)
    document = json.loads(json.dumps(scores.as_dict()))
    assert document["counts"] == [[0, 0, 1], [384, 1, 1], [959, 1, 0]]
    assert ScoreHistogram.from_dict(document).as_dict() == scores.as_dict()


def test_scores_in_other_bins_are_refused() -> None:
    """They cannot be added."""
    document = ScoreHistogram.of([0, 1], [0.1, 0.9]).as_dict()
    with pytest.raises(QueryError, match="counted in other bins"):
        ScoreHistogram.from_dict({**document, "bins": 256})


def test_scores_are_of_two_classes() -> None:
    """Three classes are counted one against the rest."""
    with pytest.raises(QueryError, match="scores are counted of two classes"):
        ScoreHistogram.of([0, 1, 2], [0.1, 0.2, 0.3])
    assert ScoreHistogram.of(["no"], [0.2], labels=["no", "yes"]).n == 1
    assert ScoreHistogram.of(["no"], [0.2], labels=["no", "yes"], positive="no").positives.sum()


def test_nothing_has_no_metrics_and_is_no_error() -> None:
    """An empty minute is what adding begins with."""
    metrics = ErrorSums().metrics()
    assert set(metrics.values()) == {None}
    assert metrics.reasons["mae"] == "there are no rows"
    assert ErrorSums() + ErrorSums() == ErrorSums()
    assert (ErrorSums() + ErrorSums.of([1, 2], [1, 3])).metrics()["mae"] == 0.5


def test_a_large_offset_takes_no_digits_from_r2() -> None:
    """Values around 10⁹ with a spread of 1, in minutes of ten."""
    rng = np.random.default_rng(0)
    y = 1e9 + rng.normal(size=1000)
    predicted = y + 0.5 * rng.normal(size=1000)
    total = ErrorSums()
    for at in range(0, 1000, 10):
        total += ErrorSums.of(y[at : at + 10], predicted[at : at + 10])
    expected = ModelMetricsCalculator.regression_metrics(y - 1e9, predicted - 1e9)["r2"]
    assert total.metrics()["r2"] == pytest.approx(expected, abs=1e-6)


def test_the_curve_of_bins_is_near_that_of_scores() -> None:
    """100,000 rows in 960 bins: off by millionths, and less than the bound."""
    rng = np.random.default_rng(1)
    p = rng.beta(2, 5, 100_000)
    y = rng.random(100_000) < p
    scores = ScoreHistogram.of(y, p)
    exact = ModelMetricsCalculator.classification_metrics(y, None, p)
    binned = scores.metrics()
    bound = scores.auc_bound()
    assert bound is not None
    assert bound < 2e-3
    assert abs(binned["auc_roc"] - exact["auc_roc"]) < 2e-5
    assert abs(binned["avg_precision"] - exact["avg_precision"]) < 1e-3
    assert abs(binned["ks"] - exact["ks"]) < 2e-3
    for name in ("log_loss", "brier", "ece", "ece_null", "calibration_ratio"):
        assert binned[name] == exact[name]


def test_calibration_is_told_bin_by_bin() -> None:
    """Mean score, share of positives, and the band in which chance would leave the share."""
    bins = ScoreHistogram.of([0, 1, 1, 1], [0.5, 0.5, 0.5, 1.0]).calibration(confidence=0.9)
    assert [(each.n, each.mean_score) for each in bins] == [(3, 0.5), (1, 1.0)]
    assert bins[0].share == pytest.approx(2 / 3)
    assert (bins[0].null_low, bins[0].null_high) == (0.0, 1.0)
    assert (bins[1].null_low, bins[1].null_high) == (1.0, 1.0)
    assert (bins[0].low, bins[0].high) == pytest.approx((7 / 15, 8 / 15))
