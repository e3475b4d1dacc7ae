# SPDX-License-Identifier: Apache-2.0
"""What the journal says when it cannot take a fact, and for how long it does not try again."""

from __future__ import annotations

import copy
import errno
from pathlib import Path

from tidegauge.model.clock import Clock
from tidegauge.model.errors import JournalError, StoreError

__all__ = ["Cooldown", "Refused", "refusal_of"]

_RETRY_S = 1.0


class Refused(JournalError):
    """The journal cannot take the fact.

    Attributes:
        reason: The reason under which the fact is counted as dropped.
    """

    def __init__(self, reason: str, what: str, *, got: object = None, fix: str = "") -> None:
        self.reason = reason
        super().__init__(what, got=got, fix=fix)


class Cooldown:
    """Remembers for a second that something failed, and how.

    Args:
        clock: Where the time comes from.
    """

    __slots__ = ("_clock", "_error", "_until_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s = float("-inf")
        self._error: StoreError | None = None

    def begin(self, error: StoreError) -> StoreError:
        """Remember an error from now on; returns it."""
        self._until_s = self._clock.monotonic_s() + _RETRY_S
        self._error = _bare(error)
        return error

    def check(self) -> None:
        """Raise the error that is remembered, if any."""
        if self._error is not None:
            if self._clock.monotonic_s() < self._until_s:
                # A copy each time: an error raised again and again grows a traceback that holds
                # every frame it passed.
                raise _bare(self._error)
            self._error = None

    def end(self) -> None:
        """Forget it."""
        self._error = None


def refusal_of(error: OSError, directory: Path) -> StoreError:
    """Say what an error of the operating system means for a fact; our own are passed on."""
    if isinstance(error, StoreError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refused(
            "disk_full",
            "the disk has no room for the journal",
            got=str(directory),
            fix="Free some space; recording goes on by itself.",
        )
    return Refused(
        "unavailable",
        f"the journal's directory cannot be written ({error.strerror or error})",
        got=str(directory),
        fix="Check that the directory exists and that this user may write it.",
    )


def _bare(error: StoreError) -> StoreError:
    # Without its traceback, cause and context.
    return copy.copy(error)
