# SPDX-License-Identifier: Apache-2.0
"""OTLP over gRPC, by OpenTelemetry's exporter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.model.errors import DeliveryError

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import MetricsData

    from tidegauge.export.otlp import Connection

__all__ = ["GrpcExporter"]


class GrpcExporter:
    """One connection. See `tidegauge.export.otlp.OtlpSender` for the arguments."""

    def __init__(self, connection: Connection) -> None:
        import grpc  # type: ignore[import-untyped]

        credentials = None
        if connection.certificate is not None:
            trusted = Path(connection.certificate).read_bytes()
            credentials = grpc.ssl_channel_credentials(root_certificates=trusted)
        headers = connection.headers
        self._endpoint = connection.endpoint or "as the environment says"
        self._seen = _Seen()
        self._exporter = _watched(
            self._seen,
            endpoint=connection.endpoint,
            insecure=connection.insecure,
            credentials=credentials,
            headers=headers and tuple((name.lower(), value) for name, value in headers.items()),
            timeout=connection.timeout_s,
        )

    def export(self, metrics: MetricsData) -> tuple[int, str]:
        """Send metrics; return how many points the receiver rejected, and what it said.

        Raises:
            DeliveryError: They did not arrive.
        """
        seen = self._seen
        seen.answer = seen.error = None
        result = self._exporter.export(metrics)
        if result.name != "SUCCESS":
            raise self._undelivered(seen.error)
        if seen.answer is None:
            return 0, ""
        partial = seen.answer.partial_success
        return partial.rejected_data_points, partial.error_message

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def _undelivered(self, error: Any) -> DeliveryError:
        said = "the exporter's own log says why"
        if error is not None:
            said = f"it answered {error.code().name}: {error.details()}"
        return DeliveryError(
            f"the OTLP receiver did not take the metrics: {said}",
            got=self._endpoint,
            fix="See that the receiver runs and that its address and headers are right.",
        )


class _Seen:
    """Stands between the exporter and its client."""

    client: Any = None
    answer: Any = None
    error: Any = None

    def Export(self, **call: Any) -> Any:  # noqa: N802  (the name of the procedure)
        try:
            self.answer = self.client.Export(**call)
        except Exception as error:
            self.error = error
            raise
        self.error = None
        return self.answer


def _watched(seen: _Seen, **options: Any) -> OTLPMetricExporter:
    """An exporter whose client is `seen`: of what was answered it tells but the result."""
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    class Watched(OTLPMetricExporter):
        def __setattr__(self, name: str, value: Any) -> None:
            # It makes a new client with each new connection, and has no other way in.
            if name == "_client" and value is not None:
                seen.client = value
                value = seen
            super().__setattr__(name, value)

    return Watched(**options)
