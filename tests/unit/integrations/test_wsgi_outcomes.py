# SPDX-License-Identifier: Apache-2.0
"""What a row says of a request to a WSGI application, however the server reads the response."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.handlers import SimpleHandler
from wsgiref.validate import validator

import pytest

from tidegauge.integrations.http_requests import request_log
from tidegauge.integrations.wsgi import MetricsMiddleware
from tidegauge.record.front import recorder


class WsgiCall:
    """One call of a WSGI application by hand.

    Attributes:
        started: Arguments of every call of `start_response`.
        written: What went through the function that it returns.
        parts: The response's body, to be read and closed as a server would.
    """

    def __init__(self, app: Any, environ: dict[str, Any]) -> None:
        self.started: list[tuple[Any, ...]] = []
        self.written: list[bytes] = []
        self.parts = app(
            {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": "/",
                "QUERY_STRING": "",
                "wsgi.url_scheme": "http",
                "wsgi.input": io.BytesIO(),
                **environ,
            },
            self.start_response,
        )

    def start_response(self, *arguments: Any) -> Callable[[bytes], object]:
        """As in PEP 3333."""
        self.started.append(arguments)
        return self.written.append

    def serve(self) -> list[bytes]:
        """Take the response to its end and close it."""
        try:
            return list(self.parts)
        finally:
            self.parts.close()


@pytest.fixture
def call(captured: Any) -> Callable[..., WsgiCall]:
    """Calls a WSGI application with the middleware around it."""
    return lambda app, **environ: WsgiCall(MetricsMiddleware(app), environ)


class Body:
    """A response that tells whether it was closed."""

    def __init__(self, *parts: bytes | BaseException) -> None:
        self._parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        if isinstance(part, BaseException):
            raise part
        return part

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def answering(
    body: Any, status: str = "200 OK", headers: list[tuple[str, str]] | None = None
) -> Any:
    """An application that answers this."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers or []))  # the server's own: it may add to them
        return body

    return app


def ending(row: dict[str, Any]) -> tuple[Any, ...]:
    """How it went."""
    return row["status"], row["outcome"], row.get("error_type")


def test_a_plain_response(call: Any, the_row: Any) -> None:
    """It has a status, an outcome, a duration and a time to the first byte, and no stream."""
    began = time.perf_counter()
    assert call(answering([b"", b"hello"])).serve() == [b"", b"hello"]
    took_s = time.perf_counter() - began
    row = the_row()
    assert 0 < row.pop("first_byte_s") < row.pop("duration_s") < took_s
    assert row == {
        "method": "GET",
        "route": "__unmatched__",
        "status": 200,
        "outcome": "ok",
        "request_bytes": 0,
        "response_bytes": 5,
        "scheme": "http",
    }


def test_a_stream_has_a_time_of_its_own(call: Any, the_row: Any) -> None:
    """From its first part to the moment when the last was taken."""
    served = call(answering(Body(b"one", b"two")))
    first = next(served.parts)
    began = time.perf_counter()
    while (took_s := time.perf_counter() - began) < 0.01:
        pass  # the client is slow
    assert [first, *served.parts] == [b"one", b"two"]
    row = the_row()
    assert row["first_byte_s"] < took_s <= row["stream_s"]
    assert row["stream_s"] < row["duration_s"]


def test_the_row_is_there_before_the_response_is_closed(call: Any, the_row: Any) -> None:
    """What an application does at the end of a request does not count."""
    body = Body(b"x")
    served = call(answering(body))
    assert list(served.parts) == [b"x"]
    assert (ending(the_row()), body.closed) == ((200, "ok", None), 0)
    served.parts.close()
    assert body.closed == 1
    the_row()


@pytest.mark.parametrize("status", ["404 Not Found", "503 Busy"])
def test_only_5xx_is_an_error_of_the_server(status: str, call: Any, the_row: Any) -> None:
    """4xx is the client's mistake, as in the conventions of OpenTelemetry."""
    call(answering([], status)).serve()
    expected = (503, "error", "503") if status.startswith("5") else (404, "ok", None)
    assert ending(the_row()) == expected


def test_an_exception_before_the_response_is_a_500(call: Any, the_row: Any) -> None:
    """The very object is raised."""
    error = KeyError("x")

    def app(environ: Any, start_response: Any) -> Any:
        raise error

    with pytest.raises(KeyError) as caught:
        call(app)
    assert caught.value is error
    assert ending(the_row()) == (500, "error", "KeyError")


@pytest.mark.parametrize(("parts", "status"), [([], 500), ([b"begun"], 200)])
def test_an_exception_in_the_body(parts: Any, status: int, call: Any, the_row: Any) -> None:
    """Until a part has gone out the server can still answer 500, and does."""
    with pytest.raises(ValueError):
        call(answering(Body(*parts, ValueError()))).serve()
    assert ending(the_row()) == (status, "error", "ValueError")


def test_an_application_that_begins_late_is_recorded(call: Any, the_row: Any) -> None:
    """A generator calls `start_response` with its first part."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [])
        yield b"x"

    assert call(app).serve() == [b"x"]
    assert ending(the_row()) == (201, "ok", None)


def test_an_error_page_has_the_class_of_its_exception(call: Any, the_row: Any) -> None:
    """It begins the response again with `exc_info`, which is handed on."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            raise LookupError
        except LookupError:
            start_response("500 Oh", [], sys.exc_info())
        return [b"sorry"]

    served = call(app)
    served.serve()
    assert [len(arguments) for arguments in served.started] == [2, 3]
    assert ending(the_row()) == (500, "error", "LookupError")


