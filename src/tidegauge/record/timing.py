# SPDX-License-Identifier: Apache-2.0
"""Timing blocks and calls: plain functions, coroutines, generators, and what raises in them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from tidegauge.catalog import Catalog
from tidegauge.catalog.units import ATOMS, parse_unit
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.spec import MetricSpec
from tidegauge.record.recorder import FAULTS, Recorder

__all__ = ["Timer"]

F = TypeVar("F", bound=Callable[..., Any])

_TIME_UNITS = [code for code, atom in ATOMS.items() if atom.quantity == "time"]
# How the name of a metric that is not declared may end, and the seconds in what that stands for.
_ENDINGS_S = {
    spelling: ATOMS[code].factor for code in _TIME_UNITS for spelling in parse_unit(code).spellings
}


class Timer:
    """Records how long something took, whether it returned or raised, in the metric's own unit.

    As a context manager it times the block, under `async with` too. As a decorator it times each
    call: for a coroutine function, and a function that returns a coroutine or an asyncio future,
    until that has been awaited to its end; for a generator function from the first value asked for
    until it is exhausted or closed; for anything else until it returns. It may stand above or below
    `staticmethod` and `classmethod`. Exceptions pass unchanged.

    Making one and decorating with it check nothing and start nothing, so both may be done before
    `tidegauge.configure`. The metric is looked up when something was timed; one that is not
    measured in a unit of time is refused then, as any other fact that is not allowed. The unit of
    one that is not declared is what its name ends in (`custom:load_ms`), else seconds.

    One timer may be used by many threads and tasks as a decorator; as a context manager by one at
    a time, nested as deep as one likes.

    Attributes:
        elapsed_s: How long the last block took, in seconds; None before the first ended.
    """

    __slots__ = ("_catalog", "_name", "_record", "_recorder", "_started", "_unit_s", "elapsed_s")

    def __init__(self, recorder: Recorder, name: str, record: Callable[[float], None]) -> None:
        self._recorder = recorder
        self._name = name
        self._record = record
        self._catalog: Catalog | None = None  # the one that `_unit_s` was read from
        self._unit_s = 1.0
        self._started: list[float] = []
        self.elapsed_s: float | None = None

    def __enter__(self) -> Self:
        self._started.append(perf_counter())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.elapsed_s = perf_counter() - self._started.pop()
        self._took(self.elapsed_s)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Time every call of a function.

        Raises:
            TypeError: It cannot be called, as a property cannot.
        """
        if isinstance(function, staticmethod | classmethod):
            return cast(F, type(function)(self(function.__func__)))
        if not callable(function):
            raise TypeError(
                f"a timer times calls, and {function!r} cannot be called. Put the timer below the "
                "other decorator, next to the function."
            )
        if _is(inspect.isasyncgenfunction, function):
            return cast(F, self._async_generator(function))
        if _is(inspect.iscoroutinefunction, function):
            return cast(F, self._coroutine(function))
        if _is(inspect.isgeneratorfunction, function):
            return cast(F, self._generator(function))
        return cast(F, self._function(function))

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            goes_on = False
            try:
                result = function(*args, **kwargs)
                # Not whatever can be awaited: a wrapper would hide what else the object can do.
                if inspect.iscoroutine(result):
                    goes_on = True
                    return self._awaited(result, started)
                if inspect.isawaitable(result) and hasattr(result, "add_done_callback"):
                    result.add_done_callback(lambda _: self._since(started))
                    goes_on = True
                return result
            finally:
                if not goes_on:
                    self._since(started)

        return timed

    async def _awaited(self, coroutine: Any, started: float) -> Any:
        try:
            return await coroutine
        finally:
            self._since(started)

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                return await function(*args, **kwargs)
            finally:
                self._since(started)

        return timed

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            started = perf_counter()
            try:
                return (yield from function(*args, **kwargs))
            finally:
                self._since(started)

        return timed

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            started = perf_counter()
            inner = function(*args, **kwargs)
            try:
                following = inner.asend(None)
                while True:
                    try:
                        value = await following
                    except StopAsyncIteration:
                        return
                    try:
                        following = inner.asend((yield value))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001
                        # What the consumer throws in belongs to the wrapped generator.
                        following = inner.athrow(error)
            finally:
                try:
                    await inner.aclose()
                finally:
                    self._since(started)

        return timed

    def _since(self, started: float) -> None:
        self._took(perf_counter() - started)

    def _took(self, elapsed_s: float) -> None:
        recorder = self._recorder
        try:
            catalog = recorder.catalog
            if catalog is not self._catalog:
                self._unit_s = _unit_s(recorder.resolve(self._name), catalog)
                self._catalog = catalog
            value = elapsed_s / self._unit_s
        except FAULTS as error:
            recorder.refuse(error, self._name)
        else:
            self._record(value)


def _is(kind: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    """Whether a function, or the call of an object that acts as one, is of a kind."""
    return kind(function) or kind(type(function).__call__)


def _unit_s(spec: MetricSpec, catalog: Catalog) -> float:
    """The seconds in a metric's unit.

    Raises:
        MetricValidationError: The metric is not measured in a unit of time.
    """
    if spec.name not in catalog.metrics:
        return _ENDINGS_S.get(spec.name.rpartition("_")[2], 1.0)
    unit = parse_unit(spec.unit)
    if unit.quantity != "time":
        raise MetricValidationError(
            f"metric {spec.name!r} cannot be timed",
            reason="bad_value",
            got=spec.unit,
            allowed=f"a metric whose unit is one of {', '.join(_TIME_UNITS)}",
            fix="Record its values with log_metric, or declare a metric in seconds.",
        )
    return unit.scale
