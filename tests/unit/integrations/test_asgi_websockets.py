# SPDX-License-Identifier: Apache-2.0
"""A websocket's connection is one row, with the method WEBSOCKET."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket, WebSocketException
from starlette.websockets import WebSocketDisconnect

from tidegauge.integrations.asgi import MetricsMiddleware

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}


@pytest.fixture
def connect(call_asgi: Any, the_row: Any) -> Any:
    """Connects to an application and returns the row's status, outcome and type of error."""

    def connect(app: Any, *incoming: Any) -> tuple[Any, ...]:
        given = {"type": "websocket", "scheme": "wss", "path": "/live", "subprotocols": []}
        call_asgi(MetricsMiddleware(app), CONNECT, *incoming, **given)
        row = the_row()
        assert (row["method"], row["scheme"]) == ("WEBSOCKET", "wss")
        assert "request_bytes" not in row
        return row["status"], row["outcome"], row.get("error_type")

    return connect


def sends(*messages: Any, error: BaseException | None = None) -> Any:
    """An application that sends these, then hears what comes, then ends or raises."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


def leaves(code: int | None) -> dict[str, Any]:
    """What a server says when the connection has ended."""
    return {"type": "websocket.disconnect", "code": code}


@pytest.mark.parametrize(
    ("code", "outcome", "error_type"),
    [
        (1000, "ok", None),
        (1001, "ok", None),
        (None, "ok", None),
        (1006, "disconnected", None),
        (1011, "error", "1011"),
    ],
)
def test_the_code_at_the_end_tells_the_outcome(
    code: int | None, outcome: str, error_type: str | None, connect: Any
) -> None:
    """An end that was said is fine; 1006 is a connection that was lost, 1011 an error."""
    app = FastAPI()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()  # raises WebSocketDisconnect, which nobody catches

    assert connect(app, leaves(code)) == (101, outcome, error_type)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([ACCEPT, {"type": "websocket.close"}], (101, "ok", None)),
        ([ACCEPT, {"type": "websocket.close", "code": 1011}], (101, "error", "1011")),
        ([ACCEPT], (101, "ok", None)),
        ([{"type": "websocket.close"}], (403, "ok", None)),
        ([], (500, "error", "500")),
        (
            [
                {"type": "websocket.http.response.start", "status": 401, "headers": []},
                {"type": "websocket.http.response.body"},
            ],
            (401, "ok", None),
        ),
    ],
    ids=["closed", "failed", "left open", "refused", "silent", "denied"],
)
def test_what_the_application_says_is_the_status(
    messages: Any, expected: Any, connect: Any
) -> None:
    """101 if it accepted, else what the refusal said."""
    assert connect(sends(*messages)) == expected


@pytest.mark.parametrize(("messages", "status"), [([], 500), ([ACCEPT], 101)])
def test_an_exception_is_an_error(messages: Any, status: int, connect: Any) -> None:
    """Before it was accepted the server answers 500."""
    assert connect(sends(*messages, error=KeyError())) == (status, "error", "KeyError")


def test_an_exception_after_the_client_has_left_is_an_error(connect: Any) -> None:
    """Only the exception that tells of the end is none."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        raise KeyError

    assert connect(app, leaves(1000)) == (101, "error", "KeyError")


@pytest.mark.parametrize(("messages", "status"), [([], 499), ([ACCEPT], 101)])
def test_a_cancelled_connection_is_cancelled(messages: Any, status: int, connect: Any) -> None:
    """As at the end of a server."""
    app = sends(*messages, error=asyncio.CancelledError())
    assert connect(app) == (status, "cancelled", None)


def test_a_client_that_leaves_before_it_is_accepted(connect: Any) -> None:
    """It is 499, as for a request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        raise WebSocketDisconnect

    assert connect(app, leaves(1006)) == (499, "disconnected", None)


def test_a_refusal_of_fastapi_is_a_403(connect: Any) -> None:
    """A dependency that refuses closes before the connection is accepted."""
    app = FastAPI()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        raise WebSocketException(code=1008)

    assert connect(app) == (403, "ok", None)


def test_the_duration_is_that_of_the_connection(call_asgi: Any, the_row: Any) -> None:
    """What the handler does after the end does not count."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await asyncio.sleep(0.02)
        await send({"type": "websocket.close"})
        await asyncio.sleep(0.1)

    call_asgi(MetricsMiddleware(app), type="websocket")
    row = the_row()
    assert row["first_byte_s"] < 0.02 <= row["duration_s"] < 0.1


def test_websockets_can_be_left_out(call_asgi: Any, rows: Any) -> None:
    """They then see the functions of the server."""
    call_asgi(MetricsMiddleware(sends(ACCEPT), websockets=False), CONNECT, type="websocket")
    assert rows() == []
