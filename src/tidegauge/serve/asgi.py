# SPDX-License-Identifier: Apache-2.0
"""The page of live metrics as an ASGI application, of version 3 and without any library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from tidegauge.model.errors import TidegaugeError
from tidegauge.serve.page import MetricsPage, Response

__all__ = ["MetricsApp"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class MetricsApp:
    """Answers every path, so that it can be mounted, be a route, or stand alone.

    Mounted with `app.mount("/metrics", …)`, Starlette and FastAPI redirect `/metrics` to
    `/metrics/`; as a route, `app.add_route("/metrics", …)`, there is no redirect.

    Args:
        page: The page.
    """

    def __init__(self, page: MetricsPage) -> None:
        self._page = page

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """See the ASGI specification.

        Raises:
            TidegaugeError: The connection is neither HTTP nor WebSocket nor lifespan.
        """
        if scope["type"] == "http":
            await _send(send, await self._answer(scope))
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            raise TidegaugeError(
                "the metrics application does not know this kind of ASGI connection",
                got=scope["type"],
                allowed="http, lifespan, websocket",
                fix="Route only HTTP requests to it.",
            )

    async def _answer(self, scope: _Message) -> Response:
        headers = list(scope["headers"])
        arguments: dict[str, str] = {
            "accept": _header(headers, b"accept"),
            "accept_encoding": _header(headers, b"accept-encoding"),
            "query": scope.get("query_string", b"").decode("latin-1"),
        }
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another library's loop, such as trio's, which cannot wait for ours
            return self._page.answer(scope["method"], **arguments)
        # Thousands of series take some milliseconds, in which other requests go on.
        return await asyncio.to_thread(self._page.answer, scope["method"], **arguments)


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return ",".join(value.decode("latin-1") for name, value in headers if name.lower() == wanted)


async def _send(send: _Send, response: Response) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers
    ]
    await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _live(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
