# SPDX-License-Identifier: Apache-2.0
"""What a budget is: how much may be spent on language models in a period, and by what."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from tidegauge.model.amounts import MOST_UNITS, from_units, read_amount, to_units
from tidegauge.model.errors import ConfigError
from tidegauge.model.periods import PERIODS, Period

__all__ = [
    "SCOPES",
    "SOURCES",
    "THRESHOLDS_PERCENT",
    "Budget",
    "BudgetWarning",
    "CostSource",
    "Scope",
    "checked_budget",
    "passed_percents",
]

#: What a budget may be of.
Scope = Literal["model", "provider", "feature", "user", "key"]

#: The column of `llm_calls` that each is in.
SCOPES: dict[str, str] = {
    "model": "model",
    "provider": "provider",
    "feature": "feature",
    "user": "user_id",
    "key": "api_key",
}

#: Whose cost counts: that by the price list, or what the provider said in its answers.
CostSource = Literal["price_list", "provider"]

SOURCES: tuple[str, ...] = get_args(CostSource)

#: Shares of a budget at which somebody is warned, in percent, rising.
THRESHOLDS_PERCENT = (50, 80, 95, 100)

# It becomes a label, and the word of a command. With a value behind it, there is a `/` in between.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST_CHARS = 800


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that may be spent in each period.

    Attributes:
        name: Tells budgets apart.
        amount: How much, above 0.
        period: How long a period is, in the time zone of the settings.
        currency: Of the amount; cost in other currencies does not count.
        source: Whose cost counts.
        each: Every value of this has the amount for itself.
        scope: What calls must be of, by `SCOPES`; of everything if empty. A user is as the privacy
            settings let them be kept.
        created_ns: When it was set first, nanoseconds since 1970.
    """

    name: str
    amount: Decimal
    period: Period = "month"
    currency: str = "USD"
    source: CostSource = "price_list"
    each: Scope | None = None
    scope: dict[str, str] = {}
    created_ns: int = 0


class BudgetWarning(msgspec.Struct, frozen=True, kw_only=True):
    """That a share of a budget is spent; given once per period.

    Attributes:
        budget: The budget's name.
        value: Whose share it is, if each value of something has its own; None otherwise.
        threshold_percent: The share: 50, 80, 95 or 100.
        max: What the budget allows in its period.
        spent: What has been spent of it.
        currency: Of both.
        period: Which period, such as 2026-01.
        is_floor: Whether more was spent than is known: some calls have no price.
    """

    budget: str
    value: str | None
    threshold_percent: int
    max: Decimal
    spent: Decimal
    currency: str
    period: str
    is_floor: bool


def checked_budget(
    name: object,
    amount: object,
    *,
    period: object,
    currency: object,
    source: object,
    each: object,
    scope: dict[str, Any],
    created_ns: int,
) -> Budget:
    """Make a budget of what somebody gave.

    Raises:
        ConfigError: Something of it cannot be used.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _refused(
            "name",
            name,
            "up to 100 letters, digits, '_', '-' and '.', first no '-' or '.'",
        )
    for what, value, allowed in (("period", period, PERIODS), ("source", source, SOURCES)):
        if value not in allowed:
            raise _refused(what, value, ", ".join(allowed))
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise _refused("currency", currency, "three capital letters, such as USD")
    if each is not None and each not in SCOPES:
        raise _refused("each", each, ", ".join(SCOPES))
    chosen = {what: value for what, value in scope.items() if value is not None}
    for what, value in chosen.items():
        if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARS:
            raise _refused(what, value, f"a text of 1 to {_MOST_CHARS} characters")
    if each in chosen:
        raise ConfigError(
            f"the budget is of one {each} and of each {each} at the same time",
            got=chosen[str(each)],
            fix="Leave out one of the two.",
        )
    return Budget(
        name=name,
        amount=_amount(amount),
        period=period,  # type: ignore[arg-type]  # checked above, like the others
        currency=currency,
        source=source,  # type: ignore[arg-type]
        each=each,  # type: ignore[arg-type]
        scope=chosen,
        created_ns=created_ns,
    )


def passed_percents(spent: Decimal, most: Decimal) -> tuple[int, ...]:
    """Those of `THRESHOLDS_PERCENT` that an amount has reached, exactly, rising."""
    return tuple(each for each in THRESHOLDS_PERCENT if spent * 100 >= most * each)


def _amount(amount: object) -> Decimal:
    most = from_units(MOST_UNITS)
    try:
        given = read_amount(amount)
        units = to_units(given) if 0 < given <= most else 0
    except ValueError as error:
        raise _refused("amount", amount, "a number above 0, such as 100 or '99.50'") from error
    if units < 1:
        raise _refused("amount", amount, f"a number from 0.00000001 to {most}")
    # Without zeros behind: 100 is what was given, and is shown again.
    exact = from_units(units).normalize()
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact


def _refused(what: str, got: object, allowed: str) -> ConfigError:
    return ConfigError(f"the {what} of a budget cannot be used", got=got, allowed=allowed)
