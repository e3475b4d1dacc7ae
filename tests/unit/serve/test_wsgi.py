# SPDX-License-Identifier: Apache-2.0
"""The page as a WSGI application: by the letter of the standard, and mounted in Flask."""

from __future__ import annotations

from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tidegauge.serve.page import MetricsPage
from tidegauge.serve.wsgi import metrics_wsgi

HITS = b"# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"


@pytest.mark.parametrize("path", ["/metrics", "/", "", "/any/path"])
def test_every_path_is_the_page(small_page: MetricsPage, path: str) -> None:
    """A mounted application does not know where it is."""
    status, headers, body = call(small_page, PATH_INFO=path)
    assert (status, body) == ("200 OK", HITS)
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_the_headers_and_the_query_are_heard(page: MetricsPage) -> None:
    """Format, compression and `name[]` reach the page."""
    _, headers, body = call(
        page,
        HTTP_ACCEPT="application/openmetrics-text",
        HTTP_ACCEPT_ENCODING="gzip;q=0",
        QUERY_STRING="name[]=queue_length",
    )
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.splitlines()[-2:] == [b"queue_length 7.0", b"# EOF"]


def test_methods(small_page: MetricsPage) -> None:
    """HEAD has no body, OPTIONS is 204, and others are refused."""
    status, headers, body = call(small_page, REQUEST_METHOD="HEAD")
    assert (status, headers["Content-Length"], body) == ("200 OK", str(len(HITS)), b"")
    status, headers, body = call(small_page, REQUEST_METHOD="OPTIONS")
    assert (status, headers["Allow"], body) == ("204 No Content", "GET, HEAD, OPTIONS", b"")
    assert call(small_page, REQUEST_METHOD="DELETE")[0] == "405 Method Not Allowed"


def test_failures_are_answers(broken_page: MetricsPage) -> None:
    """A failing reading does not reach the server."""
    assert call(broken_page)[0] == "500 Internal Server Error"


def test_in_flask(small_page: MetricsPage) -> None:
    """Beside a Flask application the page has its own path."""
    app = flask.Flask("service")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": metrics_wsgi(small_page)})  # type: ignore[method-assign]
    with app.test_client() as client:
        assert client.get("/metrics").data == HITS
        assert client.get("/else").status_code == 404


def call(page: MetricsPage, **environ: str) -> tuple[str, dict[str, str], bytes]:
    """One request, watched by the standard library's validator."""
    environ = {"PATH_INFO": "", "QUERY_STRING": "", "SCRIPT_NAME": ""} | environ
    setup_testing_defaults(environ)
    started: list[Any] = []
    result = validator(metrics_wsgi(page))(environ, lambda *given: started.append(given))
    try:
        body = b"".join(result)
    finally:
        result.close()
    ((status, headers),) = started
    return status, dict(headers), body
