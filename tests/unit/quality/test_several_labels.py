# SPDX-License-Identifier: Apache-2.0
"""Rows with several labels at once: what is undefined, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.model.errors import QueryError
from tidegauge.quality import ModelMetricsCalculator

measure = ModelMetricsCalculator.classification_metrics

TRUE = [[1, 0], [0, 0], [1, 0]]


def test_a_label_that_no_row_has_weighs_nothing() -> None:
    """Weighted averages leave it out; plain means of areas cannot."""
    metrics = measure(TRUE, [[1, 0], [1, 0], [1, 0]], [[0.9, 0.1], [0.2, 0.2], [0.8, 0.3]])
    assert metrics["recall"] == 1.0
    assert metrics["precision"] == pytest.approx(2 / 3)
    assert metrics["auc_roc"] is None
    assert metrics.reasons["auc_roc"] == (
        "label 1: y_true has one class only: there are no positives"
    )
    assert metrics.per_class[0]["auc_roc"] == 1.0


def test_no_label_at_all_has_no_recall() -> None:
    """Nothing to be found is not nothing found."""
    metrics = measure([[0, 0], [0, 0]], [[0, 0], [0, 0]])
    assert metrics["accuracy"] == 1.0
    assert metrics.reasons["recall"] == "no row has a label"


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((TRUE, [[1, 0]]), {}, "y_pred has not a column per label; got (1, 2); allowed: (3, 2)"),
        ((TRUE, TRUE, [0.1, 0.2, 0.3]), {}, "y_prob has not a column per label; got (3,)"),
        (([[1, 2], [0, 1]], TRUE), {}, "y_true has something else than 0 and 1"),
        ((TRUE, TRUE), {"labels": ["x"]}, "labels has not a name per column; got 1; allowed: 2"),
        ((TRUE, TRUE), {"average": "binary"}, "several labels have no positive one"),
        ((TRUE, TRUE), {"positive": 1}, "rows with several labels have no positive one; got 1"),
        ((TRUE, TRUE), {"zero_division": "warn"}, "zero_division is what 0/0 counts as"),
        ((TRUE, TRUE), {"confidence": 0.95}, "neither groups nor intervals"),
    ],
)
def test_what_cannot_be_compared_is_an_error(arguments: Any, options: Any, text: str) -> None:
    """It says what, what was got and what is allowed."""
    with pytest.raises(QueryError) as caught:
        measure(*arguments, **options)
    assert text in str(caught.value)
