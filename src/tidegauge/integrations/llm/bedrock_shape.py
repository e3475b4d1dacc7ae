# SPDX-License-Identifier: Apache-2.0
"""Answers of Bedrock's Converse. Cached tokens are beside the input, not part of it.

Answers name no model: it is the one that was asked for.
"""

from __future__ import annotations

from tidegauge.integrations.llm.answer import Answer, count, field_of, items_of, text_of
from tidegauge.prices.usage import TokenUsage

__all__ = ["is_converse", "take_converse"]

_EVENTS = (
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
)


def is_converse(thing: object) -> bool:
    """Whether it is an answer, or an event of a stream of one."""
    return isinstance(thing, dict) and (
        field_of(field_of(thing, "usage"), "inputTokens") is not None
        or any(name in thing for name in _EVENTS)
    )


def take_converse(thing: object, answer: Answer) -> bool:
    """Take over what an object of `is_converse` says; whether it has a part of the answer."""
    take_metadata(thing, answer)
    whole = field_of(thing, "metadata") or thing
    usage = field_of(whole, "usage")
    if usage is not None:
        answer.usage = _usage(usage)
    tier = field_of(field_of(whole, "serviceTier"), "type")
    answer.know(
        service_tier=tier,
        finish_reason=field_of(field_of(thing, "messageStop") or thing, "stopReason"),
    )
    answer.decide("service_tier", tier)
    answer.decide("latency", field_of(field_of(whole, "performanceConfig"), "latency"))
    delta = field_of(field_of(thing, "contentBlockDelta"), "delta")
    message = field_of(field_of(thing, "output"), "message")
    for part in (delta, *items_of(message, "content")):
        if (text := text_of(field_of(part, "text"))) is not None:
            answer.texts.append(text)
    return delta is not None or message is not None


def take_metadata(thing: object, answer: Answer) -> None:
    """Take over what AWS says of every answer: an id, and how often the client tried again."""
    said = field_of(thing, "ResponseMetadata")
    answer.know(response_id=field_of(said, "RequestId"))
    answer.retries = max(answer.retries, count(said, "RetryAttempts"))


def _usage(usage: object) -> TokenUsage:
    by_time = {"5m": 0, "1h": 0}
    for each in items_of(usage, "cacheDetails"):
        ttl = text_of(field_of(each, "ttl"))
        if ttl in by_time:
            by_time[ttl] += count(each, "inputTokens")
    known = sum(by_time.values())
    written = max(count(usage, "cacheWriteInputTokens"), known)
    return TokenUsage(
        input_uncached_tokens=count(usage, "inputTokens"),
        cache_read_tokens=count(usage, "cacheReadInputTokens"),
        cache_write_tokens=written - known,
        cache_write_5m_tokens=by_time["5m"],
        cache_write_1h_tokens=by_time["1h"],
        output_text_tokens=count(usage, "outputTokens"),
    )
