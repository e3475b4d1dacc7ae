# SPDX-License-Identifier: Apache-2.0
"""What sort of failure an exception of a client is, told from its shape and its name."""

from __future__ import annotations

import asyncio

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
    ("connection", ("connect", "protocolerror", "readerror", "writeerror", "network", "closed")),
    ("invalid_request", ("validation", "badrequest", "invalid", "notfound", "unprocessable")),
)


def error_class(error: BaseException) -> str:
    """One of `tidegauge.model.llm_tables.ERROR_CLASSES`."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return "cancelled"
    words = _words(error)
    if (found := _by_word(words[:-1])) is not None:  # what the provider says
        return found
    status = _status(error)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return "invalid_request"
    if status >= 500:
        return "server"
    if (found := _by_word(words[-1:])) is not None:  # what the client calls it
        return found
    if isinstance(error, TimeoutError):
        return "timeout"
    return "connection" if isinstance(error, ConnectionError) else "other"


def _words(error: BaseException) -> list[str]:
    """What the provider said, and the name of the class."""
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
    found = [text for each in said if (text := text_of(each)) is not None]
    return [each.lower() for each in (*found, type(error).__name__)]


def _by_word(words: list[str]) -> str | None:
    for found, signs in _BY_WORD:
        if any(sign in word for word in words for sign in signs):
            return found
    return None


def _status(error: BaseException) -> int:
    """The status of the HTTP response; 0 if there was none."""
    response = field_of(error, "response")
    if isinstance(response, dict):  # botocore
        return count(field_of(response, "ResponseMetadata"), "HTTPStatusCode")
    return count(error, "status_code", "code") or count(response, "status_code")
