# SPDX-License-Identifier: Apache-2.0
"""Scores of satisfaction: which scale they are on, and what they are worth on one from 0 to 1."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tidegauge.catalog.scales import SCALES, Scored, read_score
from tidegauge.model.errors import MetricValidationError


@pytest.mark.parametrize(
    ("score", "scale", "normalized", "rating"),
    [
        (0, "0-1", 0.0, 0),
        (0.0, "0-1", 0.0, 0),
        (0.05, "0-1", 0.05, 0),
        (0.3, "0-1", 0.3, 3),
        (0.7, "0-1", 0.7, 7),
        (0.92, "0-1", 0.92, 9),
        (1.0, "0-1", 1.0, 9),
        (np.float32(1.0), "0-1", 1.0, 9),
        (1, "1-5", 0.0, 1),
        (np.int64(1), "1-5", 0.0, 1),
        (np.array(1), "1-5", 0.0, 1),
        (1.01, "1-5", pytest.approx(0.0025), 1),
        (2.5, "1-5", 0.375, 3),
        (3, "1-5", 0.5, 3),
        (Decimal("4.4"), "1-5", pytest.approx(0.85), 4),
        (4.5, "1-5", 0.875, 5),
        (5, "1-5", 1.0, 5),
    ],
)
def test_a_score_without_a_scale_is_on_one_of_two(
    score: Any, scale: str, normalized: float, rating: int
) -> None:
    """Above 1 it is on 1-5, and so is the whole number 1; all else is on 0-1."""
    assert read_score(score) == Scored(float(score), scale, normalized, rating)


@pytest.mark.parametrize(
    ("score", "scale", "normalized", "rating"),
    [
        (1, "0-1", 1.0, 9),
        (1.0, "1-5", 0.0, 1),
        (0, "0-10", 0.0, 0),
        (1, "0-10", 0.1, 1),
        (6.5, "0-10", 0.65, 7),
        (10, "0-10", 1.0, 10),
    ],
)
def test_a_scale_may_be_named(score: Any, scale: str, normalized: float, rating: int) -> None:
    """Then nothing is guessed."""
    assert read_score(score, scale) == Scored(float(score), scale, normalized, rating)


@pytest.mark.parametrize(
    ("score", "scale", "is_worth"),
    [
        (float(np.float32(0.1) + np.float32(0.9)) + 1e-7, None, (1.0, "0-1")),
        (1.0000001, "0-1", (1.0, "0-1")),
        (5.000001, None, (5.0, "1-5")),
        (10.000001, "0-10", (10.0, "0-10")),
    ],
)
def test_rounding_takes_no_score_to_another_scale(
    score: float, scale: str | None, is_worth: tuple[float, str]
) -> None:
    """One ten-millionth above 1 is the best of 0-1, and not nearly the worst of 1-5."""
    scored = read_score(score, scale)
    assert (scored.score, scored.scale, scored.normalized) == (*is_worth, 1.0)


@pytest.mark.parametrize(
    ("score", "scale", "reason"),
    [
        (None, None, "bad_value"),
        ("4", None, "bad_value"),
        (True, None, "bad_value"),
        (np.bool_(1), "0-1", "bad_value"),
        ([4], None, "bad_value"),
        (np.array([4, 5]), None, "bad_value"),
        (4j, None, "bad_value"),
        (float("nan"), None, "not_finite"),
        (float("inf"), "0-10", "not_finite"),
        (-0.001, None, "out_of_range"),
        (5.01, None, "out_of_range"),
        (np.int8(6), None, "out_of_range"),
        (0.999, "1-5", "out_of_range"),
        (1.01, "0-1", "out_of_range"),
        (4, "stars", "bad_value"),
        (4, ("1-5",), "bad_value"),
    ],
)
def test_what_is_no_score_is_refused(score: Any, scale: Any, reason: str) -> None:
    """By its reason, whatever type it has."""
    with pytest.raises(MetricValidationError) as raised:
        read_score(score, scale)
    assert raised.value.reason == reason


def test_who_counts_as_satisfied_follows_from_the_rating() -> None:
    """On 1-5 the upper two; elsewhere from seven tenths of the scale."""
    least = {name: scale.satisfied_from for name, scale in SCALES.items()}
    assert least == {"0-1": 7, "1-5": 4, "0-10": 7}
    assert [read_score(each).rating >= 7 for each in (0.69, 0.7, 0.71)] == [False, True, True]
    assert [read_score(each).rating >= 4 for each in (3, 3.49, 3.5, 4)] == [
        False,
        False,
        True,
        True,
    ]
