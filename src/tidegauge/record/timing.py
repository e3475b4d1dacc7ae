# SPDX-License-Identifier: Apache-2.0
"""Timing blocks and calls: plain functions, coroutines, generators, and what raises in them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar

from tidegauge.catalog import Catalog
from tidegauge.catalog.units import ATOMS, parse_unit
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.spec import MetricSpec
from tidegauge.record.recorder import FAULTS, Recorder
from tidegauge.record.wrapping import wrapped

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
        return wrapped(function, self._begin)

    def _begin(self) -> Callable[[object], None]:
        started = perf_counter()
        return lambda _: self._took(perf_counter() - started)

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
