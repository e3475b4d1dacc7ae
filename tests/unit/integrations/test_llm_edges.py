# SPDX-License-Identifier: Apache-2.0
"""What programs do around calls to models that nobody would write a manual about."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import decimal
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

import tidegauge as tg
from tidegauge.model.errors import ConfigError
from tidegauge.testing import Captured, capture

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def answer(number: object = 1, **more: Any) -> dict[str, Any]:
    """What OpenAI answers."""
    return {"id": f"r-{number}", "model": "o3", "choices": [], "usage": USAGE, **more}


def chunks(number: object = 1) -> list[dict[str, Any]]:
    """The same as a stream."""
    head = {"id": f"s-{number}", "model": "o3", "usage": None}
    return [
        {**head, "choices": [{"delta": {"content": "no"}}]},
        {**head, "choices": [{"delta": {"content": "on"}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": USAGE},
    ]


Calls = Callable[[], list[dict[str, Any]]]


def reader(captured: Captured) -> Calls:
    """Reads the calls that were recorded."""
    return lambda: [
        {**fact.columns, **fact.labels} for fact in captured.facts if fact.table == "llm_calls"
    ]


@pytest.fixture
def calls() -> Iterator[Calls]:
    """The calls of a store in strict mode."""
    with capture(strict=True) as captured:
        yield reader(captured)


@pytest.fixture
def lenient_calls() -> Iterator[Calls]:
    """The same in lenient mode, as in production."""
    with capture(strict=False) as captured:
        yield reader(captured)


@tg.track_llm(provider="openai")
def ask(number: object, *, model: str = "o3") -> Any:
    """Ask a model."""
    return answer(number)


def test_only_the_innermost_of_coroutines_counts(calls: Calls) -> None:
    """An agent that is a coroutine adds nothing to the calls that it awaits."""

    @tg.track_llm(provider="openai", feature="agent", user_id="ann")
    async def agent(*, model: str) -> Any:
        await asyncio.sleep(0)
        ask(1, model="o3")
        return answer(2)

    asyncio.run(agent(model="o3"))
    [row] = calls()
    assert (row["response_id"], row["feature"], row["user_id"]) == ("r-1", "agent", "ann")


def test_only_the_innermost_of_generators_counts(calls: Calls) -> None:
    """Nor does a generator that hands on what a model streams, plain or asynchronous."""

    @tg.track_llm(provider="openai")
    def inner(number: int, *, model: str) -> Any:
        return iter(chunks(number))

    @tg.track_llm(provider="openai", feature="agent")
    def outer(*, model: str) -> Iterator[Any]:
        yield from inner(1, model="o3")

    @tg.track_llm(provider="openai", feature="agent")
    async def outer_async(*, model: str) -> AsyncIterator[Any]:
        for chunk in inner(2, model="o3"):
            yield chunk

    async def read() -> None:
        async for _ in outer_async(model="o3"):
            pass

    list(outer(model="o3"))
    asyncio.run(read())
    rows = calls()
    assert [(row["response_id"], row["feature"]) for row in rows] == [
        ("s-1", "agent"),
        ("s-2", "agent"),
    ]


def test_blocks_that_end_out_of_order_leave_nothing_behind(calls: Calls) -> None:
    """A generator with a block that is never read on tells nothing of later calls."""

    def generator() -> Iterator[None]:
        with tg.track_llm(user_id="ann"):
            yield

    with tg.track_llm(feature="a"):
        kept = generator()
        next(kept)
    ask(1)
    kept.close()
    ask(2)
    assert [(row.get("feature"), row.get("user_id")) for row in calls()] == [(None, None)] * 2


def test_a_block_may_end_in_another_context(calls: Calls) -> None:
    """As that of a generator does which a web framework steps through in contexts of its own."""

    def generator() -> Iterator[None]:
        with tg.track_llm(provider="openai", model="o3"):
            yield
            raise TimeoutError

    steps = generator()
    contextvars.copy_context().run(next, steps)
    with pytest.raises(TimeoutError):
        contextvars.copy_context().run(next, steps)
    [row] = calls()
    assert row["error_class"] == "timeout"


def test_what_holds_is_what_held_at_the_beginning(calls: Calls) -> None:
    """Labels of a stream are those in force where it was begun, wherever it ends."""
    with tg.context(tenant="ann"), tg.track_llm(provider="openai", model="o3") as call:
        stream = call.stream(iter(chunks()))
    with tg.context(tenant="bob"):
        list(stream)
    [row] = calls()
    assert row["tenant"] == "ann"


def test_a_block_may_tell_several_responses(calls: Calls) -> None:
    """Each is a call of its own, beside those of tracked functions; what fails later is later."""
    with (
        contextlib.suppress(ValueError),
        tg.track_llm(provider="openai", model="o3", feature="f") as call,
    ):
        ask(1)
        call.response(answer(2))
        call.response(answer(3))
        raise ValueError
    rows = calls()
    assert [(row["response_id"], row["status"], row["feature"]) for row in rows] == [
        ("r-1", "success", "f"),
        ("r-2", "success", "f"),
        ("r-3", "success", "f"),
    ]
    assert len({row["operation_id"] for row in rows}) == 3


def test_blocks_inside_of_one_operation_are_its_attempts(calls: Calls) -> None:
    """However the attempts are made."""
    with tg.track_llm(one_operation=True):
        for number in range(2):
            with tg.track_llm(provider="openai", model="o3") as call:
                call.response(answer(number))
        ask(7)
    rows = calls()
    assert [row["attempt"] for row in rows] == [1, 2, 3]
    assert len({row["operation_id"] for row in rows}) == 1


def test_ids_of_small_servers_come_again(calls: Calls) -> None:
    """An id is no answer: with other tokens it is another one. The same once more is counted."""
    for n_in in (10, 11, 11):
        with tg.track_llm(provider="ollama", model="m") as call:
            call.response(answer("again", usage={"prompt_tokens": n_in, "completion_tokens": 1}))
    assert [row["input_tokens"] for row in calls()] == [10, 11]
    assert tg.stats("llm:repeated_answers")["sum"].to_pylist() == [1.0]


class Both:
    """A stream as LiteLLM's: to be iterated over in either way."""

    def __init__(self) -> None:
        self._events = iter(chunks())

    def __iter__(self) -> Both:
        return self

    def __next__(self) -> Any:
        return next(self._events)

    def __aiter__(self) -> Both:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._events)
        except StopIteration:
            raise StopAsyncIteration from None


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_for_both_ways(is_async: bool, calls: Calls) -> None:
    """Both ways stay open, and the call counts once."""

    @tg.track_llm(provider="openai")
    def stream(*, model: str) -> Any:
        return Both()

    async def read() -> list[Any]:
        return [event async for event in stream(model="o3")]

    events = asyncio.run(read()) if is_async else list(stream(model="o3"))
    assert events == chunks()
    [row] = calls()
    assert (row["status"], row["output_tokens"]) == ("success", 100)


