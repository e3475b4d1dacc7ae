# SPDX-License-Identifier: Apache-2.0
"""What a row says of a request: status, outcome, times and sizes, whatever went wrong."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from tidegauge.integrations.asgi import MetricsMiddleware
from tidegauge.integrations.http_requests import request_log
from tidegauge.record.front import recorder
from tidegauge.record.recorder import Recorder

START = {"type": "http.response.start", "status": 200, "headers": []}
DISCONNECT = {"type": "http.disconnect"}


def part(body: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    """A part of a response's body."""
    return {"type": "http.response.body", "body": body, "more_body": more}


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """Answer hello."""
    await send(START)
    await send(part(b"hello"))


def one_route(answer: Any, **options: Any) -> MetricsMiddleware:
    """A Starlette application with one path."""
    return MetricsMiddleware(Starlette(routes=[Route("/", answer, **options)]))


def test_a_plain_response(call_asgi: Any, the_row: Any) -> None:
    """It has a status, an outcome, a duration and a time to the first byte, and no stream."""
    began = time.perf_counter()
    call_asgi(MetricsMiddleware(plain))
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


def test_the_row_has_the_time_of_the_requests_end(captured: Any, call_asgi: Any) -> None:
    """A long request is counted when it is over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)
        times.append(time.time_ns())

    times = [time.time_ns()]
    call_asgi(MetricsMiddleware(app))
    (fact,) = [fact for fact in captured.facts if fact.table == "requests"]
    assert times[0] <= fact.time_ns <= times[1]


@pytest.mark.parametrize(
    ("status", "outcome", "error_type"),
    [(204, "ok", None), (404, "ok", None), (429, "ok", None), (503, "error", "503")],
)
def test_only_5xx_is_an_error_of_the_server(
    status: int, outcome: str, error_type: str | None, ask: Any, the_row: Any
) -> None:
    """4xx is the client's mistake, as in the conventions of OpenTelemetry."""
    ask(one_route(lambda _: PlainTextResponse("", status)), "/")
    row = the_row()
    assert (row["status"], row["outcome"], row.get("error_type")) == (status, outcome, error_type)


@pytest.mark.parametrize("is_outside", [False, True])
def test_an_exception_is_a_500_with_its_class(is_outside: bool, ask: Any, the_row: Any) -> None:
    """Inside of the error page of Starlette as well as around it."""

    def fail(request: Request) -> None:
        raise ClientDisconnect if request.method == "POST" else KeyError("x")

    app: Any = Starlette(routes=[Route("/", fail)])
    if is_outside:
        app = MetricsMiddleware(app)
    else:
        app.add_middleware(MetricsMiddleware)
    ask(app, "/")
    row = the_row()
    assert (row["status"], row["outcome"], row["error_type"]) == (500, "error", "KeyError")


def test_an_exception_comes_out_unchanged(call_asgi: Any, the_row: Any) -> None:
    """The very object is raised; a class that is not built in is named with its module."""
    error = HTTPException(400)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    assert call_asgi(MetricsMiddleware(app)).error is error
    assert the_row()["error_type"] == "starlette.exceptions.HTTPException"


def test_a_response_that_breaks_off_keeps_its_status(call_asgi: Any, the_row: Any) -> None:
    """The client has seen the 200; the outcome tells the rest."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(part(b"begun", more=True))
        raise ValueError

    call_asgi(MetricsMiddleware(app))
    row = the_row()
    assert (row["status"], row["outcome"], row["error_type"]) == (200, "error", "ValueError")
    assert row["response_bytes"] == 5


@pytest.mark.parametrize(
    ("messages", "status", "error_type"), [([], 500, "500"), ([START], 200, "incomplete")]
)
def test_an_application_that_does_not_finish_is_an_error(
    messages: list[Any], status: int, error_type: str, call_asgi: Any, the_row: Any
) -> None:
    """A server answers 500 in its place, or cuts the response off."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    call_asgi(MetricsMiddleware(app))
    row = the_row()
    assert (row["status"], row["outcome"], row["error_type"]) == (status, "error", error_type)


