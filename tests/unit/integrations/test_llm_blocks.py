# SPDX-License-Identifier: Apache-2.0
"""`track_llm` around functions and blocks, with answers as JSON."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.model.errors import ConfigError, MetricValidationError
from tidegauge.testing import Captured, capture


def answer(number: int = 1, **more: Any) -> dict[str, Any]:
    """What OpenAI answers."""
    return {
        "id": f"r-{number}",
        "model": "o3",
        "choices": [{"message": {"content": "noon"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        **more,
    }


def chunks(number: int = 1) -> list[dict[str, Any]]:
    """The same as a stream."""
    head = {"id": f"s-{number}", "model": "o3", "usage": None}
    return [
        {**head, "choices": [{"delta": {"content": "no"}}]},
        {**head, "choices": [{"delta": {"content": "on"}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100}},
    ]


@pytest.fixture
def captured_calls(captured: Captured) -> Callable[[], list[dict[str, Any]]]:
    """Reads the calls that were recorded."""
    return lambda: [
        {**fact.columns, **fact.labels} for fact in captured.facts if fact.table == "llm_calls"
    ]


Calls = Callable[[], list[dict[str, Any]]]


def test_functions_of_every_kind(captured_calls: Calls) -> None:
    """Plain, awaited, generated: one call each, with its tokens and its cost."""

    @tg.track_llm(provider="openai")
    def plain(model: str) -> Any:
        return answer(1)

    @tg.track_llm(provider="openai")
    async def coroutine(model: str) -> Any:
        return answer(2)

    @tg.track_llm(provider="openai")
    def generator(model: str) -> Iterator[Any]:
        yield from chunks(3)

    @tg.track_llm(provider="openai")
    async def async_generator(model: str) -> AsyncIterator[Any]:
        for chunk in chunks(4):
            yield chunk

    async def read() -> list[Any]:
        return [each async for each in async_generator(model="o3")]

    assert plain(model="o3") == answer(1)
    assert asyncio.run(coroutine(model="o3")) == answer(2)
    assert list(generator(model="o3")) == chunks(3)
    assert asyncio.run(read()) == chunks(4)
    rows = captured_calls()
    assert [row["response_id"] for row in rows] == ["r-1", "r-2", "s-3", "s-4"]
    assert [row["is_stream"] for row in rows] == [False, False, True, True]
    assert {(row["input_tokens"], row["output_tokens"], row["model"]) for row in rows} == {
        (1000, 100, "o3")
    }
    assert {row["cost"] for row in rows} == {280_000}  # of a hundred-millionth of a dollar


def test_a_function_that_raises(captured_calls: Calls) -> None:
    """The exception passes on, and the call is a failed one."""

    @tg.track_llm(provider="openai", model="o3")
    def ask() -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        ask()
    [row] = captured_calls()
    assert (row["status"], row["error_class"], row["error_type"]) == (
        "error",
        "connection",
        "ConnectionResetError",
    )
    assert row["unpriced_reason"] == "usage_missing"  # it may have been answered


def test_a_block_that_tries_again(captured_calls: Calls) -> None:
    """Attempts share their operation; the first one counts as a request."""
    with tg.track_llm(provider="openai", model="o3") as call:
        call.retry(TimeoutError())
        call.retry(TimeoutError())
        call.response(answer())
    rows = captured_calls()
    assert [row["attempt"] for row in rows] == [1, 2, 3]
    assert len({row["operation_id"] for row in rows}) == 1
    assert len({row["call_id"] for row in rows}) == 3
    assert [row["error_class"] for row in rows[:2]] == ["timeout", "timeout"]
    assert call.priced is not None
    assert call.priced.cost is not None


def test_a_block_may_count_by_itself(captured_calls: Calls) -> None:
    """Where no response says so: tokens by bucket, refused if they are none."""
    with tg.track_llm(provider="openai", model="o3") as call:
        call.usage(input_uncached_tokens=900, cache_read_tokens=100, reasoning_tokens=7)
    with (
        pytest.raises(MetricValidationError, match="number of tokens that is none"),
        tg.track_llm(provider="openai", model="o3") as call,
    ):
        call.usage(input_uncached_tokens=-1)
    with (
        pytest.raises(TypeError, match="tokens_in"),
        tg.track_llm(provider="openai", model="o3") as call,
    ):
        call.usage(tokens_in=1)
    first = captured_calls()[0]
    assert (first["input_tokens"], first["output_tokens"], first["usage"]) == (1000, 7, "provider")


def test_a_block_around_calls_records_nothing_itself(captured_calls: Calls) -> None:
    """It tells the calls inside what they do not know; without any it leaves no trace."""
    with tg.track_llm(feature="empty", user_id="nobody"):
        pass
    with (
        tg.track_llm(model="agent", feature="search", user_id="u-1"),
        tg.track_llm(feature="answer", model="o3", provider="openai") as call,
    ):
        call.response(answer())
    [row] = captured_calls()
    assert (row["feature"], row["user_id"], row["model"]) == ("answer", "u-1", "o3")


def test_blocks_of_threads_and_tasks_are_apart(captured_calls: Calls) -> None:
    """One tracker serves many at once, and each call is inside of its own block only."""
    tracker = tg.track_llm(provider="openai", model="o3")
    both_inside = threading.Barrier(2)

    def work(number: int) -> None:
        with tracker as call:
            both_inside.wait(30)
            call.response(answer(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def tasks() -> None:
        async def task(number: int) -> None:
            async with tracker as call:
                await asyncio.sleep(0)
                call.response(answer(number))

        await asyncio.gather(*(task(number) for number in range(2, 5)))

    asyncio.run(tasks())
    assert sorted(row["response_id"] for row in captured_calls()) == [
        "r-0",
        "r-1",
        "r-2",
        "r-3",
        "r-4",
    ]


def test_a_stream_may_be_read_after_its_block(captured_calls: Calls) -> None:
    """The call ends with the stream."""
    with tg.track_llm(provider="openai", model="o3") as call:
        stream = call.stream(iter(chunks()))
    assert captured_calls() == []
    assert list(stream) == chunks()
    [row] = captured_calls()
    assert (row["status"], row["output_tokens"]) == ("success", 100)


def test_objects_are_read_as_json_is(captured_calls: Calls) -> None:
    """An object without any library, such as a gateway's own, has fields too."""
    usage = SimpleNamespace(prompt_tokens=10, completion_tokens=2, prompt_tokens_details=None)
    with tg.track_llm(provider="openai", model="o3") as call:
        call.response(SimpleNamespace(id="x", model="o3", choices=[], usage=usage))
    [row] = captured_calls()
    assert (row["input_tokens"], row["output_tokens"]) == (10, 2)


