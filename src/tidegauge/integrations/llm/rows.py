# SPDX-License-Identifier: Apache-2.0
"""From a call and its answer to a row of the table `llm_calls`, priced."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tidegauge.integrations.llm.answer import Answer
from tidegauge.integrations.llm.scope import Attributes
from tidegauge.model.amounts import to_units
from tidegauge.model.loading import loading
from tidegauge.model.tables import LLM_CALLS
from tidegauge.prices.pricing import Priced, Pricer
from tidegauge.prices.usage import BUCKETS
from tidegauge.record.cells import shortened
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS
from tidegauge.record.rows import Put, RowWriter, Values

__all__ = ["Call", "pricer", "put_call"]

_writer = RowWriter(recorder, LLM_CALLS)
_puts: dict[str | None, Put] = {}
_MOST_BOUND = 1_000
_NO_TOKENS = (None,) * (len(BUCKETS) + 2)


class _Seen:
    """The latest answers that were recorded in a store, by provider and id.

    One that comes again is the same answer, from a cache or seen by two instruments.
    """

    def __init__(self) -> None:
        self._root: Path | None = None
        self._latest: dict[tuple[str | None, str], object] = {}
        self._before: dict[tuple[str | None, str], object] = {}

    def add(self, root: Path, key: tuple[str | None, str], content: object) -> bool:
        """Remember an answer and what is in it; whether it is new."""
        if root is not self._root:
            self._root, self._latest, self._before = root, {}, {}
        if (self._latest.get(key) or self._before.get(key)) == content:
            return False
        self._latest[key] = content
        if len(self._latest) >= _LEAST_SEEN:
            self._before, self._latest = self._latest, {}
        return True


_seen = _Seen()
#: At least so many are remembered, and less than twice as many.
_LEAST_SEEN = 10_000


class Call(NamedTuple):
    """One request to a language model, as it ended.

    Attributes:
        attributes: Who, what and for whom.
        time_ns: When it began.
        latency_s: Seconds until the answer was complete.
        first_s: Seconds until its first part; None if it was not streamed.
        is_stream: Whether it was streamed.
        usage: Who counted the tokens: `provider`, `estimated` or `missing`.
        error_class: What sort of failure; None for none.
        error_type: Class of the exception.
        call_id: Tells calls apart.
        operation_id: Tells operations apart.
        attempt: Which one of the operation.
        wire_requests: Requests that the client made.
        prompt: What was asked, if it is to be kept.
        response: What was answered, likewise.
        server_address: Host that was asked.
    """

    attributes: Attributes
    time_ns: int
    latency_s: float
    first_s: float | None
    is_stream: bool
    usage: str
    error_class: str | None
    error_type: str | None
    call_id: str
    operation_id: str
    attempt: int
    wire_requests: int
    prompt: str | None
    response: str | None
    server_address: str | None


def pricer() -> Pricer:
    """The price lists that the settings of this process name, those of one's own first.

    Raises:
        ConfigError: A file with prices cannot be used.
    """
    files = recorder.price_files
    if files.pricer is None:
        with loading():
            from tidegauge.prices.lists import price_lists

        files.pricer = Pricer(price_lists(files.own, files.litellm))
    assert isinstance(files.pricer, Pricer)
    return files.pricer


def put_call(call: Call, answer: Answer) -> Priced | None:
    """Record a call; what it costs, or None if it was not recorded.

    In lenient mode it never raises. An answer whose id was recorded by this process is left out.
    """
    try:
        recorder.get_ready()
        said = call.attributes
        provider = said.provider or answer.provider
        # Not the id alone: servers of one's own give out a few hundred of them again and again.
        known = answer.response_id
        content = answer.response_model, answer.usage
        if known is not None and not _seen.add(recorder.writer.root, (provider, known), content):
            recorder.one("llm:repeated_answers", 1.0, None, None, _said_of(provider))
            return None
        priced = _price(call, answer, provider)
        model = said.model or answer.response_model
        put = _puts.get(model)
        if put is None:
            put = _bound(model)
        is_put = put(_values(call, answer, provider, priced), call.time_ns)
    except FAULTS as error:
        recorder.refuse(error, LLM_CALLS.name)
        return None
    return priced if is_put else None


def _said_of(provider: str | None) -> dict[str, str]:
    return {} if provider is None else {"provider": provider}


def _price(call: Call, answer: Answer, provider: str | None) -> Priced:
    if call.usage == "missing" or answer.usage is None:
        # Who was turned away pays nothing; who got part of an answer, or may have, perhaps.
        has_begun = call.first_s is not None or answer.usage is not None
        is_free = call.error_class in _TURNED_AWAY and not has_begun
        return Priced(reason=None if is_free else "usage_missing")
    return pricer().price(
        answer.usage,
        provider=provider,
        models=(answer.response_model, call.attributes.model),
        time_ns=call.time_ns,
        context=answer.context,
    )


#: Failures of requests that the provider did not begin to answer.
_TURNED_AWAY = frozenset({"rate_limit", "auth", "invalid_request", "content_filter", "server"})


def _bound(model: str | None) -> Put:
    if len(_puts) >= _MOST_BOUND:
        _puts.clear()
    labels = () if model is None else (("model", model),)
    put = _puts[model] = _writer.bind(labels)
    return put


def _values(call: Call, answer: Answer, provider: str | None, priced: Priced) -> Values:
    said, usage = call.attributes, answer.usage
    tokens: tuple[int | None, ...] = _NO_TOKENS
    n_out, per_token_s, per_s = None, None, None
    if usage is not None:
        n_in, n_out = usage.input_tokens, usage.output_tokens
        tokens = (*[each or None for each in usage], n_in, n_out)
    if call.first_s is not None and n_out is not None and call.usage == "provider":
        per_token_s, per_s = _pace(call.latency_s - call.first_s, n_out)
    return (
        provider,
        said.operation or "chat",
        answer.response_model,
        "success" if call.error_class is None else "error",
        call.error_class,
        call.error_type,
        call.latency_s,
        call.first_s,
        per_token_s,
        per_s,
        call.is_stream,
        call.usage,
        *tokens,
        priced.units,
        priced.currency,
        priced.source,
        priced.model,
        priced.context or None,
        priced.reason,
        None if answer.provider_cost is None else to_units(answer.provider_cost),
        answer.provider_currency,
        answer.finish_reason,
        answer.service_tier,
        answer.response_id,
        call.call_id,
        call.operation_id,
        call.attempt,
        call.wire_requests,
        said.feature,
        None if said.user_id is None else recorder.privacy.user(said.user_id),
        said.api_key,
        None if call.prompt is None else _kept(call.prompt),
        None if call.response is None else _kept(call.response),
        call.server_address,
    )


def _kept(text: str) -> str | None:
    return recorder.privacy.text(shortened(text))


def _pace(rest_s: float, n_out: int) -> tuple[float | None, float | None]:
    """Seconds per output token after the first one, and output tokens per second."""
    if rest_s <= 0:
        return None, None
    return (rest_s / (n_out - 1) if n_out > 1 else None), n_out / rest_s
