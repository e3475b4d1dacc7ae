# SPDX-License-Identifier: Apache-2.0
"""The tables of calls to language models: what was used, how long it took, what it cost.

Tokens are kept in buckets of which none is part of another, so that no sum counts any twice;
`input_tokens` and `output_tokens` are their totals, inclusive as OpenTelemetry defines them.
"""

from __future__ import annotations

from tidegauge.model.columns import Column, Condition, Derived, Table

__all__ = [
    "ERROR_CLASSES",
    "INPUT_BUCKETS",
    "LLM_CALLS",
    "LLM_PRICES",
    "OUTPUT_BUCKETS",
    "UNPRICED_REASONS",
]

#: The buckets of input tokens, with what they hold.
INPUT_BUCKETS: dict[str, str] = {
    "input_uncached_tokens": "input tokens that no cache had, other than audio and images",
    "input_audio_tokens": "audio among them, not cached",
    "input_image_tokens": "images among them, not cached",
    "cache_read_tokens": "input tokens that the provider's cache had, other than audio",
    "cache_read_audio_tokens": "audio that it had",
    "cache_write_tokens": "input tokens written to the cache, for a time that was not said",
    "cache_write_5m_tokens": "input tokens written to it for five minutes",
    "cache_write_1h_tokens": "input tokens written to it for an hour",
}

#: The buckets of output tokens.
OUTPUT_BUCKETS: dict[str, str] = {
    "output_text_tokens": "output tokens other than the following",
    "reasoning_tokens": "tokens of the model's reasoning",
    "output_audio_tokens": "audio",
    "output_image_tokens": "images",
}

#: Kinds of failure, each for what can be done about it.
ERROR_CLASSES = (
    "rate_limit",
    "timeout",
    "auth",
    "invalid_request",
    "content_filter",
    "server",
    "connection",
    "cancelled",
    "other",
)

#: Why a call that may have cost something has no price.
UNPRICED_REASONS: dict[str, str] = {
    "unknown_model": "no source of prices knows the model",
    "usage_missing": "the provider did not say how many tokens it was",
    "unknown_context": "the price of this service tier or speed is not known",
    "unknown_unit": "the list has no price for a sort of tokens that the call had",
    "no_price_source": "the list of prices could not be loaded",
}

_MODEL = {"model_name": "model", "provider": "provider"}
_GEN_AI = {
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "response_model",
    "server.address": "server_address",
}
_SUCCESS = Condition("status", "=", "success")
_FIRST = Condition("attempt", "=", 1)


def _tokens(name: str, description: str) -> Column:
    return Column(name, "i64", description, least=0)


