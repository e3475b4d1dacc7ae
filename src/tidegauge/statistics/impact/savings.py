# SPDX-License-Identifier: Apache-2.0
"""What a change of the cost per unit saves, in money."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral

from tidegauge.catalog.units import CURRENCIES
from tidegauge.model.amounts import EXACT, PLACES, read_amount
from tidegauge.model.errors import QueryError
from tidegauge.statistics.estimate import Estimate

__all__ = ["Savings", "savings_of"]

_UNIT = Decimal(1).scaleb(-PLACES)


@dataclass(frozen=True, slots=True)
class Savings:
    """Money that was saved; below 0 if it was lost.

    Attributes:
        amount: The estimate, with 8 decimal places; None if it is not known.
        low: Lower end of its interval; None if there is none.
        high: Upper end.
        currency: Its currency.
        units: On how many units.
        confidence: Probability that such intervals cover the truth.
        reason: Why the amount, or else the interval, is None.
    """

    amount: Decimal | None
    low: Decimal | None
    high: Decimal | None
    currency: str
    units: Decimal
    confidence: float
    reason: str | None = None

    def as_dict(self) -> dict[str, str | float | None]:
        """As a dictionary ready to be written as JSON; amounts are texts, which are exact."""
        amounts = {"amount": self.amount, "low": self.low, "high": self.high, "units": self.units}
        return {
            **{key: None if value is None else str(value) for key, value in amounts.items()},
            "currency": self.currency,
            "confidence": self.confidence,
            "reason": self.reason,
        }


def savings_of(difference: Estimate, units: object, *, currency: str) -> Savings:
    """Savings on units whose cost has changed.

    Args:
        difference: Of the cost per unit, after less before.
        units: How many units, 0 or more.
        currency: Of the cost, a code of ISO 4217.

    Raises:
        QueryError: `units` is no such number, or `currency` is none.
    """
    if currency not in CURRENCIES:
        raise _no_currency(currency)
    is_whole = not isinstance(units, bool) and isinstance(units, Integral)  # numpy's, too
    try:
        count = read_amount(operator.index(units) if is_whole else units)  # type: ignore[arg-type]
    except ValueError as error:
        raise _no_count(units) from error
    if count < 0:
        raise _no_count(units)

    def saved(change: float | None) -> Decimal | None:
        if change is None:
            return None
        return EXACT.multiply(-read_amount(change), count).quantize(_UNIT, context=EXACT)

    # Where the cost has risen most, least was saved.
    return Savings(
        amount=saved(difference.value),
        low=saved(difference.high),
        high=saved(difference.low),
        currency=currency,
        units=count,
        confidence=difference.confidence,
        reason=difference.reason,
    )


def _no_count(units: object) -> QueryError:
    return QueryError("these are no units to save on", got=units, allowed="a number, 0 or more")


def _no_currency(currency: object) -> QueryError:
    return QueryError(
        "this is no currency", got=currency, allowed="a code of ISO 4217 such as USD, EUR, JPY"
    )
