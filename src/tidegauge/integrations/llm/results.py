# SPDX-License-Identifier: Apache-2.0
"""What a client returned, and when the call it was for has ended."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tidegauge.integrations.llm.answer import field_of
from tidegauge.integrations.llm.bedrock_shape import take_metadata
from tidegauge.integrations.llm.shapes import shape_of
from tidegauge.integrations.llm.streams import observed_stream
from tidegauge.integrations.llm.tracked import TrackedCall
from tidegauge.model.tables import LLM_CALLS
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS

__all__ = ["observed"]

#: How the classes end whose objects give a stream when they are entered.
_MANAGERS = "StreamManager"


def observed(call: TrackedCall, result: Any) -> Any:
    """The result for the caller. The call ends now, or when what is returned has been used up.

    Args:
        call: The call.
        result: An answer, a stream, a coroutine that gives either, a context manager that gives a
            stream, a raw response, or anything else, of which only the call is recorded.
    """
    try:
        take = shape_of(result)
        if take is None:
            return _observed_later(call, result)
    except FAULTS as error:  # of an object that nobody foresaw; it is the caller's all the same
        recorder.refuse(error, LLM_CALLS.name)
        call.has_ended = True
        return result
    call.take(result, take)
    call.end()
    return result


def _observed_later(call: TrackedCall, result: Any) -> Any:
    """What is no answer: something that will give one, or of which nothing is known."""
    kind = type(result)
    if inspect.iscoroutine(result):
        return _awaited(call, result)
    if isinstance(result, Mapping) and hasattr(result.get("stream"), "__iter__"):
        take_metadata(result, call.answer)
        return {**result, "stream": observed_stream(result["stream"], call)}  # Bedrock
    if any(hasattr(kind, name) for name in ("__next__", "__anext__", "__aiter__")):
        return observed_stream(result, call)
    if kind.__name__.endswith(_MANAGERS) and hasattr(kind, "__aenter__"):
        return _AsyncManager(result, call)
    if kind.__name__.endswith(_MANAGERS) and hasattr(kind, "__enter__"):
        return _PlainManager(result, call)
    _take_raw(call, result)
    call.told(field_of(result, "text"))
    call.end()
    return result


async def _awaited(call: TrackedCall, coroutine: Any) -> Any:
    try:
        with call.inside():
            result = await coroutine
    except BaseException as error:
        call.end(error)
        raise
    return observed(call, result)


def _take_raw(call: TrackedCall, response: Any) -> None:
    """Look at what a client hands out with the headers, if that is an answer that has been read."""
    parse = getattr(response, "parse", None)
    if parse is None or not hasattr(response, "headers"):
        return
    if field_of(response, "is_closed") is False:  # the caller will read it
        return
    try:
        found = parse()
    except Exception:  # noqa: BLE001  (the caller will see it, if he parses it himself)
        return
    if not inspect.iscoroutine(found):
        call.take(found)
    else:
        found.close()


class _Manager:
    """What both kinds share: everything else is the manager's own."""

    def __init__(self, manager: Any, call: TrackedCall) -> None:
        self._manager = manager
        self._call = call
        self._given: Any = None

    def __getattr__(self, name: str) -> Any:
        if name in ("_manager", "_call") or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._manager, name)

    def _observe(self, given: Any) -> Any:
        self._given = given
        raw = getattr(given, "_raw_stream", None)
        if raw is None:
            self._call.is_stream = True
        else:  # the stream makes its own events of these
            given._raw_stream = observed_stream(raw, self._call)  # noqa: SLF001
        return given

    def _take_snapshot(self) -> None:
        """Look at what the stream has put together, where its events could not be looked at."""
        if not self._call.has_ended and self._call.answer.usage is None:
            self._call.take(getattr(self._given, "current_message_snapshot", None))
        self._call.end_early()


class _PlainManager(_Manager):
    """A context manager that gives a stream; the request is made when it is entered."""

    def __enter__(self) -> Any:
        try:
            with self._call.inside():
                given = self._manager.__enter__()
        except BaseException as error:
            self._call.end(error)
            raise
        return self._observe(given)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            return self._manager.__exit__(kind, error, traceback)
        finally:
            self._take_snapshot()


class _AsyncManager(_Manager):
    """The same for `async with`."""

    async def __aenter__(self) -> Any:
        try:
            with self._call.inside():
                given = await self._manager.__aenter__()
        except BaseException as error:
            self._call.end(error)
            raise
        return self._observe(given)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            return await self._manager.__aexit__(kind, error, traceback)
        finally:
            self._take_snapshot()
