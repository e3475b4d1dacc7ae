# SPDX-License-Identifier: Apache-2.0
"""A model is asked, measured and recorded: real models of scikit-learn, a real store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import tidegauge as tg
from tidegauge.model.errors import QueryError


@pytest.fixture
def store(store_dir: Path) -> Iterator[Path]:
    """A store of the process."""
    tg.configure(store=store_dir, follower="off", strict=True)
    yield store_dir
    tg.shutdown()


def recorded() -> dict[str, float]:
    """The last value of each metric."""
    rows = tg.sql("SELECT metric, value FROM points ORDER BY time").fetchall()
    return dict(rows)


def digits(n: int = 300, *, classes: int = 2) -> tuple[pd.DataFrame, pd.Series]:
    """Points in a plane, and which part of it they are in."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    place = x["a"] + x["b"] + rng.normal(size=n)
    return x, pd.Series(np.array(["low", "middle", "top"])[pd.qcut(place, classes, labels=False)])


def test_a_classifier_is_measured_and_recorded_under_names_of_the_catalogue(store: Path) -> None:
    """Predictions and probabilities of both classes; every metric that is defined is a fact."""
    x, y = digits()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    result = tg.evaluate_model_performance(
        model, x, y, model_name="places", model_version="3", step=7, confidence=0.95
    )
    facts = recorded()
    assert facts["model:f1_score"] == result["f1"]
    assert facts["model:auc_pr"] == result["avg_precision"]
    assert facts["model:auc_roc"] == result["auc_roc"]
    assert facts["model:ece"] == result["ece"]
    assert len(facts) == len(result) == 19
    assert result.intervals["auc_roc"].low > 0.7
    rows = tg.sql("SELECT DISTINCT model, model_version, step FROM points").fetchall()
    assert rows == [("places", "3", 7)]


def test_another_average_is_another_metric(store: Path) -> None:
    """A dashboard does not mix macro averages with weighted ones."""
    x, y = digits(classes=3)
    model = LogisticRegression().fit(x, y)
    result = tg.evaluate_model_performance(model, x, y, average="macro")
    facts = recorded()
    assert facts["model:f1_score.macro"] == result["f1"]
    assert {"model:precision.macro", "model:recall.macro", "model:accuracy"} <= set(facts)
    assert not {"model:precision", "model:recall", "model:f1_score"} & set(facts)


def test_what_is_undefined_is_not_recorded(store: Path) -> None:
    """A test set of one class has no area; there is no fact of it, and a reason in the answer."""
    x, y = digits()
    model = LogisticRegression().fit(x, y)
    chosen = (y == "low").to_numpy()
    result = tg.evaluate_model_performance(model, x[chosen], y[chosen])
    assert result.reasons["auc_roc"] == "y_true has one class only: there are no positives"
    assert result["log_loss"] is not None  # the model says which classes there are
    assert "model:auc_roc" not in recorded()
    assert "model:accuracy" in recorded()


def test_a_class_that_a_test_set_lacks_is_no_error(store: Path) -> None:
    """The model's own classes say which column is whose."""
    x, y = digits(classes=3)
    model = LogisticRegression().fit(x, y)
    chosen = (y != "middle").to_numpy()
    result = tg.evaluate_model_performance(model, x[chosen], y[chosen], log=False)
    assert result.reasons["auc_roc"] == "the class 'middle' is not in y_true"
    assert result.per_class["top"]["auc_roc"] > 0.8
    assert recorded() == {}


def test_numbers_are_recorded_with_the_percentage_as_a_fraction(store: Path) -> None:
    """`mape` is in percent in the answer, and a fraction in the catalogue."""
    x, _ = digits()
    y = 100 + 10 * x["a"]
    model = LinearRegression().fit(x, y + np.arange(300) % 7)
    result = tg.evaluate_model_performance(model, x, y, quantiles={0.9: y + 1})
    facts = recorded()
    assert facts["model:mape"] == pytest.approx(result["mape"] / 100)
    assert facts["model:rmse"] == result["rmse"]
    assert facts["model:pinball.p90"] == pytest.approx(0.1)


def test_a_regressor_of_whole_numbers_is_one_because_it_says_so(store: Path) -> None:
    """Counts look like classes; the model knows better, and `task` best."""
    x, _ = digits()
    counts = (10 * x["a"]).round().astype(int)
    model = LinearRegression().fit(x, counts)
    assert "mae" in tg.evaluate_model_performance(model, x, counts, log=False)

    class Plain:
        def predict(self, rows: Any) -> Any:
            return np.round(model.predict(rows))

    plain = Plain()
    assert "accuracy" in tg.evaluate_model_performance(plain, x, counts, log=False)
    assert "mae" in tg.evaluate_model_performance(plain, x, counts, task="regression", log=False)


