# SPDX-License-Identifier: Apache-2.0
"""What a row of a feature's table holds that follows from what was given."""

from __future__ import annotations

import math
from typing import Any

from tidegauge.catalog.scales import read_score
from tidegauge.catalog.validation import read_number
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.tables import ERRORS, OPTIMIZATION_IMPACT, USER_SATISFACTION

__all__ = ["check_recovery", "derive", "relative_change"]


def derive(table: str, columns: dict[str, Any]) -> None:
    """Fill in, in place, what follows from the other columns of a row and is not there yet.

    Args:
        table: Name of the table.
        columns: Its columns by name; what is empty may be missing.

    Raises:
        MetricValidationError: They contradict each other.
    """
    if table == USER_SATISFACTION.name:
        scored = read_score(columns.get("score"), columns.get("score_scale"))
        columns["score"] = scored.score
        columns.setdefault("score_scale", scored.scale)
        columns.setdefault("normalized_score", scored.normalized)
        columns.setdefault("rating", scored.rating)
    elif table == OPTIMIZATION_IMPACT.name:
        change = relative_change(columns.get("before_value"), columns.get("after_value"))
        columns.setdefault("relative_change", change)
    elif table == ERRORS.name:
        attempted = columns.setdefault("recovery_attempted", False)
        check_recovery(attempted, columns.get("recovery_successful"))
        if not attempted:
            columns["recovery_successful"] = None


def relative_change(before: object, after: object) -> float | None:
    """`(after - before) / |before|`; None if that is 0 or either is no number."""
    first, second = read_number(before), read_number(after)
    if isinstance(first, str) or isinstance(second, str) or not first:
        return None  # recording says what is wrong with a value
    change = (second - first) / abs(first)
    return change if math.isfinite(change) else None


def check_recovery(attempted: object, successful: object) -> None:
    """Refuse a recovery that was successful and never tried.

    Raises:
        MetricValidationError: It is one.
    """
    if successful is True and attempted is False:
        raise MetricValidationError(
            "a recovery was successful that was never tried",
            reason="bad_value",
            got="recovery_attempted=False, recovery_successful=True",
            allowed="recovery_successful with recovery_attempted=True",
            fix="Pass recovery_attempted=True as well.",
        )