@pytest.mark.parametrize(("taken", "status"), [(0, 499), (1, 200)])
def test_a_response_that_is_closed_early_lost_its_client(
    taken: int, status: int, call: Any, the_row: Any
) -> None:
    """It keeps its status if a part of it has gone out."""
    body = Body(b"one", b"two")
    served = call(answering(body))
    for _ in range(taken):
        next(served.parts)
    served.parts.close()
    assert ending(the_row()) == (status, "disconnected", None)
    assert body.closed == 1


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        ("GET", "200 OK", [("Content-Length", "3")]),
        ("HEAD", "200 OK", []),
        ("GET", "304 Not Modified", []),
    ],
    ids=["all", "head", "304"],
)
def test_a_server_need_not_ask_for_more_than_all(
    method: str, status: str, headers: Any, call: Any, the_row: Any
) -> None:
    """Closing a response of which everything was taken is no disconnect."""
    served = call(answering(Body(b"one", b""), status, headers), REQUEST_METHOD=method)
    if headers:
        next(served.parts)
    served.parts.close()
    assert ending(the_row()) == (int(status[:3]), "ok", None)


@pytest.mark.parametrize(("parts", "status"), [([], 499), ([b"x"], 200)])
def test_a_worker_that_is_stopped_is_cancelled(
    parts: Any, status: int, call: Any, the_row: Any
) -> None:
    """As by a server that ends a worker which takes too long."""
    with pytest.raises(SystemExit):
        call(answering(Body(*parts, SystemExit()))).serve()
    assert ending(the_row()) == (status, "cancelled", None)


def test_a_worker_that_is_stopped_before_the_response_is_cancelled(call: Any, the_row: Any) -> None:
    """No response had begun."""

    def app(environ: Any, start_response: Any) -> Any:
        raise SystemExit

    with pytest.raises(SystemExit):
        call(app)
    assert ending(the_row()) == (499, "cancelled", None)


def test_what_is_written_counts(call: Any, the_row: Any) -> None:
    """Old applications write instead of returning parts."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one")
        write(b"two")
        return [b"three"]

    served = call(app)
    served.serve()
    row = the_row()
    assert served.written == [b"one", b"two"]
    assert (row["response_bytes"], ending(row)) == (11, (200, "ok", None))
    assert "stream_s" in row


@pytest.mark.parametrize(
    ("environ", "size_bytes"),
    [
        ({"CONTENT_LENGTH": "12"}, 12),
        ({"CONTENT_LENGTH": ""}, 0),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, None),
        ({"CONTENT_LENGTH": "9" * 5000}, None),
        ({"CONTENT_LENGTH": "-1"}, None),
    ],
    ids=["told", "none", "chunked", "absurd", "negative"],
)
def test_the_size_of_a_request_is_what_its_header_says(
    environ: Any, size_bytes: int | None, call: Any, the_row: Any
) -> None:
    """Without one there is no body, unless it is sent in chunks: then nobody knows."""
    call(answering([b""]), **environ).serve()
    assert the_row().get("request_bytes") == size_bytes


def test_the_trace_of_a_request_is_kept(call: Any, the_row: Any) -> None:
    """As its header names it."""
    call(answering([]), HTTP_TRACEPARENT=f"00-{'ab' * 16}-{'1' * 16}-01").serve()
    assert the_row()["trace_id"] == "ab" * 16


def test_head_requests_send_nothing(call: Any, the_row: Any) -> None:
    """They are counted; the body made for them goes nowhere."""
    call(answering([b"hello"]), REQUEST_METHOD="HEAD").serve()
    row = the_row()
    assert (row["method"], row["response_bytes"]) == ("HEAD", 0)


def test_methods_and_schemes_that_no_standard_knows_make_no_label(call: Any, the_row: Any) -> None:
    """A scanner cannot make labels of its own."""
    call(answering([]), **{"REQUEST_METHOD": "HACK\udc80", "wsgi.url_scheme": "gopher"}).serve()
    row = the_row()
    assert row["method"] == "_OTHER"
    assert "scheme" not in row


def test_nested_middleware_counts_once(call: Any, the_row: Any) -> None:
    """As when the application and its server script both have it."""
    call(MetricsMiddleware(answering([b"x"]))).serve()
    assert ending(the_row()) == (200, "ok", None)


def test_the_middleware_keeps_to_the_standard(rows: Any) -> None:
    """A server that checks both sides of it finds nothing, and computes a Content-Length."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
    }
    app = answering([b"hello"], headers=[("Content-Type", "text/plain")])
    for served in (MetricsMiddleware(app), validator(MetricsMiddleware(validator(app)))):
        out, errors = io.BytesIO(), io.StringIO()
        SimpleHandler(io.BytesIO(), out, errors, environ).run(served)
        assert errors.getvalue() == ""
        assert out.getvalue().endswith(b"hello")
        assert (b"Content-Length: 5" in out.getvalue()) is isinstance(served, MetricsMiddleware)
    assert [row["outcome"] for row in rows()] == ["ok", "ok"]


def test_requests_in_flight_are_counted_over_threads(call: Any) -> None:
    """Many threads at once leave nothing behind."""
    log = request_log(recorder)

    def work() -> None:
        for _ in range(50):
            call(answering([b"x"])).serve()

    threads = [threading.Thread(target=work) for _ in range(8)]
    held = call(answering([b"x"]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.active) == 1
    held.serve()
    assert len(log.active) == 0
