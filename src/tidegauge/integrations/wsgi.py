# SPDX-License-Identifier: Apache-2.0
"""Middleware that records every request of a WSGI application: Flask, Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from types import TracebackType
from typing import Any, TypeAlias

from tidegauge.integrations.http_requests import (
    COUNTED,
    SERVER_ERROR,
    Exchange,
    Excluded,
    RequestLog,
    content_length,
    name_of_error,
    request_log,
    trace_id_of,
)
from tidegauge.integrations.http_routes import (
    DJANGO,
    ROUTE,
    UNMATCHED,
    django_route,
    listen_to_frameworks,
)
from tidegauge.record.front import recorder as process_recorder
from tidegauge.record.recorder import Recorder

__all__ = ["MetricsMiddleware"]

Environ: TypeAlias = dict[str, Any]
ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
)
Write: TypeAlias = Callable[[bytes], object]
StartResponse: TypeAlias = Callable[..., Write]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_WITHOUT_BODY = frozenset({204, 304})


class MetricsMiddleware:
    """Records each request as one row of the table `requests`, and how many are in flight.

    Put it outermost, as in `app.wsgi_app = MetricsMiddleware(app.wsgi_app)` for Flask and
    `application = MetricsMiddleware(get_wsgi_application())` for Django.

    A row has the route's template as `route` and never the path; a request that fits no route has
    `__unmatched__`. Applications that werkzeug's `DispatcherMiddleware` mounts have its prefix, if
    it is what `app` is. An application without a framework may set `environ["tidegauge.route"]`.

    The size of a request's body is what its header says. The response begins with the first part
    that is not empty and ends when the server has taken the last one; a server that closes it
    before has lost the client. What the server sends by itself, such as a file that it was handed
    as `wsgi.file_wrapper`, goes through this process instead.

    Args:
        app: The application.
        exclude: Paths that are not counted, as the application sees them: exact, or beginnings
            that end in `*`.
        recorder: Records the rows; the one of this process unless a test has its own.

    Raises:
        ConfigError: `exclude` cannot be used.

    Example:
        >>> def app(environ, start_response):
        ...     start_response("200 OK", [("Content-Type", "text/plain")])
        ...     return [b"hello"]
        >>> app = MetricsMiddleware(app, exclude=("/healthz",))
    """

    def __init__(
        self,
        app: App,
        *,
        exclude: Iterable[str] = (),
        recorder: Recorder | None = None,
    ) -> None:
        self._app = app
        self._excludes = Excluded(exclude)
        self._log = request_log(process_recorder if recorder is None else recorder)
        listen_to_frameworks()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if COUNTED in environ or self._excludes(environ.get("PATH_INFO") or "/"):
            return self._app(environ, start_response)
        environ[COUNTED] = True
        exchange = _WsgiExchange(
            self._log, environ, start_response, getattr(self._app, "mounts", ())
        )
        try:
            parts = self._app(environ, exchange.start_response)
        except Exception as error:
            exchange.fail(error)
            exchange.finish()
            raise
        except BaseException:
            exchange.break_off("cancelled")
            exchange.finish()
            raise
        # Servers compute a Content-Length for a response that says that it is one part.
        return (
            _SizedParts(parts, exchange) if hasattr(parts, "__len__") else _Parts(parts, exchange)
        )


class _WsgiExchange(Exchange):
    __slots__ = (
        "_environ",
        "_has_begun",
        "_length",
        "_mounts",
        "_script_name",
        "_start_response",
        "_taken_s",
    )

    def __init__(
        self,
        log: RequestLog,
        environ: Environ,
        start_response: StartResponse,
        mounts: Iterable[str],
    ) -> None:
        self._environ = environ
        self._start_response = start_response
        self._mounts = mounts
        self._script_name: str = environ.get("SCRIPT_NAME", "")
        self._has_begun = False
        self._length: int | None = None
        self._taken_s: float | None = None
        super().__init__(log, environ.get("REQUEST_METHOD", ""), environ.get("wsgi.url_scheme", ""))

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo = None
    ) -> Write:
        """Take the status; a later one with `exc_info` replaces it, as the server does."""
        arguments = (status, headers) if exc_info is None else (status, headers, exc_info)
        write = self._start_response(*arguments)
        code = status[:3]
        self.status = int(code) if code.isdecimal() else SERVER_ERROR
        self._length = next(
            (content_length(v) for name, v in headers if name.lower() == "content-length"), None
        )
        if exc_info and exc_info[1] is not None:
            self.error_type = name_of_error(exc_info[1])

        def counted_write(part: bytes) -> object:
            written = write(part)
            self.take(part)
            return written

        return counted_write

    def take(self, part: bytes) -> None:
        """Count a part that is being handed on."""
        if part:
            now_s = perf_counter()
            if not self._has_begun:
                self._has_begun = True
                self.first_byte_s = self._taken_s = now_s
            elif self.first_part_s is None:
                self.first_part_s = self._taken_s
            self.sent_bytes += len(part)

    def fail(self, error: Exception) -> None:
        """Note an exception. The server answers by itself unless a part has gone out."""
        if not self._has_begun:
            self.status = None
        super().fail(error)

    def break_off(self, outcome: Any) -> None:
        """Note that the response was left before its end, unless all of it was handed on."""
        if self._has_all():
            self.ended_s = perf_counter()
            return
        if not self._has_begun:
            self.status = None
        super().break_off(outcome)

    def complete(self) -> None:
        """The server has taken the last part."""
        self.ended_s = perf_counter()
        if self.first_byte_s is None:
            self.first_byte_s = self.ended_s
        self.finish()

    def tell(self) -> None:
        self.trace_id = trace_id_of(self._environ.get("HTTP_TRACEPARENT", ""))
        self.record(
            self._route(),
            request_bytes=_told_bytes(self._environ),
            response_bytes=0 if self.method == "HEAD" else self.sent_bytes,
        )

    def _has_all(self) -> bool:
        if self.status is None:
            return False
        has_no_body = self.method == "HEAD" or self.status in _WITHOUT_BODY
        return has_no_body or self.sent_bytes == self._length

    def _route(self) -> str:
        environ = self._environ
        mount = environ.get("SCRIPT_NAME", "").removeprefix(self._script_name)
        prefix = mount if mount in self._mounts else ""
        if ROUTE in environ:
            route = environ[ROUTE]
        elif DJANGO in environ:
            route = django_route(environ.get("PATH_INFO") or "/")
        else:
            return prefix or UNMATCHED
        return UNMATCHED if route is None or route == UNMATCHED else prefix + route


class _Parts:
    """The response's body, counted on its way to the server."""

    __slots__ = ("_exchange", "_iterator", "_parts")

    def __init__(self, parts: Iterable[bytes], exchange: _WsgiExchange) -> None:
        self._parts = parts
        self._exchange = exchange
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._iterator is None:
                self._iterator = iter(self._parts)
            part = next(self._iterator)
        except StopIteration:
            self._exchange.complete()
            raise
        except Exception as error:
            self._exchange.fail(error)
            self._exchange.finish()
            raise
        except BaseException:
            self._exchange.break_off("cancelled")
            self._exchange.finish()
            raise
        self._exchange.take(part)
        return part

    def close(self) -> None:
        """Close the application's iterable, as every server does at the end."""
        exchange = self._exchange
        if not exchange.is_recorded:
            exchange.break_off("disconnected")
            exchange.finish()
        if (close := getattr(self._parts, "close", None)) is not None:
            close()


class _SizedParts(_Parts):
    __slots__ = ()

    def __len__(self) -> int:
        return len(self._parts)  # type: ignore[arg-type]


def _told_bytes(environ: Environ) -> int | None:
    """Size of the request's body; None if it is sent without being told."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        return content_length(length)
    return None if "HTTP_TRANSFER_ENCODING" in environ else 0
