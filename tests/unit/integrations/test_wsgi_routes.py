# SPDX-License-Identifier: Apache-2.0
"""The route of a request to Flask or Django is the template that the framework chose."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path
from flask import Blueprint, Flask, Response, abort
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from tidegauge.integrations.wsgi import MetricsMiddleware


class OtherUrls:
    """Routes of Django for some requests only."""

    urlpatterns = (path("other/<name>", lambda _, name: HttpResponse(name)),)


def choose_urls(get_response: Any) -> Any:
    """A middleware of Django that changes the routes of a request."""

    def answer(request: Any) -> Any:
        if request.path.startswith("/other/"):
            request.urlconf = OtherUrls
        return get_response(request)

    return answer


@pytest.fixture
def flask() -> Flask:
    """An application with a blueprint."""
    app, api = Flask("shop"), Blueprint("api", "api", url_prefix="/api")

    @api.get("/items/<int:item_id>")
    def item(item_id: int) -> str:
        return str(item_id) if item_id < 100 else abort(404)

    @api.get("/fail/<name>")
    def fail(name: str) -> str:
        raise KeyError(name)

    @api.get("/stream")
    def stream() -> Response:
        return Response(iter([b"one", b"two"]))

    app.register_blueprint(api)
    return app


@pytest.mark.parametrize(
    ("asked", "route", "status"),
    [
        ("/api/items/3", "/api/items/<int:item_id>", 200),
        ("/api/items/333", "/api/items/<int:item_id>", 404),
        ("/api/items/x", "__unmatched__", 404),
        ("/api/fail/x", "/api/fail/<name>", 500),
        ("/api/stream", "/api/stream", 200),
        ("/nowhere", "__unmatched__", 404),
    ],
)
@pytest.mark.parametrize("is_outside", [False, True])
def test_flask_tells_its_rule(
    flask: Flask, asked: str, route: str, status: int, is_outside: bool, routes: Any
) -> None:
    """The rule has the blueprint's prefix; a 404 of the handler keeps it."""
    app: Any = flask
    if is_outside:
        app = MetricsMiddleware(flask)
    else:
        flask.wsgi_app = MetricsMiddleware(flask.wsgi_app)  # type: ignore[method-assign]
    assert Client(app).get(asked, base_url="http://x/proxied", buffered=True).status_code == status
    assert routes() == [(route, status)]


def test_flask_that_lets_exceptions_through_keeps_the_route(flask: Flask, the_row: Any) -> None:
    """As it does in tests and when it debugs."""
    flask.testing = True
    with pytest.raises(KeyError):
        Client(MetricsMiddleware(flask)).get("/api/fail/x", buffered=True)
    row = the_row()
    assert (row["route"], row["status"], row["error_type"]) == ("/api/fail/<name>", 500, "KeyError")


def test_what_is_mounted_by_werkzeug_has_its_prefix(flask: Flask, routes: Any) -> None:
    """The prefix of the mount stands before the rule, and for an application without rules."""

    def bare(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x"]

    app = DispatcherMiddleware(flask, {"/shop": flask, "/bare": bare})
    client = Client(MetricsMiddleware(app))
    for asked in ("/shop/api/items/3", "/api/items/3", "/bare/a/b", "/shop/nowhere"):
        client.get(asked, buffered=True)
    assert routes() == [
        ("/shop/api/items/<int:item_id>", 200),
        ("/api/items/<int:item_id>", 200),
        ("/bare", 200),
        ("__unmatched__", 404),
    ]


def test_a_part_of_the_path_that_became_the_mount_is_not_shown(flask: Flask, routes: Any) -> None:
    """Some programs make a mount of whatever the path begins with."""
    from wsgiref.util import shift_path_info

    def by_tenant(environ: Any, start_response: Any) -> Any:
        shift_path_info(environ)
        return flask(environ, start_response)

    Client(MetricsMiddleware(by_tenant)).get("/acme/api/items/3", buffered=True)
    assert routes() == [("/api/items/<int:item_id>", 200)]


@pytest.mark.parametrize(
    ("asked", "route", "status"),
    [
        ("/api/items/3/", "/api/items/<int:item_id>/", 200),
        ("/api/items/x/", "__unmatched__", 404),
        ("/api/stream", "/api/stream", 200),
        ("/fail", "/fail", 500),
        ("/other/x", "/other/<name>", 200),
    ],
)
def test_django_tells_the_route_that_its_resolver_finds(
    django_urls: Any, asked: str, route: str, status: int, routes: Any
) -> None:
    """Included prefixes are part of it, and a request may have a `urlconf` of its own."""
    with override_settings(MIDDLEWARE=[f"{__name__}.choose_urls"]):
        application = MetricsMiddleware(get_wsgi_application())
        assert Client(application).get(asked, buffered=True).status_code == status
    assert routes() == [(route, status)]


def test_an_application_without_a_framework_may_tell_its_route(routes: Any) -> None:
    """It puts the template into the environ."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["tidegauge.route"] = "/a/{b}"
        start_response("200 OK", [])
        return [b"x"]

    Client(MetricsMiddleware(app)).get("/a/1", buffered=True)
    assert routes() == [("/a/{b}", 200)]
