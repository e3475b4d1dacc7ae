# SPDX-License-Identifier: Apache-2.0
"""The small HTTP server."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tidegauge.model.errors import ConfigError
from tidegauge.serve.http import Server, start_http_server
from tidegauge.serve.page import MetricsPage

HITS = "# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"


@pytest.fixture
def server(small_page: MetricsPage) -> Iterator[Server]:
    """A running server."""
    with start_http_server(small_page) as running:
        yield running


def test_paths(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """The page is at `/metrics` and `/`, health beside it, and stderr stays empty."""
    assert server.url == f"http://127.0.0.1:{server.port}/metrics"
    assert httpx.get(server.url).text == HITS
    top = server.url.removesuffix("/metrics")
    assert httpx.get(f"{top}/").text == HITS
    assert httpx.get(f"{top}/-/healthy").text == "OK\n"
    assert httpx.get(f"{top}/other").status_code == 404
    assert capfd.readouterr().err == ""


def test_methods_and_headers(server: Server) -> None:
    """The server asks the page, as the others do."""
    head = httpx.head(server.url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(HITS)))
    assert httpx.options(server.url).status_code == 204
    assert httpx.post(server.url).status_code == 405
    assert httpx.request("BREW", server.url).status_code == 501
    accept = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
    found = httpx.get(server.url, headers=accept, params={"name[]": "hits_total"})
    assert found.headers["content-encoding"] == "gzip"
    assert found.text.endswith("hits_total 2.0\n# EOF\n")


def test_a_slow_client_blocks_nobody(
    small_page: MetricsPage, capfd: pytest.CaptureFixture[str]
) -> None:
    """Others are served while a client says nothing, and it is hung up on after a while."""
    with (
        start_http_server(small_page, timeout_s=0.2) as server,
        socket.create_connection(("127.0.0.1", server.port)) as slow,
    ):
        slow.sendall(b"GET /metr")
        assert httpx.get(server.url).text == HITS
        slow.settimeout(10)
        assert slow.recv(100) == b""
    assert capfd.readouterr().err == ""


def test_a_client_that_goes_away_is_no_news(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection that is reset leaves nothing on stderr."""
    gone = socket.create_connection(("127.0.0.1", server.port))
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    gone.close()
    assert httpx.get(server.url).text == HITS
    assert capfd.readouterr().err == ""


def test_stop_gives_the_port_back(small_page: MetricsPage) -> None:
    """After `stop`, which may be called twice, the thread is gone and the port is free."""
    server = start_http_server(small_page)
    server.stop()
    server.stop()
    assert f"tidegauge-http-{server.port}" not in [t.name for t in threading.enumerate()]
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    start_http_server(small_page, server.port).stop()


def test_a_port_in_use(server: Server, small_page: MetricsPage) -> None:
    """A port that somebody has is an error that says what to do."""
    with pytest.raises(ConfigError) as caught:
        start_http_server(small_page, server.port)
    assert str(caught.value) == (
        f"the port of the metrics server is in use; got '127.0.0.1:{server.port}'; allowed: an"
        " address of this machine, and a free port of 1 to 65535 or 0. Choose another port, 0 for"
        " one that is free, or stop what uses this one."
    )


@pytest.mark.parametrize(
    ("addr", "port", "what"),
    [
        ("127.0.0.1", 65_536, "the port of the metrics server does not exist"),
        ("127.0.0.1", -1, "the port of the metrics server does not exist"),
        ("192.0.2.1", 0, "the metrics server cannot listen there ("),
        ("not an address", 0, "the metrics server cannot listen there ("),
        ("x" * 100, 0, "the metrics server cannot listen there ("),
    ],
)
def test_addresses_that_cannot_be_used(
    small_page: MetricsPage, addr: str, port: int, what: str
) -> None:
    """An address that is not this machine's and a port that is none are errors."""
    with pytest.raises(ConfigError) as caught:
        start_http_server(small_page, port, addr)
    assert str(caught.value).startswith(what)
    assert caught.value.got == f"{addr}:{port}"


def test_ipv6(small_page: MetricsPage) -> None:
    """An IPv6 address works, and stands in brackets in the URL."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with start_http_server(small_page, addr="::1") as server:
        assert server.url == f"http://[::1]:{server.port}/metrics"
        connection = http.client.HTTPConnection("::1", server.port)
        connection.request("GET", "/metrics")
        assert connection.getresponse().read().decode() == HITS
        connection.close()


def test_every_address_of_the_machine(small_page: MetricsPage) -> None:
    """The URL of a server that listens everywhere can be opened on this machine."""
    with start_http_server(small_page, addr="0.0.0.0") as server:
        assert server.url == f"http://127.0.0.1:{server.port}/metrics"
        assert httpx.get(server.url).text == HITS


def test_a_child_made_by_fork_can_let_go(
    tmp_path: object, run_program: Callable[..., object]
) -> None:
    """In a forked child, which has the socket and not the thread, `stop` closes the socket."""
    program = """
import os
from tidegauge.live.families import Reading
from tidegauge.serve.http import start_http_server
from tidegauge.serve.page import MetricsPage

server = start_http_server(MetricsPage(lambda: Reading([], 0, 0)))
child = os.fork()
server.stop()
if not child:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
start_http_server(MetricsPage(lambda: Reading([], 0, 0)), server.port).stop()
print("freed")
"""
    assert "freed" in run_program(program, tmp_path).stdout  # type: ignore[attr-defined]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
