# SPDX-License-Identifier: Apache-2.0
"""Drains, and kills itself with SIGKILL at a chosen moment. Arguments: store, moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tidegauge.journal.reader import SlotReader
from tidegauge.store.drain import DrainFollower
from tidegauge.store.location import Location
from tidegauge.store.state import StateTransaction
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable


def die(*_: Any, **__: Any) -> None:
    """End as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with death after its first call."""

    def call(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        die()

    return call


MOMENTS: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "facts read": (DrainFollower, "_commit", die),
    "a file written": (Location, "write", then_die(Location.write)),
    "files written": (StoredTable, "commit", die),
    "one table committed": (StoredTable, "commit", then_die(StoredTable.commit)),
    "all tables committed": (DrainFollower, "_settle", die),
    "state half written": (StateTransaction, "set_cursor", then_die(StateTransaction.set_cursor)),
    "state written": (SlotReader, "free_before", die),
    "segments deleted": (SlotReader, "free_before", then_die(SlotReader.free_before)),
}


def main() -> None:
    """Drain until the moment comes."""
    root, moment = sys.argv[1:]
    owner, name, deadly = MOMENTS[moment]
    setattr(owner, name, deadly)
    DrainFollower(Store(root)).advance(force=True)


if __name__ == "__main__":
    main()