def test_what_a_stream_is_is_not_hidden(calls: Calls) -> None:
    """It can be copied, closed as before, and suppresses what it did."""

    class Stream:
        closed = False

        def __init__(self) -> None:
            self._events = iter(chunks())

        def __iter__(self) -> Iterator[Any]:
            return self._events

        def __next__(self) -> Any:
            return next(self._events)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> bool:
            return True

        def close(self) -> str:
            self.closed = True
            return "closed"

    inner = Stream()
    with tg.track_llm(provider="openai", model="o3") as call:
        stream = call.stream(inner)
    with stream:
        raise ValueError  # which this stream suppresses
    copy.copy(stream)
    assert stream.close() == "closed"
    assert inner.closed
    assert [row["error_class"] for row in calls()] == ["cancelled"]


def test_a_coroutine_function_stays_one() -> None:
    """Frameworks look."""

    @tg.track_llm(provider="openai")
    async def coroutine() -> None: ...

    assert inspect.iscoroutinefunction(coroutine)


def test_a_class_is_no_client() -> None:
    """Its objects are."""
    with pytest.raises(ConfigError, match="no client of a language model"):
        tg.track_llm(SimpleNamespace)


class Odd:
    """An object whose every field raises."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # which pytest looks at
            raise AttributeError(name)
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "result",
    [
        Odd(),
        SimpleNamespace(type=[1, 2]),
        SimpleNamespace(choices=[Odd()], usage=Odd()),
        SimpleNamespace(id=7, model=b"o3", choices=[], usage=SimpleNamespace(prompt_tokens=2**80)),
        contextlib.nullcontext(),
        None,
        object(),
    ],
)
def test_whatever_is_returned_comes_back(result: Any, lenient_calls: Calls) -> None:
    """Unchanged, and without an error of ours."""

    @tg.track_llm(provider="openai", keep_text=True)
    def ask_oddly(*, model: str, messages: object) -> Any:
        return result

    assert ask_oddly(model="o3", messages=[Odd()]) is result
    assert all(row.get("cost") is None for row in lenient_calls())


def test_an_odd_exception_passes(lenient_calls: Calls) -> None:
    """As it was raised, though its fields cannot be looked at."""

    class OddError(Exception):
        @property
        def response(self) -> Any:
            raise RuntimeError

    @tg.track_llm(provider="openai")
    def fail(*, model: str) -> None:
        raise OddError

    with pytest.raises(OddError):
        fail(model="o3")


@pytest.mark.parametrize(
    "usage",
    [{"input": 5}, {"prompt_tokens": "many"}, {}],
)
def test_usage_that_says_nothing_is_missing(usage: Any, calls: Calls) -> None:
    """And not 0 tokens for 0 dollars."""
    with tg.track_llm(provider="openai", model="o3") as call:
        call.response(answer(usage=usage))
    [row] = calls()
    assert (row["usage"], row.get("cost"), row["unpriced_reason"]) == (
        "missing",
        None,
        "usage_missing",
    )


def test_perplexity_counts_reasoning_and_searches_beside(calls: Calls) -> None:
    """What is beside the completion is charged as well."""
    usage = {**USAGE, "total_tokens": 1100, "reasoning_tokens": 5000, "num_search_queries": 3}
    with tg.track_llm(provider="perplexity", model="sonar-deep-research") as call:
        call.response(answer(usage=usage))
    [row] = calls()
    assert (row["reasoning_tokens"], row["output_tokens"], row["web_searches"]) == (5000, 5100, 3)


def test_a_cut_stream_is_not_estimated_over_what_was_said(calls: Calls) -> None:
    """Numbers of the provider stay, and the call has no price."""
    start = {
        "type": "message_start",
        "message": {"id": "m", "usage": {"input_tokens": 5, "cache_read_input_tokens": 200_000}},
    }

    def events() -> Iterator[Any]:
        yield start
        raise ConnectionResetError

    with tg.track_llm(provider="anthropic", model="claude-sonnet-4-5", estimate=True) as call:
        stream = call.stream(events())
    with pytest.raises(ConnectionResetError):
        list(stream)
    [row] = calls()
    assert (row["usage"], row["cache_read_tokens"], row["unpriced_reason"]) == (
        "missing",
        200_000,
        "usage_missing",
    )


def test_a_stream_that_a_server_breaks_is_not_free(calls: Calls) -> None:
    """A failure of the server after the answer had begun may have cost something."""

    class ServerError(Exception):
        status_code = 500

    def events() -> Iterator[Any]:
        yield chunks()[0]
        raise ServerError

    with tg.track_llm(provider="openai", model="o3") as call:
        stream = call.stream(events())
    with pytest.raises(ServerError):
        list(stream)
    [row] = calls()
    assert (row["error_class"], row["unpriced_reason"]) == ("server", "usage_missing")


def test_own_prices_hold_for_dated_names(tmp_path: Path) -> None:
    """The name that was asked for is enough, though the answer has a longer one; edits count."""
    path = tmp_path / "prices.toml"
    for price in (1, 7):
        path.write_text(f"[[price]]\nmodel = 'gpt-4o'\ninput = {price}\noutput = {price}\n")
        with capture(strict=True, llm_prices=str(path)):
            with tg.track_llm(provider="openai", model="gpt-4o") as call:
                call.response(answer(model="gpt-4o-2024-08-06"))
            assert call.priced is not None
            assert call.priced.cost == Decimal(price) * 1100 / 1_000_000


def test_a_program_that_rounds_does_not_round_costs(calls: Calls) -> None:
    """Its decimal context is its own, and spoils no price for others."""
    with decimal.localcontext() as context:
        context.prec = 2
        context.traps[decimal.Inexact] = True
        cost = tg.calculate_llm_cost("gemini-2.5-flash-lite", 123_457, 1, provider="google")
    assert cost == Decimal("0.0123461")
    assert tg.calculate_llm_cost("gemini-2.5-flash-lite", 123_457, 1, provider="google") == cost


@pytest.mark.parametrize(
    "provider", ["openai-gateway.mycorp.internal", "my-openai-proxy", "anthropic-cache.local"]
)
def test_a_name_with_a_vendor_s_in_it_is_not_the_vendor(provider: str) -> None:
    """A gateway has prices of its own, or none that are known."""
    assert tg.price_llm_call("gpt-4o", 1, 1, provider=provider).reason == "unknown_model"


def test_parts_of_the_totals_are_not_to_be_given() -> None:
    """What is left of the totals follows."""
    with pytest.raises(TypeError, match="follows from the others"):
        tg.price_llm_call("o3", 10, 1, input_uncached_tokens=4)


def test_a_context_may_hold_any_text(calls: Calls) -> None:
    """A tier with a comma in its name is a tier that is not known, also when priced anew."""
    with tg.track_llm(provider="openai", model="o3") as call:
        call.response(answer(service_tier="a,b=c"))
    [row] = calls()
    assert (row["price_context"], row["unpriced_reason"]) == (
        "service_tier=a%2Cb%3Dc",
        "unknown_context",
    )
    assert tg.reprice_llm_calls().changed == 0


def test_generate_may_stream(calls: Calls) -> None:
    """`generate_with_metrics` waits for the end of what is not there yet."""

    async def generate(**asked: Any) -> Any:
        return answer("later")

    async def run() -> Any:
        return await tg.generate_with_metrics("o3", "openai", "when?", 10, client=generate)

    assert asyncio.run(run()) == answer("later")
    stream = tg.generate_with_metrics(
        "o3", "openai", "when?", 10, client=lambda **_: iter(chunks())
    )
    assert list(stream) == chunks()
    assert [row["output_tokens"] for row in calls()] == [100, 100]
