# SPDX-License-Identifier: Apache-2.0
"""What sort of failure an exception of a client is, told from its shape and its name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tidegauge.integrations.llm.answer import count, field_of, text_of

__all__ = ["error_class"]

_BY_STATUS = {
    401: "auth",
    403: "auth",
    408: "timeout",
    429: "rate_limit",
    504: "timeout",
}
# What is in a code or in the name of a class, lower case; the first that is there counts.
_BY_WORD = (
    ("content_filter", ("contentfilter", "content_filter", "content_policy", "guardrail")),
    ("rate_limit", ("ratelimit", "rate_limit", "throttl", "toomanyrequests", "exhausted", "quota")),
    ("timeout", ("timeout", "timedout", "deadline")),
    ("auth", ("authentication", "permission", "accessdenied", "unauthor", "expiredtoken")),
    ("server", ("overloaded", "internalserver", "serviceunavailable", "api_error")),
)
# What says less than the status does.
_BY_WEAK_WORD = (
    ("connection", ("connect", "protocolerror", "readerror", "writeerror", "network", "closed")),
    ("invalid_request", ("validation", "badrequest", "invalid", "notfound", "unprocessable")),
)
# Providers say so in a sentence only, and call it an invalid request.
_FILTERED = ("content filter", "content_filter", "content management policy")


def error_class(error: BaseException) -> str:
    """One of `tidegauge.model.llm_tables.ERROR_CLASSES`."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return "cancelled"
    words, name = _words(error), [type(error).__name__.lower()]
    if _is_filtered(error):
        return "content_filter"
    if (found := _by_word(_BY_WORD, words)) is not None:  # what the provider says
        return found
    status = _status(error)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return "invalid_request"
    if status >= 500:
        return "server"
    for signs in (_BY_WORD, _BY_WEAK_WORD):  # what the client calls it
        if (found := _by_word(signs, [*name, *words])) is not None:
            return found
    if isinstance(error, TimeoutError):
        return "timeout"
    return "connection" if isinstance(error, ConnectionError) else "other"


def _words(error: BaseException) -> list[str]:
    """What the provider said it was."""
    body = field_of(error, "body")
    response = field_of(error, "response")
    said = (
        field_of(error, "code"),
        field_of(error, "type"),
        field_of(field_of(body, "error") or body, "type"),
        field_of(field_of(body, "error") or body, "code"),
        field_of(field_of(response, "Error") if isinstance(response, dict) else None, "Code"),
        field_of(error, "status"),
    )
    return [text.lower() for each in said if (text := text_of(each)) is not None]


def _is_filtered(error: BaseException) -> bool:
    body = field_of(error, "body")
    said = text_of(field_of(field_of(body, "error") or body, "message")) or ""
    return any(sign in said.lower() for sign in _FILTERED)


def _by_word(signs_of: Iterable[tuple[str, tuple[str, ...]]], words: list[str]) -> str | None:
    for found, signs in signs_of:
        if any(sign in word for word in words for sign in signs):
            return found
    return None


def _status(error: BaseException) -> int:
    """The status of the HTTP response; 0 if there was none."""
    response = field_of(error, "response")
    if isinstance(response, dict):  # botocore
        return count(field_of(response, "ResponseMetadata"), "HTTPStatusCode")
    return count(error, "status_code", "code") or count(response, "status_code")
