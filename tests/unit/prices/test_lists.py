# SPDX-License-Identifier: Apache-2.0
"""Price lists: what each says, which counts, and what none knows."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidegauge.model.errors import ConfigError, MetricValidationError
from tidegauge.prices.lists import price_lists
from tidegauge.prices.pricing import Priced, Pricer
from tidegauge.prices.usage import TokenUsage

MILLION = 1_000_000
BOTH = TokenUsage(input_uncached_tokens=MILLION, output_text_tokens=MILLION)


def price(
    usage: TokenUsage,
    provider: str | None,
    model: str,
    at: str = "2026-11-01",
    *,
    lists: Any = None,
    **context: str,
) -> Priced:
    """The price of a call on a day."""
    day = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
    return Pricer(lists or price_lists()).price(
        usage,
        provider=provider,
        models=(model,),
        time_ns=int(day.timestamp()) * 10**9,
        context=context,
    )


def test_a_price_is_that_of_its_day() -> None:
    """o3 cost five times as much before its price was cut."""
    assert price(BOTH, "openai", "o3", "2025-05-01").cost == 50
    assert price(BOTH, "openai", "o3", "2025-07-01").cost == 10


def test_a_tier_is_a_cliff() -> None:
    """One token above 200,000, all tokens of the call have the higher price."""
    below = price(TokenUsage(input_uncached_tokens=200_000), "gcp.gemini", "gemini-2.5-pro")
    above = price(TokenUsage(input_uncached_tokens=200_001), "gcp.gemini", "gemini-2.5-pro")
    assert (below.cost, above.cost) == (Decimal("0.25"), Decimal("0.5000025"))


def test_cached_tokens_make_a_call_as_large() -> None:
    """The tier is that of all input tokens, wherever they came from."""
    usage = TokenUsage(input_uncached_tokens=100_000, cache_read_tokens=100_001)
    found = price(usage, "google", "gemini-2.5-pro", "2025-08-01")
    # 2.50 and 0.25 dollars a million, beyond 200,000 tokens.
    assert found.cost == Decimal("0.25") + Decimal(100_001) * Decimal("0.00000025")


def test_what_is_written_to_the_cache_is_not_input_as_well() -> None:
    """A call of Anthropic's costs what its console said it did."""
    usage = TokenUsage(input_uncached_tokens=3, cache_write_tokens=12_304, output_text_tokens=550)
    found = price(usage, "anthropic", "claude-3-7-sonnet-20250219", "2025-04-07")
    assert found.cost == Decimal("0.054399")


def test_a_price_says_where_it_is_from() -> None:
    """The list with its version, the entry, the currency."""
    found = price(BOTH, "openai", "o3", "2025-07-01")
    assert found.source is not None
    assert found.source.startswith("genai-prices@0.2.")
    assert (found.model, found.currency, found.reason) == ("openai/o3", "USD", None)


def test_what_is_not_known_has_no_price() -> None:
    """A model that no list has, a provider that none has, a unit without a price: never 0."""
    assert price(BOTH, "openai", "gpt-unheard-of") == Priced(reason="unknown_model")
    assert price(BOTH, "my-gateway", "o3") == Priced(reason="unknown_model")
    unknown = price(TokenUsage(output_audio_tokens=5), "openai", "text-embedding-3-small")
    assert (unknown.cost, unknown.reason) == (None, "unknown_unit")


def test_a_tier_that_is_not_known_is_not_the_standard_one() -> None:
    """A misspelt service tier has no price; the tier that everybody gets has the standard one."""
    flex = price(BOTH, "openai", "o3", service_tier="flex")
    assert (flex.cost, flex.context) == (5, "service_tier=flex")
    assert price(BOTH, "openai", "o3", service_tier="default").cost == 10
    typo = price(BOTH, "openai", "o3", service_tier="flx")
    assert (typo.cost, typo.reason, typo.context) == (None, "unknown_context", "service_tier=flx")


def test_a_price_that_changes_within_a_day() -> None:
    """DeepSeek was cheaper at night, for calls of the same day."""
    usage = TokenUsage(input_uncached_tokens=MILLION)
    lists = price_lists()
    pricer = Pricer(lists)

    def at(hour: int) -> Decimal | None:
        time = dt.datetime(2025, 3, 1, hour, tzinfo=dt.UTC)
        return pricer.price(
            usage,
            provider="deepseek",
            models=("deepseek-chat",),
            time_ns=int(time.timestamp()) * 10**9,
        ).cost

    assert at(12) == Decimal("0.27")
    assert at(20) == Decimal("0.135")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"input_uncached_tokens": -1}, "-1"),
        ({"output_text_tokens": 1.5}, "1.5"),
        ({"reasoning_tokens": True}, "True"),
    ],
)
def test_numbers_of_tokens_that_are_none_are_refused(given: Any, problem: str) -> None:
    """A negative number is what comes of subtracting what was not part of it."""
    with pytest.raises(MetricValidationError, match="number of tokens that is none") as caught:
        TokenUsage(**given)
    assert problem in str(caught.value)


