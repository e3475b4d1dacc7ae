# SPDX-License-Identifier: Apache-2.0
"""Uses of features, recorded by what blocks and functions of every kind do."""

from __future__ import annotations

import asyncio
import gc
import inspect
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.integrations.feature_tracking import FeatureUse
from tidegauge.testing import Captured, capture

Rows = Callable[[str], list[dict[str, Any]]]


class Broken(Exception):
    """An exception whose message cannot be had."""

    def __str__(self) -> str:
        raise OSError("no message")


@pytest.fixture
def rows(captured: Captured) -> Rows:
    """Reads the rows of a table; durations are checked and left out."""

    def read(table: str) -> list[dict[str, Any]]:
        found = []
        for fact in captured.facts:
            columns = dict(fact.columns)
            if fact.table == "feature_usage":
                assert 0 <= float(str(columns.pop("duration_ms"))) < 60_000
            if fact.table == table:
                found.append(columns)
        return found

    return read


def used(**more: object) -> dict[str, object]:
    """The row of a use of the action `a` of the feature `f`; a success unless it says otherwise."""
    columns = {"feature": "f", "action": "a", "success": True, **more}
    return {name: value for name, value in columns.items() if value is not None}


def failed(error_type: str, message: str | None = None, **more: object) -> dict[str, object]:
    """The row of an error of the feature `f`."""
    columns = {
        "feature": "f",
        "error_type": error_type,
        "error_severity": "error",
        "error_message": message,
        "recovery_attempted": False,
        **more,
    }
    return {name: value for name, value in columns.items() if value is not None}


def test_a_block_is_a_use(rows: Rows) -> None:
    """With everything that is known of it."""
    block = tg.track_feature("f", "a", user="u1", user_context="morning", metadata={"build": 7})
    with block as use:
        assert isinstance(use, FeatureUse)
    more = {"user_id": "u1", "user_context": "morning", "metadata": '{"build":7}'}
    assert rows("feature_usage") == [used(**more)]
    assert rows("errors") == []


def test_the_duration_is_that_of_the_block(captured: Captured) -> None:
    """In milliseconds."""

    async def main() -> None:
        async with tg.track_feature("f", "a"):
            await asyncio.sleep(0.02)

    asyncio.run(main())
    (fact,) = captured.facts
    assert 20 <= float(str(fact.columns["duration_ms"])) < 10_000


def test_an_exception_is_a_failure_and_passes(rows: Rows) -> None:
    """The very object, with the place where it was raised at the end of its traceback."""
    error = ValueError("no pattern")
    block = tg.track_feature("f", "a", user="u1", severity="critical", impact_level="high")
    with pytest.raises(ValueError, match="no pattern") as raised, block:
        raise error
    assert raised.value is error
    assert (error.__context__, error.__cause__, hasattr(error, "__notes__")) == (None, None, False)
    assert traceback.extract_tb(error.__traceback__)[-1].name == (
        "test_an_exception_is_a_failure_and_passes"
    )
    more = {"user_id": "u1", "error_severity": "critical", "impact_level": "high"}
    assert rows("errors") == [failed("ValueError", "no pattern", **more)]
    assert rows("feature_usage") == [used(success=False, error_type="ValueError", user_id="u1")]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()], ids=repr
)
def test_what_ends_a_program_is_no_failure(rows: Rows, error: BaseException) -> None:
    """Nor a success: nobody knows whether it would have worked."""
    with pytest.raises(type(error)) as raised, tg.track_feature("f", "a"):
        raise error
    assert raised.value is error
    assert rows("errors") == []
    assert rows("feature_usage") == [used(success=None, error_type=type(error).__name__)]


def test_an_exception_without_a_message_is_recorded(rows: Rows) -> None:
    """Also one that fails when it is asked for it."""
    for error in (Broken(), ValueError()):
        with pytest.raises(type(error)), tg.track_feature("f", "a"):
            raise error
    assert rows("errors") == [failed("Broken"), failed("ValueError")]


def test_a_long_message_costs_nobody_the_error(rows: Rows) -> None:
    """It is cut."""
    with pytest.raises(ValueError, match="x"), tg.track_feature("f", "a"):
        raise ValueError("x" * 100_000)
    (row,) = rows("errors")
    assert (len(row["error_message"]), row["error_message"][-1]) == (10_000, "…")


