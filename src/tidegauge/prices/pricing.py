# SPDX-License-Identifier: Apache-2.0
"""The price of a call: which list says it, and what is kept of it."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from tidegauge.model.amounts import EXACT, PLACES
from tidegauge.prices.source import PRICE_PLACES, Context, PriceSource, Rates, Unknown
from tidegauge.prices.usage import TokenUsage

__all__ = ["Priced", "Pricer", "context_of"]

_SECOND_NS = 10**9
_DAY_NS, _MINUTE_NS = 86_400 * _SECOND_NS, 60 * _SECOND_NS
_MOST_KEPT = 10_000
_ONE = Decimal(1)
_UNIT: int = 10 ** (PRICE_PLACES - PLACES)
_HALF = _UNIT // 2
_LOG_EVERY_S = 60.0
_log = logging.getLogger("tidegauge")

# What providers call the service that everybody gets, or what has no price of its own.
_STANDARD = frozenset(
    {"", "auto", "default", "standard", "standard_only", "on_demand", "global", "not_available"}
)


class Priced(NamedTuple):
    """What is known of the price of a call.

    Attributes:
        amount: The amount in units of 10⁻³⁰; None if it is not known.
        reason: Why not; see `tidegauge.model.llm_tables.UNPRICED_REASONS`.
        currency: Of the amount.
        source: The price list and its version.
        model: The entry of the list.
        context: What else decided the price, such as `service_tier=flex`; empty for nothing.
    """

    amount: int | None = None
    reason: str | None = None
    currency: str | None = None
    source: str | None = None
    model: str | None = None
    context: str = ""

    @property
    def cost(self) -> Decimal | None:
        """The amount, exact."""
        if self.amount is None:
            return None
        cost = Decimal(self.amount).scaleb(-PRICE_PLACES, EXACT).normalize(EXACT)
        # 50, and not 5E+1.
        return cost.quantize(_ONE, context=EXACT) if cost == cost.to_integral_value() else cost

    @property
    def units(self) -> int | None:
        """The amount as it is recorded, in units of 10⁻⁸, rounded half to even."""
        if self.amount is None:
            return None
        whole, rest = divmod(self.amount, _UNIT)
        is_more = rest > _HALF or (rest == _HALF and whole % 2 == 1)
        return whole + 1 if is_more else whole


class _Kept(NamedTuple):
    """What the lists say of a model and a context, and from when until when it holds."""

    start_ns: int
    end_ns: int
    found: Rates | str
    context: str


def context_of(text: str | None) -> dict[str, str]:
    """The context that `Priced.context` is the text of."""
    return dict(parse_qsl(text or ""))


class Pricer:
    """Prices calls by the first of several lists that knows the model. Thread-safe.

    What a list says of a model is kept for the day of the call, or for its minute where prices
    depend on the time of day.

    Args:
        sources: The lists, the one that counts most first.
    """

    def __init__(self, sources: Sequence[PriceSource]) -> None:
        self._sources = tuple(sources)
        self._kept: dict[tuple[object, ...], _Kept] = {}
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
        said = tuple(context.items()) if context else ()
        names = tuple(models)
        # One look for nearly all calls: those of today.
        kept = self._kept.get((provider, names, said))
        if kept is None or not kept.start_ns <= time_ns < kept.end_ns:
            kept = self._keep(provider, names, time_ns, said)
        found = kept.found
        if isinstance(found, str):
            return Priced(reason=found, context=kept.context)
        amount = found.amount(usage)
        if amount is None:
            return Priced(None, "unknown_unit", None, found.source, found.model, kept.context)
        return Priced(amount, None, found.currency, found.source, found.model, kept.context)

    def _keep(
        self,
        provider: str | None,
        models: tuple[str | None, ...],
        time_ns: int,
        said: tuple[tuple[str, str], ...],
    ) -> _Kept:
        special = sorted(each for each in said if each[1].lower() not in _STANDARD)
        with localcontext(EXACT):  # whatever the program calculates with
            found = self._look(provider, models, time_ns, dict(special))
        is_brief = isinstance(found, Rates) and found.holds_for == "minute"
        length_ns = _MINUTE_NS if is_brief else _DAY_NS
        start_ns = time_ns - time_ns % length_ns
        if found == "no_price_source":  # the next call asks again
            length_ns = 0
        kept = _Kept(start_ns, start_ns + length_ns, found, urlencode(special))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[provider, models, said] = kept
        return kept

    def _look(
        self,
        provider: str | None,
        models: Sequence[str | None],
        time_ns: int,
        context: Context,
    ) -> Rates | str:
        """The first list that knows any of the names, the best name first."""
        at = dt.datetime.fromtimestamp(time_ns / _SECOND_NS, dt.UTC)
        reason: Unknown | str = "unknown_model"
        for source in self._sources:
            for model in dict.fromkeys(name for name in models if name):
                try:
                    found = source.rates(provider, model, at, context)
                except Exception as error:  # noqa: BLE001  (of a library; the call is recorded)
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
