# SPDX-License-Identifier: Apache-2.0
"""What the middleware for ASGI and for WSGI share: an exchange, its row, and what is left out.

How an exchange runs is the business of `integrations.asgi` and `integrations.wsgi`.
"""

from __future__ import annotations

import abc
import os
import threading
from collections.abc import Iterable
from time import perf_counter
from typing import Literal
from weakref import WeakValueDictionary

from tidegauge.model.errors import ConfigError
from tidegauge.model.tables import REQUESTS
from tidegauge.record.recorder import Recorder
from tidegauge.record.rows import RowWriter
from tidegauge.record.sampling import SampledGauge

__all__ = [
    "COUNTED",
    "SERVER_ERROR",
    "Exchange",
    "Excluded",
    "Outcome",
    "RequestLog",
    "content_length",
    "name_of_error",
    "request_log",
    "trace_id_of",
]

Outcome = Literal["ok", "error", "cancelled", "disconnected"]

#: Marks the scope or environ of a request that is counted, so that no middleware inside counts it.
COUNTED = "tidegauge.counted"
#: Status of a request whose client left, or that was cancelled, before a response had begun.
CLIENT_GONE = 499
SERVER_ERROR = 500

# RFC 9110, PATCH (RFC 5789) and QUERY.
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)
_SCHEMES = frozenset({"http", "https", "ws", "wss"})
_HEX_DIGITS = frozenset("0123456789abcdef")
_MOST_TEXT_CHARS = 500
_MOST_LENGTH_DIGITS = 18


class RequestLog:
    """Where requests are recorded, and which of them are in flight. See `request_log`.

    Args:
        recorder: Records rows and the gauge.

    Attributes:
        put: Records a row of the table `requests`.
        active: The exchanges in flight. Adding and discarding are atomic, and a count that is
            taken from the exchanges themselves cannot drift.
        has_begun: Whether a request was seen in this process.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.has_begun = False
        self.put = RowWriter(recorder, REQUESTS).bind()
        self._recorder = recorder
        self.active: set[Exchange] = set()
        self._gauge = SampledGauge(recorder, "api:active_requests", {}, self.active.__len__)

    def begin(self) -> None:
        """Record the gauge, and with it begin to sample it.

        What samples starts with the first fact of a process, and the first request of a worker may
        be the one that never ends.
        """
        self.has_begun = True
        self._gauge.sample()

    def refuse(self, error: Exception) -> None:
        """Raise in strict mode; else count the request as dropped, and log it."""
        self._recorder.refuse(error, REQUESTS.name)


_lock = threading.Lock()
_logs: WeakValueDictionary[Recorder, RequestLog] = WeakValueDictionary()


def request_log(recorder: Recorder) -> RequestLog:
    """The one log of a recorder, shared by every middleware: a gauge must not be recorded twice.

    It lives as long as somebody holds it.
    """
    with _lock:
        log = _logs.get(recorder)
        if log is None:
            log = _logs[recorder] = RequestLog(recorder)
        return log


def _after_fork_in_child() -> None:
    """Forget the exchanges in flight: what the parent is answering does not end in the child."""
    global _lock  # noqa: PLW0603  (the parent's may be held for ever)
    _lock = threading.Lock()
    for log in list(_logs.values()):
        log.active.clear()
        log.has_begun = False


class Exchange(abc.ABC):
    """One request and its response.

    Args:
        log: Where it is recorded.
        method: As in the request.
        scheme: As in the request.

    Attributes:
        status: HTTP status; None before the response has begun.
        outcome: How it went; None until something went wrong.
        error_type: Class of the exception of a failed one.
        first_byte_s: When the response began, as `perf_counter` has it.
        first_part_s: When the first of several parts was sent.
        ended_s: When the last part was handed on.
        received_bytes: Bytes of the request's body that the application has read.
        sent_bytes: Bytes of the response's body that it has handed on.
        trace_id: The trace it belongs to, if the request said.
        is_recorded: Whether its row was written.
    """

    __slots__ = (
        "begun_s",
        "ended_s",
        "error_type",
        "first_byte_s",
        "first_part_s",
        "is_recorded",
        "log",
        "method",
        "outcome",
        "received_bytes",
        "scheme",
        "sent_bytes",
        "status",
        "trace_id",
    )

    def __init__(self, log: RequestLog, method: str, scheme: str) -> None:
        self.log = log
        self.method = method if method in _METHODS else "_OTHER"
        self.scheme = scheme
        self.status: int | None = None
        self.outcome: Outcome | None = None
        self.error_type: str | None = None
        self.first_byte_s: float | None = None
        self.first_part_s: float | None = None
        self.ended_s: float | None = None
        self.received_bytes = 0
        self.sent_bytes = 0
        self.trace_id: str | None = None
        self.is_recorded = False
        log.active.add(self)
        if not log.has_begun:
            log.begin()
        self.begun_s = perf_counter()

    def fail(self, error: Exception) -> None:
        """Note an exception that reached the middleware. A client that had left explains it."""
        if self.outcome is None:
            self.outcome, self.error_type = "error", name_of_error(error)
            if self.status is None:
                self.status = SERVER_ERROR

    def break_off(self, outcome: Literal["cancelled", "disconnected"]) -> None:
        """Note that the client left or the work was cancelled, unless the response is complete."""
        if self.outcome is None and self.ended_s is None:
            self.outcome = outcome
            if self.status is None:
                self.status = CLIENT_GONE

    def finish(self) -> None:
        """Record it, once. Whatever goes wrong in that is not the response's business."""
        if self.is_recorded:
            return
        self.is_recorded = True
        self.log.active.discard(self)
        try:
            self.tell()
        except Exception as error:  # noqa: BLE001  (of a scope or environ that is none, say)
            self.log.refuse(error)

    @abc.abstractmethod
    def tell(self) -> None:
        """Find out route and sizes, and call `record` with them."""

    def record(self, route: str, *, request_bytes: int | None, response_bytes: int | None) -> None:
        """Write the row. After the OpenTelemetry conventions, 4xx is no error of a server.

        Args:
            route: The route's template.
            request_bytes: Size of the request's body; None if unknown.
            response_bytes: Size of what was sent of the response's; None if unknown.
        """
        ended_s = perf_counter() if self.ended_s is None else self.ended_s
        status = SERVER_ERROR if self.status is None else self.status
        outcome, error_type = self.outcome, self.error_type
        if outcome is None and self.ended_s is None and self.status is not None:
            outcome, error_type = "error", "incomplete"
        elif outcome is None and status >= SERVER_ERROR:
            outcome, error_type = "error", error_type or str(status)
        self.log.put(
            (
                self.method,
                _clean(route),
                status,
                outcome or "ok",
                error_type if outcome == "error" else None,
                ended_s - self.begun_s,
                None if self.first_byte_s is None else self.first_byte_s - self.begun_s,
                None if self.first_part_s is None else ended_s - self.first_part_s,
                request_bytes,
                response_bytes,
                self.scheme if self.scheme in _SCHEMES else None,
                self.trace_id,
            )
        )


