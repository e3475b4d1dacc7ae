# SPDX-License-Identifier: Apache-2.0
"""How Flask, Quart and Django tell which route they chose.

None of the three leaves the route in the scope or environ by itself, so each is listened to through
its own public signal `request_started`. The frameworks are looked up among the loaded modules: who
wraps an application has loaded its framework, and nobody else pays for it.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any

__all__ = ["DJANGO", "ROUTE", "UNMATCHED", "django_route", "listen_to_frameworks"]

#: Route of a request for which there is none.
UNMATCHED = "__unmatched__"
#: Where a scope or environ holds the route's template, or None if no route fitted. An application
#: without a framework may set it.
ROUTE = "tidegauge.route"
#: Marks the scope or environ of a request that Django answers.
DJANGO = "tidegauge.django"


def listen_to_frameworks() -> None:
    """Have the loaded frameworks tell. Connecting once more does nothing."""
    if (flask := sys.modules.get("flask.signals")) is not None:
        flask.request_started.connect(_note_flask)
    if (quart := sys.modules.get("quart.signals")) is not None:
        quart.request_started.connect(_note_quart_request)
        quart.websocket_started.connect(_note_quart_websocket)
    if (django := sys.modules.get("django.core.signals")) is not None:
        django.request_started.connect(_note_django)


def django_route(path: str) -> str:
    """The template that Django's own resolver finds for a path.

    To be called before the response is closed: until then, the `urlconf` that a Django middleware
    may have chosen for the request is in force.

    Args:
        path: The path below the place where Django is mounted.
    """
    urls: Any = sys.modules["django.urls"]
    try:
        return f"/{urls.resolve(path).route}"
    except urls.Resolver404:
        return UNMATCHED


def _note_flask(_sender: object, **_extra: object) -> None:
    request = sys.modules["flask"].request
    _note(request.environ, request)


def _note_quart_request(_sender: object, **_extra: object) -> None:
    request = sys.modules["quart"].request
    _note(request.scope, request)


def _note_quart_websocket(_sender: object, **_extra: object) -> None:
    websocket = sys.modules["quart"].websocket
    _note(websocket.scope, websocket)


def _note_django(
    sender: object,  # noqa: ARG001  (Django calls with names)
    environ: MutableMapping[str, Any] | None = None,
    scope: MutableMapping[str, Any] | None = None,
    **_extra: object,
) -> None:
    for request in (environ, scope):
        if request is not None:
            request[DJANGO] = True


def _note(request: MutableMapping[str, Any], noted: Any) -> None:
    rule = noted.url_rule  # None if nothing fitted
    request[ROUTE] = None if rule is None else rule.rule