@pytest.mark.parametrize(("messages", "status"), [([], 499), ([START, part(more=True)], 200)])
def test_a_cancelled_request_is_never_a_500(
    messages: list[Any], status: int, call_asgi: Any, the_row: Any
) -> None:
    """Cancellation passes through, and is 499 if no response had begun."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        raise asyncio.CancelledError

    call = call_asgi(MetricsMiddleware(app))
    assert isinstance(call.error, asyncio.CancelledError)
    row = the_row()
    assert (row["status"], row["outcome"]) == (status, "cancelled")
    assert "error_type" not in row


def test_a_task_that_is_cancelled_from_outside_is_recorded(the_row: Any) -> None:
    """As a server does at its end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    async def serve() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        task = asyncio.create_task(MetricsMiddleware(app)(scope, entered.wait, entered.wait))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    entered = asyncio.Event()
    asyncio.run(serve())
    assert the_row()["outcome"] == "cancelled"


def test_a_client_that_leaves_while_it_sends_is_disconnected(call_asgi: Any, the_row: Any) -> None:
    """Starlette raises in the handler; that is no error of the server."""

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    half = {"type": "http.request", "body": b"half", "more_body": True}
    call = call_asgi(one_route(read, methods=["POST"]), half, DISCONNECT, method="POST")
    assert isinstance(call.error, ClientDisconnect)
    row = the_row()
    assert (row["status"], row["outcome"], row["request_bytes"]) == (499, "disconnected", 4)


def test_a_response_that_nobody_waits_for_is_disconnected(call_asgi: Any, the_row: Any) -> None:
    """What is sent after the client has left counts for nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await plain(scope, receive, send)

    call_asgi(MetricsMiddleware(app), DISCONNECT)
    row = the_row()
    assert (row["status"], row["outcome"]) == (499, "disconnected")


def test_a_client_that_leaves_during_a_stream_is_disconnected(call_asgi: Any, the_row: Any) -> None:
    """The stream had begun, so that its status stays."""

    async def numbers() -> AsyncIterator[str]:
        while True:
            yield "1"
            await asyncio.sleep(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun = asyncio.Event()

        async def leave() -> Any:
            await begun.wait()
            return DISCONNECT

        async def take(message: Any) -> None:
            if message["type"] == "http.response.body":
                begun.set()

        await one_route(lambda _: StreamingResponse(numbers()))(scope, leave, take)

    call_asgi(app, asgi={"version": "3.0", "spec_version": "2.3"})
    row = the_row()
    assert (row["status"], row["outcome"]) == (200, "disconnected")


def test_a_server_that_cannot_send_tells_of_a_disconnect(call_asgi: Any, the_row: Any) -> None:
    """Since ASGI 2.4 sending raises OSError."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def gone(message: Any) -> None:
            raise BrokenPipeError

        await MetricsMiddleware(plain)(scope, receive, gone)

    assert isinstance(call_asgi(app).error, BrokenPipeError)
    row = the_row()
    assert (row["status"], row["outcome"]) == (499, "disconnected")


