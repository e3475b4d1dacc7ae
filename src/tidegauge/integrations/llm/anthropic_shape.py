# SPDX-License-Identifier: Apache-2.0
"""Answers of Anthropic's messages API. Cached tokens are beside the input, not part of it.

In a stream, what `message_delta` says is what there is so far, and is not to be added.
"""

from __future__ import annotations

from tidegauge.integrations.llm.answer import (
    Answer,
    field_of,
    getter,
    is_number,
    items_of,
    number,
    text_of,
)
from tidegauge.prices.usage import TokenUsage

__all__ = ["is_message", "take_message"]

_EVENTS = (
    "message",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
)
_WRITTEN = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_INPUTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def is_message(thing: object) -> bool:
    """Whether it is a message, or an event of a stream of one."""
    kind = field_of(thing, "type")
    return isinstance(kind, str) and kind in _EVENTS


def take_message(thing: object, answer: Answer) -> bool:
    """Take over what an object of `is_message` says; whether it has a part of the answer."""
    kind = field_of(thing, "type")
    if kind == "message_start":
        _take_start(field_of(thing, "message"), answer)
        answer.usage = _usage(answer)
    elif kind == "message":
        _take_start(thing, answer)
        answer.texts += [
            text for each in items_of(thing, "content") if (text := text_of(field_of(each, "text")))
        ]
        answer.usage = _usage(answer)
        return True
    elif kind == "message_delta":
        answer.know(finish_reason=field_of(field_of(thing, "delta"), "stop_reason"))
        _take_usage(field_of(thing, "usage"), answer)
        answer.usage = _usage(answer)
    elif kind == "content_block_delta":
        text = text_of(field_of(field_of(thing, "delta"), "text"))
        answer.texts += [] if text is None else [text]
        return True
    return False


def _take_start(message: object, answer: Answer) -> None:
    answer.know(
        response_id=field_of(message, "id"),
        response_model=field_of(message, "model"),
        finish_reason=field_of(message, "stop_reason"),
    )
    usage = field_of(message, "usage")
    _take_usage(usage, answer)
    tier = text_of(field_of(usage, "service_tier"))
    answer.know(service_tier=tier)
    if tier == "batch":
        answer.decide("processing", "batch")
    else:
        answer.decide("service_tier", tier)
    answer.decide("speed", field_of(usage, "speed"))
    answer.decide("inference_geo", field_of(usage, "inference_geo"))


def _take_usage(usage: object, answer: Answer) -> None:
    """Keep the last number of each that was said."""
    get = getter(usage)
    for place, names in (
        (get, (*_INPUTS, "output_tokens")),
        (getter(get("cache_creation")), _WRITTEN),
        (getter(get("output_tokens_details")), ("thinking_tokens",)),
        (getter(get("server_tool_use")), ("web_search_requests",)),
    ):
        for name in names:
            if is_number(said := place(name)):
                answer.parts[name] = number(said)


def _usage(answer: Answer) -> TokenUsage | None:
    if not answer.parts:
        return None
    said = answer.parts.get
    for_5m = said("ephemeral_5m_input_tokens", 0)
    for_1h = said("ephemeral_1h_input_tokens", 0)
    written = max(said("cache_creation_input_tokens", 0), for_5m + for_1h)
    thinking = said("thinking_tokens", 0)
    return TokenUsage(
        input_uncached_tokens=said("input_tokens", 0),
        cache_read_tokens=said("cache_read_input_tokens", 0),
        cache_write_tokens=written - for_5m - for_1h,
        cache_write_5m_tokens=for_5m,
        cache_write_1h_tokens=for_1h,
        output_text_tokens=said("output_tokens", 0) - thinking,
        reasoning_tokens=thinking,
        web_searches=said("web_search_requests", 0),
    )
