# SPDX-License-Identifier: Apache-2.0
"""The tokens of one call, in buckets of which none is part of another."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from tidegauge.model.errors import MetricValidationError
from tidegauge.model.llm_tables import INPUT_BUCKETS, OUTPUT_BUCKETS

__all__ = ["BUCKETS", "TokenUsage"]

#: The fields of `TokenUsage`, in the order of its rates: the buckets, then web searches.
BUCKETS = (*INPUT_BUCKETS, *OUTPUT_BUCKETS, "web_searches")
_N, _N_INPUT = len(BUCKETS), len(INPUT_BUCKETS)


class _Counts(NamedTuple):
    """The fields of `TokenUsage`."""

    input_uncached_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cache_read_tokens: int = 0
    cache_read_audio_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_text_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    web_searches: int = 0


class TokenUsage(_Counts):
    """What a provider charges for one call.

    Providers say the same in different ways: some count tokens of the cache as part of the input,
    some beside it; some count reasoning as output, some beside it. Here every token is in one
    bucket, so that no sum counts it twice.

    Attributes:
        input_uncached_tokens: Input that no cache had, other than audio and images.
        input_audio_tokens: Audio among it.
        input_image_tokens: Images among it.
        cache_read_tokens: Input that the provider's cache had, other than audio.
        cache_read_audio_tokens: Audio that it had.
        cache_write_tokens: Input written to the cache, for a time that was not said.
        cache_write_5m_tokens: Input written to it for five minutes.
        cache_write_1h_tokens: Input written to it for an hour.
        output_text_tokens: Output other than the following.
        reasoning_tokens: Output that is the model's reasoning.
        output_audio_tokens: Audio.
        output_image_tokens: Images.
        web_searches: Searches that the provider made for the answer; not tokens.

    Raises:
        MetricValidationError: A number is negative, or no whole number.
    """

    __slots__ = ()

    def __new__(cls, *counts: int, **named: int) -> Self:  # noqa: D102  (documented with the class)
        if named or len(counts) != _N:
            self = super().__new__(cls, *counts, **named)
        else:  # all of them, as they are read from answers: in a quarter of the time
            self = tuple.__new__(cls, counts)
        for count in self:
            if count.__class__ is not int or count < 0:
                raise _no_count(self)
        return self

    @property
    def input_tokens(self) -> int:
        """All input tokens, those of caches included."""
        return sum(self[:_N_INPUT])

    @property
    def output_tokens(self) -> int:
        """All output tokens, those of reasoning included."""
        return sum(self[_N_INPUT:-1])


def _no_count(usage: Any) -> MetricValidationError:
    wrong = {
        name: count
        for name, count in zip(BUCKETS, usage, strict=True)
        if count.__class__ is not int or count < 0
    }
    return MetricValidationError(
        "the usage of a call has a number of tokens that is none",
        reason="bad_value",
        got=wrong,
        allowed="whole numbers, 0 or more",
        fix="Where a provider counts cached tokens as part of the input, subtract them from it.",
    )