def test_a_disconnect_after_the_response_is_none(call_asgi: Any, the_row: Any) -> None:
    """Every server says so at the end of a connection."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)
        await receive()

    call_asgi(MetricsMiddleware(app), DISCONNECT)
    row = the_row()
    assert (row["status"], row["outcome"]) == (200, "ok")


def test_background_tasks_do_not_count(ask: Any, rows: Any) -> None:
    """The row is there, and nothing is in flight, before a task of Starlette begins."""
    seen: list[Any] = []

    def task() -> None:
        seen.extend([rows(), len(request_log(recorder).active)])
        raise ValueError

    app = FastAPI()

    @app.get("/")
    async def answer(tasks: BackgroundTasks) -> int:
        tasks.add_task(task)
        return 1

    ask(MetricsMiddleware(app), "/")
    assert [row["outcome"] for row in seen[0]] == ["ok"]
    assert seen[1] == 0
    assert len(rows()) == 1


def test_a_stream_has_three_times(call_asgi: Any, the_row: Any) -> None:
    """Until it began, from its first part to its last, and all together."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.02)
        await send(START)
        for body in (b"one", b"two", b"three"):
            await asyncio.sleep(0.01)
            await send(part(body, more=True))
        await asyncio.sleep(0.01)
        await send(part())

    call_asgi(MetricsMiddleware(app))
    row = the_row()
    assert row["first_byte_s"] >= 0.02
    assert row["stream_s"] >= 0.03
    assert row["duration_s"] >= row["first_byte_s"] + 0.01 + row["stream_s"]
    assert row["response_bytes"] == 11


def test_bytes_are_counted_as_they_pass(call_asgi: Any, the_row: Any) -> None:
    """A streamed request has its size, and the response's header is not believed."""

    async def echo(request: Request) -> StreamingResponse:
        return StreamingResponse(request.stream(), headers={"content-length": "999"})

    call_asgi(
        one_route(echo, methods=["POST"]),
        {"type": "http.request", "body": b"x" * 70_000, "more_body": True},
        {"type": "http.request", "body": b"x" * 30_000, "more_body": True},
        {"type": "http.request"},
        method="POST",
        headers=[(b"transfer-encoding", b"chunked")],
    )
    row = the_row()
    assert (row["request_bytes"], row["response_bytes"]) == (100_000, 100_000)


@pytest.mark.parametrize(
    ("headers", "size_bytes"),
    [
        ([(b"content-length", b"12")], 12),
        ([(b"host", b"x")], 0),
        ([(b"transfer-encoding", b"chunked")], None),
        ([(b"content-length", b"9" * 40)], None),
        ([(b"content-length", "²".encode("latin-1"))], None),
    ],
)
def test_a_body_that_is_not_read_has_the_size_its_header_tells(
    headers: list[Any], size_bytes: int | None, call_asgi: Any, the_row: Any
) -> None:
    """Without one there is no body, unless it is sent in chunks: then nobody knows."""
    call_asgi(MetricsMiddleware(plain), headers=headers)
    assert the_row().get("request_bytes") == size_bytes


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        (f"00-{'ab' * 16}-{'1' * 16}-01", "ab" * 16),
        (f"00-{'0' * 32}-{'1' * 16}-01", None),
        (f"00-{'AB' * 16}-{'1' * 16}-01", None),
        ("00-ab-1-01", None),
        ("", None),
    ],
)
def test_the_trace_of_a_request_is_kept(
    header: str, trace_id: str | None, call_asgi: Any, the_row: Any
) -> None:
    """As W3C Trace Context has it; what is no trace is none."""
    call_asgi(MetricsMiddleware(plain), headers=[(b"traceparent", header.encode())])
    assert the_row().get("trace_id") == trace_id


