# SPDX-License-Identifier: Apache-2.0
"""Processes beside a service: one that only shows its metrics, and one with a wrong clock."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

#: Serves the metrics of a store until its input ends. Records nothing.
SHOWER = """
import sys
from tidegauge.prometheus import start_http_server
with start_http_server(int(sys.argv[1])) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""

#: Records with the times that its input names, one line of time, counter, gauge after the other.
RECORDER = """
import sys
import tidegauge as tg
for line in sys.stdin:
    time, total, state = line.split()
    at = {} if time == "now" else {"timestamp": time}
    tg.log_metric_with_metadata("resource:network_bytes", float(total), at)
    tg.log_metric_with_metadata("resource:cpu_percent", float(state), at)
    print("done", flush=True)
"""


@pytest.fixture
def start_program(store_dir: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program that works on the store of the test, and ends it."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str, store: Path = store_dir) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env={**kept, "TIDEGAUGE_STORE": str(store)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def shown(page_of: Callable[..., Any]) -> Callable[[int], Any]:
    """The page at a port."""

    def show(port: int) -> Any:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        ) as connection:
            connection.request("GET", "/metrics")
            return page_of(connection.getresponse().read().decode())

    return show


def test_a_process_that_records_nothing_shows_the_same(
    start_service: Callable[..., Any],
    start_program: Callable[..., Any],
    shown: Callable[[int], Any],
    send: Callable[..., Any],
    request_of: Callable[..., Any],
) -> None:
    """A server with nothing but the store of a service tells what its workers tell."""
    service = start_service(workers=2)
    shower = start_program(SHOWER, "0", store=service.store)
    port = int(shower.stdout.readline())
    for times in (3, 4):
        send(
            service, [request_of("/api/predict", {"months": 3, "complaints": 1})], times=times
        ).wait()
        workers = service.pages()
        service.poll(lambda page: page.sum("ml_api_active_requests") == 0)
        page = shown(port)
        assert all(worker.decreases(page) == {} for worker in workers.values())
        assert page.lasting() == service.page().lasting()
    assert page.sum("ml_api_requests_total") == 7
    assert service.slots() <= {"000", "001"}


def test_a_port_in_use_is_said_to_be(
    start_program: Callable[..., Any],
) -> None:
    """A second server on the same port ends with an error that says what to do."""
    port = start_program(SHOWER, "0").stdout.readline().strip()
    second = start_program(SHOWER, port)
    _, said = second.communicate("", timeout=30)
    assert second.returncode == 1
    assert said.splitlines()[-1] == (
        "tidegauge.model.errors.ConfigError: the port of the metrics server is in use; got "
        f"'127.0.0.1:{port}'; allowed: an address of this machine, and a free port of 1 to 65535 "
        "or 0. Choose another port, 0 for one that is free, or stop what uses this one."
    )


@pytest.fixture
def record(start_program: Callable[..., Any]) -> Callable[..., None]:
    """Records at a time: 2.5 in a counter, and a state in a gauge."""
    recorder = start_program(RECORDER)

    def record(*facts: tuple[str, float]) -> None:
        for time, state in facts:
            recorder.stdin.write(f"{time} 2.5 {state}\n")
        recorder.stdin.flush()
        for _ in facts:
            assert recorder.stdout.readline() == "done\n"

    return record


FUTURE, PAST = "2101-01-01T00:00:00Z", "1971-01-01T00:00:00Z"


def test_a_clock_that_jumps_disturbs_neither_counters_nor_gauges(
    start_program: Callable[..., Any],
    shown: Callable[[int], Any],
    record: Callable[..., None],
    store_dir: Path,
) -> None:
    """Totals take every fact whatever its time, and a gauge shows the latest that is not ahead."""
    port = int(start_program(SHOWER, "0").stdout.readline())
    for n_facts, (time, state, gauge) in enumerate(
        [("now", 10, 10), (FUTURE, 20, 10), ("now", 30, 30), (PAST, 40, 30), ("now", 50, 50)], 1
    ):
        record((time, state))
        page = shown(port)
        assert page.sum("resource_network_bytes_total") == 2.5 * n_facts
        assert page.sum("system_cpu_usage_percent") == gauge
    record(("now", 60), (FUTURE, 70), ("now", 80), (PAST, 90), (FUTURE, 95))
    late = int(start_program(SHOWER, "0").stdout.readline())
    (store_dir / "live.state").unlink()
    anew = int(start_program(SHOWER, "0").stdout.readline())
    for each in (port, late, anew):
        assert shown(each).sum("resource_network_bytes_total") == 25
        assert shown(each).sum("system_cpu_usage_percent") == 80


def test_a_gauge_of_the_future_is_replaced_by_the_present(
    start_program: Callable[..., Any], shown: Callable[[int], Any], record: Callable[..., None]
) -> None:
    """Where nothing but the future is known it is shown, until there is a fact of now."""
    port = int(start_program(SHOWER, "0").stdout.readline())
    record((FUTURE, 20))
    assert shown(port).sum("system_cpu_usage_percent") == 20
    record(("now", 30))
    assert shown(port).sum("system_cpu_usage_percent") == 30
