# SPDX-License-Identifier: Apache-2.0
"""Counters, gauges, histograms and summaries as prometheus_client has them, recorded by us.

They are declared and used as there, and what they record goes through the journal into the store,
so the page of live metrics has it summed over processes. Nothing of prometheus_client is loaded.
What differs:

- A series appears with its first value; a counter is not shown as 0 before.
- What was recorded stays: `remove` and `clear` only make the program forget.
- Where the catalogue knows the name in Prometheus, the metric is the catalogue's: its unit, bounds,
  buckets and way to combine hold.
- Values that are not allowed, such as a counter's that go down, raise only in strict mode. Else
  they are dropped, counted and logged, like any other fact.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence

from tidegauge.catalog import export_names
from tidegauge.integrations.prometheus_declared import DeclaredMetric
from tidegauge.integrations.prometheus_gauge import Gauge
from tidegauge.integrations.prometheus_names import finite_bounds
from tidegauge.integrations.prometheus_series import Around
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.record.timing import Timer

__all__ = ["DEFAULT_BUCKETS", "Counter", "Gauge", "Histogram", "Summary"]

#: Upper bounds of a histogram's buckets where none are given, as in prometheus_client.
DEFAULT_BUCKETS: Sequence[float] = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    math.inf,
)

_log = logging.getLogger("tidegauge")


class Counter(DeclaredMetric):
    """A number that only goes up. Each increment is a fact; what is shown is their sum.

    May be made at the top of a module, before `tidegauge.configure`: that starts nothing. Making
    the same again, in a function that is called twice or a module that is loaded twice, is fine.

    Args:
        name: Its name in Prometheus; gets `_total` if it does not end so.
        documentation: What it is.
        labelnames: The labels that every series of it has.
        namespace: What the name begins with, before `_`.
        subsystem: What comes next, before `_`.
        unit: What the name ends in, after `_`, if it does not yet.
        registry: Taken for the sake of programs that give one, and not used: what is recorded is
            shown by every page of the store.

    Raises:
        CatalogError: It was declared in another way, contradicts the catalogue, or breaks a rule
            of names.

    Example:
        >>> from tidegauge.prometheus import Counter
        >>> jobs = Counter("jobs_done_total", "Jobs that were done", ["queue"])
        >>> jobs.labels(queue="mail").inc()
    """

    __slots__ = ()
    kind = Kind.COUNTER

    def inc(self, amount: float = 1, exemplar: Mapping[str, str] | None = None) -> None:
        """Add to it.

        Args:
            amount: 0 or more.
            exemplar: What leads to the trace, such as `{"trace_id": "…"}`.
        """
        if exemplar is None:
            self._record(amount)
        else:
            self._bound().with_exemplar(amount, exemplar)

    def count_exceptions(
        self, exception: type[BaseException] | tuple[type[BaseException], ...] = Exception
    ) -> Around:
        """Add 1 if a block, or a call of a function, raises one of these. It passes unchanged."""
        self._bound()

        def after(error: BaseException | None) -> None:
            if isinstance(error, exception):
                self._record(1)

        return Around(lambda: None, after)


class Histogram(DeclaredMetric):
    """How values are distributed; each of them is a fact.

    Args:
        name: As for `Counter`, and so are the arguments up to `registry`.
        buckets: Upper bounds of the buckets, ascending; +Inf is always there.

    Raises:
        CatalogError: As `Counter`, or the buckets do not ascend.

    Example:
        >>> from tidegauge.prometheus import Histogram
        >>> length = Histogram("job_seconds", "Length of a job", buckets=[0.1, 1, 10])
        >>> length.observe(0.4)
    """

    __slots__ = ()
    kind = Kind.DISTRIBUTION

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = None,  # noqa: ARG002  (as `Counter` says)
        buckets: Sequence[float | str] = DEFAULT_BUCKETS,
    ) -> None:
        bounds = finite_bounds(buckets)
        name_parts = namespace, subsystem, unit
        spec, meant = self._declare(name, documentation, labelnames, name_parts, buckets=bounds)
        if buckets is not DEFAULT_BUCKETS and meant.name != spec.name:
            _tell_other_buckets(spec, meant)

    def observe(self, amount: float, exemplar: Mapping[str, str] | None = None) -> None:
        """Record a value, with what leads to its trace as in `Counter.inc`."""
        if exemplar is None:
            self._record(amount)
        else:
            self._bound().with_exemplar(amount, exemplar)

    def time(self) -> Timer:
        """Record the seconds that a block, or each call of a function, takes.

        A coroutine function is timed until it has been awaited to its end.
        """
        return self._timer(self.observe)


class Summary(DeclaredMetric):
    """How values are distributed, as `Histogram`, with buckets that fit the unit.

    There are no quantiles on a page of prometheus_client either, only `_sum` and `_count`. Here the
    buckets are shown, too, so Prometheus sees a histogram.

    Args:
        name: As for `Counter`, and so are the other arguments.

    Raises:
        CatalogError: As `Counter`.

    Example:
        >>> from tidegauge.prometheus import Summary
        >>> size = Summary("job_size_bytes", "Size of a job")
        >>> size.observe(512)
    """

    __slots__ = ()
    kind = Kind.DISTRIBUTION

    def observe(self, amount: float) -> None:
        """Record a value."""
        self._record(amount)

    def time(self) -> Timer:
        """Record the seconds that a block, or each call of a function, takes, as `Histogram`."""
        return self._timer(self.observe)


_told: set[str] = set()


def _tell_other_buckets(spec: MetricSpec, meant: MetricSpec) -> None:
    scale = export_names(meant).prometheus_scale
    held = [bound * scale for bound in meant.buckets]
    is_same = len(held) == len(spec.buckets) and all(map(math.isclose, held, spec.buckets))
    if not is_same and spec.name not in _told:
        _told.add(spec.name)
        text = "%s has the buckets of %s in the catalogue, %s, and not those it was given, %s"
        _log.warning(text, spec.names.prometheus, meant.name, held, list(spec.buckets))
