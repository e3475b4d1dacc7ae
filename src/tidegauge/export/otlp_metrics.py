# SPDX-License-Identifier: Apache-2.0
"""A reading in the data classes of OpenTelemetry's SDK, which its exporters take.

Values are in the unit that the family has in OTLP, which is the recorded one but for what the
conventions want as a ratio. Families for Prometheus alone are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tidegauge.export.deltas import Series
from tidegauge.export.genai_names import GenAiNames
from tidegauge.live.families import Exemplar, Histograms, Numbers, Reading, Samples

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        MetricsData,
        NumberDataPoint,
    )
    from opentelemetry.sdk.resources import Resource

__all__ = ["Batch", "Converter", "about"]

_INTEGERS = {"http.response.status_code"}  # attributes that the conventions have as numbers
_SCOPE = "tidegauge"

#: One request's metrics, and the series in them.
Batch: TypeAlias = "tuple[MetricsData, list[Series]]"


def about(attributes: Mapping[str, str]) -> Resource:
    """What the metrics are about.

    Args:
        attributes: Such as `service.name`. They come before `OTEL_SERVICE_NAME`, and that before
            `OTEL_RESOURCE_ATTRIBUTES`.
    """
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    return Resource(
        {
            "service.name": "unknown_service:python",
            **OTELResourceDetector().detect().attributes,
            **attributes,
            "telemetry.sdk.name": _SCOPE,
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": version(_SCOPE),
        }
    )


class Converter:
    """Turns readings into requests.

    Args:
        resource: What the metrics are about.
        temporality: What the readings are.
        histograms: Whether histograms are sent with their explicit bounds or exponential buckets.
        max_points: Most series in a request.
        genai: What calls to language models are called.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        temporality: Literal["cumulative", "delta"],
        histograms: Literal["explicit", "exponential"],
        max_points: int,
        genai: GenAiNames,
    ) -> None:
        import opentelemetry.sdk.metrics.export
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._sdk: ModuleType = opentelemetry.sdk.metrics
        self._resource = resource
        self._temporality = opentelemetry.sdk.metrics.export.AggregationTemporality[
            temporality.upper()
        ]
        self._histograms = histograms
        self._max_points = max_points
        self._genai = genai
        self._scope = InstrumentationScope(_SCOPE, version(_SCOPE))

    def batches(self, reading: Reading) -> Iterator[Batch]:
        """The requests of a reading; none if it is empty."""
        parts = self._parts(reading)
        metrics: list[Metric] = []
        series: list[Series] = []
        for family, indices in parts:
            metrics.append(self._metric(family, indices, reading))
            series += [(family.name, family.labels[index]) for index in indices]
            if len(series) >= self._max_points:
                yield self._data(metrics), series
                metrics, series = [], []
        if series:
            yield self._data(metrics), series

    def _parts(self, reading: Reading) -> Iterator[tuple[Numbers | Histograms, list[int]]]:
        """Families with some of their series, none more than fit into what is left of a request."""
        room = self._max_points
        for family in reading.families:
            if family.only == "prometheus" or isinstance(family, Samples):
                continue
            if not self._genai.has(family):
                continue
            indices: Iterator[int] = iter(range(len(family.labels)))
            while part := list(islice(indices, room)):
                yield family, part
                room = room - len(part) or self._max_points

    def _data(self, metrics: list[Metric]) -> MetricsData:
        export = self._sdk.export
        scopes = [export.ScopeMetrics(self._scope, metrics, schema_url="")]
        described = export.ResourceMetrics(self._resource, scopes, schema_url="")
        data: MetricsData = export.MetricsData([described])
        return data

    def _metric(
        self, family: Numbers | Histograms, indices: Sequence[int], reading: Reading
    ) -> Metric:
        # Only what is sent: a series that arrived is known by its own labels.
        family = self._genai.renamed(family)
        sdk, export, times = self._sdk, self._sdk.export, (reading.start_ns, reading.time_ns)
        if isinstance(family, Numbers):
            numbers = [_number(sdk, family, index, times) for index in indices]
            if family.kind == "counter":
                data = export.Sum(numbers, self._temporality, is_monotonic=True)
            else:
                data = export.Gauge(numbers)
        elif self._histograms == "explicit" or family.otlp_scale != 1.0:
            # Exponential buckets cannot be scaled: their bounds are powers.
            points = [_explicit(sdk, family, index, times) for index in indices]
            data = export.Histogram(points, self._temporality)
        else:
            buckets = [_exponential(sdk, family, index, times) for index in indices]
            data = export.ExponentialHistogram(buckets, self._temporality)
        metric: Metric = export.Metric(family.otlp_name, family.help, family.otlp_unit, data)
        return metric