def test_a_regressor_with_an_empty_array_of_classes_is_none_of_classes(store: Path) -> None:
    """As those of CatBoost are, with or without a word on what they are."""
    silent = SimpleNamespace(predict=lambda rows: rows, classes_=np.array([], dtype=object))
    telling = SimpleNamespace(
        predict=lambda rows: rows, _estimator_type="regressor", classes_=np.array([0, 1])
    )
    for model in (silent, telling):
        result = tg.evaluate_model_performance(model, [1.0, 2.5], [1.5, 2.5], log=False)
        assert result["mae"] == 0.25
    with pytest.raises(QueryError, match='task="regression"'):
        tg.evaluate_model_performance(silent, [1.0, 2.5], [1, 2], log=False)


def test_a_classifier_without_probabilities_has_no_areas(store: Path) -> None:
    """A support-vector machine has classes and distances only."""
    x, y = digits()
    result = tg.evaluate_model_performance(LinearSVC().fit(x, y), x, y, log=False)
    assert result["accuracy"] > 0.6
    assert "auc_roc" not in result


def test_a_forest_of_several_labels_is_measured_by_label(store: Path) -> None:
    """Its probabilities are a list, an array per label."""
    x, _ = digits()
    labels = np.column_stack([x["a"] > 0, x["b"] > 0]).astype(int)
    model = RandomForestClassifier(5, random_state=0).fit(x, labels)
    result = tg.evaluate_model_performance(model, x, labels, log=False)
    assert result["auc_roc"] > 0.9
    assert list(result.per_class) == [0, 1]


def test_a_label_that_training_never_had_has_probability_0() -> None:
    """A forest has one column for it, and that is the probability of the only class it saw."""
    x, _ = digits()
    often, never = (x["a"] > 0).to_numpy(), np.zeros(300, dtype=int)
    model = RandomForestClassifier(5, random_state=0).fit(x, np.c_[often, never, 1 - never])
    tested = np.c_[often, often, often]
    result = tg.evaluate_model_performance(model, x, tested, log=False)
    assert result.per_class[0]["log_loss"] < 0.1
    assert result.per_class[1]["calibration_ratio"] is None
    assert result.per_class[1].reasons["calibration_ratio"] == "all probabilities are 0"
    assert result.per_class[2]["calibration_ratio"] == pytest.approx(often.mean())


@pytest.mark.parametrize(
    ("probable", "classes", "text"),
    [
        ([np.ones((2, 1)), np.eye(2)], None, "got 'shape (2, 1), classes unknown'"),
        ([np.eye(2), np.eye(2)], [[0, 1]], "classes_ has not an entry per label; got 1"),
        ([np.eye(2), np.eye(2)], [[0, 1], [0, 2]], "got 'shape (2, 2), classes [0, 2]'"),
        ([], None, "y_prob is empty"),
    ],
)
def test_probabilities_of_labels_that_cannot_be_told_apart_are_an_error(
    probable: Any, classes: Any, text: str
) -> None:
    """Nobody guesses which column is that of 1."""
    model = SimpleNamespace(predict=list, predict_proba=lambda _: probable)
    if classes is not None:
        model.classes_ = classes
    with pytest.raises(QueryError) as caught:
        tg.evaluate_model_performance(model, [[0, 1], [1, 0]], [[0, 1], [1, 0]], log=False)
    assert text in str(caught.value)


def test_what_cannot_predict_is_no_model(store: Path) -> None:
    """The error says what is needed."""
    with pytest.raises(QueryError) as caught:
        tg.evaluate_model_performance("model.pkl", [[1]], [1])
    assert str(caught.value) == (
        "this is no model; got <class 'str'>; allowed: an object with a method `predict`."
    )


def test_measuring_needs_no_library_of_models(store_dir: Path) -> None:
    """A model of no library is measured without loading scikit-learn, pandas or scipy.stats."""
    program = (
        "import sys, tidegauge as tg\n"
        "class Model:\n"
        "    classes_ = [0, 1]\n"
        "    def predict(self, rows): return [int(row > 0.5) for row in rows]\n"
        "    def predict_proba(self, rows): return [[1 - row, row] for row in rows]\n"
        "result = tg.evaluate_model_performance(\n"
        "    Model(), [0.1, 0.9, 0.4], [0, 1, 1], log=False, confidence=0.9)\n"
        "print(result['auc_roc'], {'sklearn', 'pandas', 'scipy.stats'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1.0 set()\n"), done.stderr
