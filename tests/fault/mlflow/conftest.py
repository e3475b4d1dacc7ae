# SPDX-License-Identifier: Apache-2.0
"""A real MLflow server, and a proxy before it that breaks requests the way a test asks for."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mlflow import MlflowClient

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.export.mlflow_courier import Patience
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.store.store import Store

# Failures in these tests are over at once; nobody wants to wait a minute for the next try.
IMPATIENT = Patience(request_timeout_s=10.0, first_retry_s=0.05, longest_retry_s=0.2)


class Server:
    """`mlflow server` on a SQLite database, as a process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"),
            *("--artifacts-destination", str(self._folder)),
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._folder,
                # Half of the time to start goes into a runner of jobs, of which there are none.
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )
        wait_until(self._answers, timeout_s=90)

    def kill(self) -> None:
        """SIGKILL to it and the workers that it started, all of one process group."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Request(NamedTuple):
    """A request as the proxy sees it."""

    path: str
    body: dict[str, Any]

    @property
    def is_batch(self) -> bool:
        """Whether it carries metrics and tags."""
        return self.path.endswith("/runs/log-batch")

    @property
    def keys(self) -> set[str]:
        """The keys of its metrics."""
        return {metric["key"] for metric in self.body.get("metrics", [])}


class Answer(NamedTuple):
    """What the proxy answers by itself."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


PASS = "pass"  # hand the request on
CUT = "cut"  # close the connection without an answer
CUT_ANSWER = "cut answer"  # hand it on, then close the connection without an answer

Rule = Callable[[Request], "str | Answer"]


class Proxy:
    """Stands before a server and does with each request what `rule` says.

    Attributes:
        uri: Its address.
        rule: Decides; may take its time.
        seen: The batches that came, with what was done.
    """

    def __init__(self, server: Server, port: int = 0) -> None:
        self.rule: Rule = lambda _: PASS
        self.seen: list[tuple[Request, str | Answer]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.path.partition("?")[0], json.loads(body or b"{}"))
                action = proxy.rule(request)
                if request.is_batch:
                    proxy.seen.append((request, action))
                if isinstance(action, Answer):
                    self.reply(action.status, action.body.encode(), action.headers)
                elif action == CUT:
                    self.close_connection = True
                else:
                    status, answer = proxy.forward(self.command, self.path, body, server)
                    if action == CUT_ANSWER:
                        self.close_connection = True
                    else:
                        self.reply(status, answer, (("Content-Type", "application/json"),))

            def reply(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        class QuietServer(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: object) -> None:
                """A client that hung up is what these tests are about."""

        self._http = QuietServer(("127.0.0.1", port), Handler)
        self.uri = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @staticmethod
    def forward(method: str, path: str, body: bytes, server: Server) -> tuple[int, bytes]:
        """Hand a request on."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 502, b"the server is down"
        finally:
            connection.close()

    def close(self) -> None:
        """Stop answering."""
        self._http.shutdown()
        self._http.server_close()


class Setting:
    """A store and a run that are delivered through the proxy.

    Attributes:
        store: The store.
        writer: Records into it.
        client: MLflow's own client, past the proxy.
        uri: Where the follower delivers: the proxy.
    """

    def __init__(self, root: Path, server: Server, uri: str) -> None:
        self.store = Store(root)
        self.writer = JournalWriter(root / "journal")
        self.client = MlflowClient(tracking_uri=server.uri)
        self.uri = uri

    def follower(
        self, patience: Patience = IMPATIENT, *, window_facts: int = 300
    ) -> MlflowFollower:
        """A follower that delivers through the proxy."""
        return MlflowFollower(
            self.store,
            builtin_catalog(),
            tracking_uri=self.uri,
            patience=patience,
            window_facts=window_facts,
        )

    @staticmethod
    def work(follower: MlflowFollower) -> None:
        """Deliver what can be delivered now."""
        while follower.advance():
            pass

    def new_run(self) -> str:
        """Make a run; returns its id."""
        return self.client.create_run("0").info.run_id

    def record(self, run_id: str, count: int, *, metric: str = "model:latency_ms") -> None:
        """Record the values 0, 1, 2 … without a step."""
        key = SeriesKey.of(metric, {"run_id": run_id})
        for number in range(count):
            self.writer.put_point(key, float(number))

    def history(self, run_id: str, key: str = "model:latency_ms") -> list[tuple[int, float]]:
        """Step and value of all that MLflow has of a metric, by step."""
        found = self.client.get_metric_history(run_id, key)
        return sorted((metric.step, metric.value) for metric in found)

    def counters(self) -> dict[str, int]:
        """What the follower counted."""
        return self.store.state.counters("mlflow")

    def close(self) -> None:
        """Give everything back."""
        self.writer.close()
        self.store.close()


class Deliverers:
    """Makes processes that deliver, to be killed.

    A process of its own forks them: it has no threads that a fork could surprise, and it has loaded
    everything, so that a new one is at work at once.
    """

    _PROGRAM = """
import os, signal, sys
from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.export.mlflow_courier import Patience
from tidegauge.store.store import Store
import mlflow.store.tracking.rest_store

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    root, uri = line.split()
    pid = os.fork()
    if pid == 0:
        patience = Patience(request_timeout_s=10.0, first_retry_s=0.05, longest_retry_s=0.2)
        follower = MlflowFollower(
            Store(root), builtin_catalog(), tracking_uri=uri, patience=patience, window_facts=300
        )
        follower.wait(60)
        os._exit(0)
    print(pid, flush=True)
"""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, setting: Setting) -> int:
        """Start a process that delivers until all is delivered; returns its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{setting.store.root} {setting.uri}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    @staticmethod
    def kill(pid: int) -> None:
        """SIGKILL, and wait for the end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        Deliverers.join(pid)

    @staticmethod
    def join(pid: int) -> None:
        """Wait for the end."""
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), timeout_s=60)

    def close(self) -> None:
        """End the process that makes them."""
        self._process.kill()
        self._process.communicate()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], *, timeout_s: float = 20) -> None:
    """Poll until something holds.

    Raises:
        TimeoutError: It did not in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"nothing happened in {timeout_s} s")
        time.sleep(0.02)


def counted(count: int) -> list[tuple[int, float]]:
    """The history of `Setting.record` once it has arrived, whole and not doubled."""
    return [(number, float(number)) for number in range(count)]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests; each makes runs of its own."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy that hands everything on until told otherwise."""
    proxy = Proxy(server)
    yield proxy
    proxy.close()


@pytest.fixture
def setting(store_dir: Path, server: Server, proxy: Proxy) -> Iterator[Setting]:
    """A store whose follower goes through the proxy."""
    setting = Setting(store_dir, server, proxy.uri)
    yield setting
    setting.close()


@pytest.fixture(scope="session")
def deliverers() -> Iterator[Deliverers]:
    """Makes processes that deliver."""
    deliverers = Deliverers()
    yield deliverers
    deliverers.close()
