# SPDX-License-Identifier: Apache-2.0
"""The route of a request is the template that the framework chose, whatever it is mounted in."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from litestar import Litestar, Router, asgi, get
from litestar import Request as LitestarRequest
from litestar.types import Receive, Scope, Send
from quart import Blueprint, Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.staticfiles import StaticFiles

from tidegauge.integrations.asgi import MetricsMiddleware


async def hello(request: Request) -> PlainTextResponse:
    """Answer anything."""
    return PlainTextResponse("hello")


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Answer without a framework."""
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.fixture
def predictions() -> APIRouter:
    """A router with a path of its own, and another inside with a parameter."""
    router, inner = APIRouter(), APIRouter()

    @router.get("/predict")
    async def predict() -> int:
        return 1

    @router.post("/predict")
    def predict_many() -> int:
        return 2

    @inner.get("/deep/{name}")
    def deep(name: str) -> str:
        return name

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    router.include_router(inner, prefix="/inner")
    return router


@pytest.fixture
def fastapi(predictions: APIRouter, tmp_path: Path) -> FastAPI:
    """An application with included routers, mounted ones and its documentation."""
    (tmp_path / "a.txt").write_text("a")
    app, sub = FastAPI(), FastAPI()
    app.include_router(predictions, prefix="/api")

    @app.get("/items/{item_id:int}")
    def item(item_id: int) -> int:
        return item_id

    sub.include_router(predictions, prefix="/v2")
    sub.add_api_route("/sum/{n}", lambda n: n)
    app.mount("/sub", sub)
    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("/bare", bare)
    app.mount("/of/{tenant}", Starlette(routes=[Route("/names/{name}", hello)]))
    return app


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/predict", "/api/predict", 200),
        ("/api/inner/deep/5", "/api/inner/deep/{name}", 200),
        ("/items/7", "/items/{item_id}", 200),
        ("/items/seven", "__unmatched__", 404),
        ("/api/predict/", "__unmatched__", 307),
        ("/nowhere", "__unmatched__", 404),
        ("/sub/v2/predict", "/sub/v2/predict", 200),
        ("/sub/v2/inner/deep/5", "/sub/v2/inner/deep/{name}", 200),
        ("/sub/sum/5", "/sub/sum/{n}", 200),
        ("/sub/nowhere", "__unmatched__", 404),
        ("/static/a.txt", "/static", 200),
        ("/static/b.txt", "/static", 404),
        ("/bare/what/ever", "/bare", 200),
        ("/of/acme/names/x", "/of/{tenant}/names/{name}", 200),
        ("/of/acme/nowhere", "__unmatched__", 404),
        ("/docs", "/docs", 200),
        ("/openapi.json", "/openapi.json", 200),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/proxy"])
@pytest.mark.parametrize("is_outside", [False, True])
def test_fastapi_tells_the_full_template(
    fastapi: FastAPI,
    ask: Any,
    routes: Any,
    path: str,
    route: str,
    status: int,
    root_path: str,
    is_outside: bool,
) -> None:
    """Prefixes of included and mounted routers are part of it; where a proxy puts it is not."""
    app: Any = fastapi
    if is_outside:
        app = MetricsMiddleware(fastapi)
    else:
        fastapi.add_middleware(MetricsMiddleware)
    ask(app, root_path + path, root_path=root_path)
    assert routes() == [(route, status)]


def test_a_mount_called_api_has_the_same_route_as_a_prefix(ask: Any, routes: Any) -> None:
    """`/api/predict` is `/api/predict`, however the program is put together."""
    sub = FastAPI()
    sub.add_api_route("/predict", lambda: 1)
    app = FastAPI()
    app.mount("/api", sub)
    ask(MetricsMiddleware(app), "/api/predict")
    assert routes() == [("/api/predict", 200)]


def test_a_wrong_method_keeps_the_route(fastapi: FastAPI, ask: Any, routes: Any) -> None:
    """Starlette knows the route whose methods do not fit."""
    ask(MetricsMiddleware(fastapi), "/api/predict", "/items/7", method="DELETE")
    assert routes() == [("/api/predict", 405), ("/items/{item_id}", 405)]


def test_a_404_of_the_handler_keeps_its_route(ask: Any, routes: Any) -> None:
    """A thing that is not there is another matter than a path that is not there."""
    app = Starlette(routes=[Route("/a/{b}", lambda _: PlainTextResponse("no", 404))])
    ask(MetricsMiddleware(app), "/a/1")
    assert routes() == [("/a/{b}", 404)]


