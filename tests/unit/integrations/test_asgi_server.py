# SPDX-License-Identifier: Apache-2.0
"""A real server, and clients that really leave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from tidegauge.integrations.asgi import MetricsMiddleware


@pytest.fixture
def leave() -> Any:
    """Serves an application by uvicorn, sends it something, reads up to a text and leaves."""

    def leave(app: Any, request: bytes, read_until: bytes, answered: asyncio.Event) -> None:
        async def run() -> None:
            with socket.socket() as listening:
                listening.bind(("127.0.0.1", 0))
                listening.listen()
                config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None)
                server = uvicorn.Server(config)
                async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
                    tasks.create_task(server.serve([listening]))
                    reader, writer = await asyncio.open_connection(*listening.getsockname())
                    writer.write(request)
                    await reader.readuntil(read_until)
                    writer.transport.abort()
                    await answered.wait()
                    server.should_exit = True

        asyncio.run(run())

    return leave


def telling(app: Any) -> tuple[Any, asyncio.Event]:
    """The application, and an event that is set when it has answered."""
    done = asyncio.Event()

    async def told(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        finally:
            done.set()

    return told, done


def test_a_client_that_leaves_a_stream(leave: Any, the_row: Any) -> None:
    """Its status had been sent; the outcome tells that not all of it was taken."""

    async def numbers() -> AsyncIterator[str]:
        while True:
            yield "12345\n"
            await asyncio.sleep(0.001)

    app = Starlette(routes=[Route("/stream", lambda _: StreamingResponse(numbers()))])
    told, done = telling(MetricsMiddleware(app))
    leave(told, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", b"12345", done)
    row = the_row()
    assert (row["route"], row["status"], row["outcome"]) == ("/stream", 200, "disconnected")
    assert row["response_bytes"] >= 6


def test_a_client_that_leaves_while_it_sends(leave: Any, the_row: Any) -> None:
    """No response had begun: 499, and what had come of the request."""

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    app = Starlette(routes=[Route("/read", read, methods=["POST"])])
    told, done = telling(MetricsMiddleware(app))
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    leave(told, head, b"100 Continue", done)
    row = the_row()
    assert (row["route"], row["status"], row["outcome"]) == ("/read", 499, "disconnected")
