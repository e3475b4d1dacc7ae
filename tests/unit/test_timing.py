# SPDX-License-Identifier: Apache-2.0
"""Timers on blocks, functions, coroutines and generators, and on whatever raises in them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest

import tidegauge as tg
from tidegauge.model.errors import MetricValidationError
from tidegauge.testing import capture

METRIC = "pipeline:duration_seconds"


def test_block_is_timed_in_the_unit_of_the_metric() -> None:
    """The same block is 1,000 times as many milliseconds as seconds."""
    with capture() as captured:
        with tg.timer("model:latency_ms") as timer:
            sum(range(1000))
        assert timer.elapsed_s is not None
    assert captured.values("model:latency_ms") == [timer.elapsed_s * 1000]


def test_block_that_raises_is_recorded_and_the_error_passes() -> None:
    """A failure took time too; the exception is the one that was raised."""
    with capture() as captured:
        with pytest.raises(ZeroDivisionError), tg.timer(METRIC):
            _ = 1 / 0
        assert len(captured.values(METRIC)) == 1


def test_function_keeps_its_name_and_result() -> None:
    """A decorated function looks and answers like the plain one."""

    @tg.timer(METRIC)
    def double(x: int) -> int:
        """Twice x."""
        return 2 * x

    with capture() as captured:
        assert [double(2), double(x=3)] == [4, 6]
        assert (double.__name__, double.__doc__) == ("double", "Twice x.")
        assert len(captured.values(METRIC)) == 2


def test_coroutine_is_timed_to_its_end() -> None:
    """What counts is the awaited call, not the making of the coroutine."""

    @tg.timer(METRIC)
    async def work() -> str:
        await asyncio.sleep(0.02)
        return "done"

    with capture() as captured:
        assert inspect.iscoroutinefunction(work)
        made = work()
        assert captured.values(METRIC) == []
        assert asyncio.run(made) == "done"
        (value,) = captured.values(METRIC)
    assert isinstance(value, float)
    assert value >= 0.02


def test_coroutine_that_is_cancelled_is_recorded() -> None:
    """Cancelling ends the call; its time is kept and CancelledError passes."""

    @tg.timer(METRIC)
    async def work() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with capture() as captured:
        asyncio.run(main())
        assert len(captured.values(METRIC)) == 1


def test_generator_is_timed_until_exhausted_or_closed() -> None:
    """Sending, the return value and closing early work as without the timer."""

    @tg.timer(METRIC)
    def echo() -> Iterator[object]:
        got = yield "first"
        yield got
        return "end"

    with capture() as captured:
        running = echo()
        assert captured.values(METRIC) == []
        assert next(running) == "first"
        assert running.send("hello") == "hello"  # type: ignore[attr-defined]
        with pytest.raises(StopIteration, match="end"):
            next(running)
        assert len(captured.values(METRIC)) == 1
        early = echo()
        next(early)
        early.close()  # type: ignore[attr-defined]
        assert len(captured.values(METRIC)) == 2


def test_async_generator_is_timed_until_exhausted_or_closed() -> None:
    """Values, thrown-in exceptions and closing early reach the wrapped generator."""
    closed = []

    @tg.timer(METRIC)
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        except KeyError:
            yield 3
        finally:
            closed.append(True)

    async def main() -> None:
        assert [n async for n in numbers()] == [1, 2]
        thrown = numbers()
        assert await anext(thrown) == 1
        assert await thrown.athrow(KeyError()) == 3  # type: ignore[attr-defined]
        await thrown.aclose()  # type: ignore[attr-defined]

    with capture() as captured:
        asyncio.run(main())
        assert len(captured.values(METRIC)) == 2
    assert closed == [True, True]


def test_timer_is_reentrant_as_a_decorator() -> None:
    """Recursion and tasks that overlap are each timed on their own."""

    @tg.timer(METRIC)
    async def work(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def main() -> None:
        await asyncio.gather(work(0.03), work(0.01))

    with capture() as captured:
        asyncio.run(main())
        short, long = captured.values(METRIC)
    assert isinstance(short, float)
    assert isinstance(long, float)
    assert 0.01 <= short < long


def test_metric_without_a_unit_of_time_cannot_be_timed() -> None:
    """An accuracy is not a duration; an undeclared metric is taken to be in seconds."""
    with capture() as captured:
        with pytest.raises(MetricValidationError, match="cannot be timed"):
            tg.timer("model:accuracy")
        with tg.timer("custom:my_step"):
            pass
        assert len(captured.values("custom:my_step")) == 1