def test_what_was_recovered_from_is_an_error_of_a_success(rows: Rows) -> None:
    """The result of the recovery is handed on."""
    with tg.track_feature("f", "a", severity="warning") as use:
        try:
            found = 1 / 0
        except ZeroDivisionError as error:
            found = use.recovered(error, impact_level="low", result=-1.0)
    assert found == -1.0
    outcome = {"recovery_attempted": True, "recovery_successful": True}
    row = failed("ZeroDivisionError", "float division by zero", error_severity="warning")
    row["error_message"] = rows("errors")[0]["error_message"]  # Python's words, by version
    assert rows("errors") == [row | outcome | {"impact_level": "low"}]
    assert rows("feature_usage") == [used()]


def test_a_recovery_that_did_not_work_is_a_failure(rows: Rows) -> None:
    """As is an error that was caught without one."""
    for tell in (lambda u, e: u.recovered(e, successful=False), lambda u, e: u.failed(e)):
        with tg.track_feature("f", "a") as use:
            tell(use, ValueError("x"))
    first, second = rows("errors")
    assert first == failed("ValueError", "x", recovery_attempted=True, recovery_successful=False)
    assert second == failed("ValueError", "x")
    assert rows("feature_usage") == [used(success=False, error_type="ValueError")] * 2


def test_an_error_that_is_told_and_raised_on_is_one_error(rows: Rows) -> None:
    """Another one, raised after it, is a second."""

    def raise_on() -> None:
        with tg.track_feature("f", "a") as use:
            try:
                raise ValueError("x")
            except ValueError as error:
                use.failed(error, severity="critical")
                raise

    def raise_another() -> None:
        with tg.track_feature("f", "a") as use:
            use.failed(ValueError("y"))
            raise KeyError("z")

    with pytest.raises(ValueError, match="x"):
        raise_on()
    with pytest.raises(KeyError):
        raise_another()
    assert [row["error_type"] for row in rows("errors")] == ["ValueError", "ValueError", "KeyError"]
    assert [row["error_type"] for row in rows("feature_usage")] == ["ValueError", "KeyError"]


def test_a_block_may_say_how_it_went(rows: Rows) -> None:
    """What is known only inside it: the outcome, the user, the situation, and whatever else."""
    with tg.track_feature("f", "a", user="nobody", metadata={"n": 1}) as use:
        use.success, use.error_type = False, "NoResult"
        use.user, use.user_context, use.metadata = "u2", "evening", {"n": 2}
    more = {"user_id": "u2", "user_context": "evening", "metadata": '{"n":2}'}
    assert rows("feature_usage") == [used(success=False, error_type="NoResult", **more)]


def test_what_a_block_says_holds_for_that_block_only(rows: Rows) -> None:
    """The next one of the same object begins as the first did."""
    block = tg.track_feature("f", "a")
    with block as use:
        use.success, use.user = None, "u1"
    with block:
        pass
    assert rows("feature_usage") == [used(success=None, user_id="u1"), used()]


