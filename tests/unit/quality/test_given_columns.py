# SPDX-License-Identifier: Apache-2.0
"""Columns as callers have them: what is missing in them, and what is neither label nor number."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidegauge.model.errors import QueryError
from tidegauge.quality import ConfusionCounts, ModelMetricsCalculator

classify = ModelMetricsCalculator.classification_metrics
regress = ModelMetricsCalculator.regression_metrics

NAN = float("nan")
HIDDEN = np.ma.masked_array([1.0, 2.0, 999.0], mask=[0, 0, 1])
HIDDEN_LABELS = np.ma.masked_array([[0, 1], [1, 1]], mask=[[1, 0], [0, 0]])
DAYS = np.array(["2024-01-02", "2024-01-01"], dtype="datetime64[D]")
NO_DAY = np.array(["2024-01-02", "NaT"], dtype="datetime64[ns]")
BEYOND = np.array([2**64 - 1, 0], dtype=np.uint64)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((["spam", NAN, "ham"], ["spam"] * 3), {}, "y_true has values that are missing"),
        ((["a", "b"], ["a", NAN]), {}, "y_pred has values that are missing"),
        (([0, 1], [0, 1]), {"groups": ["a", NAN]}, "groups has values that are missing"),
        (([0, 1], [0, 1]), {"groups": NO_DAY}, "groups has values that are missing"),
        (([0, 1], [0, 1]), {"clusters": ("a", NAN)}, "clusters has values that are missing"),
        ((HIDDEN, [1, 2, 3]), {}, "y_true has values that are missing"),
        ((HIDDEN.astype(int), [1, 2, 3]), {}, "y_true has values that are missing"),
        ((HIDDEN.astype(str), ["a"] * 3), {}, "y_true has values that are missing"),
        ((HIDDEN_LABELS, [[0, 1], [1, 1]]), {}, "y_true has something else than 0 and 1"),
        ((["1", 1], ["1", 1]), {}, "labels are of different kinds; got 'int, str'"),
        ((BEYOND, [0, 1]), {}, "y_true has a label that is too large; got 18446744073709551615"),
        (([0, 1j], [0j, 1]), {}, "y_true cannot be put in order"),
        ((np.array([{}, {}]), np.array([{}, {}])), {}, "y_true cannot be put in order"),
        (([0, 1], [0, 1], [[0.5, 0.5], [1]]), {}, "rows of y_prob differ in length"),
        (([[0, 1], [1]], [0, 1]), {}, "rows of y_true differ in length"),
        (([[0, 1], [1, 0]], [[0, 1], [1]]), {}, "rows of y_pred differ in length"),
    ],
)
def test_what_is_missing_is_no_class(arguments: Any, options: Any, text: str) -> None:
    """Neither is what has no order; numpy's own errors do not leak."""
    with pytest.raises(QueryError) as caught:
        classify(*arguments, **options)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("true", "predicted", "text"),
    [
        (HIDDEN, [1.0, 2.0, 3.0], "y_true has values that are missing"),
        (DAYS, [1, 2], "y_true has something that is no number; got [datetime.date(2024, 1, 2)]"),
        ([1, 2], DAYS - DAYS[0], "y_pred has something that is no number"),
        ([1.0, 2j], [1, 2], "y_true has something that is no number; got [(1+0j)]"),
        ([[0, 1], [1]], [0, 1], "rows of y_true differ in length"),
    ],
)
def test_what_is_missing_is_no_number(true: Any, predicted: Any, text: str) -> None:
    """Neither are times and complex numbers, though numpy makes numbers of them."""
    with pytest.raises(QueryError) as caught:
        regress(true, predicted)
    assert text in str(caught.value)


def test_a_mask_that_hides_nothing_changes_nothing() -> None:
    """A masked array of which all values are there is an array."""
    there = np.ma.masked_array([1.0, 2.0, 3.0], mask=False)
    assert regress(there, [1.0, 2.0, 4.0])["mae"] == pytest.approx(1 / 3)


def test_large_whole_numbers_are_classes() -> None:
    """Up to 2⁶³ - 1, whatever the kind of integer."""
    counts = ConfusionCounts.of(np.array([2**63 - 1, 0], dtype=np.uint64), [0, 2**63 - 1])
    assert counts.classes == (0, 2**63 - 1)


@pytest.mark.parametrize("unit", ["D", "s", "us", "ns"])
def test_groups_that_are_times_are_named_by_times(unit: str) -> None:
    """Also times of nanoseconds, which are whole numbers to Python."""
    days = DAYS.astype(f"datetime64[{unit}]")
    found = classify([0, 1], [0, 1], groups=days).per_group
    day = dt.date if unit == "D" else dt.datetime
    assert list(found) == [day(2024, 1, 1), day(2024, 1, 2)]


def test_groups_of_pandas_are_found_by_its_times() -> None:
    """A day of pandas is the same key; what Python has no time for stays numpy's."""
    days = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"]))
    assert (
        classify([0, 1], [0, 0], groups=days).per_group[pd.Timestamp("2024-01-02")]["accuracy"] == 0
    )
    fine = np.array([1, 2], dtype="datetime64[ns]")
    assert list(classify([0, 1], [0, 1], groups=fine).per_group) == list(fine)
