# SPDX-License-Identifier: Apache-2.0
"""The price of a call: which list says it, and what is kept of it."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tidegauge.prices.source import Context, PriceSource, Rates, Unknown
from tidegauge.prices.usage import TokenUsage

__all__ = ["Priced", "Pricer"]

_SECOND_NS = 10**9
_DAY_NS, _MINUTE_NS = 86_400 * _SECOND_NS, 60 * _SECOND_NS
_MOST_KEPT = 10_000
_LOG_EVERY_S = 60.0
_log = logging.getLogger("tidegauge")

# What providers call the service that everybody gets, or what has no price of its own.
_STANDARD = frozenset(
    {"", "auto", "default", "standard", "standard_only", "on_demand", "global", "not_available"}
)


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the price of a call.

    Attributes:
        cost: The amount, exact; None if it is not known.
        reason: Why not; see `tidegauge.model.llm_tables.UNPRICED_REASONS`.
        currency: Of the amount.
        source: The price list and its version.
        model: The entry of the list.
        context: What else decided the price, such as `service_tier=flex`; empty for nothing.
    """

    cost: Decimal | None = None
    reason: str | None = None
    currency: str | None = None
    source: str | None = None
    model: str | None = None
    context: str = ""


class Pricer:
    """Prices calls by the first of several lists that knows the model. Thread-safe.

    What a list says of a model is kept for the day of the call, or for its minute where prices
    depend on the time of day.

    Args:
        sources: The lists, the one that counts most first.
    """

    def __init__(self, sources: Sequence[PriceSource]) -> None:
        self._sources = tuple(sources)
        self._kept: dict[object, Rates | str] = {}
        self._logged_s = float("-inf")

    def price(
        self,
        usage: TokenUsage,
        *,
        provider: str | None,
        models: Sequence[str | None],
        time_ns: int,
        context: Context | None = None,
    ) -> Priced:
        """Price a call by the lists as they were for its time.

        Args:
            usage: Its tokens.
            provider: Who served it; None if unknown, and then the model's name decides.
            models: Names of the model, the best first; None is left out.
            time_ns: When it was made.
            context: What else may decide the price, such as `{"service_tier": "flex"}`.
        """
        special, text = _special(tuple(context.items())) if context else ((), "")
        reason = "unknown_model"
        for model in models:
            if not model:
                continue
            found = self._rates(provider, model, time_ns, special)
            if isinstance(found, str):
                reason = found if reason == "unknown_model" else reason
                continue
            cost = found.amount(usage)
            return Priced(
                cost=cost,
                reason="unknown_unit" if cost is None else None,
                currency=None if cost is None else found.currency,
                source=found.source,
                model=found.model,
                context=text,
            )
        return Priced(reason=reason, context=text)

    def _rates(
        self,
        provider: str | None,
        model: str,
        time_ns: int,
        context: tuple[tuple[str, str], ...],
    ) -> Rates | str:
        what = provider, model, context
        kept = self._kept.get((what, time_ns // _DAY_NS))
        if kept is None:
            kept = self._kept.get((what, time_ns // _MINUTE_NS, "minute"))
        if kept is not None:
            return kept
        found = self._look(provider, model, time_ns, dict(context))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        if isinstance(found, Rates) and found.holds_for == "minute":
            self._kept[what, time_ns // _MINUTE_NS, "minute"] = found
        elif found != "no_price_source":
            self._kept[what, time_ns // _DAY_NS] = found
        return found

    def _look(
        self, provider: str | None, model: str, time_ns: int, context: Context
    ) -> Rates | str:
        at = dt.datetime.fromtimestamp(time_ns / _SECOND_NS, dt.UTC)
        reason: Unknown | str = "unknown_model"
        for source in self._sources:
            try:
                found = source.rates(provider, model, at, context)
            except Exception as error:  # noqa: BLE001  (of a library; the call itself is recorded)
                self._say(source, error)
                reason = "no_price_source" if reason == "unknown_model" else reason
                continue
            if isinstance(found, Rates):
                return found
            reason = found if found == "unknown_context" else reason
        return reason

    def _say(self, source: PriceSource, error: Exception) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = now_s
            name = type(source).__name__
            _log.warning("calls to language models have no price: %s failed: %r", name, error)


@functools.lru_cache(maxsize=1_000)
def _special(context: tuple[tuple[str, str], ...]) -> tuple[tuple[tuple[str, str], ...], str]:
    """What of a context is not the service that everybody gets, sorted; and the same as text."""
    special = sorted(each for each in context if each[1].lower() not in _STANDARD)
    return tuple(special), ",".join(f"{name}={value}" for name, value in special)
