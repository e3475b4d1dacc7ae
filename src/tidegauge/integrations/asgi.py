# SPDX-License-Identifier: Apache-2.0
"""Middleware that records every request of an ASGI application, such as FastAPI or Litestar.

It sees what passes between server and application and changes none of it. No response or header
object is built: the cost is a few microseconds per request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

from tidegauge.integrations.asgi_routes import RouteFinder
from tidegauge.integrations.http_requests import (
    COUNTED,
    SERVER_ERROR,
    Exchange,
    Excluded,
    RequestLog,
    content_length,
    request_log,
    trace_id_of,
)
from tidegauge.integrations.http_routes import listen_to_frameworks
from tidegauge.record.front import recorder as process_recorder
from tidegauge.record.recorder import Recorder

__all__ = ["MetricsMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What carries the response's body: itself, or where the server finds it.
_PARTS = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})
_LENGTH, _ENCODING, _TRACEPARENT = b"content-length", b"transfer-encoding", b"traceparent"
_HEADERS = frozenset({_LENGTH, _ENCODING, _TRACEPARENT})
_SWITCHING_PROTOCOLS = 101
_FORBIDDEN = 403
_NORMAL = 1000
_NO_CODE = 1005
_ABNORMAL = 1006
_INTERNAL_ERROR = 1011


class MetricsMiddleware:
    """Records each request as one row of the table `requests`, and how many are in flight.

    Put it outermost: it counts what the middleware inside answers too. It can be given to
    `add_middleware` of Starlette and FastAPI, or wrapped around any application.

    A row has the route's template as `route` and never the path; a request that fits no route has
    `__unmatched__`. An application without a framework may set `scope["tidegauge.route"]`.
    `duration_s` ends when the last part of the response was handed on: tasks that run in the
    background after it do not count, and the row is written before them. A client that leaves is
    noticed when the server tells the application so.

    Args:
        app: The application.
        exclude: Paths that are not counted, as the application sees them: exact, or beginnings
            that end in `*`.
        websockets: Whether connections of websockets are recorded, as method `WEBSOCKET`.
        recorder: Records the rows; the one of this process unless a test has its own.

    Raises:
        ConfigError: `exclude` cannot be used.

    Example:
        >>> async def app(scope, receive, send):
        ...     await send({"type": "http.response.start", "status": 204, "headers": []})
        ...     await send({"type": "http.response.body", "body": b""})
        >>> app = MetricsMiddleware(app, exclude=("/metrics", "/internal/*"))
    """

    def __init__(
        self,
        app: App,
        *,
        exclude: Iterable[str] = (),
        websockets: bool = True,
        recorder: Recorder | None = None,
    ) -> None:
        self._app = app
        self._excludes = Excluded(exclude)
        self._log = request_log(process_recorder if recorder is None else recorder)
        self._find_route = RouteFinder()
        self._kinds: dict[str, type[_HttpExchange | _WebsocketExchange]] = {"http": _HttpExchange}
        if websockets:
            self._kinds["websocket"] = _WebsocketExchange
        listen_to_frameworks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or whatever else the server asks for."""
        kind = self._kinds.get(scope["type"])
        if (
            kind is None
            or COUNTED in scope
            or self._excludes(scope["path"], scope.get("root_path", ""))
        ):
            await self._app(scope, receive, send)
            return
        scope[COUNTED] = True
        exchange = kind(self._log, self._find_route, scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            exchange.fail(error)
            raise
        except BaseException:  # asyncio's and trio's cancellation, and the end of the process
            exchange.break_off("cancelled")
            raise
        finally:
            exchange.finish()


class _AsgiExchange(Exchange):
    __slots__ = ("_find_route", "_receive", "_scope", "_send")

    def __init__(
        self, log: RequestLog, find_route: RouteFinder, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._find_route = find_route
        self._scope = scope
        self._receive = receive
        self._send = send
        # A websocket has no method. Last, for this starts the clock.
        super().__init__(log, scope.get("method", ""), scope.get("scheme", ""))


class _HttpExchange(_AsgiExchange):
    __slots__ = ("_has_read_all", "_is_sent_by_server", "_response_headers")

    def __init__(
        self, log: RequestLog, find_route: RouteFinder, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._has_read_all = False
        self._is_sent_by_server = False
        self._response_headers: Headers = ()
        super().__init__(log, find_route, scope, receive, send)

    async def receive(self) -> Message:
        message = await self._receive()
        kind = message["type"]
        if kind == "http.request":
            self.received_bytes += len(message.get("body", b""))
            self._has_read_all = not message.get("more_body", False)
        elif kind == "http.disconnect":
            self.break_off("disconnected")
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        ends = False
        if kind in _PARTS:
            ends = kind == "http.response.pathsend" or not message.get("more_body", False)
            if not ends and self.first_part_s is None:
                self.first_part_s = perf_counter()
        try:
            await self._send(message)
        except OSError:  # how a server says that there is nobody to send to
            self.break_off("disconnected")
            raise
        if kind == "http.response.start":
            self.first_byte_s = perf_counter()
            self._response_headers = message.get("headers", ())
            if self.status is None:
                self.status = message["status"]
        if kind == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        elif kind in _PARTS:
            self._is_sent_by_server = True
        if ends and self.ended_s is None:
            self.ended_s = perf_counter()
            # An error page may be followed by the exception that it is about.
            if self.status is None or self.status < SERVER_ERROR:
                self.finish()

    def tell(self) -> None:
        told = _told(self._scope["headers"])
        self.trace_id = trace_id_of(told.get(_TRACEPARENT, ""))
        request_bytes: int | None = self.received_bytes
        if _LENGTH in told and not self._has_read_all:
            request_bytes = content_length(told[_LENGTH])
        elif _ENCODING in told and not self._has_read_all:
            request_bytes = None
        response_bytes: int | None = self.sent_bytes
        if self.method == "HEAD":
            response_bytes = 0  # the server sends none of it
        elif self._is_sent_by_server:
            response_bytes = content_length(_told(self._response_headers).get(_LENGTH, ""))
        route = self._find_route(self._scope)
        self.record(route, request_bytes=request_bytes, response_bytes=response_bytes)


class _WebsocketExchange(_AsgiExchange):
    __slots__ = ("_close_code",)

    def __init__(
        self, log: RequestLog, find_route: RouteFinder, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._close_code: int | None = None
        super().__init__(log, find_route, scope, receive, send)
        self.method = "WEBSOCKET"

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            if self.status is None:
                self.break_off("disconnected")
            self._close(message.get("code") or _NO_CODE)
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        kind = message["type"]
        if kind == "websocket.accept":
            self.status, self.first_byte_s = _SWITCHING_PROTOCOLS, perf_counter()
        elif kind == "websocket.close":
            if self.status is None:
                self.status = _FORBIDDEN
            self._close(message.get("code") or _NORMAL)
        elif kind == "websocket.http.response.start":
            self.status, self.first_byte_s = message["status"], perf_counter()
        elif kind == "websocket.http.response.body" and not message.get("more_body", False):
            self.ended_s = perf_counter()

    def fail(self, error: Exception) -> None:
        """Note an exception, unless it only tells the handler that the client has left."""
        if self._close_code is None or type(error).__name__ != "WebSocketDisconnect":
            super().fail(error)

    def tell(self) -> None:
        # A handler that returns without a word is closed by the server.
        if self.status == _SWITCHING_PROTOCOLS and self.ended_s is None:
            self.ended_s = perf_counter()
        told = _told(self._scope.get("headers", ()))
        self.trace_id = trace_id_of(told.get(_TRACEPARENT, ""))
        # Messages are no body: there are no sizes.
        self.record(self._find_route(self._scope), request_bytes=None, response_bytes=None)

    def _close(self, code: int) -> None:
        if self._close_code is None:
            self._close_code = code
            self.ended_s = perf_counter()
            if code == _INTERNAL_ERROR:
                self.outcome, self.error_type = "error", str(code)
            elif code == _ABNORMAL:
                self.outcome = "disconnected"


def _told(headers: Headers) -> dict[bytes, str]:
    """Those of the headers that matter here, by name; ASGI has names in small letters."""
    return {name: value.decode("latin-1") for name, value in headers if name in _HEADERS}
