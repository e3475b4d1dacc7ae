# SPDX-License-Identifier: Apache-2.0
"""Live metrics for Flask, Django and anything else that speaks WSGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.config import live_reading
from tidegauge.integrations.wsgi import MetricsMiddleware
from tidegauge.serve.page import MetricsPage
from tidegauge.serve.wsgi import metrics_wsgi

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["MetricsMiddleware", "make_wsgi_app", "metrics_app"]


def make_wsgi_app() -> WSGIApplication:
    """A WSGI application that answers with the live metrics of the store, from any worker.

    Example:
        >>> from flask import Flask
        >>> from werkzeug.middleware.dispatcher import DispatcherMiddleware
        >>> from tidegauge.wsgi import MetricsMiddleware, make_wsgi_app
        >>> app = Flask(__name__)
        >>> app.wsgi_app = DispatcherMiddleware(
        ...     MetricsMiddleware(app.wsgi_app), {"/metrics": make_wsgi_app()}
        ... )
    """
    return metrics_wsgi(MetricsPage(live_reading))


#: The application, ready to be mounted.
metrics_app = make_wsgi_app()