LLM_CALLS = Table(
    "llm_calls",
    "One row per request to a language model; retries of one operation share its `operation_id`.",
    (
        Column("provider", "str", "who serves the model: openai, anthropic, aws.bedrock, …"),
        Column("operation", "str", "chat, generate_content, embeddings, …", nullable=False),
        Column("response_model", "str", "the model that answered, as the provider calls it"),
        Column(
            "status",
            "str",
            "success or error; a stream that was cut is one",
            nullable=False,
            values=("success", "error"),
        ),
        Column("error_class", "str", "what sort of failure", values=ERROR_CLASSES),
        Column("error_type", "str", "class of the exception of a failed one"),
        Column("latency_s", "f64", "seconds until the answer was complete", least=0),
        Column("ttft_s", "f64", "seconds to the first token; streams only", least=0),
        Column(
            "tpot_s",
            "f64",
            "seconds per output token after the first one; streams only",
            least=0,
        ),
        Column(
            "output_tokens_per_s",
            "f64",
            "output tokens / (end - first token); streams only",
            least=0,
        ),
        Column("is_stream", "bool", "whether it was streamed", nullable=False),
        Column(
            "usage",
            "str",
            "who counted the tokens; missing if nobody, as where a stream was cut",
            nullable=False,
            values=("provider", "estimated", "missing"),
        ),
        *(_tokens(name, text) for name, text in (INPUT_BUCKETS | OUTPUT_BUCKETS).items()),
        Column("web_searches", "i64", "searches that the provider made for the answer", least=0),
        _tokens("input_tokens", "all input tokens, those of caches included"),
        _tokens("output_tokens", "all output tokens, those of reasoning included"),
        Column("cost", "decimal", "what it costs by the price list; empty if that is not known"),
        Column("currency", "str", "the currency of `cost`"),
        Column("price_source", "str", "the price list and its version"),
        Column("price_model", "str", "the entry of the list, `<provider>/<model>`"),
        Column("price_context", "str", "what else decided the price, such as service_tier=flex"),
        Column(
            "unpriced_reason",
            "str",
            "why there is no cost, of a call that may have cost something",
            values=tuple(UNPRICED_REASONS),
        ),
        Column("provider_cost", "decimal", "what the provider said in the answer that it costs"),
        Column("provider_currency", "str", "the currency of `provider_cost`"),
        Column("finish_reason", "str", "why the model ended, as the provider calls it"),
        Column("service_tier", "str", "the tier that the provider charges"),
        Column("response_id", "str", "the provider's id of the answer"),
        Column("call_id", "str", "tells calls apart", nullable=False),
        Column("operation_id", "str", "tells operations apart", nullable=False),
        Column("attempt", "i64", "1 for the first call of an operation", nullable=False, least=1),
        Column(
            "wire_requests",
            "i64",
            "requests that the client made, those it repeated by itself included",
            nullable=False,
            least=1,
        ),
        Column("feature", "str", "the part of the product that asked"),
        Column("user_id", "str", "who it was for, as the setting `user_ids` lets it be kept"),
        Column("api_key", "str", "name of the key that was used; never the key"),
        Column("prompt", "str", "what was asked, if that is wanted, as `free_text` says"),
        Column("response", "str", "what was answered, likewise"),
        Column("server_address", "str", "host that was asked"),
    ),
    (
        Derived(metric="llm:calls", labels=_MODEL, where=_FIRST),
        Derived(metric="llm:attempts", value="wire_requests", labels=_MODEL),
        Derived(
            metric="llm:failures",
            labels={**_MODEL, "error_class": "error_class"},
            where=Condition("status", "=", "error"),
        ),
        *(
            Derived(
                metric="llm:tokens",
                value=f"{side}_tokens",
                labels={"model_name": "model"},
                fixed={"token_type": side},
            )
            for side in ("input", "output")
        ),
        *(
            Derived(
                metric="llm:tokens_by_bucket",
                value=name,
                labels=_MODEL,
                fixed={"bucket": name.removesuffix("_tokens")},
            )
            for name in (*INPUT_BUCKETS, *OUTPUT_BUCKETS)
        ),
        Derived(
            metric="llm:inference_seconds",
            value="latency_s",
            labels={"model_name": "model"},
            where=_SUCCESS,
        ),
        Derived(metric="llm:time_to_first_token_seconds", value="ttft_s", labels=_MODEL),
        Derived(
            metric="llm:time_per_output_token_seconds",
            value="tpot_s",
            labels=_MODEL,
        ),
        Derived(metric="llm:output_tokens_per_second", value="output_tokens_per_s", labels=_MODEL),
        Derived(
            metric="llm:cost_usd",
            value="cost",
            labels=_MODEL,
            where=Condition("currency", "=", "USD"),
        ),
        Derived(
            metric="llm:provider_cost_usd",
            value="provider_cost",
            labels=_MODEL,
            where=Condition("provider_currency", "=", "USD"),
        ),
        Derived(
            metric="llm:unpriced_requests",
            labels={**_MODEL, "reason": "unpriced_reason"},
            needs=("unpriced_reason",),
        ),
        Derived(
            metric="llm:usage_missing",
            labels=_MODEL,
            where=Condition("usage", "=", "missing"),
        ),
        *(
            Derived(
                metric="llm:client_token_usage",
                value=f"{side}_tokens",
                labels=_GEN_AI,
                fixed={"gen_ai.token.type": side},
                only="otlp",
            )
            for side in ("input", "output")
        ),
        Derived(
            metric="llm:client_operation_duration_seconds",
            value="latency_s",
            labels={**_GEN_AI, "error.type": "error_type"},
            only="otlp",
        ),
        Derived(
            metric="llm:client_time_to_first_chunk_seconds",
            value="ttft_s",
            labels=_GEN_AI,
            only="otlp",
        ),
        Derived(
            metric="llm:client_time_per_output_chunk_seconds",
            value="tpot_s",
            labels=_GEN_AI,
            only="otlp",
        ),
    ),
)

LLM_PRICES = Table(
    "llm_prices",
    "One row per call and time that its price was worked out anew; the call keeps the first price. "
    "`time` is the call's.",
    (
        Column("call_id", "str", "the call", nullable=False),
        Column("version", "i64", "2 for the first time, and so on", nullable=False, least=2),
        Column("cost", "decimal", "what it costs by the price list"),
        Column("currency", "str", "the currency of `cost`"),
        Column("price_source", "str", "the price list and its version"),
        Column("price_model", "str", "the entry of the list, `<provider>/<model>`"),
        Column("price_context", "str", "what else decided the price"),
        Column("unpriced_reason", "str", "why there is no cost", values=tuple(UNPRICED_REASONS)),
    ),
)