def _number(
    sdk: ModuleType, family: Numbers, index: int, times: tuple[int, int]
) -> NumberDataPoint:
    exemplar = family.exemplars.get(index)
    point: NumberDataPoint = sdk.export.NumberDataPoint(
        _attributes(family.labels[index]),
        *times,
        float(family.values[index]) * family.otlp_scale,  # never an int: a series keeps its type
        [] if exemplar is None else [_exemplar(sdk, exemplar, family.otlp_scale)],
    )
    return point


def _explicit(
    sdk: ModuleType, family: Histograms, index: int, times: tuple[int, int]
) -> HistogramDataPoint:
    counts = [int(count) for count in family.counts[index]]
    unknown: Any = None  # `min` and `max` may be absent, whatever the class says
    point: HistogramDataPoint = sdk.export.HistogramDataPoint(
        _attributes(family.labels[index]),
        *times,
        count=sum(counts),
        sum=float(family.sums[index]) * family.otlp_scale,
        bucket_counts=counts,
        # 70 % is 0.7, and not 0.7000000000000001: a bound is part of what a series is.
        explicit_bounds=[float(f"{bound * family.otlp_scale:.15g}") for bound in family.bounds],
        min=unknown,
        max=unknown,
        exemplars=_exemplars(sdk, family, index),
    )
    return point


def _exponential(
    sdk: ModuleType, family: Histograms, index: int, times: tuple[int, int]
) -> ExponentialHistogramDataPoint:
    histogram = family.exponential(index)
    columns: Any = histogram.columns()
    unknown: Any = None  # of the smallest and the largest value only the buckets are known
    point: ExponentialHistogramDataPoint = sdk.export.ExponentialHistogramDataPoint(
        _attributes(family.labels[index]),
        *times,
        count=histogram.count,
        sum=float(family.sums[index]),
        scale=histogram.scale,
        zero_count=histogram.zero_count,
        positive=sdk.export.Buckets(columns["positive_offset"], columns["positive_counts"]),
        negative=sdk.export.Buckets(columns["negative_offset"], columns["negative_counts"]),
        flags=0,
        min=unknown,
        max=unknown,
        exemplars=_exemplars(sdk, family, index),
    )
    return point


def _exemplars(sdk: ModuleType, family: Histograms, index: int) -> list[SdkExemplar]:
    if not family.exemplars:
        return []
    keys = ((index, bucket) for bucket in range(len(family.bounds) + 1))
    found, scale = family.exemplars, family.otlp_scale
    return [_exemplar(sdk, found[key], scale) for key in keys if key in found]


def _exemplar(sdk: ModuleType, exemplar: Exemplar, scale: float) -> SdkExemplar:
    labels = dict(exemplar.labels)
    trace_id, span_id = _id(labels, "trace_id", 32), _id(labels, "span_id", 16)
    if trace_id is not None and span_id is not None:  # one without the other leads nowhere
        del labels["trace_id"], labels["span_id"]
    found: SdkExemplar = sdk.Exemplar(
        _attributes(labels.items()), exemplar.value * scale, exemplar.time_ns, span_id, trace_id
    )
    return found


def _id(labels: Mapping[str, str], name: str, digits: int) -> int | None:
    text = labels.get(name, "")
    try:
        return int(text, 16) if len(text) == digits else None
    except ValueError:
        return None


def _attributes(labels: Iterable[tuple[str, str]]) -> dict[str, str | int]:
    return {
        _utf8(name): int(value) if name in _INTEGERS and value.isdecimal() else _utf8(value)
        for name, value in labels
    }


def _utf8(text: str) -> str:
    """The text as protobuf takes it: what is not UTF-8 becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
