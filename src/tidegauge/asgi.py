# SPDX-License-Identifier: Apache-2.0
"""Live metrics for FastAPI, Starlette, Litestar, Quart and anything else that speaks ASGI."""

from __future__ import annotations

from tidegauge.config import live_reading
from tidegauge.integrations.asgi import MetricsMiddleware
from tidegauge.serve.asgi import MetricsApp
from tidegauge.serve.page import MetricsPage

__all__ = ["MetricsMiddleware", "make_asgi_app", "metrics_app"]


def make_asgi_app() -> MetricsApp:
    """An ASGI application that answers with the live metrics of the store, from any worker.

    Example:
        >>> from fastapi import FastAPI
        >>> from tidegauge.asgi import MetricsMiddleware, make_asgi_app
        >>> app = FastAPI()
        >>> app.add_middleware(MetricsMiddleware, exclude=("/metrics*",))
        >>> app.mount("/metrics", make_asgi_app())
    """
    return MetricsApp(MetricsPage(live_reading))


#: The application, ready to be mounted.
metrics_app = make_asgi_app()
