# SPDX-License-Identifier: Apache-2.0
"""Streams of answers, whose events are looked at as they pass."""

from __future__ import annotations

import asyncio
import inspect
from types import TracebackType
from typing import Any, Self

from tidegauge.integrations.llm.tracked import TrackedCall

__all__ = ["observed_stream"]


def observed_stream(stream: Any, call: TrackedCall) -> Any:
    """What to iterate over in place of a stream; the call ends with it.

    Args:
        stream: What a client returned; to be iterated over, asynchronously, or both.
        call: The call.
    """
    kind = type(stream)
    call.is_stream = True
    is_plain = hasattr(kind, "__next__") or hasattr(kind, "__iter__")
    if hasattr(kind, "__anext__") or hasattr(kind, "__aiter__"):
        return (_BothStream if is_plain else _AsyncStream)(stream, call)
    return _Stream(stream, call)


class _Observed:
    """What all kinds share: everything else is the stream's own."""

    def __init__(self, stream: Any, call: TrackedCall) -> None:
        self._stream = stream
        self._call = call
        self._events: Any = None
        # What a function of the program makes may ask models itself; what a client makes does not.
        self._may_ask = inspect.isgenerator(stream) or inspect.isasyncgen(stream)

    def __getattr__(self, name: str) -> Any:
        if name in ("_stream", "_call") or name.startswith("__"):  # of a copy that is not made yet
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __del__(self) -> None:
        if "_call" in self.__dict__:
            self._call.end_early()  # nobody can read on

    def close(self) -> Any:
        """Close it; the call was cut, unless its answer was complete."""
        close = getattr(self._stream, "close", None)
        closed = None if close is None else close()
        if inspect.isawaitable(closed):
            return self._close_later(closed)
        if close is None and self._events is not None and hasattr(self._events, "close"):
            self._events.close()
        self._call.end_early()
        return closed

    async def _close_later(self, closed: Any) -> Any:
        try:
            return await closed
        finally:
            self._call.end_early()


class _Stream(_Observed):
    """A stream to be iterated over."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._events is None:
            self._events = iter(self._stream)
        try:
            if self._may_ask:
                with self._call.inside():
                    event = next(self._events)
            else:
                event = next(self._events)
        except StopIteration:
            self._call.end()
            raise
        except BaseException as error:
            self._call.end(error)
            raise
        self._call.take(event)
        return event

    def __enter__(self) -> Self:
        if (enter := getattr(self._stream, "__enter__", None)) is not None:
            enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            leave = getattr(self._stream, "__exit__", None)
            return None if leave is None else leave(kind, error, traceback)
        finally:
            self._call.end_early()


class _AsyncStream(_Observed):
    """The same for `async for`."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._events is None:
            self._events = aiter(self._stream)
        try:
            if self._may_ask:
                with self._call.inside():
                    event = await anext(self._events)
            else:
                event = await anext(self._events)
        except StopAsyncIteration:
            self._call.end()
            raise
        except asyncio.CancelledError:
            raise  # of whoever waited, who may read on
        except BaseException as error:
            self._call.end(error)
            raise
        self._call.take(event)
        return event

    async def aclose(self) -> None:
        """Close it; the call was cut, unless its answer was complete."""
        try:
            close = getattr(self._stream, "aclose", None) or getattr(self._stream, "close", None)
            closed = None if close is None else close()
            if inspect.isawaitable(closed):
                await closed
        finally:
            self._call.end_early()

    async def __aenter__(self) -> Self:
        if (enter := getattr(self._stream, "__aenter__", None)) is not None:
            await enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            leave = getattr(self._stream, "__aexit__", None)
            return None if leave is None else await leave(kind, error, traceback)
        finally:
            self._call.end_early()


class _BothStream(_Stream, _AsyncStream):
    """A stream that is iterated over in either way, such as LiteLLM's."""