def test_blocks_may_be_within_each_other(rows: Rows) -> None:
    """Each records what passes through it, the inner one first."""
    outer = tg.track_feature("f", "outer")
    with pytest.raises(KeyError), outer, tg.track_feature("f", "inner"), outer:
        raise KeyError("k")
    assert [row["action"] for row in rows("feature_usage")] == ["outer", "inner", "outer"]
    assert rows("errors") == [failed("KeyError", "'k'")] * 3


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_refused_does_not_replace_an_exception(*, strict: bool) -> None:
    """The program's own error passes, in strict mode too; the refusals are counted."""
    with capture(strict=strict) as captured:
        with pytest.raises(ZeroDivisionError), tg.track_feature("", "a"):
            _ = 1 / 0
        decorated = tg.track_feature("f", "a", metadata={"x": object()})(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            decorated()
    assert captured.dropped == {"bad_value": 2}
    assert [fact.table for fact in captured.facts] == ["errors", "feature_usage"]


def test_what_is_refused_raises_in_strict_mode_and_not_in_production() -> None:
    """After a block that went well, as from every other record call."""
    work = tg.track_feature("", "a")(lambda: 7)
    with capture(strict=True), pytest.raises(tg.MetricValidationError, match="'feature'"):
        work()
    with capture(strict=False) as captured:
        assert work() == 7
    assert captured.dropped == {"bad_value": 1}


def test_a_store_that_cannot_be_used_hurts_nobody(tmp_path: Any) -> None:
    """The function's result and its exception are what they would be without recording."""
    blocked = tmp_path / "file"
    blocked.write_text("")

    @tg.track_feature("f", "a")
    def divide(a: int, b: int) -> float:
        return a / b

    with capture(strict=False):
        tg.configure(store=blocked / "store", strict=False, follower="off")
        assert divide(4, 2) == 2.0
        with pytest.raises(ZeroDivisionError):
            divide(1, 0)


def test_a_function_is_itself_but_recorded(rows: Rows) -> None:
    """Its name, documentation, signature and result are what they were."""

    @tg.track_feature("f", "a")
    def double(x: int) -> int:
        """Twice x."""
        return 2 * x

    assert [double(2), double(x=3)] == [4, 6]
    assert (double.__name__, double.__doc__) == ("double", "Twice x.")
    assert str(inspect.signature(double)) == "(x: 'int') -> 'int'"
    with pytest.raises(TypeError, match="double"):
        double()  # type: ignore[call-arg]
    assert rows("feature_usage") == [used(), used(), used(success=False, error_type="TypeError")]


def test_methods_of_every_kind_are_recorded(rows: Rows) -> None:
    """Above or below the decorators that make them what they are."""
    track = tg.track_feature("f", "a")

    class Engine:
        @track
        def method(self) -> str:
            return type(self).__name__

        @track
        @classmethod
        def above(cls) -> str:
            return cls.__name__

        @classmethod
        @track
        def below(cls) -> str:
            return cls.__name__

        @track
        @staticmethod
        def static() -> str:
            return "static"

        @property
        @track
        def value(self) -> str:
            return "value"

    engine = Engine()
    found = [engine.method(), engine.above(), Engine.below(), engine.static(), engine.value]
    assert found == ["Engine", "Engine", "Engine", "static", "value"]
    assert rows("feature_usage") == [used()] * 5


def test_what_cannot_be_called_cannot_be_decorated() -> None:
    """The error says where the decorator belongs."""
    with pytest.raises(TypeError, match="Put the decorator below the other one"):
        tg.track_feature("f", "a")(property(lambda _: 1))  # type: ignore[type-var]


def test_a_coroutine_function_is_recorded_when_it_has_ended(rows: Rows) -> None:
    """It stays a coroutine function; wrong arguments are a failure as well."""

    @tg.track_feature("f", "a")
    async def divide(a: float, b: float) -> float:
        await asyncio.sleep(0)
        return a / b

    assert inspect.iscoroutinefunction(divide)
    made = divide(1, 2)
    assert rows("feature_usage") == []
    assert asyncio.run(made) == 0.5
    with pytest.raises(ZeroDivisionError):
        asyncio.run(divide(1, 0))
    with pytest.raises(TypeError):
        asyncio.run(divide(1))  # type: ignore[call-arg]
    found = [row.get("error_type") for row in rows("feature_usage")]
    assert found == [None, "ZeroDivisionError", "TypeError"]


def test_tasks_at_the_same_time_are_uses_of_their_own(captured: Captured) -> None:
    """Each with its own duration, outcome and context; a cancelled one is neither."""
    track = tg.track_feature("f", "a")

    @track
    async def work(name: str) -> None:
        if name == "fails":
            raise ValueError(name)
        await asyncio.sleep(0.03 if name == "long" else 60 if name == "cancelled" else 0)

    async def main() -> None:
        async def in_context(name: str) -> None:
            with tg.context(model=name):
                await work(name)

        names = ("long", "short", "fails", "cancelled")
        tasks = [asyncio.create_task(in_context(name)) for name in names]
        await asyncio.sleep(0.01)
        tasks[-1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    found = {
        fact.labels["model"]: fact.columns for fact in captured.facts if fact.table != "errors"
    }
    assert {name: row.get("success") for name, row in found.items()} == {
        "long": True,
        "short": True,
        "fails": False,
        "cancelled": None,
    }
    assert float(str(found["long"]["duration_ms"])) >= 30
    assert float(str(found["fails"]["duration_ms"])) < 30


def test_a_future_is_recorded_when_it_is_done(rows: Rows) -> None:
    """And the program is still told of an error that nobody asked it for."""
    told: list[str] = []

    async def fails() -> None:
        raise ValueError("x")

    @tg.track_feature("f", "a")
    def start() -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(fails())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        task = start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert task.done()
        del task
        gc.collect()

    asyncio.run(main())
    assert rows("feature_usage") == [used(success=False, error_type="ValueError")]
    assert told == ["Task exception was never retrieved"]


def test_a_generator_is_one_use(rows: Rows) -> None:
    """From the first item to its end; what it is sent and returns is untouched."""

    @tg.track_feature("f", "a")
    def count(n: int) -> Generator[int, int, str]:
        total = 0
        for number in range(n):
            total += (yield number) or 0
        return f"total {total}"

    made = count(2)
    assert inspect.isgeneratorfunction(count)
    assert rows("feature_usage") == []
    assert (next(made), made.send(5)) == (0, 1)
    with pytest.raises(StopIteration) as ended:
        made.send(6)
    assert ended.value.value == "total 11"
    assert rows("feature_usage") == [used()]


def test_a_generator_that_is_closed_was_used_with_success(rows: Rows) -> None:
    """Whoever takes the first items only has what it wanted; so has a block in such a generator."""

    @tg.track_feature("f", "a")
    def numbers() -> Iterator[int]:
        yield from range(100)

    def blocks() -> Iterator[int]:
        with tg.track_feature("f", "a"):
            yield from range(100)

    for made in (numbers(), blocks()):
        next(made)
        made.close()  # type: ignore[attr-defined]
    assert rows("feature_usage") == [used(), used()]


def test_a_generator_that_raises_has_failed(rows: Rows) -> None:
    """What it raises itself, and what is thrown into it."""

    @tg.track_feature("f", "a")
    def numbers() -> Iterator[float]:
        yield 1
        yield 1 / 0

    made = numbers()
    with pytest.raises(ZeroDivisionError):
        list(made)
    made = numbers()
    next(made)
    with pytest.raises(KeyError):
        made.throw(KeyError("k"))  # type: ignore[attr-defined]
    found = [row["error_type"] for row in rows("feature_usage")]
    assert found == ["ZeroDivisionError", "KeyError"]


def test_an_async_generator_is_one_use(rows: Rows) -> None:
    """Exhausted, closed early, or failing."""

    @tg.track_feature("f", "a")
    async def numbers(n: int) -> AsyncIterator[float]:
        for number in range(n, -1, -1):
            await asyncio.sleep(0)
            yield 1 / number if n > 5 else number

    async def main() -> None:
        assert [number async for number in numbers(2)] == [2, 1, 0]
        made = numbers(2)
        assert await anext(made) == 2
        await made.aclose()  # type: ignore[attr-defined]
        with pytest.raises(ZeroDivisionError):
            _ = [number async for number in numbers(6)]

    assert inspect.isasyncgenfunction(numbers)
    asyncio.run(main())
    failure = used(success=False, error_type="ZeroDivisionError")
    assert rows("feature_usage") == [used(), used(), failure]


def test_one_object_may_decorate_many_functions(rows: Rows) -> None:
    """Calls within calls included."""
    track = tg.track_feature("f", "a")

    @track
    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    @track
    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    assert even(4)
    assert rows("feature_usage") == [used()] * 5


def test_making_one_starts_nothing(run_program: Any, tmp_path: Any) -> None:
    """At the top of a module, before `configure`, it neither checks nor writes anything."""
    program = (
        "import pathlib, tidegauge as tg\n"
        "@tg.track_feature('f', 'a')\n"
        "def work(): return 1\n"
        "print(list(pathlib.Path('.').iterdir()))\n"
        "tg.configure(store='store', follower='off')\n"
        "work()\n"
        "print(tg.sql('SELECT feature, action FROM feature_usage').fetchall())\n"
    )
    done = run_program(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n[('f', 'a')]\n"
