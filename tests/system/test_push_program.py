# SPDX-License-Identifier: Apache-2.0
"""Programs that end soon deliver their live metrics: at their end, or when they say so."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

pytestmark = pytest.mark.system

SCRIPT = """
import tidegauge as tg
tg.configure(service="nightly", otlp=True, otlp_endpoint={endpoint!r}, follower="off")
for _ in range(1000):
    tg.log_metric("api:requests", 1)
"""
SERVERLESS = """
import tidegauge as tg
tg.configure(emf="Shop", follower="off")

def handler(n):
    for _ in range(n):
        tg.log_metric("api:requests", 1)
    assert tg.flush()

handler(3)
handler(4)
"""


@pytest.fixture
def receiver() -> Iterator[Any]:
    """An OTLP receiver that keeps what it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            server.got.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        got: list[ExportMetricsServiceRequest] = []  # noqa: RUF012  (one server per test)

    server = Server(("127.0.0.1", 0), Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_script_delivers_at_its_end(receiver: Any, run_program: Any, tmp_path: Path) -> None:
    """It calls nothing; two runs are one counter that has the facts of both."""
    program = SCRIPT.format(endpoint=f"http://127.0.0.1:{receiver.server_port}/v1/metrics")
    totals = []
    for _ in range(2):
        done = run_program(program, tmp_path, production=True)
        assert (done.returncode, done.stderr) == (0, "")
        totals.append(_values(receiver.got[-1], "api.requests"))
    assert totals == [[1000.0], [2000.0]]
    (resource,) = [each.resource for each in receiver.got[-1].resource_metrics]
    attributes = {each.key: each.value.string_value for each in resource.attributes}
    assert attributes["service.name"] == "nightly"


def test_a_script_is_not_held_up(run_program: Any, tmp_path: Path) -> None:
    """Where nobody listens it ends in the time it was given, and says what becomes of the rest."""
    program = SCRIPT.format(endpoint="http://127.0.0.1:1/v1/metrics")
    done = run_program(program, tmp_path, production=True, TIDEGAUGE_EXIT_WAIT_S="0.5")
    assert done.returncode == 0
    assert "not everything was delivered yet" in done.stderr


def test_a_function_flushes_each_time(run_program: Any, tmp_path: Path) -> None:
    """What was recorded between two flushes is in the lines of the second one."""
    done = run_program(SERVERLESS, tmp_path, production=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert not any("tidegauge_series" in line for line in lines)
    counts = [line["api.requests"] for line in lines if "api.requests" in line]
    assert counts == [3, 4]
    assert {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in lines} == {"Shop"}


def _values(request: ExportMetricsServiceRequest, name: str) -> list[float]:
    return [
        point.as_double or point.as_int
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.sum.data_points
    ]
