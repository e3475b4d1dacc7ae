# SPDX-License-Identifier: Apache-2.0
"""The sender for OTLP: OpenTelemetry's exporters, without its providers and instruments.

What is sent is a reading of the store, so the program's own use of OpenTelemetry is neither needed
nor touched. This module loads OpenTelemetry only when a sender is made.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal, Protocol, TypeAlias, get_args

import msgspec

from tidegauge.export.deltas import PartlyDelivered, Series
from tidegauge.export.genai_names import GenAiNames, GenAiVersion
from tidegauge.export.otlp_grpc import GrpcExporter
from tidegauge.export.otlp_http import HttpExporter
from tidegauge.export.otlp_metrics import Converter, about
from tidegauge.live.families import Reading, Samples
from tidegauge.model.errors import ConfigError, DeliveryError, MissingExtraError

__all__ = ["Connection", "OtlpSender", "Protocols", "Temporality"]

_log = logging.getLogger("tidegauge")
_LOG_EVERY_S = 60.0
_LEAST_TIMEOUT_S = 0.05
# About 1.5 MB of histograms; receivers of gRPC refuse messages of more than 4 MiB by default.
_MAX_POINTS = 4_000

Protocols: TypeAlias = Literal["http/protobuf", "grpc"]
Temporality: TypeAlias = Literal["cumulative", "delta"]
_Histograms: TypeAlias = Literal["explicit", "exponential"]


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go; what is None is as OpenTelemetry's environment variables say.

    Attributes:
        endpoint: Address of the receiver, with the path of the signal for HTTP.
        headers: Sent with each request.
        timeout_s: Longest time for a request and its repetitions.
        certificate: File with the certificates to trust, in PEM.
        insecure: Whether gRPC goes without TLS, for an endpoint without `https://`.
    """

    endpoint: str | None = None
    headers: dict[str, str] | None = None
    timeout_s: float | None = None
    certificate: str | None = None
    insecure: bool | None = None


class _Exporter(Protocol):
    def export(self, metrics: Any) -> tuple[int, str]:
        """Send metrics; return how many points the receiver rejected, and what it said.

        Raises:
            DeliveryError: They did not arrive.
        """

    def close(self) -> None:
        """Close the connection."""


class OtlpSender:
    """Sends readings to an OTLP receiver, such as OpenTelemetry's Collector.

    Implements `tidegauge.export.push.Sender`. Connections are made with the first request, in the
    process that sends it. A request is repeated by the exporter within its timeout.

    Args:
        endpoint: Address of the receiver. For HTTP, `/v1/metrics` is added where it has no path.
            If None: `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT` or this
            machine.
        protocol: How to talk to it; if None, `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL`,
            `OTEL_EXPORTER_OTLP_PROTOCOL` or `http/protobuf`.
        headers: Sent with each request, beside those of `OTEL_EXPORTER_OTLP_HEADERS`.
        timeout_s: Longest time for a request and its repetitions; 10 s if nothing says otherwise.
        resource: What the metrics are about, such as `service.name` and `service.instance.id`. Any
            process of the store may be the one that sends, so these must not differ among them.
        temporality: Whether totals or deltas are sent.
        histograms: Whether histograms have explicit bounds or exponential buckets.
        genai: Version of the conventions by which calls to language models are named.
        certificate: File with the certificates to trust, in PEM.
        insecure: Whether gRPC goes without TLS, for an endpoint without `https://`.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
        ConfigError: An argument has a value that is not one of its choices.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        protocol: Protocols | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        resource: Mapping[str, str] | None = None,
        temporality: Temporality = "cumulative",
        histograms: _Histograms = "explicit",
        genai: GenAiVersion = "latest",
        certificate: str | None = None,
        insecure: bool | None = None,
    ) -> None:
        chosen = _chosen("protocol", protocol or _protocol_of_environment(), Protocols)
        _chosen("temporality", temporality, Temporality)
        _chosen("histograms", histograms, _Histograms)
        self.wants_deltas = temporality == "delta"
        self._connection = Connection(
            endpoint=endpoint,
            headers=None if headers is None else dict(headers),
            timeout_s=timeout_s,
            certificate=certificate,
            insecure=insecure,
        )
        self._make = GrpcExporter if chosen == "grpc" else HttpExporter
        try:
            # A package on the way to the exporter, which itself is loaded with the first request.
            import_module(f"opentelemetry.exporter.otlp.proto.{chosen.partition('/')[0]}")
            self._converter = Converter(
                about(resource or {}),
                temporality=temporality,
                histograms=histograms,
                max_points=_MAX_POINTS,
                genai=GenAiNames(genai),
            )
        except ImportError as error:
            raise MissingExtraError(error.name or "opentelemetry", extra="otlp") from error
        self._open: tuple[tuple[int, float | None], _Exporter] | None = None
        self._logged_s = float("-inf")

    def send(self, reading: Reading, *, timeout_s: float | None = None) -> Mapping[str, int]:
        """See `tidegauge.export.push.Sender.send`."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        counts = Counter[str]()
        arrived: list[Series] = []
        for family in reading.families:
            if isinstance(family, Samples) and family.only != "prometheus":
                counts["refused/unsupported_kind"] += len(family.samples)
        for metrics, series in self._converter.batches(reading):
            left_s = None if until_s is None else until_s - time.monotonic()
            try:
                rejected, said = self._exporter(left_s).export(metrics)
            except DeliveryError as error:
                if not arrived:
                    raise
                raise PartlyDelivered(
                    error.what, arrived=arrived, got=error.got, fix=error.fix
                ) from error
            arrived += series
            counts["sent"] += len(series) - rejected
            if rejected:
                counts["refused/by_receiver"] += rejected
                self._report(rejected, said)
        return counts

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None and self._open[0][0] == os.getpid():
            self._open[1].close()
        self._open = None

    def _exporter(self, left_s: float | None) -> _Exporter:
        """An exporter that gives up in time; exporters have one timeout for their lives."""
        timeouts_s = [each for each in (self._connection.timeout_s, left_s) if each is not None]
        timeout_s = max(min(timeouts_s), _LEAST_TIMEOUT_S) if timeouts_s else None
        # A connection does not survive a fork.
        key = (os.getpid(), timeout_s)
        if self._open is None or self._open[0] != key:
            self.close()
            connection = msgspec.structs.replace(self._connection, timeout_s=timeout_s)
            self._open = (key, self._make(connection))
        return self._open[1]

    def _report(self, rejected: int, said: str) -> None:
        if time.monotonic() - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = time.monotonic()
            _log.warning("the OTLP receiver rejected %d data points: %s", rejected, said)


def _protocol_of_environment() -> str:
    names = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    return next((os.environ[name] for name in names if os.environ.get(name)), "http/protobuf")


def _chosen(name: str, value: str, choices: Any) -> str:
    allowed = get_args(choices)
    if value not in allowed:
        raise ConfigError(
            f"{name} of the OTLP sender is not known",
            got=value,
            allowed=" or ".join(allowed),
            fix="Leave it out for the default.",
        )
    return value