def test_a_failing_handler_keeps_its_route(ask: Any, routes: Any) -> None:
    """The route is read after the exception too."""
    app = FastAPI()

    @app.get("/fail/{n}")
    def fail(n: int) -> None:
        raise KeyError(n)

    ask(MetricsMiddleware(app), "/fail/1")
    assert routes() == [("/fail/{n}", 500)]


def test_middleware_of_a_mounted_application_tells_the_full_template(
    ask: Any, routes: Any, predictions: APIRouter
) -> None:
    """The prefix of the mount outside of it is known."""
    sub, app = FastAPI(), FastAPI()
    sub.include_router(predictions)
    sub.add_middleware(MetricsMiddleware)
    app.mount("/sub", sub)
    ask(app, "/sub/inner/deep/1")
    assert routes() == [("/sub/inner/deep/{name}", 200)]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/teams/007/names/x", "/teams/{team}/names/{name}"),
        ("/teams/8/9/names/x", "/teams/{team}/{of}/names/{name}"),
        ("/teams/8/x/9", "/teams/{team}/x/{team}"),
        ("/files/a/b/c/at/x", "/files/{where}/at/{name}"),
        ("/zipped/1/2", "/zipped/{n}/{name}"),
        ("/both/1", "/both/{n}"),
        ("/also/1", "/also/{n}"),
        ("/", "/"),
    ],
)
def test_values_in_the_path_of_a_mount_are_not_shown(
    path: str, route: str, ask: Any, routes: Any
) -> None:
    """A mount's parameters stand in the template like any others, even if a route repeats them."""
    names = [Route("/names/{name}", hello), Route("/x/{team:int}", hello)]
    app = Starlette(
        routes=[
            Mount("/teams/{team:int}", routes=[Mount("/{of:int}", routes=names), *names]),
            Mount("/files/{where:path}/at", routes=[Route("/{name}", hello)]),
            Mount("/zipped/{n}", Starlette(routes=[Route("/{name}", hello)])),
            Route("/both/{n}", hello),
            Route("/also/{n}", hello),
            Route("/", hello),
        ]
    )
    ask(MetricsMiddleware(app), path)
    assert routes() == [(route, 200)]


def test_a_mount_that_cannot_be_seen_shows_nothing_of_the_path(ask: Any, routes: Any) -> None:
    """Behind a middleware of its own, a mount's routes are hidden: its parameter stands alone."""
    inner = Starlette(routes=[Mount("/of/{tenant}", routes=[Route("/{name}", hello)])])
    app = Starlette(routes=[Mount("/zip", app=GZipMiddleware(inner))])
    ask(MetricsMiddleware(app), "/zip/of/acme/x")
    ((route, status),) = routes()
    assert (status, "acme" in route, route.endswith("/{tenant}/{name}")) == (200, False, True)


def test_hosts_take_no_part_of_the_path(ask: Any, routes: Any) -> None:
    """A route below a `Host` has the path's template only."""
    inner = Starlette(routes=[Route("/u/{v}", hello), Mount("/m", routes=[Route("/{v}", hello)])])
    ask(MetricsMiddleware(Starlette(routes=[Host("{sub}", app=inner)])), "/u/3", "/m/4")
    assert routes() == [("/u/{v}", 200), ("/m/{v}", 200)]


def test_a_router_that_includes_starlettes_routes_tells_their_templates(
    ask: Any, routes: Any
) -> None:
    """A plain route inside an `APIRouter` has the prefix of the router."""
    router = APIRouter()
    router.add_route("/plain/{n}", hello)
    app = FastAPI()
    app.include_router(router, prefix="/api")
    ask(MetricsMiddleware(app), "/api/plain/1")
    assert routes() == [("/api/plain/{n}", 200)]


def test_websockets_have_routes(fastapi: FastAPI, call_asgi: Any, routes: Any) -> None:
    """A websocket's route has the prefixes of its routers."""
    call_asgi(
        MetricsMiddleware(fastapi),
        {"type": "websocket.connect"},
        type="websocket",
        scheme="ws",
        path="/api/live",
        subprotocols=[],
    )
    assert routes() == [("/api/live", 101)]


def test_a_scanner_leaves_one_route(fastapi: FastAPI, ask: Any, routes: Any) -> None:
    """However many paths are tried, there is one route for all that fit nothing."""
    ask(MetricsMiddleware(fastapi), *(f"/wp-admin/{n}.php" for n in range(50)))
    assert set(routes()) == {("__unmatched__", 404)}
    assert len(routes()) == 50


