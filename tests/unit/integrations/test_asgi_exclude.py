# SPDX-License-Identifier: Apache-2.0
"""Paths that the middleware leaves out, for ASGI and WSGI alike."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.integrations.asgi import MetricsMiddleware as AsgiMiddleware
from tidegauge.integrations.wsgi import MetricsMiddleware as WsgiMiddleware
from tidegauge.model.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "is_counted"),
    [
        ("/metrics", False),
        ("/metrics/", True),
        ("/internal/", False),
        ("/internal/x/y", False),
        ("/internal", True),
        ("/healthz2", True),
        ("/", True),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/proxy"])
def test_excluded_paths_are_neither_counted_nor_timed(
    path: str, is_counted: bool, root_path: str, call_asgi: Any, rows: Any
) -> None:
    """Exact paths and beginnings, as the application sees them behind a proxy."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(send)

    middleware = AsgiMiddleware(app, exclude=("/metrics", "/healthz", "/internal/*"))
    call = call_asgi(middleware, path=root_path + path, root_path=root_path)
    assert (seen == [call.send]) is not is_counted
    assert len(rows()) == is_counted


def test_excluded_paths_of_wsgi_see_the_servers_own_function(rows: Any) -> None:
    """Nothing is wrapped."""
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(start_response)
        return []

    def start_response(status: str, headers: Any) -> None:
        return None

    middleware = WsgiMiddleware(app, exclude=["/metrics"])
    assert middleware({"PATH_INFO": "/metrics"}, start_response) == []
    assert seen == [start_response]
    assert rows() == []


@pytest.mark.parametrize("middleware", [AsgiMiddleware, WsgiMiddleware], ids=["asgi", "wsgi"])
@pytest.mark.parametrize("exclude", ["/metrics", ("metrics",), ("/a*b",), ("",), (3,), None, 7])
def test_what_is_no_path_is_refused(middleware: Any, exclude: Any) -> None:
    """One text instead of a tuple is the mistake that everybody makes."""
    with pytest.raises(ConfigError, match="'exclude' of MetricsMiddleware") as caught:
        middleware(lambda *_: None, exclude=exclude)
    assert caught.value.fix == "Write exclude=('/metrics', '/healthz')."
    assert "'/internal/*'" in caught.value.allowed
