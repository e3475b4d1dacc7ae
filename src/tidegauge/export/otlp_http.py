# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP, by OpenTelemetry's exporter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from tidegauge.model.errors import DeliveryError

if TYPE_CHECKING:
    import requests
    from opentelemetry.sdk.metrics.export import MetricsData

    from tidegauge.export.otlp import Connection

__all__ = ["HttpExporter"]

_PATH = "/v1/metrics"
# With one of these the exporter takes a session from a plug-in; what is answered is not seen then.
_PLUG_INS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER",
)


class HttpExporter:
    """One connection. See `tidegauge.export.otlp.OtlpSender` for the arguments."""

    def __init__(self, connection: Connection) -> None:
        import requests
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        session = requests.Session()
        self._watch = _Watch(session)
        self._exporter = OTLPMetricExporter(
            endpoint=connection.endpoint and _with_path(connection.endpoint),
            certificate_file=connection.certificate,
            headers=connection.headers,
            timeout=connection.timeout_s,
            session=None if any(map(os.environ.get, _PLUG_INS)) else session,
        )

    def export(self, metrics: MetricsData) -> tuple[int, str]:
        """Send metrics; return how many points the receiver rejected, and what it said.

        Raises:
            DeliveryError: They did not arrive.
        """
        watch = self._watch
        watch.forget()
        try:
            result = self._exporter.export(metrics)
        except OSError as error:  # what `requests` raises is one
            raise _undelivered(watch) from error
        # The exporter takes a redirection, which it does not follow, for a success.
        if result.name != "SUCCESS" or watch.was_refused():
            raise _undelivered(watch)
        return (0, "") if watch.answer is None else _partial(watch.answer)

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


class _Watch:
    """Keeps what happened to the last request, of which the exporter tells but the result."""

    def __init__(self, session: requests.Session) -> None:
        self._send = session.send
        session.send = self.send  # type: ignore[method-assign]
        self.forget()

    def forget(self, url: str = "") -> None:
        self.url = url
        self.answer: requests.Response | None = None
        self.error: Exception | None = None

    def was_refused(self) -> bool:
        return self.answer is not None and not 200 <= self.answer.status_code < 300

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        self.forget(request.url or "")
        try:
            self.answer = self._send(request, **options)
        except OSError as error:
            self.error = error
            raise
        return self.answer


def _with_path(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return endpoint if parts.path.strip("/") else urlunsplit(parts._replace(path=_PATH))


def _partial(answer: requests.Response) -> tuple[int, str]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceResponse,
    )

    if "protobuf" not in answer.headers.get("content-type", ""):
        return 0, ""
    message = ExportMetricsServiceResponse()
    try:
        message.ParseFromString(answer.content)
    except Exception:  # noqa: BLE001  (protobuf's error has no types; the metrics were taken)
        return 0, ""
    partial = message.partial_success
    return partial.rejected_data_points, partial.error_message


def _undelivered(watch: _Watch) -> DeliveryError:
    if watch.answer is not None:
        said = f"it answered {watch.answer.status_code} {watch.answer.reason}"
    else:
        said = str(watch.error or "no request was sent, the exporter's own log says why")
    parts = urlsplit(watch.url)
    return DeliveryError(
        f"the OTLP receiver did not take the metrics: {said}",
        got=urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")),
        fix="See that the receiver runs and that its address and headers are right.",
    )
