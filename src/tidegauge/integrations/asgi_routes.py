# SPDX-License-Identifier: Apache-2.0
"""Reads the template of the matched route out of an ASGI scope, after the application ran.

What the frameworks leave in the scope, as seen in the lowest and newest versions that are tested:

- Starlette: `endpoint` and `path_params`; newer ones `route` too. A `Mount` appends the *path* it
  matched to `root_path`, keeps the former one as `app_root_path`, and sets `endpoint` to the
  mounted application until something inside matches.
- FastAPI: `route`, for its own routes only. Since 0.137 its path lacks the prefixes of
  `include_router`; the full one is in `scope["fastapi"]["effective_route_context"]`.
- Litestar: `path_template`, which is empty for a mounted application, and `route_handler`.
- Quart and Django: see `integrations.http_routes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidegauge.integrations.http_routes import DJANGO, ROUTE, UNMATCHED, django_route

__all__ = ["RouteFinder"]


class RouteFinder:
    """Finds routes for one middleware, and remembers those that had to be searched for."""

    def __init__(self) -> None:
        # By the id of an endpoint, which its route keeps alive.
        self._routes: dict[int, list[Any]] = {}
        # Mounts without parameters: no more than the program has.
        self._plain_mounts: set[str] = set()

    def __call__(self, scope: Mapping[str, Any]) -> str:
        """The template of the matched route, with the prefixes of mounts; never the raw path."""
        if ROUTE in scope:
            inner = scope[ROUTE]
        elif "path_template" in scope:
            inner = scope["path_template"] or self._litestar_mount(scope)
        elif DJANGO in scope:
            inner = django_route(_path_below(scope))
        else:
            inner = self._starlette(scope)
        if inner is None or inner == UNMATCHED:
            return UNMATCHED
        if "app_root_path" in scope:
            return self._prefix(scope, inner) + inner or "/"
        return inner or "/"

    def _prefix(self, scope: Mapping[str, Any], inner: str) -> str:
        """The templates of the mounts around the matched route, without a proxy's `root_path`."""
        prefix: str = scope["root_path"].removeprefix(scope["app_root_path"])
        if not prefix or prefix in self._plain_mounts:
            return prefix
        template = _mounts(getattr(scope.get("router"), "routes", ()), prefix)
        if template is None:
            # Not to be seen from here. A parameter that the route does not have is the mount's, and
            # then nothing of the path may be shown.
            params = [f"{{{name}}}" for name in scope.get("path_params") or {}]
            hidden = [f"/{param}" for param in params if param not in inner]
            return "".join(hidden) or prefix
        if template == prefix:
            self._plain_mounts.add(prefix)
        return template

    def _starlette(self, scope: Mapping[str, Any]) -> str | None:
        endpoint = scope.get("endpoint")
        fastapi = scope.get("fastapi") or {}
        if endpoint is None:
            return _frontend(scope, fastapi)
        context = fastapi.get("effective_route_context")
        # Each may be of an outer application; the endpoint is always the last that matched.
        for route in (getattr(context, "starlette_route", None), context, scope.get("route")):
            if getattr(route, "endpoint", None) is endpoint:
                template: str | None = getattr(route, "path_format", None)
                return template
        routes = self._routes.get(id(endpoint))
        if routes is None:
            routes = _routes_to(endpoint, getattr(scope.get("router"), "routes", ()))
            if routes:
                self._routes[id(endpoint)] = routes
        if len(routes) > 1:  # one function at several paths
            path = _path_below(scope)
            routes = [route for route in routes if route.path_regex.match(path)]
        if routes:
            return str(routes[0].path_format)
        # A mounted application: with routes of its own none fitted, else the mount is the route.
        is_mounted = "app_root_path" in scope and not hasattr(endpoint, "routes")
        return "" if is_mounted else None

    def _litestar_mount(self, scope: Mapping[str, Any]) -> str | None:
        handler = scope.get("route_handler")
        routes = self._routes.get(id(handler))
        if routes is None:
            app = scope.get("litestar_app") or scope.get("app")
            routes = [
                route
                for route in getattr(app, "routes", ())
                if getattr(route, "route_handler", None) is handler
            ]
            if routes:
                self._routes[id(handler)] = routes
        return str(routes[0].path) if routes else None


def _routes_to(endpoint: object, routes: Iterable[Any]) -> list[Any]:
    """Every route to an endpoint, in mounted applications too."""
    return [
        route
        for route in _leaves(routes)
        if getattr(route, "endpoint", None) is endpoint and hasattr(route, "path_format")
    ]


def _leaves(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "routes", None)
        if inner:
            yield from _leaves(inner)
        else:
            yield route


def _frontend(scope: Mapping[str, Any], fastapi: Mapping[str, Any]) -> str | None:
    """The template of files that FastAPI serves by `frontend`, called as its telemetry does."""
    path, rest = _path_below(scope), fastapi.get("frontend_path")
    if rest is None or not path.endswith(rest):
        return None
    return path[: len(path) - len(rest)].rstrip("/") + "/{path}"


def _path_below(scope: Mapping[str, Any]) -> str:
    """The path without what it is mounted at; not every server puts that into the path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _mounts(routes: Iterable[Any], prefix: str) -> str | None:
    """The templates of the mounts that match exactly this beginning of a path, one after another.

    None if there are none, as for a mount inside a router that FastAPI includes.
    """
    if not prefix:
        return ""
    for route in routes:
        inner = getattr(route, "routes", None)
        if inner is None:
            continue
        if hasattr(route, "path_regex"):
            match = route.path_regex.match(f"{prefix}/")
            rest = match and f"/{match['path']}".rstrip("/")
            template = route.path_format.removesuffix("/{path}")
        else:  # a Host, which takes nothing of the path
            rest, template = prefix, ""
        if rest is not None and (below := _mounts(inner, rest)) is not None:
            return str(template + below)
    return None
