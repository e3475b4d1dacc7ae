# SPDX-License-Identifier: Apache-2.0
"""Which price lists there are, the one that counts most first."""

from __future__ import annotations

from pathlib import Path

from tidegauge.prices.genai import GenaiPrices
from tidegauge.prices.litellm_file import LitellmFile
from tidegauge.prices.own import OwnPrices
from tidegauge.prices.source import PriceSource

__all__ = ["price_lists"]


def price_lists(own: Path | None = None, litellm: Path | None = None) -> list[PriceSource]:
    """Prices of one's own, then the dated list of genai-prices, then a file without dates.

    Args:
        own: A file of `OwnPrices`.
        litellm: A file of `LitellmFile`.

    Raises:
        ConfigError: A file cannot be used.
    """
    dated = GenaiPrices()
    lists: list[PriceSource] = [] if own is None else [OwnPrices(own, dated)]
    lists.append(dated)
    if litellm is not None:
        lists.append(LitellmFile(litellm))
    return lists