OWN = """
[[price]]
model = "tides-*"
provider = "my-gateway"
currency = "EUR"
input = 2
output = 8.5
cache_read = 0.5
start = 2026-01-01
end = 2026-07-01

[[price]]
model = "tides-*"
provider = "my-gateway"
currency = "EUR"
input = 3
output = 9
start = 2026-07-01

[[price]]
model = "our-deployment"
provider = "azure.ai.openai"
same_as = "openai/o3"

[[price]]
model = "o3"
provider = "openai"
input = 1
output = 1
request = 0.01
context = {service_tier = "flex"}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file with prices of one's own."""
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    return path


def test_own_prices_count_first_and_have_dates(own: Path) -> None:
    """In the currency of the contract, from its beginning until its end."""
    lists = price_lists(own)
    usage = TokenUsage(input_uncached_tokens=MILLION, cache_read_tokens=MILLION)
    spring = price(usage, "my-gateway", "tides-2", "2026-03-01", lists=lists)
    assert (spring.cost, spring.currency) == (Decimal("2.5"), "EUR")
    assert spring.model == "my-gateway/tides-*"
    # Of the second half nothing is said of the cache, so it has the price of input.
    assert price(usage, "my-gateway", "tides-2", "2026-08-01", lists=lists).cost == 6
    assert price(usage, "my-gateway", "tides-2", "2025-03-01", lists=lists).cost is None


def test_own_prices_may_be_those_of_another_model(own: Path) -> None:
    """A deployment is priced like the model that it is of, tiers of the day included."""
    found = price(BOTH, "azure.ai.openai", "our-deployment", "2025-05-01", lists=price_lists(own))
    assert (found.cost, found.model) == (50, "openai/o3")


def test_own_prices_of_a_context_are_for_that_only(own: Path) -> None:
    """The standard price stays the list's."""
    lists = price_lists(own)
    assert price(BOTH, "openai", "o3", lists=lists, service_tier="flex").cost == Decimal("2.01")
    assert price(BOTH, "openai", "o3", lists=lists).cost == 10


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("price = 1", "it has no [[price]]"),
        ("[[price]]\nmodel = 'm'", "has no price"),
        ("[[price]]\nmodel = 'm'\ninput = -1", "negative"),
        ("[[price]]\nmodel = 'm'\ninput = 1\ncurrency = 'dollars'", "three capitals"),
        ("[[price]]\nmodel = 'm'\ninput = 1\nsame_as = 'o3'", "both `same_as` and prices"),
        (
            "[[price]]\nmodel = 'm'\ninput = 1\nstart = 2026-02-01\nend = 2026-01-01",
            "ends before it starts",
        ),
        ("[[price]]\nmodel = 'm'\nprice_in = 1", "price_in"),
        ("[[price", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, problem: str) -> None:
    """The entry and what is wrong with it are in the error, before any call is made."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        price_lists(path)
    assert problem in str(caught.value)


@pytest.fixture
def litellm(tmp_path: Path) -> Path:
    """A file in LiteLLM's form."""
    entry = {
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06,
        "input_cost_per_token_above_200k_tokens": 6e-06,
        "output_cost_per_token_above_200k_tokens": 2.25e-05,
        "input_cost_per_token_flex": 1.5e-06,
        "litellm_provider": "bedrock",
    }
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"sample_spec": {}, "bedrock/harbour-1": entry}))
    return path


def test_a_file_of_litellm_knows_what_others_do_not(litellm: Path) -> None:
    """Its prices come last, with the entry and a digest of the file as their source."""
    lists = price_lists(None, litellm)
    usage = TokenUsage(
        input_uncached_tokens=1000,
        cache_read_tokens=1000,
        cache_write_5m_tokens=1000,
        cache_write_1h_tokens=1000,
        reasoning_tokens=1000,
    )
    found = price(usage, "aws.bedrock", "harbour-1", lists=lists)
    assert found.cost == Decimal("0.003") + Decimal("0.0003") + Decimal("0.00375") + Decimal(
        "0.006"
    ) + Decimal("0.015")
    assert found.model == "bedrock/bedrock/harbour-1"
    assert found.source is not None
    assert found.source.startswith("map.json@")
    assert price(BOTH, "openai", "o3", lists=lists).source != found.source
    assert price(usage, "openai", "harbour-1", lists=lists).reason == "unknown_model"


def test_a_file_of_litellm_has_tiers_and_contexts(litellm: Path) -> None:
    """Above 200,000 tokens everything costs more; a tier that the entry has not has no price."""
    lists = price_lists(None, litellm)
    large = TokenUsage(input_uncached_tokens=200_001)
    assert price(large, "aws.bedrock", "harbour-1", lists=lists).cost == Decimal("1.200006")
    small = TokenUsage(input_uncached_tokens=1000)
    flex = price(small, "aws.bedrock", "harbour-1", lists=lists, service_tier="flex")
    assert flex.cost == Decimal("0.0015")
    fast = price(small, "aws.bedrock", "harbour-1", lists=lists, service_tier="priority")
    assert fast.reason == "unknown_context"


def test_a_list_that_fails_leaves_calls_without_a_price() -> None:
    """The call is recorded all the same, and says that the list could not be loaded."""

    class Broken:
        def rates(self, *given: object) -> Any:  # noqa: ARG002  (the port's)
            raise OSError("no such list")

    found = price(BOTH, "openai", "o3", lists=[Broken()])
    assert found == Priced(reason="no_price_source")
