# SPDX-License-Identifier: Apache-2.0
"""What is undefined is None with a reason, and no warning; what cannot be compared is an error."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.quality import ConfusionCounts, ModelMetricsCalculator

measure = ModelMetricsCalculator.classification_metrics


def test_a_small_case_by_hand() -> None:
    """TP 2, FN 1, FP 1, TN 2: the numbers that a person writes down."""
    metrics = measure([1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1], [0.9, 0.8, 0.4, 0.3, 0.1, 0.8])
    assert {name: value and round(value, 6) for name, value in metrics.items()} == {
        "accuracy": 0.666667,
        "precision": 0.666667,
        "recall": 0.666667,
        "f1": 0.666667,
        "balanced_accuracy": 0.666667,
        "mcc": 0.333333,
        "precision_positive": 0.666667,
        "recall_positive": 0.666667,
        "f1_positive": 0.666667,
        "specificity": 0.666667,
        "prevalence": 0.5,
        "auc_roc": 0.833333,  # 7.5 of 9 pairs
        "avg_precision": 0.805556,  # 1/3 · 1 + 1/3 · 2/3 + 1/3 · 3/4
        "ks": 0.666667,
        "log_loss": 0.552711,
        "brier": 0.191667,
        "ece": 0.283333,
        "ece_null": 0.295333,
        "calibration_ratio": 0.909091,
    }
    assert metrics.n == 6
    assert metrics.reasons == {}
    assert metrics.confusion is not None
    assert metrics.confusion.counts == ((2, 1), (1, 2))
    assert dict(metrics.per_class[1])["support"] == 3


def test_probabilities_of_both_classes_are_those_of_the_positive_one() -> None:
    """What predict_proba returns for two classes needs no cutting."""
    y, p = [0, 1, 1, 0], np.array([0.2, 0.7, 0.4, 0.5])
    assert measure(y, y, np.column_stack([1 - p, p])) == measure(y, y, p)
    assert measure(y, y, p.reshape(-1, 1)) == measure(y, y, p)


@pytest.mark.parametrize(
    ("negative", "positive"), [("ham", "spam"), (False, True), (0, 1), (-1, 1), (3, 7), (0.0, 1.0)]
)
def test_labels_may_be_of_any_kind(negative: Any, positive: Any) -> None:
    """Texts, booleans and whole numbers; the last one is positive."""
    names = [negative, positive]
    true, predicted = [names[i] for i in (0, 1, 1, 0)], [names[i] for i in (0, 1, 0, 0)]
    metrics = measure(true, predicted, [0.1, 0.9, 0.4, 0.3])
    assert metrics["recall_positive"] == 0.5
    assert metrics["auc_roc"] == 1.0
    assert list(metrics.per_class) == names
    assert measure(true, predicted, positive=negative)["recall_positive"] == 1.0


@pytest.mark.parametrize(
    "column",
    [
        list,
        np.array,
        pd.Series,
        pl.Series,
        lambda values: pd.Series(values, dtype="category"),
        lambda values: pd.DataFrame({"y": values}),
        lambda values: np.array(list(map(np.str_, values)), dtype=object),
    ],
    ids=["list", "numpy", "pandas", "polars", "categories", "frame", "objects"],
)
def test_columns_may_be_of_any_library(column: Any) -> None:
    """A column is a column."""
    assert measure(column(["a", "b", "b"]), column(["a", "b", "a"]))["accuracy"] == pytest.approx(
        2 / 3
    )


def test_one_class_in_y_true_has_no_area() -> None:
    """What compares classes is None, and says which class there is; shares of rows are told."""
    metrics = measure([0, 0, 0], [0, 0, 1], [0.1, 0.2, 0.6])
    missing = {name for name, value in metrics.items() if value is None}
    assert missing == {
        *("balanced_accuracy", "mcc", "auc_roc", "avg_precision", "ks"),
        *("log_loss", "brier", "ece", "ece_null", "recall_positive", "f1_positive"),
    }
    assert set(metrics.reasons) == missing
    assert metrics.reasons["auc_roc"] == "y_true has one class only: there are no positives"
    assert metrics.reasons["mcc"] == "y_true has one class only, 0"
    assert metrics.reasons["log_loss"] == "y_true has one class only, 0; name all with `labels`"
    assert metrics.reasons["recall_positive"] == "the class 1 is not in y_true"
    assert metrics.reasons["f1_positive"] == "the class 1 is not in y_true"
    assert metrics["f1"] == pytest.approx(0.8)
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["specificity"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("average", "f1"), [("weighted", 0.8), ("macro", 0.4), ("micro", 2 / 3), ("binary", 0.8)]
)
def test_f1_of_one_class_is_told(average: Any, f1: float) -> None:
    """It is no 0/0: two of three were found, and nothing else was taken for them."""
    metrics = measure([1, 1, 1], [1, 1, 0], average=average)
    assert metrics["f1"] == pytest.approx(f1)
    assert metrics["f1_positive"] == 0.8


def test_f1_of_a_positive_class_that_does_not_occur_is_undefined() -> None:
    """Under both of its names."""
    metrics = measure([0, 0], [0, 1], average="binary")
    assert (metrics["f1"], metrics["f1_positive"]) == (None, None)
    assert metrics.reasons["f1"] == metrics.reasons["f1_positive"] == "the class 1 is not in y_true"


def test_the_table_is_read_as_often_for_many_classes_as_for_few() -> None:
    """Once per class would be cubic: 1,500 classes took 18 seconds."""
    readers = {ConfusionCounts.array.fget.__code__, ConfusionCounts.n.fget.__code__}
    reads = []
    for count in (3, 50):
        labels = np.arange(count).repeat(2)
        calls: list[str] = []
        sys.setprofile(
            lambda frame, event, _, calls=calls: (
                calls.append(event) if event == "call" and frame.f_code in readers else None
            )
        )
        try:
            measure(labels, labels)
        finally:
            sys.setprofile(None)
        reads.append(len(calls))
    assert reads[0] == reads[1] > 0


def test_named_classes_have_a_log_loss_even_if_one_does_not_occur() -> None:
    """With `labels` it is known what the probabilities are of."""
    metrics = measure(["b", "b"], ["b", "b"], [0.5, 0.5], labels=["a", "b"])
    assert metrics["log_loss"] == pytest.approx(0.6931471805599453)
    assert metrics["ece"] == 0.5
    assert metrics.reasons["auc_roc"] == "y_true has one class only: there are no negatives"
    assert metrics.reasons["specificity"] == "the class 'a' is not in y_true"


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    """0/0 is None unless somebody says what it is to count as; F1 is 0 and no doubt."""
    metrics = measure([0, 1, 1], [0, 0, 0])
    assert metrics["precision"] is None
    assert metrics.reasons["precision"] == "the class 1 was never predicted"
    assert metrics.reasons["precision_positive"] == "the class 1 was never predicted"
    assert metrics.reasons["mcc"] == "only the class 0 was predicted"
    assert metrics["f1_positive"] == 0.0
    assert metrics["balanced_accuracy"] == 0.5
    assert metrics.per_class[0]["precision"] == pytest.approx(1 / 3)
    assert metrics.per_class[1].reasons["precision"] == "the class 1 was never predicted"
    assert measure([0, 1, 1], [0, 0, 0], zero_division=0.0)["precision"] == pytest.approx(1 / 9)


def test_a_class_that_is_not_in_y_true_has_no_area() -> None:
    """Of three classes one does not occur: the mean is undefined, the others are told."""
    scores = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    metrics = measure([0, 1, 0], [0, 1, 2], scores)
    assert metrics["auc_roc"] is None
    assert metrics.reasons["auc_roc"] == "the class 2 is not in y_true"
    assert metrics.per_class[0]["auc_roc"] == 1.0
    assert metrics["log_loss"] == pytest.approx(-np.log([0.7, 0.7, 0.6]).mean())
    # Classes that are numbers from 0 are those of the columns, even if one occurs nowhere.
    assert measure([0, 2, 0], [0, 2, 2], scores)["log_loss"] == pytest.approx(
        -np.log([0.7, 0.1, 0.6]).mean()
    )


def test_macro_averages_need_every_class() -> None:
    """A class that was predicted and is not in y_true has no recall."""
    metrics = measure(["a", "b"], ["a", "c"], average="macro")
    assert metrics.reasons["recall"] == "the class 'c' is not in y_true"
    assert metrics.reasons["precision"] == "the class 'b' was never predicted"
    assert metrics["f1"] == pytest.approx(1 / 3)


def test_a_probability_of_zero_is_not_infinite() -> None:
    """It counts as 2.2e-16, as in scikit-learn; half of that is its share of two rows."""
    assert measure([0, 1], [0, 0], [0.0, 0.0])["log_loss"] == pytest.approx(18.0218, abs=1e-4)
    assert measure([0, 1], [0, 0], [0.0, 0.0]).reasons["calibration_ratio"] == (
        "all probabilities are 0"
    )


def test_a_threshold_predicts() -> None:
    """`y_pred` need not be there."""
    metrics = measure([0, 1, 1, 0], None, [0.2, 0.9, 0.3, 0.4], threshold=0.3)
    assert metrics.confusion is not None
    assert metrics.confusion.counts == ((1, 1), (0, 2))


def test_probabilities_alone_are_measured() -> None:
    """Without predictions there is no accuracy, and nothing else is missing."""
    metrics = measure([0, 1, 1, 0], None, [0.2, 0.9, 0.3, 0.4])
    assert "accuracy" not in metrics
    assert metrics["auc_roc"] == 0.75
    assert metrics.confusion is None


def test_groups_have_the_same_metrics() -> None:
    """Each group is measured by its own rows, over the classes of all."""
    metrics = measure(
        [0, 1, 0, 0], [0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], groups=["de", "de", "fr", "fr"]
    )
    assert metrics.per_group["de"]["auc_roc"] == 1.0
    assert metrics.per_group["fr"]["accuracy"] == 0.5
    assert metrics.per_group["fr"].reasons["auc_roc"] == (
        "y_true has one class only: there are no positives"
    )
    assert metrics.per_group["fr"].n == 2


def test_the_answer_is_json_and_text() -> None:
    """A result can be kept and read: numbers, reasons, intervals, classes, groups."""
    metrics = measure([0, 1, 1], [0, 0, 0], confidence=0.9, groups=["x", "x", "y"])
    document = json.loads(json.dumps(metrics.as_dict()))
    assert document["metrics"]["accuracy"] == pytest.approx(1 / 3)
    assert document["confusion"]["counts"] == [[1, 0], [2, 0]]
    assert document["per_group"]["y"]["n"] == 1
    lines = metrics.summary().splitlines()
    assert lines[0].startswith("accuracy            0.3333  [0.0")
    assert "precision           -       (the class 1 was never predicted)" in lines


NAN = float("nan")


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([], []), {}, "y_true is empty; allowed: one row or more."),
        (([0, 1], [0]), {}, "y_pred has not as many rows as y_true; got 1; allowed: 2 rows."),
        (([0, 1], [0, 1], [0.5]), {}, "y_prob has not as many rows as y_true; got 1"),
        (([0, NAN], [0, 1]), {}, "y_true has values that are missing; got '1 of them NaN"),
        ((["a", None], ["a", "a"]), {}, "y_true has values that are missing"),
        ((["a", pd.NA], ["a", "a"]), {}, "y_true has values that are missing"),
        (([0, 1], [0, 1], [0.5, NAN]), {}, "y_prob has values that are missing"),
        (([0, 1], [0, 1], [0.5, 1.5]), {}, "y_prob has a value that is no probability; got 1.5"),
        (([0, 1], [0, 1], [-3.0, 1]), {}, "Pass probabilities, such as predict_proba's"),
        (([0, 1], [0, 1], ["x", "y"]), {}, "y_prob has something that is no number"),
        (([0, 1], [0.2, 0.9]), {}, "y_pred has a fraction, so these are no classes; got 0.2"),
        (([0, 1], ["0", "1"]), {}, "labels are of different kinds"),
        (([0, 1], [0, 2]), {"labels": [0, 1]}, "a label is not among `labels`; got 2"),
        (([0, 1], [0, 1]), {"labels": [0, 0]}, "a class is named twice"),
        (([0, 1], [0, 1]), {"positive": 2}, "the positive class is not one of the classes; got 2"),
        (([0, 1, 2], [0, 1, 2]), {"positive": 2}, "only one of two classes can be the positive"),
        (([0, 1], [0, 1]), {"average": "samples"}, "this is no average; got 'samples'"),
        (([0, 1, 2], [0, 1, 2]), {"average": "binary"}, "no positive class without two classes"),
        (([0, 1, 2], [0, 1, 2], [0.1] * 3), {}, "one probability per row is not enough"),
        (([0, 1, 2], [0, 1, 2], [[0.5, 0.5]] * 3), {}, "y_prob has not one column per class"),
        ((["a", "b"], ["a", "b"], [[0.1, 0.2, 0.7]] * 2), {}, "labels=model.classes_"),
        (
            ([0, 1], [0, 1]),
            {"zero_division": "warn"},
            "zero_division is what 0/0 counts as; got 'w",
        ),
        (([0, 1], [0, 1]), {"zero_division": -1}, "zero_division is what 0/0 counts as; got -1"),
        (([0, 1], [0, 1]), {"confidence": "0.9"}, "confidence is a probability; got '0.9'"),
        (([0, 1], None, [0.1, 0.2]), {"threshold": "high"}, "this is no threshold; got 'high'"),
        (([1e300, 0.0], [0, 1]), {}, "y_true has a label that is too large; got 1e+300"),
        (([-1e300, 0.0], [0, 1]), {}, "y_true has a label that is too large; got -1e+300"),
        (([0, 1], [0, 1], [[0.5, 0.6]] * 2), {}, "a row of y_prob does not add up to 1"),
        (([0, 1], None), {}, "there is nothing to be measured"),
        (([0, 1], None), {"threshold": 0.5}, "a threshold cuts the probability"),
        (([0, 1], None, [0.1, 0.2]), {"threshold": 1.5}, "this is no threshold; got 1.5"),
        (([0, 1], [0, 1]), {"confidence": 95}, "confidence is a probability; got 95"),
        (([0, 1], [0, 1]), {"groups": ["x"]}, "groups has not as many rows as y_true"),
        (([0, 1], [0, 1]), {"clusters": ["x", None]}, "clusters has values that are missing"),
        ((list(range(2001)), list(range(2001))), {}, "too many classes; got 2001"),
    ],
)
def test_what_cannot_be_compared_is_an_error(arguments: Any, options: Any, text: str) -> None:
    """It says what, what was got, what is allowed and what to do."""
    with pytest.raises(QueryError) as caught:
        measure(*arguments, **options)
    assert text in str(caught.value)
