# SPDX-License-Identifier: Apache-2.0
"""The golden answers of LLM providers in `llm/` agree with themselves and with genai-prices.

A case is written by hand from a provider's documentation. Besides what is on the wire it says what
that means: tokens in buckets of which none holds another, the totals, and who answered.

    request                        keyword arguments of the SDK's method
    response, or events            what is on the wire; `cut` means that the connection then breaks
    tokens                         by bucket, without zeros; null where the provider did not say
    input_tokens, output_tokens    the sums of the buckets
    service_tier                   as the response says it
    context                        what genai-prices has to be told for the right price
    cost                           what the provider says, or what its price list makes of it
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

CASES = {
    path.stem: json.loads(path.read_text())
    for path in sorted(Path(__file__).with_name("llm").glob("*.json"))
}
TOLD = [name for name, case in CASES.items() if case["tokens"] is not None]
NEEDED = {
    "note",
    "provider",
    "api",
    "stream",
    "request",
    "tokens",
    "input_tokens",
    "output_tokens",
    "response_id",
    "response_model",
    "service_tier",
    "finish",
}
ALLOWED = {"cut", "context", "cost", "headers", "hidden_params", "web_searches"}
APIS = {
    "openai.chat",
    "openai.responses",
    "openai.embeddings",
    "anthropic.messages",
    "gemini.generate_content",
    "bedrock.converse",
    "bedrock.invoke_model",
    "mistral.chat",
    "litellm.completion",
}
INPUT = {
    "input_uncached_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "cache_read_audio_tokens",
    "input_image_tokens",
}
OUTPUT = {"output_text_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens"}
#: What genai-prices counts, each with the buckets that are inside it.
INCLUSIVE = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "cache_read_tokens": {"cache_read_tokens", "cache_read_audio_tokens"},
    "cache_write_tokens": {"cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"},
    "cache_write_5m_tokens": {"cache_write_5m_tokens"},
    "cache_write_1h_tokens": {"cache_write_1h_tokens"},
    "input_audio_tokens": {"input_audio_tokens", "cache_read_audio_tokens"},
    "cache_audio_read_tokens": {"cache_read_audio_tokens"},
    "input_image_tokens": {"input_image_tokens"},
    "output_reasoning_tokens": {"reasoning_tokens"},
    "output_audio_tokens": {"output_audio_tokens"},
    "output_image_tokens": {"output_image_tokens"},
}
FLAVOURS = {
    "openai.chat": "chat",
    "openai.responses": "responses",
    "openai.embeddings": "embeddings",
    "bedrock.invoke_model": "anthropic",
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_known_keys(name: str) -> None:
    """Every case has what a test needs and nothing that no test reads."""
    case = CASES[name]
    body = "events" if case["stream"] else "response"
    assert case.keys() >= NEEDED | {body}
    assert case.keys() <= NEEDED | ALLOWED | {body}
    assert case["api"] in APIS
    assert case["note"]


@pytest.mark.parametrize("name", TOLD)
def test_the_buckets_make_up_the_totals(name: str) -> None:
    """Buckets are known, positive, and their sums are the totals."""
    case = CASES[name]
    tokens = case["tokens"]
    assert tokens.keys() <= INPUT | OUTPUT
    assert all(isinstance(count, int) and count > 0 for count in tokens.values())
    assert case["input_tokens"] == _sum(tokens, INPUT)
    assert case["output_tokens"] == _sum(tokens, OUTPUT)


@pytest.mark.parametrize("name", [name for name in CASES if name not in TOLD])
def test_what_was_not_told_is_not_zero(name: str) -> None:
    """Where nothing on the wire says what was used, the case does not either."""
    case = CASES[name]
    assert (case["input_tokens"], case["output_tokens"]) == (None, None)
    assert _body(case) is None


@pytest.mark.parametrize("name", TOLD)
def test_the_totals_are_the_provider_s(name: str) -> None:
    """The sum of all buckets is the provider's own total, where it gives one."""
    case = CASES[name]
    usage = _usage(case)
    totals = [
        usage[key] for key in ("total_tokens", "totalTokens", "totalTokenCount") if key in usage
    ]
    if not totals:
        assert case["api"] in ("anthropic.messages", "bedrock.invoke_model")
        totals = [
            usage["input_tokens"]
            + usage["cache_creation_input_tokens"]
            + usage["cache_read_input_tokens"]
            + usage["output_tokens"]
        ]
    assert totals == [sum(case["tokens"].values())]


