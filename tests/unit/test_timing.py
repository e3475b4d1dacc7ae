# SPDX-License-Identifier: Apache-2.0
"""Timers on blocks, functions, coroutines and generators, and on whatever raises in them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.model.errors import MetricValidationError
from tidegauge.record.timing import Timer
from tidegauge.testing import capture

METRIC = "pipeline:duration_seconds"


def test_block_is_timed_in_the_unit_of_the_metric() -> None:
    """The same block is 1,000 times as many milliseconds as seconds."""
    with capture() as captured, tg.timer("model:latency_ms") as timer:
        sum(range(1000))
    assert captured.values("model:latency_ms") == [in_ms(timer)]


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


def test_timers_may_be_made_before_configure(tmp_path: Path) -> None:
    """The unit is that of the catalogue in force when something was timed."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(
        "metrics:\n  custom:load: {description: Loading., unit: ms, kind: distribution}\n"
    )
    timer, handle = tg.timer("custom:load"), tg.metric("custom:load")

    @timer
    def load() -> None:
        pass

    with capture(catalog=catalog) as captured:
        load()
        with timer:
            pass
        with handle.timer() as second:
            pass
        assert captured.values("custom:load")[1:] == [in_ms(timer), in_ms(second)]
    with capture() as captured:
        with timer:
            pass
        assert captured.values("custom:load") == [timer.elapsed_s]


def test_making_and_decorating_start_nothing(run_program: Any, tmp_path: Path) -> None:
    """A module that only makes timers applies no settings, starts no thread, writes no file."""
    program = (
        "import threading\n"
        "import tidegauge as tg\n"
        "@tg.timer('custom:load')\n"
        "def load(): pass\n"
        "handle = tg.metric('custom:load', aggregate='1h').timer()\n"
        "assert [thread.name for thread in threading.enumerate()] == ['MainThread']\n"
    )
    done = run_program(program, tmp_path, TIDEGAUGE_STRICT="perhaps", TIDEGAUGE_STORE="store")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model:accuracy", "日本", "custom:undeclared", "nope:nope:nope"])
def test_lenient_timer_never_hurts_what_it_times(name: str, tmp_path: Path) -> None:
    """A metric that cannot be timed is dropped and counted once; the block and the call run."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("closed: true\nmetrics: {}\n")
    with capture(strict=False, catalog=catalog) as captured:
        with tg.timer(name):
            ran = ["block"]
        tg.timer(name)(ran.append)("call")
        tg.metric(name, aggregate=60).timer()(ran.append)("interval")
    assert ran == ["block", "call", "interval"]
    assert captured.facts == []
    assert sum(captured.dropped.values()) == 3


def test_strict_timer_raises_at_the_end() -> None:
    """An accuracy is not a duration: the block and the call run, then the error says so."""
    ran: list[str] = []
    with capture():
        timed = tg.timer("model:accuracy")(ran.append)
        with pytest.raises(MetricValidationError, match=r"cannot be timed; got '1'; allowed: .*wk"):
            timed("call")
        with pytest.raises(MetricValidationError, match="cannot be timed"), tg.timer("model:f1"):
            ran.append("block")
    assert ran == ["call", "block"]


@pytest.mark.parametrize(
    ("name", "unit_s"),
    [
        ("custom:my_step", 1.0),
        ("custom:load_seconds", 1.0),
        ("custom:load_ms", 0.001),
        ("custom:load_microseconds", 1e-6),
        ("custom:age_days", 86400.0),
        ("custom:load_min", 1.0),  # a minimum, as likely as minutes
        ("custom:ms", 1.0),
    ],
)
def test_unit_of_an_undeclared_metric_is_what_its_name_ends_in(name: str, unit_s: float) -> None:
    """What the name says is what is recorded; a name that says nothing is in seconds."""
    with capture() as captured:
        with tg.timer(name) as timer:
            sum(range(1000))
        assert timer.elapsed_s is not None
        assert captured.values(name) == [timer.elapsed_s / unit_s]


@pytest.mark.parametrize(("unit", "unit_s"), [("h", 3600.0), ("d", 86400.0), ("wk", 604800.0)])
def test_every_unit_of_time_can_be_timed(unit: str, unit_s: float, tmp_path: Path) -> None:
    """Days and weeks are as good as seconds."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(f"metrics:\n  custom:age: {{description: Age., unit: {unit}}}\n")
    with capture(catalog=catalog) as captured:
        with tg.timer("custom:age") as timer:
            sum(range(1000))
        assert timer.elapsed_s is not None
        assert captured.values("custom:age") == [timer.elapsed_s / unit_s]


