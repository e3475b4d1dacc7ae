# SPDX-License-Identifier: Apache-2.0
"""The page of live metrics as a WSGI application (PEP 3333)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tidegauge.serve.page import MetricsPage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["metrics_wsgi"]


def metrics_wsgi(page: MetricsPage) -> WSGIApplication:
    """A WSGI application that answers every path, so that it can be mounted anywhere.

    Args:
        page: The page.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = page.answer(
            environ["REQUEST_METHOD"],
            accept=environ.get("HTTP_ACCEPT", ""),
            accept_encoding=environ.get("HTTP_ACCEPT_ENCODING", ""),
            query=environ.get("QUERY_STRING", ""),
        )
        phrase = HTTPStatus(response.status).phrase
        start_response(f"{response.status:d} {phrase}", response.headers)
        return [response.body] if response.body else []

    return application
