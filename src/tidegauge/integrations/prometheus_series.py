# SPDX-License-Identifier: Apache-2.0
"""How one series of a declared metric is recorded, and what is put around blocks and calls."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import msgspec

from tidegauge.catalog import check_value
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import POINTS
from tidegauge.model.times import TimeLike
from tidegauge.record.handle import Metric
from tidegauge.record.recorder import FAULTS, Recorder
from tidegauge.record.timing import Timer

__all__ = ["Around", "SecondsTimer", "Series", "plain_number"]

F = TypeVar("F", bound=Callable[..., Any])

#: Takes any number.
_ANY = MetricSpec(name="custom:any", description="")


class Series(Metric):
    """A series whose values come in the unit that the metric has in Prometheus.

    That is nearly always the unit it is recorded in. Only then is it fast: the careful way, which
    comes before, finds out.
    """

    __slots__ = ("_recorded",)

    def __init__(self, recorder: Recorder, name: str, labels: Mapping[str, object]) -> None:
        super().__init__(recorder, name, labels)
        self._recorded: Metric | None = None  # for values that were converted

    def with_exemplar(self, value: float, exemplar: Mapping[str, str]) -> None:
        """Record a value with what leads to its trace, such as `trace_id`, as its metadata."""
        recorder = self._recorder
        try:
            spec = recorder.resolve(self.name)
            number = check_value(spec, self.converted(value))
            key, _ = recorder.key_of(spec, recorder.context(), self.labels)
            text = msgspec.json.encode(dict(exemplar)).decode()
            columns: dict[str, object] = {"value": number, "step": None, "metadata": text}
            recorder.writer.put_event(POINTS.name, key, recorder.now_ns(), columns)
        except FAULTS as error:
            recorder.refuse(error, self.name)

    def converted(self, value: float) -> float:
        """A value in the unit it is recorded in; the same object if that is no other.

        Raises:
            TidegaugeError: It is no number, the metric cannot be recorded as it was declared, or
                nothing can.
        """
        recorder = self._recorder
        scale = recorder.catalog.prometheus_scale(recorder.resolve(self.name).name)
        return value if scale == 1.0 else plain_number(value) / scale

    def _careful(self, value: float, step: int | None = None, time: TimeLike | None = None) -> None:
        try:
            converted = self.converted(value)
        except FAULTS as error:
            self._recorder.refuse(error, self.name)
            return
        if converted is value:
            super()._careful(value, step, time)
            return
        if self._recorded is None:
            self._recorded = Metric(self._recorder, self.name, self.labels)
        self._recorded.record(converted, step, time)


def plain_number(value: float) -> float:
    """A number of any library as an int or a float.

    Raises:
        MetricValidationError: It is no number, or not finite.
    """
    kind: type = type(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return value
    return check_value(_ANY, value)


class SecondsTimer(Timer):
    """A timer that hands on seconds, as prometheus_client does, whatever the metric's unit is."""

    __slots__ = ()

    def _took(self, elapsed_s: float) -> None:
        self._record(elapsed_s)


class Around:
    """Does something before and after a block, or each call of a function.

    A coroutine function is gone through until it has been awaited to its end. May be kept, nested
    and used by many threads and tasks at once.

    Args:
        before: Called first.
        after: Called at the end, with what was raised.
    """

    __slots__ = ("_after", "_before")

    def __init__(
        self, before: Callable[[], object], after: Callable[[BaseException | None], object]
    ) -> None:
        self._before = before
        self._after = after

    def __enter__(self) -> Self:
        self._before()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._after(error)

    def __call__(self, function: F) -> F:
        """Do it around every call of a function."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return cast(F, awaited)

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(F, called)
