# SPDX-License-Identifier: Apache-2.0
"""The price list that comes with the package genai-prices: the one file that imports it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cached_property
from typing import Any

from tidegauge.model.loading import loading
from tidegauge.prices.source import Context, Rates, Tier, Unknown
from tidegauge.prices.usage import BUCKETS

__all__ = ["GenaiPrices"]

# Names of providers in OpenTelemetry's conventions that the list has under another name.
_PROVIDERS = {
    "amazon": "aws",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google-vertex": "google",
    "mistral_ai": "mistral",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
# What stands in front of a model's name in the addresses of some providers.
_PATHS = ("models/", "publishers/google/models/", "publishers/anthropic/models/")

# What the list calls a token of each bucket, beside input_tokens and output_tokens. A token of a
# part is one of the whole as well.
_KEYS: dict[str, tuple[str, ...]] = {
    "input_uncached_tokens": ("input_tokens",),
    "input_audio_tokens": ("input_tokens", "input_audio_tokens"),
    "input_image_tokens": ("input_tokens", "input_image_tokens"),
    "cache_read_tokens": ("input_tokens", "cache_read_tokens"),
    "cache_read_audio_tokens": (
        "input_tokens",
        "cache_read_tokens",
        "input_audio_tokens",
        "cache_audio_read_tokens",
    ),
    "cache_write_tokens": ("input_tokens", "cache_write_tokens"),
    "cache_write_5m_tokens": ("input_tokens", "cache_write_tokens", "cache_write_5m_tokens"),
    "cache_write_1h_tokens": ("input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    "output_text_tokens": ("output_tokens",),
    "reasoning_tokens": ("output_tokens", "output_reasoning_tokens"),
    "output_audio_tokens": ("output_tokens", "output_audio_tokens"),
    "output_image_tokens": ("output_tokens", "output_image_tokens"),
    "web_searches": ("web_searches",),
}


class GenaiPrices:
    """The list of genai-prices: dated, with tiers and variants. Loaded when it is first asked.

    It is asked for the price of one token of each bucket in each tier, and not for that of every
    call: so pricing takes three microseconds instead of ninety, and follows the list's own rules.
    """

    def rates(
        self, provider: str | None, model: str, at: dt.datetime, context: Context
    ) -> Rates | Unknown:
        """See `PriceSource.rates`."""
        calculated = self._calculated(provider, _bare(model), at, context)
        if calculated is None:
            return "unknown_model"
        found = calculated.model
        if context and not _has_variant(found, at, context):
            # The list would answer with the standard price.
            return "unknown_context"
        price = calculated.model_price
        starts = {
            tier.start
            for value in vars(price).values()
            if isinstance(value, self._types.TieredPrices)
            for tier in value.tiers
        }
        tiers = tuple(self._tier(price, above) for above in (-1, *sorted(starts)))
        return Rates(
            source=self._name,
            model=f"{calculated.provider.id}/{found.id}",
            currency="USD",
            tiers=tiers,
            holds_for="minute" if self._depends_on_time_of_day(found) else "day",
        )

    @cached_property
    def _library(self) -> Any:
        with loading():
            import genai_prices

        return genai_prices

    @cached_property
    def _types(self) -> Any:
        return self._library.types

    @cached_property
    def _providers(self) -> frozenset[str]:
        snapshot = self._library.data_snapshot.get_snapshot()
        return frozenset(each.id for each in snapshot.providers)

    @cached_property
    def _name(self) -> str:
        return f"genai-prices@{self._library.__version__}"

    def _calculated(
        self, provider: str | None, model: str, at: dt.datetime, context: Context
    ) -> Any | None:
        known = None if provider is None else _PROVIDERS.get(provider.lower(), provider.lower())
        if known is not None and known not in self._providers:
            return None  # the list would take any name with a vendor's in it for that vendor
        usage = self._library.Usage(input_tokens=0)
        try:
            return self._library.calc_price(
                usage,
                model,
                provider_id=known,
                genai_request_timestamp=at,
                price_context=dict(context) or None,
            )
        except LookupError:
            return None

    def _tier(self, price: Any, above: int) -> Tier:
        """The prices of calls with more input tokens than so many, from calls that just have."""
        base = {"input_tokens": above + 1} if above >= 0 else {}
        nothing = price.calc_price(self._library.Usage())["total_price"]
        start = price.calc_price(self._library.Usage(**base))["total_price"]
        rates = tuple(self._rate(price, base, start, _KEYS[bucket]) for bucket in BUCKETS)
        return Tier(above, rates, nothing)

    def _rate(
        self, price: Any, base: dict[str, int], start: Decimal, keys: tuple[str, ...]
    ) -> Decimal | None:
        if all(getattr(price, _price_key(key)) is None for key in keys):
            return None  # what has no price would be charged nothing
        more = base | {key: base.get(key, 0) + 1 for key in keys}
        try:
            rate: Decimal = price.calc_price(self._library.Usage(**more))["total_price"] - start
        except ValueError:  # the list cannot tell what such a token costs
            return None
        return rate

    def _depends_on_time_of_day(self, model: Any) -> bool:
        dated = model.prices if isinstance(model.prices, list) else []
        kind = self._types.TimeOfDateConstraint
        return any(isinstance(each.constraint, kind) for each in dated)


def _price_key(usage_key: str) -> str:
    if usage_key.endswith("_tokens"):
        return usage_key.removesuffix("_tokens") + "_mtok"
    return f"{usage_key}_kcount"


def _bare(model: str) -> str:
    for path in _PATHS:
        if model.startswith(path):
            return model.removeprefix(path)
    return model


def _has_variant(model: Any, at: dt.datetime, context: Context) -> bool:
    """Whether the model has prices for everything in a context at that time."""
    known: set[tuple[str, str]] = set()
    for variant in model.price_variants or ():
        is_active = variant.constraint is None or variant.constraint.active(at)
        if is_active and all(context.get(key) == value for key, value in variant.when.items()):
            known |= set(variant.when.items())
    return known >= set(context.items())