def test_litellm_says_whom_it_asked(captured_calls: Calls) -> None:
    """The price is that of the provider behind it."""
    response = SimpleNamespace(**answer(model="claude-sonnet-4-5"))
    response._hidden_params = {"custom_llm_provider": "anthropic", "response_cost": 1.0}
    with tg.track_llm(model="claude-sonnet-4-5") as call:
        call.response(response)
    [row] = captured_calls()
    assert row["provider"] == "anthropic"
    assert row["cost"] == 450_000  # 3 and 15 dollars a million
    assert "provider_cost" not in row


def test_users_are_kept_as_the_settings_say() -> None:
    """A hash in place of the id, before it is on the disk; and no text if none is to be kept."""
    with capture(strict=True, user_ids="hash", free_text="drop") as captured:
        with tg.track_llm(provider="openai", model="o3", user_id="ann", keep_text=True) as call:
            call.response(answer())
        [fact] = captured.facts
        assert fact.columns["user_id"].startswith("h:")
        assert "response" not in fact.columns


def test_usage_that_contradicts_itself() -> None:
    """More cached tokens than there are is refused in strict mode, and missing in lenient mode."""
    wrong = answer(
        usage={
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "prompt_tokens_details": {"cached_tokens": 11},
        }
    )
    with (
        capture(strict=True),
        pytest.raises(MetricValidationError, match="that is none"),
        tg.track_llm(provider="openai", model="o3") as call,
    ):
        call.response(wrong)
    with capture(strict=False) as captured:
        with tg.track_llm(provider="openai", model="o3") as call:
            call.response(wrong)
        [fact] = captured.facts
        assert (fact.columns["usage"], fact.columns["unpriced_reason"]) == (
            "missing",
            "usage_missing",
        )


def test_what_is_no_client_is_refused() -> None:
    """The error says what can be tracked."""
    with pytest.raises(ConfigError, match="no client of a language model"):
        tg.track_llm(object())
    with pytest.raises(TypeError, match="cannot be called"):
        tg.track_llm(model="o3")("no function")


def test_own_prices_are_read_when_settings_are(tmp_path: Any) -> None:
    """A file that cannot be used is an error of `configure`; a good one prices the next call."""
    path = tmp_path / "prices.toml"
    path.write_text("[[price]]\nmodel = 'o3'\ninput = 1\noutput = 2\ncurrency = 'EUR'\n")
    with capture(strict=True, llm_prices=str(path)) as captured:
        with tg.track_llm(provider="openai", model="o3") as call:
            call.response(answer())
        [fact] = captured.facts
        assert (fact.columns["cost"], fact.columns["currency"]) == (120_000, "EUR")
    path.write_text("[[price]]\n")
    with pytest.raises(ConfigError, match="entry 1 is wrong"), capture(llm_prices=str(path)):
        pass
