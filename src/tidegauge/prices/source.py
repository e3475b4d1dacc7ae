# SPDX-License-Identifier: Apache-2.0
"""The port of price lists, and the prices of one model at one time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from tidegauge.model.amounts import EXACT
from tidegauge.prices.usage import TokenUsage

__all__ = ["PRICE_PLACES", "Context", "PriceSource", "Rates", "Tier", "Unknown"]

#: What else decides a price, such as `{"service_tier": "flex"}`; empty for the standard one.
Context = Mapping[str, str]

#: Why a source has no price.
Unknown = Literal["unknown_model", "unknown_context"]


#: Prices are summed up in whole numbers of 10⁻³⁰: exact, in a third of the time of decimals, and
#: whatever the program's decimal context is.
PRICE_PLACES = 30


class Tier(msgspec.Struct, frozen=True):
    """Prices for calls of some size. All tokens of a call have the prices of its tier.

    Attributes:
        above: The call has more input tokens than this.
        rates: Price of one token of each of `tidegauge.prices.usage.BUCKETS`, shape (n_buckets,);
            None where it is not known.
        per_request: Price of the call itself.
        units: The rates, and that price behind them, in units of 10⁻³⁰.
    """

    above: int
    rates: tuple[Decimal | None, ...]
    per_request: Decimal = Decimal(0)
    units: tuple[int | None, ...] = ()

    def __post_init__(self) -> None:
        prices = (*self.rates, self.per_request)
        units = tuple(
            None if each is None else int(each.scaleb(PRICE_PLACES, EXACT)) for each in prices
        )
        msgspec.structs.force_setattr(self, "units", units)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of one model at one time.

    Attributes:
        source: The price list and its version, such as `genai-prices@0.2.3`.
        model: The entry of the list, `<provider>/<model>`.
        currency: ISO 4217.
        tiers: By size of the call, ascending; the first is above -1.
        holds_for: For how long they may be kept: they may change with the day, or within it.
    """

    source: str
    model: str
    currency: str
    tiers: tuple[Tier, ...]
    holds_for: Literal["day", "minute"] = "day"

    def amount(self, usage: TokenUsage) -> int | None:
        """What a call costs, in units of 10⁻³⁰; None if some of its tokens have no known price."""
        tier = self.tiers[0]
        if len(self.tiers) > 1:
            size = usage.input_tokens
            tier = next(each for each in reversed(self.tiers) if size > each.above)
        total = tier.units[-1] or 0
        for count, units in zip(usage, tier.units, strict=False):
            if count:
                if units is None:
                    return None
                total += count * units
        return total


class PriceSource(Protocol):
    """A price list.

    The contract: thread-safe; never asks the network; takes milliseconds at most, for answers are
    kept for a day. A price that is not known is said to be unknown, and never 0.
    """

    def rates(
        self, provider: str | None, model: str, at: dt.datetime, context: Context
    ) -> Rates | Unknown:
        """The prices of a model at a time.

        Args:
            provider: Who serves it, as recorded (`openai`, `aws.bedrock`, …); None if unknown.
            model: Name of the model, as recorded.
            at: When, UTC.
            context: What else decides the price; the answer must be for exactly this.
        """
