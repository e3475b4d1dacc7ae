# SPDX-License-Identifier: Apache-2.0
"""Answers of OpenAI, and of all who have taken over their shape: Mistral, LiteLLM, gateways.

Cached tokens are part of the input, and reasoning is part of the output; xAI and Perplexity count
the reasoning beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tidegauge.integrations.llm.answer import (
    Answer,
    count,
    field_of,
    getter,
    is_number,
    items,
    items_of,
    number,
    text_of,
)
from tidegauge.model.amounts import read_amount
from tidegauge.prices.usage import TokenUsage

__all__ = ["is_chat", "is_responses", "take_chat", "take_responses"]

Get = Callable[[str], Any]

_NUMBERS = (int, float, Decimal)
_OTHER_CONTENT = (
    "tool_calls",
    "function_call",
    "reasoning",
    "reasoning_content",
    "audio",
    "refusal",
)
#: Events of the responses API that hold the whole answer.
_WHOLE = ("response.completed", "response.incomplete", "response.failed")


def is_chat(thing: object) -> bool:
    """Whether it is a completion, a chunk of one, embeddings, or Mistral's event with a chunk."""
    get = getter(thing)
    choices = get("choices")
    if choices.__class__ is list or isinstance(choices, tuple):
        return True
    data = get("data")
    if isinstance(data, list):
        return get("usage") is not None
    return field_of(data, "choices") is not None


def take_chat(thing: object, answer: Answer) -> bool:
    """Take over what an object of `is_chat` says; whether it has a part of the answer."""
    get = getter(thing)
    data = get("data")
    if data is not None and not isinstance(data, list):
        get = getter(data)
    _take_head(get, answer)
    # LiteLLM, which is in front of many, says whom it asked.
    if (hidden := get("_hidden_params")) is not None:
        answer.know(provider=field_of(hidden, "custom_llm_provider"))
    tier = get("service_tier")
    if (usage := get("usage")) is not None:
        of_usage = getter(usage)
        answer.usage = _chat_usage(of_usage) or answer.usage
        _take_cost(of_usage("cost"), answer)
        tier = tier or of_usage("service_tier")
    if tier is not None:
        answer.know(service_tier=tier)
        answer.decide("service_tier", tier)
    has_content = False
    for choice in items(get("choices")):
        of_choice = getter(choice)
        if (reason := of_choice("finish_reason")) is not None:
            answer.know(finish_reason=reason)
        message = of_choice("delta") or of_choice("message")
        has_content |= _take_message(of_choice if message is None else getter(message), answer)
    return has_content


def _take_head(get: Get, answer: Answer) -> None:
    answer.response_id = text_of(get("id")) or answer.response_id
    answer.response_model = text_of(get("model")) or answer.response_model


def _take_message(get: Get, answer: Answer) -> bool:
    content = get("content") or get("text")
    if content.__class__ is str:
        answer.texts.append(content)
        return True
    texts = [found for each in items(content) if (found := text_of(field_of(each, "text")))]
    answer.texts += texts
    return bool(texts) or any(get(name) for name in _OTHER_CONTENT)


def _chat_usage(get: Get) -> TokenUsage | None:
    if not (is_number(get("prompt_tokens")) or is_number(get("completion_tokens"))):
        return _responses_usage(get, searches=0)  # some gateways say it so
    prompt, completion = number(get("prompt_tokens")), number(get("completion_tokens"))
    made = getter(get("completion_tokens_details"))
    reasoning = number(made("reasoning_tokens"))
    if reasoning and number(get("total_tokens")) == prompt + completion + reasoning:
        completion += reasoning
    elif (beside := number(get("reasoning_tokens"))) and not reasoning:  # Perplexity
        completion += beside
        made = {"reasoning_tokens": beside}.get
    searches = number(get("num_search_queries"))
    return _usage(prompt, completion, getter(get("prompt_tokens_details")), made, searches=searches)


def _usage(total_in: int, total_out: int, details: Get, made: Get, *, searches: int) -> TokenUsage:
    read = number(details("cached_tokens"))
    written = number(details("cache_write_tokens") or details("cache_creation_tokens"))
    for_5m = for_1h = 0
    if (by_time := details("cache_creation_token_details")) is not None:
        for_5m = count(by_time, "ephemeral_5m_input_tokens")
        for_1h = count(by_time, "ephemeral_1h_input_tokens")
    plain = total_in - read - written
    audio, images = number(details("audio_tokens")), number(details("image_tokens"))
    if audio or images:  # of those that are cached as well nothing says how many there are
        audio = max(0, min(audio, plain))
        images = max(0, min(images, plain - audio))
    reasoning = number(made("reasoning_tokens"))
    audio_out, images_out = number(made("audio_tokens")), number(made("image_tokens"))
    # In the order of the fields: by name it takes four times as long.
    return TokenUsage(
        plain - audio - images,
        audio,
        images,
        read,
        0,
        written - for_5m - for_1h,
        for_5m,
        for_1h,
        total_out - reasoning - audio_out - images_out,
        reasoning,
        audio_out,
        images_out,
        searches,
    )


def _responses_usage(get: Get, *, searches: int) -> TokenUsage | None:
    if not (is_number(get("input_tokens")) or is_number(get("output_tokens"))):
        return None
    return _usage(
        number(get("input_tokens")),
        number(get("output_tokens")),
        getter(get("input_tokens_details")),
        getter(get("output_tokens_details")),
        searches=searches,
    )


def _take_cost(cost: object, answer: Answer) -> None:
    """What OpenRouter says in dollars."""
    if isinstance(cost, _NUMBERS) and not isinstance(cost, bool) and cost >= 0:
        answer.provider_cost, answer.provider_currency = read_amount(cost), "USD"


def is_responses(thing: object) -> bool:
    """Whether it is a response of the responses API, or an event of its streams."""
    kind = text_of(field_of(thing, "type"))
    return field_of(thing, "object") == "response" or (
        kind is not None and (kind.startswith("response.") or kind == "keepalive")
    )


def take_responses(thing: object, answer: Answer) -> bool:
    """Take over what an object of `is_responses` says; whether it has a part of the answer."""
    kind = text_of(field_of(thing, "type")) or ""
    whole: Any = field_of(thing, "response") if kind else thing
    if whole is not None:
        _take_response(whole, answer, is_final=not kind or kind in _WHOLE)
    if not kind:
        return True
    delta = text_of(field_of(thing, "delta"))
    if delta is not None and kind == "response.output_text.delta":
        answer.texts.append(delta)
    return kind.endswith(".delta")


def _take_response(response: object, answer: Answer, *, is_final: bool) -> None:
    get = getter(response)
    _take_head(get, answer)
    if not is_final:
        return
    tier = get("service_tier")
    answer.know(service_tier=tier, finish_reason=get("status"))
    if get("status") == "failed":
        answer.failure = text_of(field_of(get("error"), "code")) or "failed"
    answer.know(finish_reason=field_of(get("incomplete_details"), "reason"))
    answer.decide("service_tier", tier)
    output = items(get("output"))
    if (usage := get("usage")) is not None:
        of_usage = getter(usage)
        searches = sum(field_of(each, "type") == "web_search_call" for each in output)
        answer.usage = _responses_usage(of_usage, searches=searches) or answer.usage
        _take_cost(of_usage("cost"), answer)
    if not answer.texts:
        parts = (part for each in output for part in items_of(each, "content"))
        answer.texts += [text for part in parts if (text := text_of(field_of(part, "text")))]