def test_middleware_inside_of_starlette_sees_the_route(ask: Any, routes: Any) -> None:
    """It can be given as any other middleware."""
    app = Starlette(
        routes=[Route("/a/{b}", hello)],
        middleware=[Middleware(MetricsMiddleware, exclude=("/healthz",))],
    )
    ask(app, "/a/1", "/healthz")
    assert routes() == [("/a/{b}", 200)]


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/items/3", "/api/items/{item_id}", 200),
        ("/api/one", "/api/one", 200),
        ("/api/items/x", "__unmatched__", 404),
        ("/api/mounted/what/ever", "/api/mounted", 200),
        ("/nowhere", "__unmatched__", 404),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/outer"])
def test_litestar_tells_its_template(
    path: str, route: str, status: int, prefix: str, ask: Any, routes: Any
) -> None:
    """Routers and mounts are part of it, and so is a mount of Starlette around it."""

    @get("/items/{item_id:int}")
    async def item(request: LitestarRequest[Any, Any, Any]) -> int:
        return int(request.path_params["item_id"])

    @get("/one")
    async def one() -> str:
        return "one"

    @asgi("/mounted", is_mount=True, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await bare(scope, receive, send)

    app: Any = Litestar([Router("/api", route_handlers=[item, one, mounted])], logging_config=None)
    if prefix:
        app = Starlette(routes=[Mount(prefix, app=app)])
    ask(MetricsMiddleware(app), prefix + path)
    assert routes() == [(route if route == "__unmatched__" else prefix + route, status)]


@pytest.fixture
def quart() -> Quart:
    """An application with a blueprint and a websocket."""
    app, api = Quart("shop"), Blueprint("api", "api", url_prefix="/api")

    @api.get("/items/<int:item_id>")
    async def item(item_id: int) -> str:
        return str(item_id)

    @api.websocket("/live/<name>")
    async def live(name: str) -> None:
        from quart import websocket

        await websocket.send(name)

    app.register_blueprint(api)
    return app


@pytest.mark.parametrize("is_outside", [False, True])
def test_quart_tells_its_rule(quart: Quart, is_outside: bool, ask: Any, routes: Any) -> None:
    """The rule has the blueprint's prefix, and is the same inside of Quart and around it."""
    app: Any = quart
    if is_outside:
        app = MetricsMiddleware(quart)
    else:
        quart.asgi_app = MetricsMiddleware(quart.asgi_app)  # type: ignore[method-assign]
    ask(app, "/api/items/3", "/nowhere")
    assert routes() == [("/api/items/<int:item_id>", 200), ("__unmatched__", 404)]


def test_quart_in_a_mount_has_its_prefix(quart: Quart, ask: Any, routes: Any) -> None:
    """What nothing fits inside of the mount is unmatched there too."""
    app = Starlette(routes=[Mount("/q/{tenant}", app=quart)])
    ask(MetricsMiddleware(app), "/q/7/api/items/3", "/q/7/nowhere")
    assert routes() == [("/q/{tenant}/api/items/<int:item_id>", 200), ("__unmatched__", 404)]


def test_websockets_of_quart_have_routes(quart: Quart, call_asgi: Any, rows: Any) -> None:
    """Quart accepts with the first message."""
    call = call_asgi(
        MetricsMiddleware(quart),
        {"type": "websocket.connect"},
        type="websocket",
        scheme="ws",
        path="/api/live/x",
        subprotocols=[],
    )
    assert {"websocket.accept", "websocket.send"} < {message["type"] for message in call.sent}
    assert [(row["route"], row["status"]) for row in rows()] == [("/api/live/<name>", 101)]


def test_django_tells_the_route_that_its_resolver_finds(
    django_urls: ModuleType, ask: Any, routes: Any
) -> None:
    """Django under ASGI has the same routes as under WSGI."""
    from django.core.asgi import get_asgi_application

    ask(MetricsMiddleware(get_asgi_application()), "/api/items/3/", "/nowhere")
    assert routes() == [("/api/items/<int:item_id>/", 200), ("__unmatched__", 404)]


def test_an_application_without_a_framework_may_tell_its_route(ask: Any, routes: Any) -> None:
    """It puts the template into the scope; if it does not, there is none."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/a/"):
            scope["tidegauge.route"] = "/a/{b}"
        await bare(scope, receive, send)

    ask(MetricsMiddleware(app), "/a/1", "/b")
    assert routes() == [("/a/{b}", 200), ("__unmatched__", 200)]


def test_a_route_of_any_length_and_letters_can_be_recorded(ask: Any, routes: Any) -> None:
    """What cannot be written as UTF-8 is replaced, and what is too long is cut."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["tidegauge.route"] = "/\udc80" + "x" * 20_000
        await bare(scope, receive, send)

    (response,) = ask(MetricsMiddleware(app), "/")
    assert response.status_code == 200
    assert routes() == [("/?" + "x" * 498, 200)]
