# SPDX-License-Identifier: Apache-2.0
"""The decorator that records every call of a function that predicts, of whatever kind it is."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from time import perf_counter
from typing import Any, NamedTuple, TypeVar, cast

from tidegauge.integrations.outcomes import Extract, feature_count_of
from tidegauge.integrations.prediction_rows import Call, put_failure, put_result
from tidegauge.integrations.predictions import MLMetrics

__all__ = ["track_prediction"]

F = TypeVar("F", bound=Callable[..., Any])


def track_prediction(
    metrics: MLMetrics,
    model_version: str,
    *,
    extract: Extract | None = None,
    endpoint: str | None = None,
    features: int | str | None = None,
) -> Callable[[F], F]:
    """Record every call of a function that predicts: plain, a coroutine function or a generator.

    What can be awaited is timed until it has been. A generator is timed to its end, and its last
    item is the result.

    Args:
        metrics: What to record with.
        model_version: Version of the model.
        extract: Tells from the result what was predicted: an `Outcome`, a number or text, a pair of
            prediction and confidence, a mapping with these keys, or a list of any of them for a
            batch. Without it the result itself must be one of these; of anything else only the
            call is recorded.
        endpoint: Where predictions are asked for, if not at the usual place.
        features: Which argument holds the features, by position or name; the first one, not
            counting `self`, if None. Its length, or its second dimension, is the feature count.

    Example:
        >>> from tidegauge import MLMetrics, track_prediction
        >>> @track_prediction(MLMetrics("fraud_service"), "2.0.1")
        ... def predict(features):
        ...     return {"prediction": 0.87, "confidence": 0.93}
        >>> predict({"amount": 12.5, "country": "NL"})["prediction"]
        0.87
    """

    def decorate(function: F) -> F:
        if not callable(function):
            raise TypeError(f"track_prediction decorates functions; {function!r} cannot be called")
        place = metrics.endpoint if endpoint is None else endpoint
        find = _finder(function, features)
        return cast(F, _Tracker(metrics, model_version, extract, place, find).around(function))

    return decorate


class _Tracker(NamedTuple):
    """Records the calls of one function."""

    metrics: MLMetrics
    model_version: str
    extract: Extract | None
    endpoint: str
    find: Callable[[tuple[Any, ...], dict[str, Any]], Any]

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its calls recorded."""
        if _is(inspect.isasyncgenfunction, function):
            return self._async_generator(function)
        if _is(inspect.iscoroutinefunction, function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                return await self._awaited(perf_counter(), function(*args, **kwargs), args, kwargs)

            return coroutine
        if _is(inspect.isgeneratorfunction, function):
            return self._generator(function)

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                self._failed(started, error, args, kwargs)
                raise
            if inspect.iscoroutine(result):
                return self._awaited(started, result, args, kwargs)
            self._returned(started, result, args, kwargs)
            return result

        return plain

    async def _awaited(
        self, started: float, result: Awaitable[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            found = await result
        except BaseException as error:
            self._failed(started, error, args, kwargs)
            raise
        self._returned(started, found, args, kwargs)
        return found

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            started, last = perf_counter(), _Last(function(*args, **kwargs))
            try:
                returned = yield from last
            except GeneratorExit:
                self._returned(started, last.item, args, kwargs)
                raise
            except BaseException as error:
                self._failed(started, error, args, kwargs)
                raise
            self._returned(started, last.item, args, kwargs)
            return returned

        return generator

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            started, item = perf_counter(), None
            async with contextlib.aclosing(function(*args, **kwargs)) as inner:
                try:
                    following = inner.asend(None)
                    while True:
                        try:
                            item = await following
                        except StopAsyncIteration:
                            break
                        try:
                            following = inner.asend((yield item))
                        except GeneratorExit:
                            break
                        except BaseException as error:  # noqa: BLE001
                            # What the consumer throws in belongs to the wrapped generator.
                            following = inner.athrow(error)
                except BaseException as error:
                    self._failed(started, error, args, kwargs)
                    raise
                self._returned(started, item, args, kwargs)

        return generator

    def _returned(
        self, started: float, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        call = self._call(perf_counter() - started, args, kwargs)
        put_result(self.metrics.bind(self.model_version), call, result, self.extract)

    def _failed(
        self, started: float, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        call = self._call(perf_counter() - started, args, kwargs)
        put_failure(self.metrics.bind(self.model_version), call, error)

    def _call(self, latency_s: float, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        return Call(
            endpoint=self.endpoint,
            prefix=self.metrics.service_name,
            latency_s=latency_s,
            feature_count=feature_count_of(self.find(args, kwargs)),
        )


class _Last(Generator[Any, Any, Any]):
    """A generator, unchanged but for that its last item can be looked at."""

    def __init__(self, inner: Generator[Any, Any, Any]) -> None:
        self._inner = inner
        self.item: Any = None

    def send(self, value: Any) -> Any:
        self.item = self._inner.send(value)
        return self.item

    def throw(self, *error: Any) -> Any:
        self.item = self._inner.throw(*error)
        return self.item

    def close(self) -> None:
        self._inner.close()


def _is(kind: Callable[[Any], bool], function: Callable[..., Any]) -> bool:
    """Whether a function, or the `__call__` of an object, is of a kind."""
    return kind(function) or kind(type(function).__call__)


def _finder(
    function: Callable[..., Any], features: int | str | None
) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """What takes the features from the arguments of a call; None where there are none."""
    names = list(inspect.signature(function).parameters)
    at = features
    if at is None:
        at = 1 if names[:1] in (["self"], ["cls"]) else 0
    if isinstance(at, str):
        name, place = at, names.index(at) if at in names else len(names)
    else:
        name, place = names[at] if at < len(names) else "", at

    def find(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[place] if place < len(args) else kwargs.get(name)

    return find
