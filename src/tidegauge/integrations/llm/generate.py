# SPDX-License-Identifier: Apache-2.0
"""Asking a model and recording it in one call, and what tokens cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tidegauge.integrations.llm.clients import tracked
from tidegauge.integrations.llm.rows import pricer
from tidegauge.integrations.llm.scope import Attributes
from tidegauge.integrations.llm.tracked import Options, words_estimate
from tidegauge.model.errors import ConfigError
from tidegauge.model.times import TimeLike, parse_time_ns
from tidegauge.prices.pricing import Priced
from tidegauge.prices.usage import TokenUsage
from tidegauge.record.front import recorder

__all__ = ["calculate_llm_cost", "generate_with_metrics", "price_llm_call"]


def generate_with_metrics(
    model_name: str,
    provider: str,
    prompt: str,
    max_tokens: int,
    *,
    client: Any = None,
    estimate: bool = False,
    **kwargs: Any,
) -> Any:
    """Call `client.generate(model=…, prompt=…, max_tokens=…)` and record it as `track_llm` does.

    Args:
        model_name: The model.
        provider: Who serves it.
        prompt: What is asked.
        max_tokens: Most tokens of the answer.
        client: Anything with a `generate` method, or that method.
        estimate: Count tokens where the response does not say how many there were: one for four
            characters of the prompt and of `response.text`. Such calls are marked.
        kwargs: Further arguments of `generate`.

    Returns:
        What `generate` returned; where that is a stream or to be awaited, the call ends with it.

    Raises:
        ConfigError: There is no client to ask.

    Example:
        >>> import tidegauge as tg
        >>> class Client:
        ...     def generate(self, model, prompt, max_tokens):
        ...         return {
        ...             "id": "r-1",
        ...             "choices": [],
        ...             "usage": {"prompt_tokens": 7, "completion_tokens": 2},
        ...         }
        >>> answer = tg.generate_with_metrics(
        ...     "gpt-4o", "openai", "When is high tide?", 100, client=Client()
        ... )
    """
    generate = getattr(client, "generate", client)
    if not callable(generate):
        raise _no_client(client)
    counts = words_estimate if estimate else None
    options = Options(
        Attributes(provider, model_name, operation="text_completion"), estimate=counts
    )
    ask = tracked(generate, options)
    return ask(model=model_name, prompt=prompt, max_tokens=max_tokens, **kwargs)


def calculate_llm_cost(
    model_name: str,
    input_tokens: int,
    output_tokens: int,
    *,
    provider: str | None = None,
    time: TimeLike | None = None,
    **tokens: int,
) -> Decimal | None:
    """What a call costs by the price list; None if no list knows the model.

    Args:
        model_name: The model.
        input_tokens: Input tokens, those of the following buckets included.
        output_tokens: Output tokens, likewise.
        provider: Who serves it; if None, the model's name decides.
        time: When, if not now: prices change.
        tokens: How many of them are in other buckets, such as `cache_read_tokens=900`.

    Returns:
        The amount, exact; its currency, and why there is none, tells `price_llm_call`.

    Raises:
        MetricValidationError: A number of tokens is none, or parts are more than the whole.

    Example:
        >>> import tidegauge as tg
        >>> tg.calculate_llm_cost("o3", 1_000_000, 0, provider="openai", time="2025-05-01")
        Decimal('10')
        >>> tg.calculate_llm_cost("no-such-model", 1_000, 10) is None
        True
    """
    return price_llm_call(
        model_name,
        input_tokens,
        output_tokens,
        provider=provider,
        time=time,
        context=None,
        **tokens,
    ).cost


def price_llm_call(
    model_name: str,
    input_tokens: int,
    output_tokens: int,
    *,
    provider: str | None = None,
    time: TimeLike | None = None,
    context: dict[str, str] | None = None,
    **tokens: int,
) -> Priced:
    """The same with its currency, the list that says so, and the reason if none does.

    Args:
        model_name: As for `calculate_llm_cost`.
        input_tokens: As there.
        output_tokens: As there.
        provider: As there.
        time: As there.
        context: What else decides the price, such as `{"service_tier": "flex"}`.
        tokens: As there.

    Raises:
        MetricValidationError: As there.
        TypeError: There is no such bucket, or it is one of the two that follow from the totals.
    """
    for name in ("input_uncached_tokens", "output_text_tokens"):
        if name in tokens:  # what is left of the totals
            raise TypeError(f"{name} follows from the others, and is not to be given")
    recorder.get_ready()
    time_ns = recorder.now_ns() if time is None else parse_time_ns(time)
    parts = TokenUsage(**tokens)
    whole = TokenUsage(
        **{
            **tokens,
            "input_uncached_tokens": input_tokens - parts.input_tokens,
            "output_text_tokens": output_tokens - parts.output_tokens,
        }
    )
    return pricer().price(
        whole, provider=provider, models=(model_name,), time_ns=time_ns, context=context
    )


def _no_client(client: Any) -> ConfigError:
    return ConfigError(
        "there is nothing to ask the model with",
        got=client,
        allowed="client=…, an object with a method generate(model, prompt, max_tokens)",
        fix="Pass client=…. For clients of OpenAI, Anthropic and others: "
        "client = tidegauge.track_llm(client).",
    )
