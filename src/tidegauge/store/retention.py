# SPDX-License-Identifier: Apache-2.0
"""How long rows are kept and how large tables may become, and which days go next."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.store.files import FileList

__all__ = ["DAY_NS", "Retention", "beyond_budget", "first_kept", "too_old"]

DAY_NS = 86_400 * 10**9


class Retention(msgspec.Struct, frozen=True):
    """For how many days rows are kept, and in how much room. None is for ever, and without limit.

    Attributes:
        days: For the whole table.
        metrics: For single metrics, by the name they are stored under.
        budget_bytes: Most bytes of the table's files. Beyond it, the oldest days go; today never.
    """

    days: float | None = None
    metrics: Mapping[str, float] = {}
    budget_bytes: int | None = None


def first_kept(now_ns: int, days: float) -> int:
    """The first day, since 1970, of which a part is younger than so many days."""
    return math.floor((now_ns - days * DAY_NS) / DAY_NS)


def too_old(files: FileList, retention: Retention, now_ns: int) -> npt.NDArray[np.bool_]:
    """The files of days that are over for long enough, bool of shape (n_files,)."""
    if retention.days is None:
        return np.zeros(len(files), bool)
    return files.dates < first_kept(now_ns, retention.days)


def beyond_budget(files: FileList, retention: Retention, now_ns: int) -> npt.NDArray[np.bool_]:
    """The files of the fewest oldest days without which the rest fits, bool of shape (n_files,).

    Today's are never among them, nor those of later days.
    """
    if retention.budget_bytes is None:
        return np.zeros(len(files), bool)
    kept_bytes, gone_before = int(files.sizes_bytes.sum()), 0
    for day in np.unique(files.dates[files.dates < now_ns // DAY_NS]):
        if kept_bytes <= retention.budget_bytes:
            break
        kept_bytes -= int(files.sizes_bytes[files.dates == day].sum())
        gone_before = int(day) + 1
    return files.dates < gone_before
