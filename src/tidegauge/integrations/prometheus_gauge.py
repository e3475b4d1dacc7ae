# SPDX-License-Identifier: Apache-2.0
"""Gauges as prometheus_client has them, recorded by us."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from weakref import WeakSet

from tidegauge.integrations.prometheus_declared import DeclaredMetric
from tidegauge.integrations.prometheus_names import combine_of
from tidegauge.integrations.prometheus_series import Around, plain_number
from tidegauge.model.spec import Kind
from tidegauge.record.front import recorder
from tidegauge.record.recorder import FAULTS
from tidegauge.record.sampling import SampledGauge
from tidegauge.record.timing import Timer

__all__ = ["Gauge"]


class Gauge(DeclaredMetric):
    """A number that goes up and down; the process keeps it, and every change is a fact.

    Each object has a value of its own: share one. A forked child begins at 0. What
    changes more often than anybody looks is better told by `set_function`, which costs one look a
    second.

    Args:
        name: As for `Counter`, and so are the arguments up to `registry`.
        multiprocess_mode: How the values of several processes become one: `sum` and `livesum` add
            those of living processes, `max` and `livemax` take the largest of these; all others
            take the latest of any.

    Raises:
        CatalogError: As `Counter`.
        ConfigError: The mode is not known, or is `min`.

    Example:
        >>> from tidegauge.prometheus import Gauge
        >>> waiting = Gauge("jobs_waiting", "Jobs that wait", multiprocess_mode="livesum")
        >>> waiting.inc()
        >>> waiting.dec()
    """

    __slots__ = ("_lock", "_sampled", "_value")
    kind = Kind.GAUGE

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = None,  # noqa: ARG002  (as `Counter` says)
        multiprocess_mode: str = "all",
    ) -> None:
        combine = combine_of(multiprocess_mode)
        name_parts = namespace, subsystem, unit
        self._declare(name, documentation, labelnames, name_parts, combine=combine)

    def _bind(self, labels: Mapping[str, str]) -> None:
        super()._bind(labels)
        # Reentrant: a signal or log handler may change the gauge while it is being changed.
        self._lock = threading.RLock()
        self._value = 0.0
        self._sampled: SampledGauge | None = None
        _gauges.add(self)

    def after_fork(self) -> None:
        """Forget what the parent had counted, and a lock that its threads may have held."""
        self._lock = threading.RLock()
        self._value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add to the value that this process has."""
        self._change(amount, 1)

    def dec(self, amount: float = 1) -> None:
        """Take from the value that this process has."""
        self._change(amount, -1)

    def set(self, value: float) -> None:
        """Set the value that this process has."""
        self._change(value, 0)

    def set_to_current_time(self) -> None:
        """Set it to the seconds since 1970."""
        self.set(time.time())

    def set_function(self, f: Callable[[], float]) -> None:
        """Ask a function for the value once a second, in a background thread, from now on.

        That thread runs once something was recorded, or `tidegauge.configure` was called.
        """
        series = self._bound()

        def read() -> float:
            try:
                return series.converted(float(f()))
            except Exception as error:  # somebody's code may raise anything
                raise RuntimeError(f"the function of {self._name} failed: {error!r}") from error

        self._sampled = SampledGauge(recorder, self._name, series.labels, read)

    def time(self) -> Timer:
        """Set it to the seconds that a block, or a call of a function, takes."""
        return self._timer(self.set)

    def track_inprogress(self) -> Around:
        """Add 1 for the length of a block, or of a call of a function."""
        self._bound()
        return Around(self.inc, lambda _: self.dec())

    def _change(self, amount: float, sign: int) -> None:
        """Set the value if the sign is 0; else add to it, or take from it."""
        self._bound()
        try:
            amount = plain_number(amount)
        except FAULTS as error:
            recorder.refuse(error, self._name)
            return
        with self._lock:  # recorded under it, so that the last fact is the last value
            value = self._value + sign * amount if sign else amount
            if math.isfinite(value):
                self._value = value
            self._record(value)


_gauges: WeakSet[Gauge] = WeakSet()


def _after_fork_in_child() -> None:
    for gauge in list(_gauges):
        gauge.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
