# SPDX-License-Identifier: Apache-2.0
"""What a row of a feature's table holds that follows from what was given."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.catalog.derived_columns import check_recovery, derive, relative_change
from tidegauge.model.errors import MetricValidationError


@pytest.mark.parametrize(
    ("table", "given", "derived"),
    [
        ("feature_usage", {"action": "find"}, {}),
        (
            "user_satisfaction",
            {"score": 4},
            {"score_scale": "1-5", "normalized_score": 0.75, "rating": 4},
        ),
        (
            "user_satisfaction",
            {"score": 5, "score_scale": "0-10"},
            {"score_scale": "0-10", "normalized_score": 0.5, "rating": 5},
        ),
        ("user_satisfaction", {"score": 0.5, "rating": 9}, {"score_scale": "0-1", "rating": 9}),
        (
            "optimization_impact",
            {"before_value": 4.0, "after_value": 3.0},
            {"relative_change": -0.25},
        ),
        (
            "optimization_impact",
            {"before_value": 0.0, "after_value": 3.0},
            {"relative_change": None},
        ),
        ("errors", {}, {"recovery_attempted": False, "recovery_successful": None}),
    ],
)
def test_what_is_not_there_is_filled_in(
    table: str, given: dict[str, Any], derived: dict[str, Any]
) -> None:
    """And what is there stays."""
    derive(table, given)
    assert derived.items() <= given.items()


def test_a_change_is_relative_to_the_magnitude() -> None:
    """So that a fall is negative below zero, too; of what is no number there is none."""
    assert relative_change(-4.0, -5.0) == -0.25
    assert relative_change(None, 1.0) is None


def test_a_recovery_that_was_not_tried_cannot_succeed() -> None:
    """The error says what would be allowed."""
    check_recovery(attempted=True, successful=True)
    check_recovery(attempted=False, successful=False)
    with pytest.raises(MetricValidationError) as caught:
        check_recovery(attempted=False, successful=True)
    assert str(caught.value) == (
        "a recovery was successful that was never tried; got "
        "'recovery_attempted=False, recovery_successful=True'; "
        "allowed: recovery_successful with recovery_attempted=True. "
        "Pass recovery_attempted=True as well."
    )
