# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server of its own for the page of live metrics, in a thread."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Self
from weakref import WeakSet

from tidegauge.model.errors import ConfigError
from tidegauge.serve.page import MetricsPage, Response

__all__ = ["Server", "start_http_server"]

_log = logging.getLogger("tidegauge")
_LAST_PORT = 65_535
# Addresses that mean every one of the machine's, and where it then reaches itself.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared, not bound)


class Server:
    """A running server. Use as a context manager, or call `stop`.

    Attributes:
        port: The port it listens on.
        url: Where the page is, as seen from this machine.
    """

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener
        host, self.port = listener.server_address[:2]
        host = _LOOPBACK.get(str(host), str(host))
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"
        self._thread = threading.Thread(
            target=listener.serve_forever, name=f"tidegauge-http-{self.port}", daemon=True
        )
        self._thread.start()
        _servers.add(self)

    def leave_to_parent(self) -> None:
        """In a forked child: close the copy of the socket, on which nobody would answer."""
        self._listener.server_close()

    def stop(self) -> None:
        """Close the socket and end the thread; harmless the second time.

        Takes half a second at most. Answers that are being sent are sent to their end.
        """
        if self._thread.is_alive():  # it is not in a child made by fork, which has the socket
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_http_server(
    page: MetricsPage, port: int = 0, addr: str = "127.0.0.1", *, timeout_s: float = 10.0
) -> Server:
    """Serve the page in a daemon thread, each request in a thread of its own.

    `/metrics` and `/` show the page, `/-/healthy` says 200, other paths 404. Nothing is written
    to stderr.

    Args:
        page: What to serve.
        port: The port; 0 for a free one that the system chooses.
        addr: The address, IPv4 or IPv6 or a host's name. Metrics are not public by default: only
            this machine sees them unless this is `0.0.0.0`, `::` or an address of a network.
        timeout_s: Seconds to wait for a client that does not send, or does not take the answer.

    Raises:
        ConfigError: The address or the port cannot be used.
    """
    if not 0 <= port <= _LAST_PORT:
        raise _unusable("the port of the metrics server does not exist", addr, port)
    try:
        found = socket.getaddrinfo(addr, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return Server(_Listener(page, family, address, timeout_s))
    except (OSError, UnicodeError) as error:  # UnicodeError: it cannot be a host's name
        what = f"the metrics server cannot listen there ({error})"
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            what = "the port of the metrics server is in use"
        raise _unusable(what, addr, port) from error


class _Listener(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, page: MetricsPage, family: int, address: tuple[Any, ...], timeout_s: float
    ) -> None:
        self.page = page
        self.timeout_s = timeout_s
        self.address_family = family
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Never wait for a client for ever."""
        request.settimeout(self.timeout_s)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that went away is no matter for stderr."""
        _log.debug("a request for live metrics from %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0: a connection ends with its answer, so none is open when the server is stopped.
    server: _Listener
    server_version = "tidegauge"
    sys_version = ""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        if path in {"/", "/metrics", "/metrics/"}:
            response = self.server.page.answer(
                self.command,
                accept=self._header("Accept"),
                accept_encoding=self._header("Accept-Encoding"),
                query=query,
            )
        elif path == "/-/healthy":
            response = Response(HTTPStatus.OK, [("Content-Type", "text/plain")], b"OK\n")
        else:
            response = Response(
                HTTPStatus.NOT_FOUND, [("Content-Type", "text/plain")], b"See /metrics.\n"
            )
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    # The standard library finds these by name; what is not among them is answered with 501.
    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

    def _header(self, name: str) -> str:
        return ",".join(self.headers.get_all(name, []))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        """Say nothing: a scrape every few seconds is no news."""


def _unusable(what: str, addr: str, port: int) -> ConfigError:
    return ConfigError(
        what,
        got=f"{addr}:{port}",
        allowed=f"an address of this machine, and a free port of 1 to {_LAST_PORT} or 0",
        fix="Choose another port, 0 for one that is free, or stop what uses this one.",
    )


def _after_fork_in_child() -> None:
    for server in list(_servers):
        server.leave_to_parent()


_servers: WeakSet[Server] = WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)
