# SPDX-License-Identifier: Apache-2.0
"""A service with several workers and the real Prometheus, both as processes of their own."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[2] / "examples"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

#: Name and labels of a line, as a dictionary can have them.
Series = tuple[str, tuple[tuple[str, str], ...]]

_STARTED = "Application startup complete"

#: What depends on the process or the moment that answers, and not on what was recorded alone.
OF_THE_MOMENT = (
    "process_",
    "tidegauge_journal_bytes",
    "tidegauge_follower_lag_seconds",
    "tidegauge_job_",
)


class Page:
    """A page of live metrics.

    Attributes:
        text: What was sent.
        pid: The process that answered.
    """

    def __init__(self, text: str, pid: int = 0) -> None:
        self.text = text
        self.pid = pid

    @functools.cached_property
    def values(self) -> dict[Series, float]:
        """The value of every line."""
        return self._read[0]

    @functools.cached_property
    def cumulative(self) -> dict[Series, float]:
        """The values that may never go down."""
        return self._read[1]

    @functools.cached_property
    def _read(self) -> tuple[dict[Series, float], dict[Series, float]]:
        is_openmetrics = self.text.endswith("# EOF\n")
        values: dict[Series, float] = {}
        cumulative: dict[Series, float] = {}
        for family in (parse_openmetrics if is_openmetrics else parse_text)(self.text):
            for sample in family.samples:
                series = sample.name, tuple(sorted(sample.labels.items()))
                assert series not in values, f"{series} is there twice"
                values[series] = sample.value
                if family.type in ("counter", "histogram"):
                    cumulative[series] = sample.value
        return values, cumulative

    def sum(self, name: str, **labels: str) -> float:
        """The sum of all series of a name that have these labels."""
        return sum(
            value
            for (each, pairs), value in self.values.items()
            if each == name and labels.items() <= dict(pairs).items()
        )

    def lasting(self) -> dict[Series, float]:
        """What every process must say alike."""
        return {
            series: value
            for series, value in self.values.items()
            if not series[0].startswith(OF_THE_MOMENT)
        }

    def decreases(self, later: Page) -> dict[Series, tuple[float, float | None]]:
        """The cumulative numbers that are smaller in a later page, or gone."""
        return {
            series: (value, later.cumulative.get(series))
            for series, value in self.cumulative.items()
            if later.cumulative.get(series, -1.0) < value
        }


class Service:
    """uvicorn with workers, which record to one store."""

    def __init__(
        self, app: str, directory: Path, store: Path, workers: int, environ: Mapping[str, str]
    ) -> None:
        self.store = store
        self.workers = workers
        self.log = directory / f"service-{time.monotonic_ns()}.log"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TIDEGAUGE_") and name != "PYTEST_VERSION"
        }
        paths = os.pathsep.join([str(HERE), str(EXAMPLES), os.environ.get("PYTHONPATH", "")])
        given = {"PYTHONPATH": paths, "TIDEGAUGE_STORE": str(store), **environ}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", app, "--port", "0", "--no-access-log"),
                    *("--workers", str(workers), "--timeout-graceful-shutdown", "1"),
                ],
                cwd=directory,
                env=kept | given,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.port = int(self._said(r"http://127\.0\.0\.1:(\d+)")[0])
            self.wait_for_workers(workers)
        except BaseException:
            self.kill()
            raise

    def _said(self, pattern: str, times: int = 1) -> list[str]:
        """What uvicorn says, once it has said it so often."""
        deadline_s = time.monotonic() + 30
        while len(found := re.findall(pattern, self.log.read_text())) < times:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.05)
        return found

    def wait_for_workers(self, started: int) -> None:
        """Wait until so many workers have begun to answer since the beginning."""
        self._said(_STARTED, started)

    def kill_worker(self, pid: int) -> None:
        """SIGKILL one worker; uvicorn starts another, see `wait_for_workers`."""
        os.kill(pid, signal.SIGKILL)

    def started(self) -> int:
        """How many workers have begun to answer since the beginning."""
        return self.log.read_text().count(_STARTED)

    def slots(self) -> set[str]:
        """The slots of the journal."""
        return {path.name for path in (self.store / "journal").iterdir() if path.is_dir()}

    def files(self) -> set[str]:
        """What lies in the store, apart from what its journal and its tables consist of."""
        return {path.name for path in self.store.iterdir()}

    def connect(self, timeout_s: float = 20.0) -> http.client.HTTPConnection:
        """A connection of its own, which stays with the worker that takes it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)

    def page(self, *, openmetrics: bool = False) -> Page:
        """The metrics, from whichever worker answers."""
        with contextlib.closing(self.connect()) as connection:
            return self._page(connection, openmetrics=openmetrics)

    def pages(self) -> dict[int, Page]:
        """One page of every worker, asked over as many connections as that takes."""
        pages: dict[int, Page] = {}
        deadline_s = time.monotonic() + 20
        while len(pages) < self.workers:
            assert time.monotonic() < deadline_s, f"only {sorted(pages)} answered"
            with contextlib.ExitStack() as stack:
                connections = [
                    stack.enter_context(contextlib.closing(self.connect())) for _ in range(12)
                ]
                for connection in connections:
                    connection.request("GET", "/metrics")
                for connection in connections:
                    page = self._answer(connection)
                    pages[page.pid] = page
        return pages

    def _page(self, connection: http.client.HTTPConnection, *, openmetrics: bool = False) -> Page:
        headers = {"Accept": OPENMETRICS} if openmetrics else {}
        connection.request("GET", "/metrics", headers=headers)
        return self._answer(connection)

    def _answer(self, connection: http.client.HTTPConnection) -> Page:
        response = connection.getresponse()
        text = response.read().decode()
        assert response.status == 200, text
        return Page(text, int(response.headers["x-pid"]))

    def poll(self, is_there: Callable[[Page], bool], *, within_s: float = 15.0) -> Page:
        """Ask for the page until it says something."""
        deadline_s = time.monotonic() + within_s
        while not is_there(page := self.page()):
            assert time.monotonic() < deadline_s, page.text
            time.sleep(0.1)
        return page

    def kill(self) -> None:
        """SIGKILL all of it: uvicorn and every worker, which are the group that it began."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)

    def stop(self) -> None:
        """End it as an operator would; what is left then is killed."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self.kill()


