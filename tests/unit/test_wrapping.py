# SPDX-License-Identifier: Apache-2.0
"""Callables of every kind tell when their calls begin and end, and are otherwise themselves.

What is recorded of them is in test_timing.py and integrations/test_feature_tracking.py.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest

from tidegauge.record.wrapping import End, wrapped


class Told:
    """What `wrapped` told.

    Attributes:
        ends: The exception of each call that has ended, or None.
        begun: How many calls have begun.
    """

    def __init__(self) -> None:
        self.ends: list[BaseException | None] = []
        self.begun = 0

    def begin(self) -> End:
        """A call begins."""
        self.begun += 1
        return self.ends.append


@pytest.fixture
def told() -> Told:
    """Nothing so far."""
    return Told()


def test_a_call_ends_once(told: Told) -> None:
    """With its exception, which passes as it is, or without one."""
    error = ValueError("x")

    def work(*, fails: bool) -> int:
        assert len(told.ends) < told.begun
        if fails:
            raise error
        return 7

    work = wrapped(work, told.begin)
    assert work(fails=False) == 7
    with pytest.raises(ValueError, match="x") as raised:
        work(fails=True)
    assert raised.value is error
    assert (told.begun, told.ends) == (2, [None, error])


def test_only_the_wrapper_is_added_to_a_traceback(told: Told) -> None:
    """One line per decorator, as with any other."""

    async def awaited() -> None:
        raise ValueError

    def plain() -> None:
        raise ValueError

    def depth(run: Callable[[], object]) -> int:
        with pytest.raises(ValueError) as raised:
            run()
        return len(raised.traceback)

    assert depth(wrapped(plain, told.begin)) == depth(plain) + 1
    wrapping = wrapped(awaited, told.begin)
    added = depth(lambda: asyncio.run(wrapping())) - depth(lambda: asyncio.run(awaited()))
    assert added == 1


def test_what_a_plain_function_promises_ends_when_it_is_kept(told: Told) -> None:
    """A coroutine or a future that it returns; anything else that can be awaited is a result."""

    class Other:
        def __await__(self) -> Generator[Any, None, int]:
            yield from ()
            return 3

    async def later() -> int:
        return 1

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ends: list[int] = []
        for make in (later, lambda: loop.create_task(later()), Other):
            made = wrapped(lambda make=make: make(), told.begin)()
            ends.append(len(told.ends))
            await made
            await asyncio.sleep(0)
            ends.append(len(told.ends))
        assert ends == [0, 1, 1, 2, 3, 3]

    asyncio.run(main())


def test_a_future_tells_how_it_ended(told: Told) -> None:
    """Cancelled, failed or done."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        futures = [wrapped(loop.create_future, told.begin)() for _ in range(3)]
        futures[0].cancel()
        futures[1].set_exception(KeyError("k"))
        futures[2].set_result(1)
        await asyncio.gather(*futures, return_exceptions=True)

    asyncio.run(main())
    assert [type(error) for error in told.ends] == [asyncio.CancelledError, KeyError, type(None)]


def test_objects_and_partials_are_of_the_kind_of_what_they_call(told: Told) -> None:
    """An object whose call is a coroutine function, and a function with some arguments given."""

    class Work:
        async def __call__(self, x: int) -> int:
            return x

    def items(n: int) -> Generator[int]:
        yield from range(n)

    made = wrapped(Work(), told.begin)(3)
    assert told.begun == 0
    assert asyncio.run(made) == 3
    assert list(wrapped(functools.partial(items, 2), told.begin)()) == [0, 1]
    assert (told.begun, told.ends) == (2, [None, None])


def test_a_coroutine_that_was_called_wrongly_has_failed(told: Told) -> None:
    """As a plain function that was."""

    async def work() -> None: ...

    with pytest.raises(TypeError):
        asyncio.run(wrapped(work, told.begin)(1))  # type: ignore[call-arg, arg-type]
    assert [type(error) for error in told.ends] == [TypeError]


def test_generators_end_without_an_exception_when_they_are_closed(told: Told) -> None:
    """Whatever the wrapped one does about it."""
    closed: list[str] = []

    def plain() -> Generator[int]:
        try:
            yield 1
        finally:
            closed.append("plain")

    async def awaited() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("awaited")

    made = wrapped(plain, told.begin)()
    next(made)
    made.close()

    async def main() -> None:
        made = wrapped(awaited, told.begin)()
        await anext(made)
        await made.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert (closed, told.ends) == (["plain", "awaited"], [None, None])


def test_what_is_thrown_into_an_async_generator_reaches_it(told: Told) -> None:
    """It may go on after it, as the wrapped one would."""

    async def answers() -> AsyncIterator[str]:
        said = "first"
        while True:
            try:
                yield said
            except KeyError as error:
                said = f"caught {error}"

    async def main() -> None:
        made: Any = wrapped(answers, told.begin)()
        assert await anext(made) == "first"
        assert await made.athrow(KeyError("k")) == "caught 'k'"
        with pytest.raises(ValueError, match="v"):
            await made.athrow(ValueError("v"))

    asyncio.run(main())
    assert [type(error) for error in told.ends] == [ValueError]
