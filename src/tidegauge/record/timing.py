# SPDX-License-Identifier: Apache-2.0
"""Timing blocks and calls: plain functions, coroutines, generators, and what raises in them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from tidegauge.model.errors import MetricValidationError
from tidegauge.record.recorder import Recorder

__all__ = ["Timer", "per_second"]

F = TypeVar("F", bound=Callable[..., Any])

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "min": 1 / 60, "h": 1 / 3600}


class Timer:
    """Records how long something took, whether it returned or raised.

    As a context manager it times the block, under `async with` too. As a decorator it times each
    call: for a coroutine function until it has been awaited to its end, for a generator function
    from the first value asked for until it is exhausted or closed. Exceptions pass unchanged.

    One timer may be used by many threads and tasks as a decorator; as a context manager by one at
    a time, nested as deep as one likes.

    Attributes:
        elapsed_s: How long the last block took, in seconds; None before the first ended.
    """

    __slots__ = ("_record", "_scale", "_started", "elapsed_s")

    def __init__(self, record: Callable[[float], None], scale: float) -> None:
        self._record = record
        self._scale = scale
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
        self._record(self.elapsed_s * self._scale)

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
        """Time every call of a function."""
        if inspect.isasyncgenfunction(function):
            return cast(F, self._async_generator(function))
        if inspect.iscoroutinefunction(function):
            return cast(F, self._coroutine(function))
        if inspect.isgeneratorfunction(function):
            return cast(F, self._generator(function))

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._since(started)

        return cast(F, timed)

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
            sent = None
            try:
                while True:
                    try:
                        value = await inner.asend(sent)
                    except StopAsyncIteration:
                        return
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001
                        # What the consumer throws in belongs to the wrapped generator.
                        try:
                            value = await inner.athrow(error)
                        except StopAsyncIteration:
                            return
                        sent = yield value
            finally:
                await inner.aclose()
                self._since(started)

        return timed

    def _since(self, started: float) -> None:
        self._record((perf_counter() - started) * self._scale)


def per_second(recorder: Recorder, name: str) -> float:
    """How many of a metric's units make a second.

    Raises:
        MetricValidationError: The metric is not measured in a unit of time.
    """
    spec = recorder.resolve(name)
    if spec.unit == "1" and spec.name not in recorder.catalog.metrics:
        return 1.0  # not declared: seconds
    try:
        return _PER_SECOND[spec.unit]
    except KeyError:
        raise MetricValidationError(
            f"metric {spec.name!r} cannot be timed",
            reason="bad_value",
            got=spec.unit,
            allowed=f"a metric whose unit is one of {', '.join(_PER_SECOND)}",
            fix="Record its values with log_metric, or declare a metric in seconds.",
        ) from None