def test_head_requests_send_nothing(ask: Any, the_row: Any) -> None:
    """They are counted; the body that Starlette makes for them goes nowhere."""
    ask(one_route(lambda _: PlainTextResponse("hello")), "/", method="HEAD")
    row = the_row()
    assert (row["method"], row["status"], row["response_bytes"]) == ("HEAD", 200, 0)


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.pathsend", "path": "/etc/hostname"}],
        [
            {"type": "http.response.zerocopysend", "file": 0, "more_body": True},
            {"type": "http.response.zerocopysend", "file": 0},
        ],
    ],
)
@pytest.mark.parametrize(("headers", "size_bytes"), [([(b"content-length", b"7")], 7), ([], None)])
def test_files_that_the_server_reads_have_the_size_of_the_header(
    messages: list[Any], headers: list[Any], size_bytes: int | None, call_asgi: Any, the_row: Any
) -> None:
    """Where the bytes do not pass, the header is all there is."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START | {"headers": headers})
        for message in messages:
            await send(message)

    call_asgi(MetricsMiddleware(app))
    row = the_row()
    assert (row["outcome"], row.get("response_bytes")) == ("ok", size_bytes)


@pytest.mark.parametrize(
    ("method", "recorded"),
    [("QUERY", "QUERY"), ("get", "_OTHER"), ("HACK\udc80", "_OTHER"), ("WEBSOCKET", "_OTHER")],
)
def test_methods_that_no_standard_knows_are_one(
    method: str, recorded: str, call_asgi: Any, the_row: Any
) -> None:
    """A scanner cannot make labels of its own."""
    call_asgi(MetricsMiddleware(plain), method=method, scheme="gopher")
    row = the_row()
    assert row["method"] == recorded
    assert "scheme" not in row


def test_requests_in_flight_are_counted(call_asgi: Any, captured: Any) -> None:
    """The count of all middleware together is one gauge of the process, and goes back to 0."""
    from tidegauge.record.sampling import sample_gauges

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sample_gauges()
        await plain(scope, receive, send)
        sample_gauges()

    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError

    one, other = MetricsMiddleware(app), MetricsMiddleware(fail)
    call_asgi(other)
    call_asgi(one)
    assert captured.values("api:active_requests") == [1.0, 0.0]


def test_nested_middleware_counts_once(call_asgi: Any, the_row: Any) -> None:
    """As when the application and its server script both have it."""
    call_asgi(MetricsMiddleware(MetricsMiddleware(plain)))
    assert the_row()["status"] == 200


def test_other_scopes_pass_untouched(call_asgi: Any, rows: Any) -> None:
    """Lifespan and whatever may come see the very functions of the server."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((receive, send))

    call = call_asgi(MetricsMiddleware(app), type="lifespan")
    assert seen == [(call.receive, call.send)]
    assert "tidegauge.counted" not in call.scope
    assert rows() == []


def test_sync_handlers_are_timed(ask: Any, the_row: Any) -> None:
    """FastAPI runs them in threads."""
    app = FastAPI()
    app.add_middleware(MetricsMiddleware)
    app.add_api_route("/", lambda: "x")
    ask(app, "/")
    assert (the_row()["route"], the_row()["status"]) == ("/", 200)


def test_middleware_that_buffers_changes_nothing(ask: Any, the_row: Any) -> None:
    """Starlette's `BaseHTTPMiddleware` inside hides neither route nor exception."""
    app = FastAPI()

    @app.middleware("http")
    async def through(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    @app.get("/fail")
    async def fail() -> None:
        raise KeyError("x")

    ask(MetricsMiddleware(app), "/fail")
    row = the_row()
    assert (row["route"], row["status"], row["error_type"]) == ("/fail", 500, "KeyError")


def test_a_store_that_cannot_be_written_does_not_break_a_response(
    call_asgi: Any, tmp_path: Path
) -> None:
    """The row is dropped; the response is not."""
    (tmp_path / "file").write_text("in the way")
    nowhere = Recorder(tmp_path / "file" / "journal")
    call = call_asgi(MetricsMiddleware(plain, recorder=nowhere))
    assert call.error is None
    assert [message["type"] for message in call.sent] == ["http.response.start", part()["type"]]


def test_a_forked_child_does_not_take_over_what_is_in_flight(call_asgi: Any, rows: Any) -> None:
    """What the parent is answering never ends in the child."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        active = request_log(recorder).active
        if (child := os.fork()) == 0:
            os._exit(len(active))
        children.append(child)
        await plain(scope, receive, send)

    children: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about forking beside threads
        assert call_asgi(MetricsMiddleware(app)).error is None
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert len(rows()) == 1
