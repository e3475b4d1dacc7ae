# SPDX-License-Identifier: Apache-2.0
"""Reading what a machine may lack: one thing that cannot be read takes nothing else with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["attempt"]

_log = logging.getLogger("tidegauge")
_Read = TypeVar("_Read")


def attempt(read: Callable[..., _Read], *arguments: Any) -> _Read | None:
    """What is read; None if it cannot be, which is how a reading says that it is not known.

    Drivers, sandboxes and kernels fail in ways of their own, so any error counts as not known.
    """
    try:
        return read(*arguments)
    except Exception as error:  # noqa: BLE001  (what one machine lacks; the rest is told)
        _log.debug("cannot be read here: %s: %s", type(error).__name__, error)
        return None
