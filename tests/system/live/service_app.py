# SPDX-License-Identifier: Apache-2.0
"""The example's service, which here also fails, waits and counts visitors, and says who answers.

Run by uvicorn in processes of its own; see `start_service` in conftest.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import HTTPException
from fastapi.responses import StreamingResponse

import tidegauge as tg
from fastapi_service import app as service

PID = str(os.getpid()).encode()


@service.get("/api/fail")
def fail() -> None:
    """Answer 503."""
    raise HTTPException(503)


@service.get("/api/wait")
async def wait(seconds: float) -> None:
    """Answer after so many seconds."""
    await asyncio.sleep(seconds)


@service.get("/api/hold")
async def hold() -> StreamingResponse:
    """Begin to answer, and end when the client goes away."""

    async def forever() -> AsyncIterator[bytes]:
        while True:
            yield b"."
            await asyncio.sleep(0.05)

    return StreamingResponse(forever())


@service.post("/api/visitors/{first}/{last}")
def visit(first: int, last: int) -> None:
    """Count each of these visitors in a metric of the test's own catalogue."""
    for number in range(first, last):
        tg.log_metric("custom:visits", 1, visitor=f"v{number}")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Add the process that answers to every response."""

    async def send_with_pid(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-pid", PID)]
        await send(message)

    await service(scope, receive, send_with_pid)
