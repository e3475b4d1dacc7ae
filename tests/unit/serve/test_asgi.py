# SPDX-License-Identifier: Apache-2.0
"""The page as an ASGI application: alone, mounted, and as a route."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from tidegauge.live.families import Reading, gauge
from tidegauge.model.errors import TidegaugeError
from tidegauge.serve.asgi import MetricsApp
from tidegauge.serve.page import MetricsPage

HITS = "# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"


def mounted(app: MetricsApp) -> Any:
    """Mounted in FastAPI."""
    api = FastAPI()
    api.mount("/metrics", app)
    return api


def added(app: MetricsApp) -> Any:
    """A route that is added to FastAPI."""
    api = FastAPI()
    api.add_route("/metrics", app)
    return api


@pytest.mark.parametrize(
    "place",
    [
        lambda app: app,
        mounted,
        added,
        lambda app: Starlette(routes=[Mount("/metrics", app)]),
        lambda app: Starlette(routes=[Route("/metrics", app)]),
    ],
    ids=["alone", "fastapi mount", "fastapi route", "starlette mount", "starlette route"],
)
def test_places(small_page: MetricsPage, place: Callable[[MetricsApp], Any]) -> None:
    """The page is the same wherever the application is put."""
    response = ask(place(MetricsApp(small_page)), "GET")
    assert response.status_code == 200
    assert response.text == HITS
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_the_headers_and_the_query_are_heard(page: MetricsPage) -> None:
    """Format, compression and `name[]` reach the page; several headers of one name are joined."""
    response = ask(
        MetricsApp(page),
        "GET",
        "/?name[]=queue_length",
        headers=[
            ("Accept", "text/html"),
            ("Accept", "application/openmetrics-text"),
            ("Accept-Encoding", "gzip"),
        ],
    )
    assert response.headers["content-encoding"] == "gzip"
    assert response.text.splitlines()[-2:] == ["queue_length 7.0", "# EOF"]


def test_methods(small_page: MetricsPage) -> None:
    """HEAD has no body, OPTIONS is 204, and others are refused."""
    app = MetricsApp(small_page)
    head = ask(app, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(HITS))
    options = ask(app, "OPTIONS")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert ask(app, "POST").status_code == 405


def test_failures_are_answers(broken_page: MetricsPage) -> None:
    """A failing reading does not reach the server."""
    assert ask(MetricsApp(broken_page), "GET").status_code == 500


def test_the_event_loop_is_not_blocked(reading_of: Callable[..., Reading]) -> None:
    """While a page is being read, other work of the loop goes on."""
    began, may_end = threading.Event(), threading.Event()

    def read() -> Reading:
        began.set()
        assert may_end.wait(10)
        return reading_of(gauge("g", "", 1.0))

    async def scrape() -> httpx.Response:
        transport = httpx.ASGITransport(MetricsApp(MetricsPage(read)))
        async with httpx.AsyncClient(transport=transport) as client:
            request = asyncio.create_task(client.get("http://tidegauge/metrics"))
            assert await asyncio.to_thread(began.wait, 10)
            may_end.set()
            return await request

    assert asyncio.run(scrape()).status_code == 200


def test_without_asyncio_the_page_is_rendered_directly(small_page: MetricsPage) -> None:
    """Under another library's event loop there is an answer too."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b""}
    call = MetricsApp(small_page)(scope, send, send)
    with pytest.raises(StopIteration):
        call.send(None)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == HITS.encode()


def test_lifespan(small_page: MetricsPage) -> None:
    """Standing alone, the application starts and stops with its server."""
    assert talk(small_page, "lifespan", "lifespan.startup", "lifespan.shutdown") == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]


def test_websockets_are_closed(small_page: MetricsPage) -> None:
    """There is nothing to say over a WebSocket."""
    assert talk(small_page, "websocket", "websocket.connect") == [
        {"type": "websocket.close", "code": 1000}
    ]


def test_an_unknown_kind_of_connection_is_an_error(small_page: MetricsPage) -> None:
    """What ASGI may invent next is refused, as its specification asks."""
    with pytest.raises(TidegaugeError) as caught:
        talk(small_page, "smoke")
    assert str(caught.value) == (
        "the metrics application does not know this kind of ASGI connection; got 'smoke';"
        " allowed: http, lifespan, websocket. Route only HTTP requests to it."
    )


def ask(app: Any, method: str, path: str = "/metrics", **arguments: Any) -> httpx.Response:
    """One request, redirects followed."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            return await client.request(method, f"http://tidegauge{path}", **arguments)

    return asyncio.run(request())


def talk(page: MetricsPage, kind: str, *messages: str) -> list[Any]:
    """What the application sends when it receives these messages."""
    waiting, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return {"type": waiting.pop(0)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(MetricsApp(page)({"type": kind}, receive, send))
    return sent
