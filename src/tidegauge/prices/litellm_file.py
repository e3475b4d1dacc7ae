# SPDX-License-Identifier: Apache-2.0
"""A price list in the form of LiteLLM's `model_prices_and_context_window.json`.

Many gateways keep such a file. It has no dates: its prices are those of today, so it comes after
the lists that have.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidegauge.model.errors import ConfigError
from tidegauge.prices.source import Context, Rates, Tier, Unknown
from tidegauge.prices.usage import BUCKETS

__all__ = ["LitellmFile"]

# The keys of each bucket, the first that is there counts.
_INPUT, _OUTPUT = "input_cost_per_token", "output_cost_per_token"
_READ, _WRITE = "cache_read_input_token_cost", "cache_creation_input_token_cost"
_KEYS: dict[str, tuple[str, ...]] = {
    "input_uncached_tokens": (_INPUT,),
    "input_audio_tokens": ("input_cost_per_audio_token", _INPUT),
    "input_image_tokens": ("input_cost_per_image_token", _INPUT),
    "cache_read_tokens": (_READ, _INPUT),
    "cache_read_audio_tokens": ("cache_read_input_audio_token_cost", _READ, _INPUT),
    "cache_write_tokens": (_WRITE, _INPUT),
    "cache_write_5m_tokens": (_WRITE, _INPUT),
    "cache_write_1h_tokens": (f"{_WRITE}_above_1hr", _WRITE, _INPUT),
    "output_text_tokens": (_OUTPUT,),
    "reasoning_tokens": ("output_cost_per_reasoning_token", _OUTPUT),
    "output_audio_tokens": ("output_cost_per_audio_token", _OUTPUT),
    "output_image_tokens": ("output_cost_per_image_token", _OUTPUT),
}
_ABOVE = re.compile(r"_above_(\d+)k_tokens")
_ENDINGS = {
    ("service_tier", "flex"): "_flex",
    ("service_tier", "priority"): "_priority",
    ("processing", "batch"): "_batches",
}
_PREFIXES = {
    "aws.bedrock": "bedrock",
    "azure.ai.openai": "azure",
    "gcp.gemini": "gemini",
    "gcp.vertex_ai": "vertex_ai",
    "google": "gemini",
    "mistral_ai": "mistral",
}


class LitellmFile:
    """The prices of a file.

    Args:
        path: The file.

    Raises:
        ConfigError: It cannot be read, or is no such list.
    """

    def __init__(self, path: Path) -> None:
        try:
            data = path.read_bytes()
            entries = json.loads(data, parse_float=Decimal)
        except (OSError, ValueError) as error:
            raise _unreadable(path, str(error)) from error
        if not isinstance(entries, dict) or not any(_is_entry(each) for each in entries.values()):
            raise _unreadable(path, "it has no model with a price")
        self._entries = {
            name.lower(): each for name, each in entries.items() if isinstance(each, dict)
        }
        digest = hashlib.blake2b(data, digest_size=4).hexdigest()
        self._name = f"{path.name}@{digest}"

    def rates(
        self, provider: str | None, model: str, at: dt.datetime, context: Context
    ) -> Rates | Unknown:
        """See `PriceSource.rates`. The time makes no difference."""
        del at
        name = self._find(provider, model.lower())
        if name is None:
            return "unknown_model"
        entry = self._entries[name]
        ending = ""
        if context:
            found = [_ENDINGS.get(item) for item in context.items()]
            if len(found) != 1 or found[0] is None or f"{_INPUT}{found[0]}" not in entry:
                return "unknown_context"
            ending = found[0]
        sizes = {int(each[1]) * 1000 for key in entry if (each := _ABOVE.search(key))}
        tiers = tuple(_tier(entry, above, ending) for above in (-1, *sorted(sizes)))
        own = entry.get("litellm_provider") or provider or "unknown"
        return Rates(source=self._name, model=f"{own}/{name}", currency="USD", tiers=tiers)

    def _find(self, provider: str | None, model: str) -> str | None:
        """The entry of a model, if it has a price and is of the provider."""
        prefix = None if provider is None else _PREFIXES.get(provider, provider)
        for name in (f"{prefix}/{model}", model):
            entry = self._entries.get(name)
            if entry is None or not _is_entry(entry):
                continue
            own = str(entry.get("litellm_provider", ""))
            if prefix is None or name != model or own.startswith(prefix):
                return name
        return None


def _tier(entry: dict[str, Any], above: int, ending: str) -> Tier:
    size = f"_above_{above // 1000}k_tokens" if above >= 0 else ""
    rates: list[Decimal | None] = []
    for bucket in BUCKETS[:-1]:
        spellings = [
            key + more
            for key in _KEYS[bucket]
            for more in dict.fromkeys((size + ending, size, ending, ""))
        ]
        found = next((entry[key] for key in spellings if entry.get(key) is not None), None)
        rates.append(None if found is None else Decimal(found))
    rates.append(None)  # the price of a search depends on what calls do not say
    return Tier(above, tuple(rates), Decimal(entry.get("input_cost_per_request") or 0))


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(_INPUT), int | Decimal)


def _unreadable(path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"the list of prices cannot be used ({problem})",
        got=str(path),
        allowed="a JSON object of models, each with input_cost_per_token and so on",
        fix="Point the setting 'litellm_prices' to a copy of model_prices_and_context_window.json.",
    )
