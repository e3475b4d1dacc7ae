# SPDX-License-Identifier: Apache-2.0
"""Retires old points, and dies by SIGKILL at a chosen moment. Arguments: store, moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tidegauge.store import maintenance, rolled_days
from tidegauge.store.maintenance import Retention, retire
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable


def then_die(function: Callable[..., Any], *, calls: int = 1) -> Callable[..., Any]:
    """The same function, with death after some calls."""
    left = calls

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        result = function(*args, **kwargs)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


MOMENTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "sums written": (rolled_days, "write_file", then_die(rolled_days.write_file)),
    "sums of one day final": (StoredTable, "commit", then_die(StoredTable.commit)),
    "sums of all days final": (StoredTable, "commit", then_die(StoredTable.commit, calls=2)),
    "rows gone": (maintenance, "drop_files", then_die(maintenance.drop_files)),
    "one day settled": (StoredTable, "commit", then_die(StoredTable.commit, calls=4)),
}


def main() -> None:
    """Retire and die."""
    root, moment = sys.argv[1:]
    owner, name, deadly = MOMENTS[moment]
    setattr(owner, name, deadly)
    rolled_days._DAYS_AT_ONCE = 1
    retire(Store(root), "points", Retention(days=365))


if __name__ == "__main__":
    main()
