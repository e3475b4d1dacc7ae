# SPDX-License-Identifier: Apache-2.0
"""Prices of one's own, from a TOML file: contracts, deployments, models of one's own.

The form of the file is described in docs/how-to/llm-prices.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from tidegauge.model.errors import ConfigError
from tidegauge.prices.source import Context, PriceSource, Rates, Tier, Unknown
from tidegauge.prices.usage import BUCKETS

__all__ = ["OwnPrices"]

_MILLION = Decimal(1_000_000)
_DAY_1 = dt.date(1970, 1, 1)

# By bucket the keys of an entry, the first that is there counts.
_KEYS: dict[str, tuple[str, ...]] = {
    "input_uncached_tokens": ("input",),
    "input_audio_tokens": ("input_audio", "input"),
    "input_image_tokens": ("input_image", "input"),
    "cache_read_tokens": ("cache_read", "input"),
    "cache_read_audio_tokens": ("cache_read", "input_audio", "input"),
    "cache_write_tokens": ("cache_write", "input"),
    "cache_write_5m_tokens": ("cache_write_5m", "cache_write", "input"),
    "cache_write_1h_tokens": ("cache_write_1h", "cache_write", "input"),
    "output_text_tokens": ("output",),
    "reasoning_tokens": ("reasoning", "output"),
    "output_audio_tokens": ("output_audio", "output"),
    "output_image_tokens": ("output_image", "output"),
}


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[price]]` of a file: prices per million tokens."""

    model: str
    provider: str | None = None
    currency: str = "USD"
    start: dt.date | None = None
    end: dt.date | None = None
    context: dict[str, str] = {}
    same_as: str | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    input_audio: Decimal | None = None
    input_image: Decimal | None = None
    output_audio: Decimal | None = None
    output_image: Decimal | None = None
    web_search: Decimal | None = None
    request: Decimal = Decimal(0)


class OwnPrices:
    """The prices of a file. Of several that fit, the last one holds.

    Args:
        path: The file.
        others: Where models are looked for that an entry says another is priced like.

    Raises:
        ConfigError: It cannot be read, or an entry cannot be used; says which.
    """

    def __init__(self, path: Path, others: PriceSource) -> None:
        try:
            data = path.read_bytes()
            given = tomllib.loads(data.decode(), parse_float=Decimal)
        except (OSError, ValueError) as error:
            raise _wrong(path, f"it cannot be read: {error}") from error
        self._entries = _entries(path, given)
        self._others = others
        self._name = f"{path.name}@{hashlib.blake2b(data, digest_size=4).hexdigest()}"

    def rates(
        self, provider: str | None, model: str, at: dt.datetime, context: Context
    ) -> Rates | Unknown:
        """See `PriceSource.rates`."""
        for entry in reversed(self._entries):
            if not _fits(entry, provider, model, at.date()):
                continue
            if entry.context and entry.context != dict(context):
                continue
            if entry.same_as is not None:
                like, _, name = entry.same_as.rpartition("/")
                return self._others.rates(like or provider, name, at, context)
            if entry.context == dict(context):
                return self._rates(entry)
        return "unknown_model"

    def _rates(self, entry: _Entry) -> Rates:
        rates: list[Decimal | None] = []
        for bucket in BUCKETS[:-1]:
            prices = (getattr(entry, key) for key in _KEYS[bucket])
            price = next((each for each in prices if each is not None), None)
            rates.append(None if price is None else price / _MILLION)
        rates.append(entry.web_search)
        return Rates(
            source=self._name,
            model=f"{entry.provider or 'any'}/{entry.model}",
            currency=entry.currency,
            tiers=(Tier(-1, tuple(rates), entry.request),),
        )


def _fits(entry: _Entry, provider: str | None, model: str, day: dt.date) -> bool:
    return (
        fnmatchcase(model.lower(), entry.model.lower())
        and (entry.provider is None or entry.provider == provider)
        and (entry.start or _DAY_1) <= day
        and (entry.end is None or day < entry.end)
    )


def _entries(path: Path, given: dict[str, Any]) -> list[_Entry]:
    unknown = sorted(given.keys() - {"price"})
    if unknown or not isinstance(given.get("price"), list):
        raise _wrong(path, "it has other keys than [[price]]" if unknown else "it has no [[price]]")
    entries = []
    for number, body in enumerate(given["price"], 1):
        try:
            entry = msgspec.convert(body, _Entry, strict=False)
        except msgspec.ValidationError as error:
            raise _wrong(path, f"entry {number} is wrong: {error}") from error
        if problem := _problem(entry):
            raise _wrong(path, f"entry {number}, of {entry.model!r}, {problem}")
        entries.append(entry)
    return entries


def _problem(entry: _Entry) -> str:
    """What is wrong with an entry; empty if nothing is."""
    prices = [
        value
        for name in _Entry.__struct_fields__
        if isinstance(value := getattr(entry, name), Decimal)
    ]
    if any(not price.is_finite() or price < 0 for price in prices):
        return "has a price that is negative or no number"
    if len(entry.currency) != 3 or not entry.currency.isupper():
        return f"has {entry.currency!r} for a currency, which has three capitals, such as EUR"
    if entry.same_as is None and entry.input is None:
        return "has no price: give `input` and `output` per million tokens, or `same_as`"
    if entry.same_as is not None and (prices != [Decimal(0)]):
        return "has both `same_as` and prices"
    if entry.start is not None and entry.end is not None and entry.end <= entry.start:
        return "ends before it starts"
    return ""


def _wrong(path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"the file of prices cannot be used: {problem}",
        got=str(path),
        allowed=f"TOML with [[price]] entries of {', '.join(_Entry.__struct_fields__)}",
        fix="See docs/how-to/llm-prices.md.",
    )
