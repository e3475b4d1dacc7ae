# SPDX-License-Identifier: Apache-2.0
"""Applications are asked without a network, and the rows they leave behind are read back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any

import httpx
import pytest

from tidegauge.testing import Captured, capture

Message = MutableMapping[str, Any]


class AsgiCall:
    """One call of an ASGI application by hand, message by message.

    Attributes:
        sent: What the application sent.
        scope: The scope, as the application left it.
        error: What the application raised.
    """

    def __init__(self, incoming: Sequence[Message], scope: Message) -> None:
        self.scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"test")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            **scope,
        }
        self.sent: list[Message] = []
        self.error: BaseException | None = None
        self._incoming = list(incoming)

    async def receive(self) -> Message:
        """The next message of the server; after the last one nothing ever comes."""
        if not self._incoming:
            await asyncio.Event().wait()
        return self._incoming.pop(0)

    async def send(self, message: Message) -> None:
        """Take a message as a server does."""
        self.sent.append(message)

    async def run(self, app: Any) -> None:
        """Run the application to its end."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:  # noqa: BLE001  (cancellation too: the test looks at it)
            self.error = error


@pytest.fixture(scope="module", autouse=True)
def gone_with_the_module() -> Iterator[None]:
    """Middleware holds a gauge that is sampled for as long as it lives; nobody else wants it."""
    yield
    gc.collect()


@pytest.fixture
def captured() -> Iterator[Captured]:
    """A store of one's own in strict mode: what cannot be recorded raises."""
    with capture(strict=True) as captured:
        yield captured


@pytest.fixture
def rows(captured: Captured) -> Callable[[], list[dict[str, Any]]]:
    """Reads the rows of the table of requests, in the order in which they were written."""
    return lambda: [fact.columns for fact in captured.facts if fact.table == "requests"]


@pytest.fixture
def the_row(rows: Callable[[], list[dict[str, Any]]]) -> Callable[[], dict[str, Any]]:
    """Reads the one row there is."""

    def read() -> dict[str, Any]:
        (row,) = rows()
        return row

    return read


@pytest.fixture
def routes(rows: Callable[[], list[dict[str, Any]]]) -> Callable[[], list[tuple[str, int]]]:
    """Reads route and status of every row."""
    return lambda: [(row["route"], row["status"]) for row in rows()]


@pytest.fixture
def call_asgi(captured: Captured) -> Callable[..., AsgiCall]:
    """Calls an ASGI application by hand; what it raises is kept."""

    def call(app: Any, *incoming: Message, **scope: Any) -> AsgiCall:
        made = AsgiCall(incoming, scope)
        asyncio.run(made.run(app))
        return made

    return call


@pytest.fixture
def ask(captured: Captured) -> Callable[..., list[httpx.Response]]:
    """Gets paths from an ASGI application one after another; what it raises is answered by 500."""

    def ask(
        app: Any, *paths: str, method: str = "GET", root_path: str = "", **given: Any
    ) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=root_path)

        async def run() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return [await client.request(method, path, **given) for path in paths]

        return asyncio.run(run())

    return ask


@pytest.fixture(scope="session")
def django_urls() -> type:
    """Django with a few routes; it can be set up once per process."""
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import include, path

    def item(request: HttpRequest, item_id: int) -> HttpResponse:
        return HttpResponse(str(item_id))

    def fail(request: HttpRequest) -> HttpResponse:
        raise KeyError("x")

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"one", b"two"]))

    class Urls:
        urlpatterns = (
            path("api/", include([path("items/<int:item_id>/", item), path("stream", stream)])),
            path("fail", fail),
        )

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=Urls,
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="only for tests",
            LOGGING_CONFIG=None,
        )
    return Urls
