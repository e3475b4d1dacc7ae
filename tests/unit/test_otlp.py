# SPDX-License-Identifier: Apache-2.0
"""What an OTLP receiver gets, over HTTP and over gRPC, from real servers in this process."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

from tidegauge.export import otlp
from tidegauge.export.deltas import PartlyDelivered
from tidegauge.export.otlp import OtlpSender
from tidegauge.live.families import Exemplar, Histograms, Reading, Samples, counter, gauge
from tidegauge.model.errors import ConfigError, DeliveryError
from tidegauge.statistics.histogram import ExponentialHistogram

CUMULATIVE, DELTA = 2, 1  # of AggregationTemporality in the protocol


@dataclass
class Receiver:
    """What a server got, and how it is to answer the next requests: 200 when nothing is said."""

    endpoint: str = ""
    requests: list[ExportMetricsServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answer: ExportMetricsServiceResponse = field(default_factory=ExportMetricsServiceResponse)
    released: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False

    def metrics(self) -> dict[str, Any]:
        """All metrics of all requests, by name."""
        return {
            metric.name: metric
            for request in self.requests
            for about in request.resource_metrics
            for scope in about.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "HEADERS", "PROTOCOL", "TIMEOUT"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_METRICS_{name}", raising=False)


@pytest.fixture
def http_receiver() -> Iterator[Receiver]:
    """A receiver for OTLP over HTTP."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if receiver.hangs:
                receiver.released.wait(30)
                return
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            receiver.paths.append(self.path)
            if status == 200:
                receiver.requests.append(ExportMetricsServiceRequest.FromString(body))
                receiver.headers.append({name.lower(): v for name, v in self.headers.items()})
            content = receiver.answer.SerializeToString()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    receiver.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def grpc_receiver() -> Iterator[Receiver]:
    """A receiver for OTLP over gRPC; a status other than 200 is UNAVAILABLE."""
    receiver = Receiver()

    class Service(MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> ExportMetricsServiceResponse:  # noqa: N802
            if receiver.hangs:
                receiver.released.wait(30)
            if receiver.statuses and receiver.statuses.pop(0) != 200:
                context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            receiver.requests.append(request)
            receiver.headers.append(dict(context.invocation_metadata()))
            return receiver.answer

    server = grpc.server(ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(Service(), server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield receiver
    receiver.released.set()
    server.stop(None).wait()


@pytest.fixture(params=["http/protobuf", "grpc"])
def receiver(request: pytest.FixtureRequest) -> Receiver:
    """A receiver of each protocol in turn."""
    name = "grpc_receiver" if request.param == "grpc" else "http_receiver"
    found: Receiver = request.getfixturevalue(name)
    return found


@pytest.fixture
def make_sender(request: pytest.FixtureRequest) -> Iterator[Callable[..., OtlpSender]]:
    """Makes senders to a receiver, and closes them."""
    made: list[OtlpSender] = []

    def make(receiver: Receiver, **options: Any) -> OtlpSender:
        is_grpc = "grpc_receiver" in request.fixturenames
        if "receiver" in request.fixturenames:
            is_grpc = request.node.callspec.params["receiver"] == "grpc"
        options = {"protocol": "grpc" if is_grpc else "http/protobuf", "timeout_s": 5.0, **options}
        made.append(OtlpSender(receiver.endpoint, **options))
        return made[-1]

    yield make
    for sender in made:
        sender.close()


@pytest.fixture
def histogram() -> Histograms:
    """Three values of one series, in milliseconds."""
    exponential = ExponentialHistogram()
    exponential.add_many([-3.0, 0.0, 40.0, 90.0, 700.0])
    return Histograms(
        name="request_duration_seconds",
        help="How long it took.",
        otlp_name="http.server.request.duration",
        otlp_unit="ms",
        scale=0.001,
        labels=[(("http.response.status_code", "200"), ("http.route", "/a"))],
        bounds=[50.0, 100.0],
        counts=[[3, 1, 1]],
        sums=[827.0],
        exponential=lambda _: exponential,
    )


@pytest.fixture
def reading(histogram: Histograms) -> Reading:
    """One family of each kind, of which one is for Prometheus alone."""
    requests = replace(
        counter("requests_total", "Requests.", {(("model", "a"),): 7.0}),
        otlp_name="api.requests",
        otlp_unit="{request}",
    )
    hidden = replace(counter("hidden_total", "", 1.0), only="prometheus")
    shown = replace(gauge("load", "Load.", 0.5), only="otlp", otlp_name="system.load")
    return Reading([hidden, shown, histogram, requests], time_ns=2_000, start_ns=1_000)


def _attributes(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def test_a_reading_arrives_with_names_units_times_and_attributes(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """Totals go as cumulative sums since the store began; the rest as their kinds say."""
    assert make_sender(receiver).send(reading) == {"sent": 3}
    metrics = receiver.metrics()
    assert set(metrics) == {"api.requests", "http.server.request.duration", "system.load"}
    requests = metrics["api.requests"]
    assert (requests.description, requests.unit) == ("Requests.", "{request}")
    assert requests.sum.is_monotonic
    assert requests.sum.aggregation_temporality == CUMULATIVE
    (point,) = requests.sum.data_points
    assert (point.as_double, point.start_time_unix_nano, point.time_unix_nano) == (7.0, 1000, 2000)
    assert _attributes(point.attributes) == {"model": "a"}
    (point,) = metrics["system.load"].gauge.data_points
    assert (point.as_double, point.time_unix_nano) == (0.5, 2000)


def test_histograms_have_explicit_bounds_in_the_recorded_unit(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """Bounds, counts and sum are not scaled, and a status code is a number."""
    make_sender(receiver).send(reading)
    metric = receiver.metrics()["http.server.request.duration"]
    (point,) = metric.histogram.data_points
    assert metric.unit == "ms"
    assert list(point.explicit_bounds) == [50.0, 100.0]
    assert list(point.bucket_counts) == [3, 1, 1]
    assert (point.count, point.sum) == (5, 827.0)
    assert not point.HasField("min")
    assert _attributes(point.attributes) == {
        "http.response.status_code": 200,
        "http.route": "/a",
    }


def test_histograms_can_be_exponential(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """Scale, offsets and counts are those of the store's own histogram."""
    make_sender(receiver, histograms="exponential").send(reading)
    data = receiver.metrics()["http.server.request.duration"].exponential_histogram
    (point,) = data.data_points
    assert data.aggregation_temporality == CUMULATIVE
    assert (point.count, point.sum, point.scale, point.zero_count) == (5, 827.0, 5, 1)
    assert not point.HasField("min")  # only its bucket is known
    assert not point.HasField("max")
    # At scale 5, log2(x) * 32 rounded up, less 1: 40 -> 170, 90 -> 207, 700 -> 302, 3 -> 50.
    assert point.positive.offset == 170
    counts = list(point.positive.bucket_counts)
    assert {170 + i: n for i, n in enumerate(counts) if n} == {170: 1, 207: 1, 302: 1}
    assert (point.negative.offset, list(point.negative.bucket_counts)) == (50, [1])


def test_percentages_of_the_conventions_arrive_as_ratios(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], histogram: Histograms
) -> None:
    """Values, bounds, sums and exemplars are divided; counts are not. Buckets stay explicit."""
    used = replace(
        gauge("used_percent", "", 45.0),
        otlp_name="system.cpu.utilization",
        otlp_unit="1",
        otlp_scale=0.01,
        recorded_unit="%",
    )
    spread = replace(
        histogram,
        otlp_name="pool.utilization",
        otlp_unit="1",
        otlp_scale=0.01,
        bounds=[50.0, 70.0],
        exemplars={(0, 2): Exemplar((), 90.0, 1_800)},
    )
    sender = make_sender(receiver, histograms="exponential")
    sender.send(Reading([used, spread], time_ns=2_000, start_ns=1_000))
    metrics = receiver.metrics()
    assert metrics["system.cpu.utilization"].unit == "1"
    assert metrics["system.cpu.utilization"].gauge.data_points[0].as_double == 0.45
    (point,) = metrics["pool.utilization"].histogram.data_points
    assert list(point.explicit_bounds) == [0.5, 0.7]
    assert (list(point.bucket_counts), point.count, point.sum) == ([3, 1, 1], 5, 8.27)
    assert point.exemplars[0].as_double == 0.9


def test_deltas_begin_at_the_last_acknowledged_reading(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """A reading of deltas has that time as its start; extremes of an interval are not known."""
    sender = make_sender(receiver, temporality="delta", histograms="exponential")
    assert sender.wants_deltas
    sender.send(replace(reading, start_ns=1_500))
    metrics = receiver.metrics()
    assert metrics["api.requests"].sum.aggregation_temporality == DELTA
    assert metrics["api.requests"].sum.data_points[0].start_time_unix_nano == 1_500
    histogram = metrics["http.server.request.duration"].exponential_histogram
    assert histogram.aggregation_temporality == DELTA
    assert not histogram.data_points[0].HasField("min")


def test_the_resource_says_what_the_metrics_are_about(
    receiver: Receiver,
    make_sender: Callable[..., OtlpSender],
    reading: Reading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Arguments come before OTEL_RESOURCE_ATTRIBUTES; the scope is this package."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=env,k8s.pod.name=p%201")
    given = {"service.name": "shop", "service.instance.id": "i-1"}
    make_sender(receiver, resource=given).send(reading)
    (about,) = receiver.requests[0].resource_metrics
    assert _attributes(about.resource.attributes) == {
        "service.name": "shop",
        "service.instance.id": "i-1",
        "k8s.pod.name": "p 1",
        "telemetry.sdk.name": "tidegauge",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": version("tidegauge"),
    }
    assert about.scope_metrics[0].scope.name == "tidegauge"
    assert about.scope_metrics[0].scope.version == version("tidegauge")


def test_exemplars_lead_to_their_traces(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], histogram: Histograms
) -> None:
    """The ids become ids; what is no id, and every other label, is an attribute."""
    trace = (("span_id", "00f067aa0ba902b7"), ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"))
    requests = replace(
        counter("a_total", "", 1.0),
        exemplars={0: Exemplar((("trace_id", "not hexadecimal"),), 1.0, 1_700)},
    )
    timed = replace(histogram, exemplars={(0, 2): Exemplar((*trace, ("user", "u")), 700.0, 1_800)})
    make_sender(receiver).send(Reading([requests, timed], 2_000, 1_000))
    metrics = receiver.metrics()
    (exemplar,) = metrics["http.server.request.duration"].histogram.data_points[0].exemplars
    assert exemplar.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert exemplar.span_id.hex() == "00f067aa0ba902b7"
    assert (exemplar.as_double, exemplar.time_unix_nano) == (700.0, 1_800)
    assert _attributes(exemplar.filtered_attributes) == {"user": "u"}
    (exemplar,) = metrics["a"].sum.data_points[0].exemplars
    assert exemplar.trace_id == b""
    assert _attributes(exemplar.filtered_attributes) == {"trace_id": "not hexadecimal"}


def test_labels_that_are_not_utf8_arrive(
    receiver: Receiver, make_sender: Callable[..., OtlpSender]
) -> None:
    """What the protocol cannot carry is replaced, and the series is sent."""
    family = gauge("a", "", {(("path", "x\udcff"),): 1.0})
    make_sender(receiver).send(Reading([family], 2_000, 1_000))
    (point,) = receiver.metrics()["a"].gauge.data_points
    assert _attributes(point.attributes) == {"path": "x?"}


def test_headers_are_sent(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """With either protocol, such as a key of access."""
    make_sender(receiver, headers={"X-Api-Key": "k"}).send(reading)
    assert receiver.headers[0]["x-api-key"] == "k"


def test_nothing_is_sent_when_there_is_nothing(
    receiver: Receiver, make_sender: Callable[..., OtlpSender]
) -> None:
    """An empty reading makes no request."""
    assert make_sender(receiver).send(Reading([], 2_000, 1_000)) == {}
    assert receiver.requests == []


def test_kinds_without_a_form_in_otlp_are_counted(
    http_receiver: Receiver, make_sender: Callable[..., OtlpSender]
) -> None:
    """The lines of a custom collector's summary are not sent, and the count says so."""
    summary = Samples(name="s", kind="summary", samples=[])
    reading = Reading([summary, gauge("a", "", 1.0)], 2_000, 1_000)
    assert make_sender(http_receiver).send(reading) == {
        "refused/unsupported_kind": 0,
        "sent": 1,
    }


def test_a_failure_is_an_error_and_the_next_try_delivers_once(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """A receiver that is not available for a moment gets the reading exactly once."""
    receiver.statuses = [503]
    sender = make_sender(receiver, timeout_s=0.5)
    with pytest.raises(DeliveryError, match=r"did not take the metrics: it answered (503|UNAVAIL)"):
        sender.send(reading)
    assert sender.send(reading) == {"sent": 3}
    assert len(receiver.requests) == 1


def test_a_redirection_is_no_success(
    http_receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """What was redirected was taken by nobody."""
    http_receiver.statuses = [302]
    with pytest.raises(DeliveryError, match="answered 302"):
        make_sender(http_receiver).send(reading)


def test_no_receiver_is_an_error_that_shows_no_password(reading: Reading) -> None:
    """The address is in it, and what is secret in the address is not."""
    sender = OtlpSender("http://user:secret@127.0.0.1:1", timeout_s=0.3)
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:1/v1/metrics") as caught:
        sender.send(reading)
    sender.close()
    assert "secret" not in str(caught.value)


def test_what_the_receiver_rejects_is_counted_and_logged(
    receiver: Receiver,
    make_sender: Callable[..., OtlpSender],
    reading: Reading,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A partial success is not to be sent again."""
    receiver.answer.partial_success.rejected_data_points = 1
    receiver.answer.partial_success.error_message = "too old"
    assert make_sender(receiver).send(reading) == {"sent": 2, "refused/by_receiver": 1}
    assert "rejected 1 data points: too old" in caplog.text


def test_a_receiver_that_hangs_is_given_up_in_time(
    receiver: Receiver, make_sender: Callable[..., OtlpSender], reading: Reading
) -> None:
    """The shorter of the sender's timeout and the call's holds."""
    receiver.hangs = True
    begun_s = time.monotonic()
    with pytest.raises(DeliveryError):
        make_sender(receiver, timeout_s=20.0).send(reading, timeout_s=0.2)
    assert time.monotonic() - begun_s < 5


def test_large_readings_are_split_and_a_failure_tells_what_arrived(
    http_receiver: Receiver,
    make_sender: Callable[..., OtlpSender],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests have a bounded number of points; those before the failed one have arrived."""
    monkeypatch.setattr(otlp, "_MAX_POINTS", 2)
    values = {(("model", str(n)),): float(n + 1) for n in range(5)}
    reading = Reading([counter("a_total", "", values), gauge("b", "", 1.0)], 2_000, 1_000)
    sender = make_sender(http_receiver, timeout_s=0.5)
    assert sender.send(reading) == {"sent": 6}
    assert len(http_receiver.requests) == 3
    http_receiver.statuses = [200, 503]
    with pytest.raises(PartlyDelivered, match="answered 503") as caught:
        sender.send(reading)
    assert list(caught.value.arrived) == [("a_total", (("model", n),)) for n in "01"]


def test_what_is_not_given_comes_from_the_environment(
    http_receiver: Receiver, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard variables name the endpoint and the headers."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", http_receiver.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=t")
    sender = OtlpSender()
    sender.send(reading)
    sender.close()
    assert http_receiver.paths == ["/v1/metrics"]
    assert http_receiver.headers[0]["x-tenant"] == "t"


def test_the_protocol_can_come_from_the_environment(
    grpc_receiver: Receiver, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_EXPORTER_OTLP_PROTOCOL says which, where no argument does."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", grpc_receiver.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    sender = OtlpSender()
    sender.send(reading)
    sender.close()
    assert len(grpc_receiver.requests) == 1


def test_a_protocol_that_is_not_known_is_refused() -> None:
    """The error names those that are."""
    with pytest.raises(ConfigError, match="got 'http/json'; allowed: http/protobuf or grpc"):
        OtlpSender(protocol="http/json")  # type: ignore[arg-type]


def test_without_opentelemetry_the_error_says_what_to_install(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The extra is named."""
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from tidegauge.export.otlp import OtlpSender; OtlpSender()"
    )
    done = run_program(program, tmp_path)
    assert "MissingExtraError" in done.stderr
    assert "pip install 'tidegauge[otlp]'" in done.stderr
