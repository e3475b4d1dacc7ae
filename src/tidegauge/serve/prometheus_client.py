# SPDX-License-Identifier: Apache-2.0
"""Between this package and prometheus_client: our metrics on its page, its metrics on ours.

The only module that imports prometheus_client, and only when it is used.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from tidegauge.live.families import Exemplar, Histograms, Labels, Numbers, Reading, Sample, Samples
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.model.errors import MissingExtraError
from tidegauge.serve.forms import AnyFamily, form_of
from tidegauge.serve.spelling import (
    Omissions,
    bound_texts,
    clean,
    clean_labels,
    is_metric_name,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector
    from prometheus_client.samples import Exemplar as TheirExemplar
    from prometheus_client.samples import Sample as TheirSample
    from prometheus_client.samples import Timestamp

__all__ = ["TidegaugeCollector", "families_of"]


class TidegaugeCollector:
    """Our metrics for a registry of prometheus_client: `registry.register(collector)`.

    Args:
        read: Gives a reading of this moment.

    Raises:
        MissingExtraError: prometheus_client is not installed.
    """

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read
        self._omissions = Omissions()
        self._library = _prometheus_client()

    def describe(self) -> list[Metric]:
        """Nothing, so that to register this does not read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The families of a reading that are not only for OTLP."""
        for family in self._read().families:
            if family.only == "otlp":
                continue
            if is_metric_name(family.name):
                yield self._metric(family)
            else:
                self._omissions.add(f"metric {family.name!r}", "its name is not valid")

    def _metric(self, family: AnyFamily) -> Metric:
        form = form_of(family)
        # The library appends a unit that is not there, which would be another metric.
        unit = family.unit if form.base.endswith(f"_{family.unit}") else ""
        metric: Metric = self._library.metrics_core.Metric(
            form.base, clean(family.help), form.kind, unit
        )
        if isinstance(family, Numbers):
            self._add_numbers(metric, family, form.names[0])
        elif isinstance(family, Histograms):
            self._add_histograms(metric, family)
        else:
            for sample in family.samples:
                name = form.line_name(family.name + sample.suffix)
                if name is not None:
                    time = None if sample.time_ns is None else self._time(sample.time_ns)
                    exemplar = self._exemplar(sample.exemplar, 1.0)
                    labels = self._labels(sample.labels)
                    metric.add_sample(name, labels, sample.value, time, exemplar)
        return metric

    def _add_numbers(self, metric: Metric, family: Numbers, name: str) -> None:
        for index, (labels, value) in enumerate(zip(family.labels, family.values, strict=True)):
            given = family.exemplars.get(index) if family.kind == "counter" else None
            exemplar = self._exemplar(given, family.scale)
            metric.add_sample(name, self._labels(labels), value * family.scale, exemplar=exemplar)

    def _add_histograms(self, metric: Metric, family: Histograms) -> None:
        bounds = [*bound_texts(family.bounds, family.scale), "+Inf"]
        rows = zip(family.labels, family.counts, family.sums, strict=True)
        for index, (given, counts, total) in enumerate(rows):
            labels = self._labels(given, reserved="le")
            cumulative = list(itertools.accumulate(map(int, counts)))
            for bucket, (bound, count) in enumerate(zip(bounds, cumulative, strict=True)):
                exemplar = self._exemplar(family.exemplars.get((index, bucket)), family.scale)
                metric.add_sample(
                    f"{metric.name}_bucket", labels | {"le": bound}, count, exemplar=exemplar
                )
            metric.add_sample(f"{metric.name}_sum", labels, total * family.scale)
            metric.add_sample(f"{metric.name}_count", labels, cumulative[-1])

    def _labels(self, labels: Labels, *, reserved: str = "") -> dict[str, str]:
        kept = clean_labels(labels, self._omissions, reserved=reserved)
        return {name: clean(value) for name, value in kept}

    def _exemplar(self, exemplar: Exemplar | None, scale: float) -> TheirExemplar | None:
        if exemplar is None:
            return None
        found: TheirExemplar = self._library.samples.Exemplar(
            self._labels(exemplar.labels), exemplar.value * scale, self._time(exemplar.time_ns)
        )
        return found

    def _time(self, time_ns: int) -> Timestamp:
        found: Timestamp = self._library.samples.Timestamp(*divmod(time_ns, 1_000_000_000))
        return found


def families_of(registry: Collector) -> list[Samples]:
    """The metrics of a registry of prometheus_client, for a reading.

    `_created` lines and native histograms are left out. A line whose name does not begin with its
    family's becomes a family of its own, of unknown type.

    Args:
        registry: A registry, or anything else that has `collect()`.

    Returns:
        Families by name, ascending; those of one name and type are one.
    """
    found: dict[tuple[str, str], Samples] = {}
    samples: dict[tuple[str, str], list[Sample]] = {}
    for metric in registry.collect():
        places: dict[str, tuple[Samples, str]] = {}
        for line in metric.samples:
            if line.name == f"{metric.name}_created" or line.native_histogram is not None:
                continue
            if line.name not in places:
                places[line.name] = _placed(metric, line.name)
            family, suffix = places[line.name]
            key = (family.name, family.kind)
            found.setdefault(key, family)
            samples.setdefault(key, []).append(_sample(line, suffix))
    return [dataclasses.replace(found[key], samples=samples[key]) for key in sorted(found)]


def _placed(metric: Metric, line_name: str) -> tuple[Samples, str]:
    """The family that a line belongs to, without lines, and what follows its name in the line."""
    name, kind = metric.name, metric.type
    if not line_name.startswith(name):
        name, kind = line_name, "unknown"
    elif kind == "counter":
        name = f"{name}_total"
    family = Samples(
        name=name,
        help=metric.documentation,
        unit=metric.unit,
        otlp_name=metric.name,
        kind=kind,
        samples=(),
    )
    return family, line_name.removeprefix(name)


def _sample(line: TheirSample, suffix: str) -> Sample:
    exemplar = None
    if line.exemplar is not None:
        time_ns = _nanoseconds(line.exemplar.timestamp)
        exemplar = Exemplar(
            labels=tuple(sorted(line.exemplar.labels.items())),
            value=line.exemplar.value,
            time_ns=SYSTEM_CLOCK.wall_ns() if time_ns is None else time_ns,
        )
    labels = tuple(sorted((name, str(value)) for name, value in line.labels.items()))
    return Sample(suffix, labels, line.value, _nanoseconds(line.timestamp), exemplar)


def _nanoseconds(time: float | Timestamp | None) -> int | None:
    if time is None:
        return None
    if isinstance(time, int | float):
        return round(time * 1e9)
    return time.sec * 1_000_000_000 + time.nsec


def _prometheus_client() -> ModuleType:
    try:
        import prometheus_client
    except ImportError as error:
        if error.name != "prometheus_client":
            raise
        raise MissingExtraError("prometheus_client", extra="prometheus") from error
    return prometheus_client