@dataclass(frozen=True)
class Request:
    """What to send; a body is sent as JSON."""

    path: str
    body: Any = None


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is None if the connection broke before that was known."""

    request: Request
    status: int | None
    seconds: float


class Load:
    """Requests over several connections at once, each opened anew now and then.

    Args:
        service: Where to.
        requests: What to send, again and again if `times` says so.
        connections: How many at once.
        times: How often; None until `stop`.
        per_connection: Requests after which a connection is opened anew.
    """

    def __init__(
        self,
        service: Service,
        requests: Sequence[Request],
        *,
        connections: int = 4,
        times: int | None = 1,
        per_connection: int = 10,
    ) -> None:
        self.answers: list[Answer] = []
        self._service = service
        self._per_connection = per_connection
        self._stopping = threading.Event()
        self._left = iter(self._all(requests, times))
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def _all(self, requests: Sequence[Request], times: int | None) -> Iterator[Request]:
        done = 0
        while not self._stopping.is_set() and (times is None or done < times):
            yield from requests
            done += 1

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.closing(self._service.connect()) as connection:
                for _ in range(self._per_connection):
                    with self._lock:
                        request = next(self._left, None)
                    if request is None:
                        return
                    answer = _exchange(connection, request)
                    self.answers.append(answer)
                    if answer.status is None:
                        break

    def stop(self) -> None:
        """Send no more, and wait for the answers to what was sent."""
        self._stopping.set()
        self.wait()

    def wait(self) -> None:
        """Wait until everything was sent and answered."""
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive()

    def count(self, path: str, *statuses: int | None) -> int:
        """How many requests to a path were answered so; all if no status is given."""
        return sum(
            each.request.path.partition("?")[0] == path
            and (not statuses or each.status in statuses)
            for each in self.answers
        )

    def longest_s(self, path: str) -> float:
        """The longest that any request to a path took, as seen from here."""
        return max(
            each.seconds
            for each in self.answers
            if each.request.path.partition("?")[0] == path and each.status is not None
        )


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Answer:
    begun_s = time.perf_counter()
    try:
        if request.body is None:
            connection.request("GET", request.path)
        else:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", request.path, json.dumps(request.body), headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return Answer(request, None, time.perf_counter() - begun_s)
    return Answer(request, response.status, time.perf_counter() - begun_s)


class Prometheus:
    """The real one. It scrapes one address, and begins with that five seconds after its start."""

    def __init__(self, program: str, directory: Path, target_port: int, interval: str) -> None:
        self.log = directory / "prometheus.log"
        config = directory / "prometheus.yml"
        job = {
            "job_name": "service",
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}],
        }
        config.write_text(json.dumps({"scrape_configs": [job]}))  # JSON is YAML
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={directory / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.level=warn",
                ],
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def query(self, text: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The instant value of each series of a query, by its labels."""
        status, body = self._get(f"/api/v1/query?query={quote(text)}")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:  # it is still starting
            return {}
        found = json.loads(body)
        assert found["status"] == "success", found
        return {
            tuple(sorted(each["metric"].items())): float(each["value"][1])
            for each in found["data"]["result"]
        }

    def value(self, text: str) -> float | None:
        """The value of a query that gives one series; None if it gives none."""
        found = list(self.query(text).values())
        assert len(found) <= 1, found
        return found[0] if found else None

    def wait_until(self, is_so: Callable[[], object], within_s: float = 20.0) -> None:
        """Wait for something that scrapes bring about."""
        deadline_s = time.monotonic() + within_s
        while True:
            with contextlib.suppress(OSError):  # it does not listen yet
                if is_so():
                    return
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.05)

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(timeout=20)


