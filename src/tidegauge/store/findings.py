# SPDX-License-Identifier: Apache-2.0
"""What an examination of a store has found, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Finding", "Severity"]

#: `error`: facts are lost or the store cannot be used. `warning`: they will be, if nothing is done.
Severity = Literal["info", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be.

    Attributes:
        severity: How bad it is.
        code: Short name of the kind of finding; see docs/format/store.md.
        subject: What it is about: a path, a table, a slot.
        what: What was found, for people.
        action: What to do.
        repair: What `repair` will do about it: nothing, something that loses nothing, or something
            that gives up facts which cannot be read any more, and is done only on request.
        rows: Rows that cannot be read because of it, where that is known.
    """

    severity: Severity
    code: str
    subject: str
    what: str
    action: str
    repair: Literal["none", "safe", "lossy"] = "none"
    rows: int = 0
