# SPDX-License-Identifier: Apache-2.0
"""Numbers that somebody asks with, refused if they are none or outside their bounds."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Real
from typing import TypeGuard

from tidegauge.model.errors import QueryError

__all__ = ["check_confidence", "check_number", "is_number"]


def is_number(given: object) -> TypeGuard[float]:
    """Whether something is a number of Python, which a bool is not."""
    return isinstance(given, int | float) and not isinstance(given, bool)


def check_number(
    what: str,
    given: object,
    allowed: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """A finite number within its bounds, as a float.

    Args:
        what: What is wrong with another one, for the error.
        given: A number of Python, of numpy or a `Decimal`; no text and no bool.
        allowed: The bounds in words.
        least: It may be this.
        most: It may be this.
        above: It has to be more.
        below: It has to be less.

    Raises:
        QueryError: It is none, or outside.
    """
    number = math.nan
    if not isinstance(given, bool) and isinstance(given, Real | Decimal):
        try:
            number = float(given)
        except (OverflowError, ValueError):  # a whole number or a signalling NaN that none can hold
            number = math.nan
    if not (math.isfinite(number) and least <= number <= most and above < number < below):
        raise QueryError(what, got=given, allowed=allowed)
    return number


def check_confidence(confidence: object) -> None:
    """Refuse what is no confidence of an interval.

    Raises:
        QueryError: It is not between 0 and 1.
    """
    allowed = "a number above 0 and below 1, such as 0.95"
    check_number("confidence is a probability", confidence, allowed, above=0, below=1)
