# SPDX-License-Identifier: Apache-2.0
"""What cannot be planned, and why."""

from __future__ import annotations

from tidegauge.model.errors import QueryError
from tidegauge.statistics.bounds import is_number

__all__ = [
    "check_share",
    "no_autocorrelation",
    "no_effect",
    "no_proportion",
    "no_spread",
    "too_few",
    "too_many",
]


def check_share(what: str, given: object) -> None:
    """Refuse what is no probability.

    Raises:
        QueryError: It is not between 0 and 1.
    """
    if not is_number(given) or not 0 < given < 1:
        raise QueryError(f"{what} is no probability", got=given, allowed="0 to 1, exclusive")


def no_autocorrelation(given: float) -> QueryError:
    """It would never fade, or alternates."""
    return QueryError("this is no autocorrelation of days", got=given, allowed="0 to 0.999")


def no_effect(given: float) -> QueryError:
    """Nothing shows that there is none."""
    return QueryError("an effect of this size cannot be looked for", got=given, allowed="not 0")


def no_proportion(given: float) -> QueryError:
    """A share that is none."""
    return QueryError("this is no proportion", got=given, allowed="0 to 1, exclusive")


def no_spread(given: object) -> QueryError:
    """Means need the spread of the values."""
    return QueryError(
        "the standard deviation of the values is needed",
        got=given,
        allowed="a number above 0, up to 1e150",
        fix="Pass std, or kind='proportion' for shares of yes and no.",
    )


def too_few(count: int) -> QueryError:
    """No effect can be seen."""
    return QueryError(
        "no effect can be seen with so few", got=count, fix="Take more, or less power."
    )


def too_many(effect: float, most: int) -> QueryError:
    """The effect is too small."""
    return QueryError(
        f"more than {most} would be needed to see so small an effect",
        got=effect,
        fix="Look for a larger effect, or accept less power.",
    )