class Excluded:
    """Tells whether a path is left out.

    Args:
        patterns: Exact paths, and beginnings of paths that end in `*`.

    Raises:
        ConfigError: A pattern is no text, or is neither of the two.
    """

    __slots__ = ("_beginnings", "_exact")

    def __init__(self, patterns: Iterable[str]) -> None:
        if isinstance(patterns, str):  # which is a series of texts too
            raise _bad_patterns(patterns)
        try:
            given: list[object] = list(patterns)
        except TypeError as error:
            raise _bad_patterns(patterns) from error
        exact, beginnings = [], []
        for each in given:
            if not isinstance(each, str) or not each.startswith("/") or "*" in each[:-1]:
                raise _bad_patterns(each)
            if each.endswith("*"):
                beginnings.append(each[:-1])
            else:
                exact.append(each)
        self._exact, self._beginnings = frozenset(exact), tuple(beginnings)

    def __call__(self, path: str, root_path: str = "") -> bool:
        """Whether this path is left out.

        Args:
            path: The request's path.
            root_path: Where the application is mounted; patterns are about what follows it.
        """
        if root_path and path.startswith(root_path):
            path = path[len(root_path) :]
        return path in self._exact or path.startswith(self._beginnings)


def content_length(text: str) -> int | None:
    """The number in a Content-Length header; None if it is none that a column could hold."""
    is_length = text.isascii() and text.isdigit() and len(text) <= _MOST_LENGTH_DIGITS
    return int(text) if is_length else None


def trace_id_of(traceparent: str) -> str | None:
    """The trace that a `traceparent` header names, as W3C Trace Context has it; None if it is none.

    Such a header is `00-<32 hex digits>-<16 hex digits>-<flags>`.
    """
    trace_id = traceparent[3:35]
    if traceparent[2:3] != "-" or traceparent[35:36] != "-":
        return None
    return trace_id if _HEX_DIGITS.issuperset(trace_id) and trace_id.strip("0") else None


def name_of_error(error: BaseException) -> str:
    """The class of an exception, with its module unless it is built in."""
    kind = type(error)
    name = kind.__qualname__
    return _clean(name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}")


def _clean(text: str) -> str:
    """The text, of bounded length and writable as UTF-8: recording must not fail for it."""
    if len(text) <= _MOST_TEXT_CHARS and text.isascii():
        return text
    return text[:_MOST_TEXT_CHARS].encode("utf-8", "replace").decode()


def _bad_patterns(got: object) -> ConfigError:
    return ConfigError(
        "the argument 'exclude' of MetricsMiddleware cannot be used",
        got="None" if got is None else got,
        allowed="a tuple of paths such as '/metrics', or beginnings of paths such as '/internal/*'",
        fix="Write exclude=('/metrics', '/healthz').",
    )


os.register_at_fork(after_in_child=_after_fork_in_child)
