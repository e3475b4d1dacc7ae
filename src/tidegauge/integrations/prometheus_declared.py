# SPDX-License-Identifier: Apache-2.0
"""What all metrics declared under prometheus_client's names have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Self

from tidegauge.integrations.prometheus_names import full_name, spec_of
from tidegauge.integrations.prometheus_series import SecondsTimer, Series
from tidegauge.model.errors import MetricValidationError
from tidegauge.model.spec import Combine, Kind, MetricSpec
from tidegauge.record.front import recorder
from tidegauge.record.timing import Timer

__all__ = ["DeclaredMetric"]


class DeclaredMetric:
    """A metric; or one series of it, which is of the same class.

    Attributes:
        documentation: What it is, as it was given.
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_kept_as",
        "_labelnames",
        "_name",
        "_record",
        "_series",
        "documentation",
    )

    kind: ClassVar[Kind]

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = None,  # noqa: ARG002  (as `Counter` says)
    ) -> None:
        self._declare(name, documentation, labelnames, (namespace, subsystem, unit))

    def labels(self, *labelvalues: object, **labelkwargs: object) -> Self:
        """The series with these labels; the same object each time.

        Args:
            labelvalues: Values in the order of the declared names; they are turned into text. An
                empty one is no label at all, as in Prometheus.
            labelkwargs: The same by name.

        Raises:
            MetricValidationError: These are too few, too many or other labels than were declared.
        """
        values = self._values(labelvalues, labelkwargs)
        child = self._children.get(values)
        if child is None:
            child = object.__new__(type(self))
            child._begin(self._name, self.documentation, ())
            pairs = zip(self._labelnames, values, strict=True)
            child._bind({self._kept_as.get(name, name): value for name, value in pairs if value})
            child = self._children.setdefault(values, child)
        return child

    def remove(self, *labelvalues: object, **labelkwargs: object) -> None:
        """Forget a series. What was recorded of it stays, and is shown."""
        self._children.pop(self._values(labelvalues, labelkwargs), None)

    def clear(self) -> None:
        """Forget all series. What was recorded of them stays, and is shown."""
        self._children.clear()

    def _declare(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str],
        name_parts: tuple[str, str, str],
        *,
        buckets: tuple[float, ...] = (),
        combine: Combine | None = None,
    ) -> tuple[MetricSpec, MetricSpec]:
        """Declare the metric; returns that, and the one of the catalogue that it is."""
        spec = spec_of(
            full_name(name, self.kind, *name_parts),
            documentation,
            labelnames,
            self.kind,
            buckets=buckets,
            combine=combine,
        )
        meant = recorder.declare(spec)
        self._begin(spec.name, documentation, tuple(spec.labels))
        # A label that the catalogue shows under this name, and calls something else.
        self._kept_as: dict[str, str] = {
            label.shown_as: name
            for name, label in meant.labels.items()
            if label.shown_as is not None and name not in spec.labels
        }
        if not self._labelnames:
            self._bind({})
        return spec, meant

    def _begin(self, name: str, documentation: str, labelnames: tuple[str, ...]) -> None:
        self._name = name
        self.documentation = documentation
        self._labelnames = labelnames
        self._children: dict[tuple[str, ...], Self] = {}
        self._kept_as = {}
        self._series: Series | None = None
        self._record: Callable[[float], object] = self._refuse

    def _bind(self, labels: Mapping[str, str]) -> None:
        """Be the series with these labels."""
        self._series = Series(recorder, self._name, labels)
        self._record = self._series.record

    def _bound(self) -> Series:
        if self._series is None:
            raise self._bad_labels(None)
        return self._series

    def _timer(self, take: Callable[[float], None]) -> Timer:
        self._bound()
        return SecondsTimer(recorder, self._name, take)

    def _values(
        self, labelvalues: tuple[object, ...], labelkwargs: Mapping[str, object]
    ) -> tuple[str, ...]:
        names = self._labelnames
        if names and len(labelvalues) + len(labelkwargs) == len(names):
            if not labelkwargs:
                return tuple(map(str, labelvalues))
            if labelkwargs.keys() == set(names):
                return tuple([str(labelkwargs[name]) for name in names])
        raise self._bad_labels([*labelvalues, *labelkwargs] or None)

    def _refuse(self, _: float) -> None:
        raise self._bad_labels(None)

    def _bad_labels(self, got: object) -> MetricValidationError:
        names = ", ".join(self._labelnames)
        return MetricValidationError(
            f"metric {self._name!r} is used with other labels than it was declared with",
            reason="bad_label",
            got=got,
            allowed=f"a value for each of: {names}" if names else "no labels",
            fix=f"Write .labels({names.replace(', ', '=…, ')}=…) first."
            if names
            else "Call its methods directly, or declare it with labelnames=[…].",
        )
