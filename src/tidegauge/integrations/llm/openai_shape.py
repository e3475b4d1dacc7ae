# SPDX-License-Identifier: Apache-2.0
"""Answers of OpenAI, and of all who have taken over their shape: Mistral, LiteLLM, gateways.

Cached tokens are part of the input, and reasoning is part of the output; xAI counts the reasoning
beside it, which its total tells.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tidegauge.integrations.llm.answer import Answer, count, field_of, items_of, text_of
from tidegauge.model.amounts import read_amount
from tidegauge.prices.usage import TokenUsage

__all__ = ["is_chat", "is_responses", "take_chat", "take_responses"]

#: Events of the responses API that hold the whole answer.
_WHOLE = ("response.completed", "response.incomplete", "response.failed")


def is_chat(thing: object) -> bool:
    """Whether it is a completion, a chunk of one, embeddings, or Mistral's event with a chunk."""
    return (
        isinstance(field_of(thing, "choices"), list | tuple)
        or field_of(field_of(thing, "data"), "choices") is not None
        or (isinstance(field_of(thing, "data"), list) and field_of(thing, "usage") is not None)
    )


def take_chat(thing: object, answer: Answer) -> bool:
    """Take over what an object of `is_chat` says; whether it has a part of the answer."""
    data = field_of(thing, "data")
    whole = thing if data is None or isinstance(data, list) else data
    answer.know(response_id=field_of(whole, "id"), response_model=field_of(whole, "model"))
    # LiteLLM, which is in front of many, says whom it asked.
    answer.know(provider=field_of(field_of(whole, "_hidden_params"), "custom_llm_provider"))
    usage = field_of(whole, "usage")
    if usage is not None:
        answer.usage = _chat_usage(usage)
        _take_cost(usage, answer)
    tier = field_of(whole, "service_tier") or field_of(usage, "service_tier")
    answer.know(service_tier=tier)
    answer.decide("service_tier", tier)
    has_content = False
    for choice in items_of(whole, "choices"):
        answer.know(finish_reason=field_of(choice, "finish_reason"))
        message = field_of(choice, "delta", "message") or choice
        has_content |= _take_message(message, answer)
    return has_content


def _take_message(message: object, answer: Answer) -> bool:
    content = field_of(message, "content", "text")
    pieces = content if isinstance(content, list | tuple) else (content,)
    texts = [found for each in pieces if (found := text_of(field_of(each, "text") or each))]
    answer.texts += texts
    others = ("tool_calls", "function_call", "reasoning", "reasoning_content", "audio", "refusal")
    return bool(texts) or any(field_of(message, name) for name in others)


def _chat_usage(usage: object) -> TokenUsage:
    details = field_of(usage, "prompt_tokens_details")
    made = field_of(usage, "completion_tokens_details")
    reasoning = count(made, "reasoning_tokens")
    prompt, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    total = count(usage, "total_tokens")
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning
    return _usage(prompt, completion, details, made, searches=0)


def _usage(
    total_in: int, total_out: int, details: object, made: object, *, searches: int
) -> TokenUsage:
    read = count(details, "cached_tokens")
    written = count(details, "cache_write_tokens", "cache_creation_tokens")
    by_time = field_of(details, "cache_creation_token_details")
    for_5m = count(by_time, "ephemeral_5m_input_tokens")
    for_1h = count(by_time, "ephemeral_1h_input_tokens")
    audio, images = count(details, "audio_tokens"), count(details, "image_tokens")
    # Of tokens that are both audio and cached nothing says how many there are.
    plain = total_in - read - written
    audio = max(0, min(audio, plain))
    images = max(0, min(images, plain - audio))
    reasoning = count(made, "reasoning_tokens")
    audio_out, images_out = count(made, "audio_tokens"), count(made, "image_tokens")
    return TokenUsage(
        input_uncached_tokens=plain - audio - images,
        input_audio_tokens=audio,
        input_image_tokens=images,
        cache_read_tokens=read,
        cache_write_tokens=written - for_5m - for_1h,
        cache_write_5m_tokens=for_5m,
        cache_write_1h_tokens=for_1h,
        output_text_tokens=total_out - reasoning - audio_out - images_out,
        reasoning_tokens=reasoning,
        output_audio_tokens=audio_out,
        output_image_tokens=images_out,
        web_searches=searches,
    )


def _take_cost(usage: object, answer: Answer) -> None:
    """What OpenRouter says in dollars."""
    cost = field_of(usage, "cost")
    if isinstance(cost, int | float | Decimal) and not isinstance(cost, bool) and cost >= 0:
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
    answer.know(response_id=field_of(response, "id"), response_model=field_of(response, "model"))
    if not is_final:
        return
    tier = field_of(response, "service_tier")
    answer.know(service_tier=tier, finish_reason=field_of(response, "status"))
    answer.know(finish_reason=field_of(field_of(response, "incomplete_details"), "reason"))
    answer.decide("service_tier", tier)
    output = items_of(response, "output")
    usage = field_of(response, "usage")
    if usage is not None:
        searches = sum(field_of(each, "type") == "web_search_call" for each in output)
        answer.usage = _usage(
            count(usage, "input_tokens"),
            count(usage, "output_tokens"),
            field_of(usage, "input_tokens_details"),
            field_of(usage, "output_tokens_details"),
            searches=searches,
        )
        _take_cost(usage, answer)
    if not answer.texts:
        parts = (part for each in output for part in items_of(each, "content"))
        answer.texts += [text for part in parts if (text := text_of(field_of(part, "text")))]