class Coroutine:
    """Acts like a coroutine function."""

    async def __call__(self) -> str:
        """Take 20 ms."""
        await asyncio.sleep(0.02)
        return "done"


class AsyncGenerator:
    """Acts like an async generator function."""

    async def __call__(self) -> AsyncIterator[int]:
        """Take 20 ms."""
        await asyncio.sleep(0.02)
        yield 1


def test_object_with_an_async_call_is_timed_to_its_end() -> None:
    """What acts like a coroutine function or an async generator function is timed like one."""

    async def main() -> None:
        assert await tg.timer(METRIC)(Coroutine())() == "done"
        assert [n async for n in tg.timer(METRIC)(AsyncGenerator())()] == [1]

    with capture() as captured:
        asyncio.run(main())
        assert [float(str(value)) >= 0.02 for value in captured.values(METRIC)] == [True, True]


def test_function_that_returns_a_coroutine_or_future_is_timed_to_its_end() -> None:
    """A lambda around a coroutine, and one that starts a task, count until they have ended."""

    async def work(name: str) -> str:
        await asyncio.sleep(0.02)
        return name

    async def main() -> None:
        made = tg.timer(METRIC)(lambda: work("made"))()
        assert captured.values(METRIC) == []
        assert await made == "made"
        task = tg.timer(METRIC)(lambda: asyncio.create_task(work("task")))()
        assert isinstance(task, asyncio.Task)
        assert await task == "task"
        await asyncio.sleep(0)

    with capture() as captured:
        asyncio.run(main())
        assert [float(str(value)) >= 0.02 for value in captured.values(METRIC)] == [True, True]


def test_what_else_can_be_awaited_is_returned_as_it_is() -> None:
    """An object that can be awaited may do other things as well, so it is not wrapped."""

    class Query:
        def __await__(self) -> Iterator[object]:
            yield from ()

    query = Query()
    with capture() as captured:
        assert tg.timer(METRIC)(lambda: query)() is query
        assert len(captured.values(METRIC)) == 1


def test_timer_above_static_and_class_methods() -> None:
    """They stay what they are, and an async one is timed to its end."""

    class Service:
        @tg.timer(METRIC)
        @staticmethod
        async def wait() -> str:
            await asyncio.sleep(0.02)
            return "waited"

        @tg.timer(METRIC)
        @classmethod
        def name(cls) -> str:
            return cls.__name__

    with capture() as captured:
        assert asyncio.run(Service.wait()) == "waited"
        assert (Service.name(), Service().name()) == ("Service", "Service")
        waited, *named = captured.values(METRIC)
    assert float(str(waited)) >= 0.02
    assert len(named) == 2


def test_what_cannot_be_called_cannot_be_decorated() -> None:
    """The error says where the timer belongs."""
    with pytest.raises(TypeError, match=r"cannot be called\. Put the decorator below"):
        tg.timer(METRIC)(property(lambda self: self))  # type: ignore[type-var]


def test_everything_thrown_in_reaches_the_async_generator() -> None:
    """A generator that survives one exception is given the next, and what is sent after it."""
    caught: list[object] = []

    @tg.timer(METRIC)
    async def stubborn() -> AsyncIterator[int]:
        for n in range(4):
            try:
                caught.append((yield n))
            except ValueError as error:
                caught.append(str(error))

    async def main() -> None:
        running = stubborn()
        assert await anext(running) == 0
        assert await running.athrow(ValueError("a")) == 1  # type: ignore[attr-defined]
        assert await running.athrow(ValueError("b")) == 2  # type: ignore[attr-defined]
        assert await running.asend("c") == 3  # type: ignore[attr-defined]
        await running.aclose()  # type: ignore[attr-defined]

    with capture() as captured:
        asyncio.run(main())
        assert len(captured.values(METRIC)) == 1
    assert caught == ["a", "b", "c"]


def test_async_generator_whose_cleanup_raises_is_recorded() -> None:
    """Its time is kept and the error passes."""

    @tg.timer(METRIC)
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise KeyError("cleanup")

    async def main() -> None:
        running = numbers()
        await anext(running)
        with pytest.raises(KeyError, match="cleanup"):
            await running.aclose()  # type: ignore[attr-defined]

    with capture() as captured:
        asyncio.run(main())
        assert len(captured.values(METRIC)) == 1


def in_ms(timer: Timer) -> float:
    """What the last block took."""
    assert timer.elapsed_s is not None
    return timer.elapsed_s / 0.001