# genai-prices has no provider called litellm.
@pytest.mark.parametrize("name", [n for n in TOLD if CASES[n]["provider"] != "litellm"])
def test_genai_prices_reads_the_same(name: str) -> None:
    """Its own extractor finds in the wire's usage what the buckets add up to."""
    case = CASES[name]
    provider = get_snapshot().find_provider(None, case["provider"], None)
    model, usage = provider.extract_usage(
        _body(case), api_flavor=FLAVOURS.get(case["api"], "default")
    )
    expected = {unit: _sum(case["tokens"], buckets) for unit, buckets in INCLUSIVE.items()}
    read = {unit: getattr(usage, unit) or 0 for unit in INCLUSIVE}
    assert read == expected
    assert (usage.web_searches or 0) == case.get("web_searches", 0)
    assert model == case["response_model"]


@pytest.mark.parametrize(
    "name", [n for n in CASES if CASES[n].get("cost", {}).get("source") == "local"]
)
def test_the_price_list_gives_the_cost(name: str) -> None:
    """A cost that the provider's console showed is what its prices make of the buckets."""
    case = CASES[name]
    assert case["cost"] == {
        "amount": str(_price(case, None)),
        "currency": "USD",
        "source": "local",
    }


@pytest.mark.parametrize(
    "name", [n for n in CASES if CASES[n].get("cost", {}).get("source") == "provider"]
)
def test_a_provider_s_cost_is_on_the_wire(name: str) -> None:
    """What the provider says it costs is in its usage, or in what LiteLLM hides."""
    case = CASES[name]
    said = _usage(case).get("cost") or case["hidden_params"]["response_cost"]
    assert Decimal(case["cost"]["amount"]) == Decimal(repr(said))


@pytest.mark.parametrize("name", [n for n in CASES if "context" in CASES[n]])
def test_the_context_changes_the_price(name: str) -> None:
    """A tier that has prices of its own is told in the words that genai-prices knows."""
    case = CASES[name]
    assert _price(case, case["context"]) == _price(case, None) * FACTORS[name]


#: Halves for those who can wait; twice as much for the fast mode of claude-opus-4-8.
FACTORS = {
    "openai_flex": Decimal("0.5"),
    "anthropic_batch": Decimal("0.5"),
    "anthropic_fast": Decimal(2),
}


def _price(case: dict[str, Any], context: dict[str, str] | None) -> Decimal:
    counts = {unit: _sum(case["tokens"], buckets) for unit, buckets in INCLUSIVE.items()}
    usage = Usage(**{unit: count for unit, count in counts.items() if count})
    return calc_price(
        usage, case["response_model"], provider_id=case["provider"], price_context=context
    ).total_price


def _sum(tokens: dict[str, int], buckets: set[str]) -> int:
    return sum(tokens.get(bucket, 0) for bucket in buckets)


def _usage(case: dict[str, Any]) -> dict[str, Any]:
    """The usage on the wire."""
    body = _body(case)
    assert body is not None
    usage: dict[str, Any] = body.get("usage") or body["usageMetadata"]
    return usage


def _body(case: dict[str, Any]) -> dict[str, Any] | None:
    """The response, or what a stream's events say in its place; null where no usage was said."""
    if not case["stream"]:
        body: dict[str, Any] = case["response"]
        return body
    if case["api"] in ("anthropic.messages", "bedrock.invoke_model"):
        message = dict(case["events"][0]["message"])
        for event in case["events"]:
            if event["type"] == "message_delta":  # running totals: the last one counts
                message["usage"] = message["usage"] | event["usage"]
        return message
    found = None
    for event in case["events"]:
        said = event.get("response") or event.get("metadata") or event
        if said.get("usage") or said.get("usageMetadata"):
            found = said
    return found
