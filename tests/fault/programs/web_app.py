# SPDX-License-Identifier: Apache-2.0
"""A WSGI application that records when it is loaded and with every request.

The store comes from TIDEGAUGE_STORE. The path of a request is the value to record.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import tidegauge as tg

tg.log_metric("custom:loaded", os.getpid())
requests = tg.metric("custom:requests")


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Record the request, and answer with the process that did."""
    value = int(environ["PATH_INFO"].strip("/") or 0)
    requests.record(value)
    tg.log_metric("custom:by_worker", value, worker=str(os.getpid()))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
