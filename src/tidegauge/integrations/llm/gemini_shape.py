# SPDX-License-Identifier: Apache-2.0
"""Answers of Google's Gemini. Thoughts are beside the candidates; the cache is in the prompt.

Every chunk of a stream says what there is so far: the last one that says anything holds.
"""

from __future__ import annotations

from collections import Counter

from tidegauge.integrations.llm.answer import Answer, count, field_of, is_number, items_of, text_of
from tidegauge.prices.usage import TokenUsage

__all__ = ["is_gemini", "take_gemini"]

_SAID = (
    ("prompt_token_count", "promptTokenCount"),
    ("candidates_token_count", "candidatesTokenCount"),
    ("total_token_count", "totalTokenCount"),
)


def is_gemini(thing: object) -> bool:
    """Whether it is a response, or a chunk of one, of the client or of the REST interface."""
    return any(
        field_of(thing, *names) is not None
        for names in (
            ("candidates",),
            ("usage_metadata", "usageMetadata"),
            ("prompt_feedback", "promptFeedback"),
        )
    )


def take_gemini(thing: object, answer: Answer) -> bool:
    """Take over what an object of `is_gemini` says; whether it has a part of the answer."""
    answer.know(
        response_id=field_of(thing, "response_id", "responseId"),
        response_model=field_of(thing, "model_version", "modelVersion"),
    )
    feedback = field_of(thing, "prompt_feedback", "promptFeedback")
    answer.know(finish_reason=field_of(feedback, "block_reason", "blockReason"))
    usage = field_of(thing, "usage_metadata", "usageMetadata")
    if usage is not None:
        answer.usage = _usage(usage) or answer.usage
        tier = field_of(usage, "service_tier", "serviceTier")
        answer.know(service_tier=tier)
        answer.decide("service_tier", tier)
        _decide_traffic(field_of(usage, "traffic_type", "trafficType"), answer)
    has_content = False
    for candidate in items_of(thing, "candidates"):
        answer.know(finish_reason=field_of(candidate, "finish_reason", "finishReason"))
        for part in items_of(field_of(candidate, "content"), "parts"):
            has_content = True
            text = text_of(field_of(part, "text"))
            if text is not None and not field_of(part, "thought"):
                answer.texts.append(text)
    return has_content


def _decide_traffic(given: object, answer: Answer) -> None:
    """`ON_DEMAND` is what everybody gets; `ON_DEMAND_FLEX` is another tier."""
    traffic = (text_of(given) or "").lower()
    tier = traffic.removeprefix("on_demand").removeprefix("_")
    if tier and traffic != "traffic_type_unspecified":
        answer.decide("service_tier", tier)


def _usage(usage: object) -> TokenUsage | None:
    if not any(is_number(field_of(usage, *names)) for names in _SAID):
        return None
    prompt = count(usage, "prompt_token_count", "promptTokenCount")
    cached = count(usage, "cached_content_token_count", "cachedContentTokenCount")
    tool = count(usage, "tool_use_prompt_token_count", "toolUsePromptTokenCount")
    made = count(
        usage,
        "candidates_token_count",
        "candidatesTokenCount",
        "response_token_count",
        "responseTokenCount",
    )
    thoughts = count(usage, "thoughts_token_count", "thoughtsTokenCount")
    prompts = _by_modality(usage, "prompt_tokens_details", "promptTokensDetails")
    prompts += _by_modality(usage, "tool_use_prompt_tokens_details", "toolUsePromptTokensDetails")
    caches = _by_modality(usage, "cache_tokens_details", "cacheTokensDetails")
    outputs = _by_modality(usage, "candidates_tokens_details", "candidatesTokensDetails")
    plain = prompt + tool - cached
    read_audio = min(caches["AUDIO"], cached)
    audio = max(0, min(prompts["AUDIO"] - read_audio, plain))
    images = max(0, min(prompts["IMAGE"] - caches["IMAGE"], plain - audio))
    audio_out = min(outputs["AUDIO"], made)
    images_out = min(outputs["IMAGE"], made - audio_out)
    return TokenUsage(
        input_uncached_tokens=plain - audio - images,
        input_audio_tokens=audio,
        input_image_tokens=images,
        cache_read_tokens=cached - read_audio,
        cache_read_audio_tokens=read_audio,
        output_text_tokens=made - audio_out - images_out,
        reasoning_tokens=thoughts,
        output_audio_tokens=audio_out,
        output_image_tokens=images_out,
    )


def _by_modality(usage: object, *names: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in items_of(usage, *names):
        modality = text_of(field_of(each, "modality")) or ""
        found[modality] += count(each, "token_count", "tokenCount")
    return found
