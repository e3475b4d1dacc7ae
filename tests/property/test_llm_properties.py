# SPDX-License-Identifier: Apache-2.0
"""Laws of tokens and prices: nothing is counted twice, and the list's own sums come out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from tidegauge.model.amounts import from_units, read_amount, to_units
from tidegauge.prices.genai import GenaiPrices
from tidegauge.prices.pricing import Pricer
from tidegauge.prices.usage import TokenUsage

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PRICER = Pricer([GenaiPrices()])
MODELS = [
    ("openai", "o3"),
    ("openai", "gpt-4o"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("anthropic", "claude-sonnet-4-5"),
    ("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
]
COUNTS = st.integers(0, 400_000)
USAGES = st.fixed_dictionaries(
    {
        "input_uncached_tokens": COUNTS,
        "cache_read_tokens": COUNTS,
        "cache_write_5m_tokens": COUNTS,
        "cache_write_1h_tokens": COUNTS,
        "output_text_tokens": COUNTS,
        "reasoning_tokens": COUNTS,
    }
).map(lambda counts: TokenUsage(**counts))


def cost(usage: TokenUsage, provider: str, model: str) -> Decimal:
    """What a call costs."""
    time_ns = int(AT.timestamp()) * 10**9
    found = PRICER.price(usage, provider=provider, models=(model,), time_ns=time_ns).cost
    assert found is not None
    return found


@given(usage=USAGES, model=st.sampled_from(MODELS))
def test_a_call_costs_what_the_list_calculates(usage: TokenUsage, model: tuple[str, str]) -> None:
    """Prices of single tokens in buckets come to what the list makes of inclusive totals."""
    inclusive = Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        cache_write_5m_tokens=usage.cache_write_5m_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
    theirs = calc_price(inclusive, model[1], provider_id=model[0], genai_request_timestamp=AT)
    assert cost(usage, *model) == theirs.total_price


@given(usage=USAGES, model=st.sampled_from(MODELS))
def test_a_token_from_the_cache_is_never_dearer(usage: TokenUsage, model: tuple[str, str]) -> None:
    """Reading a token from the cache costs at most what it costs without."""
    cached = TokenUsage(input_uncached_tokens=0, cache_read_tokens=usage.input_tokens)
    uncached = TokenUsage(input_uncached_tokens=usage.input_tokens)
    assert cost(cached, *model) <= cost(uncached, *model)


@given(usage=USAGES)
def test_totals_are_the_sums_of_buckets(usage: TokenUsage) -> None:
    """Every token is in the input or in the output, once."""
    assert usage.input_tokens + usage.output_tokens == sum(usage)


@given(units=st.integers(-(2**63), 2**63 - 1))
def test_an_amount_comes_back(units: int) -> None:
    """An amount in units is the same amount after it was a decimal, a text and a decimal."""
    assert to_units(read_amount(str(from_units(units)))) == units