@pytest.fixture(scope="module")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    """Starts services, each with a store of its own unless one is given, and ends them."""
    with contextlib.ExitStack() as stack:

        def start(
            store: Path | None = None,
            *,
            workers: int = 4,
            app: str = "service_app:app",
            **environ: str,
        ) -> Service:
            directory = tmp_path_factory.mktemp("service")
            chosen = directory / "store" if store is None else store
            service = Service(app, directory, chosen, workers, environ)
            stack.callback(service.stop)
            return service

        yield start


@pytest.fixture(scope="module")
def start_prometheus(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Prometheus]]:
    """Starts the real Prometheus, which scrapes a port, and ends it."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("there is no `prometheus` on PATH; install the package of that name")
    with contextlib.ExitStack() as stack:

        def start(target_port: int, interval: str = "250ms") -> Prometheus:
            directory = tmp_path_factory.mktemp("prometheus")
            prometheus = Prometheus(program, directory, target_port, interval)
            stack.callback(prometheus.stop)
            return prometheus

        yield start


@contextlib.contextmanager
def _watched(service: Service) -> Iterator[list[Page]]:
    """Asks for the page again and again meanwhile, and checks that no number ever decreased."""
    pages: list[Page] = [service.page()]
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(0.05):
            # A worker that is killed takes its answer with it.
            with contextlib.suppress(OSError, http.client.HTTPException):
                pages.append(service.page(openmetrics=len(pages) % 2 == 0))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield pages
    finally:
        stopping.set()
        thread.join(timeout=30)
    pages.append(service.page())
    for earlier, later in itertools.pairwise(pages):
        assert earlier.decreases(later) == {}


@pytest.fixture(scope="session")
def watched() -> Callable[[Service], contextlib.AbstractContextManager[list[Page]]]:
    """Watches the page of a service for the length of a `with` block."""
    return _watched


@pytest.fixture(scope="session")
def send() -> type[Load]:
    """Sends load; see `Load`."""
    return Load


@pytest.fixture(scope="session")
def request_of() -> type[Request]:
    """Makes a request; see `Request`."""
    return Request


@pytest.fixture(scope="session")
def page_of() -> type[Page]:
    """Reads a page; see `Page`."""
    return Page
