# SPDX-License-Identifier: Apache-2.0
"""Streams of answers, unchanged but for that their events are looked at as they pass."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from tidegauge.integrations.llm.tracked import TrackedCall

__all__ = ["AsyncObservedStream", "ObservedStream"]


class _Observed:
    """What both kinds share: everything else is the stream's own."""

    def __init__(self, stream: Any, call: TrackedCall) -> None:
        call.is_stream = True
        self._stream = stream
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __del__(self) -> None:
        self._call.end_early()  # nobody can read on


class ObservedStream(_Observed):
    """A stream to be iterated over; the call ends with it.

    Args:
        stream: What a client returned.
        call: The call.
    """

    def __init__(self, stream: Any, call: TrackedCall) -> None:
        super().__init__(stream, call)
        self._events = iter(stream)

    def __iter__(self) -> ObservedStream:
        return self

    def __next__(self) -> Any:
        try:
            event = next(self._events)
        except StopIteration:
            self._call.end()
            raise
        except BaseException as error:
            self._call.end(error)
            raise
        self._call.take(event)
        return event

    def close(self) -> None:
        """Close it; the call was cut, unless its answer was complete."""
        try:
            for each in (self._events, self._stream):
                if (close := getattr(each, "close", None)) is not None:
                    close()
        finally:
            self._call.end_early()

    def __enter__(self) -> Self:
        if (enter := getattr(self._stream, "__enter__", None)) is not None:
            enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if (leave := getattr(self._stream, "__exit__", None)) is not None:
                leave(kind, error, traceback)
        finally:
            self._call.end_early()


class AsyncObservedStream(_Observed):
    """The same for `async for`."""

    def __init__(self, stream: Any, call: TrackedCall) -> None:
        super().__init__(stream, call)
        self._events = aiter(stream)

    def __aiter__(self) -> AsyncObservedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            self._call.end()
            raise
        except BaseException as error:
            self._call.end(error)
            raise
        self._call.take(event)
        return event

    async def aclose(self) -> None:
        """Close it; the call was cut, unless its answer was complete."""
        try:
            if (close := getattr(self._events, "aclose", None)) is not None:
                await close()
            close = getattr(self._stream, "aclose", None) or getattr(self._stream, "close", None)
            if close is not None and self._stream is not self._events:
                await close()
        finally:
            self._call.end_early()

    close = aclose

    async def __aenter__(self) -> Self:
        if (enter := getattr(self._stream, "__aenter__", None)) is not None:
            await enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if (leave := getattr(self._stream, "__aexit__", None)) is not None:
                await leave(kind, error, traceback)
        finally:
            self._call.end_early()
