# SPDX-License-Identifier: Apache-2.0
"""Wrapping a callable of any kind so that something learns when each call began and ended."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeVar, cast

__all__ = ["Begin", "End", "wrapped"]

F = TypeVar("F", bound=Callable[..., Any])

#: Is told how a call ended: with an exception, or with None.
End = Callable[[BaseException | None], object]
#: Is called when a call begins.
Begin = Callable[[], End]


def wrapped(function: F, begin: Begin) -> F:
    """A callable that does the same and tells when its calls begin and end.

    A call of a coroutine function, or of one that returns a coroutine or an asyncio future, ends
    when that has been awaited to its end; a generator begins with the first value asked for and
    ends when it is exhausted or closed, the latter without an exception; anything else ends when it
    returns. Exceptions pass unchanged. A `staticmethod` or `classmethod` stays one.

    Args:
        function: What is called.
        begin: Called with each call, in its thread and task.

    Raises:
        TypeError: It cannot be called, as a property cannot.
    """
    if isinstance(function, staticmethod | classmethod):
        return cast(F, type(function)(wrapped(function.__func__, begin)))
    if not callable(function):
        raise TypeError(
            f"calls are to be recorded, and {function!r} cannot be called. Put the decorator below "
            "the other one, next to the function."
        )
    if _is(inspect.isasyncgenfunction, function):
        return cast(F, _async_generator(function, begin))
    if _is(inspect.iscoroutinefunction, function):
        return cast(F, _coroutine(function, begin))
    if _is(inspect.isgeneratorfunction, function):
        return cast(F, _generator(function, begin))
    return cast(F, _plain(function, begin))


def _plain(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        end = begin()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            end(error)
            raise
        # Not whatever can be awaited: a wrapper would hide what else the object can do.
        if inspect.iscoroutine(result):
            return _awaited(result, end)
        if getattr(type(result), "_asyncio_future_blocking", None) is not None:
            result.add_done_callback(lambda future: end(_error_of(future)))
        else:
            end(None)
        return result

    return call


async def _awaited(coroutine: Any, end: End) -> Any:
    try:
        result = await coroutine
    except BaseException as error:
        end(error)
        raise
    end(None)
    return result


def _coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        end = begin()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            end(error)
            raise
        end(None)
        return result

    return call


def _generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        end = begin()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            end(None if isinstance(error, GeneratorExit) else error)
            raise
        end(None)
        return result

    return call


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        end = begin()
        try:
            async with contextlib.aclosing(function(*args, **kwargs)) as inner:
                following = inner.asend(None)
                while True:
                    try:
                        value = await following
                    except StopAsyncIteration:
                        break
                    try:
                        following = inner.asend((yield value))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001
                        # What the consumer throws in belongs to the wrapped generator.
                        following = inner.athrow(error)
        except BaseException as error:
            end(None if isinstance(error, GeneratorExit) else error)
            raise
        end(None)

    return call


def _error_of(future: Any) -> BaseException | None:
    if future.cancelled():
        import asyncio  # loaded by whoever made the future

        return asyncio.CancelledError()
    # Not `exception()`: that counts as having been told of it, and asyncio would not complain any
    # more of an error that the program never asks for.
    error: BaseException | None = getattr(future, "_exception", None)
    return error


def _is(kind: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    """Whether a function, or the call of an object that acts as one, is of a kind."""
    return kind(function) or kind(type(function).__call__)
