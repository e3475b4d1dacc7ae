# SPDX-License-Identifier: Apache-2.0
"""Corrects, and kills itself with SIGKILL at a chosen moment. Arguments: store, moment, value."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import tidegauge as tg
from tidegauge.amend.trail import Trail
from tidegauge.journal.writer import JournalWriter
from tidegauge.store import edit
from tidegauge.store.edit import Draft
from tidegauge.store.location import Location
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


MOMENTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a file written": (edit, "write_file", then_die(edit.write_file)),
    "before the intent": (Trail, "make", die),
    "intent written": (Draft, "commit", die),
    "committed": (StoredTable, "commit", then_die(StoredTable.commit)),
    "row recorded": (JournalWriter, "put_event", then_die(JournalWriter.put_event)),
    "row on the disk": (Location, "delete", die),
    "intent deleted": (Location, "delete", then_die(Location.delete)),
}


def main() -> None:
    """Correct until the moment comes; everything is stored before."""
    root, moment, value = sys.argv[1:]
    tg.configure(store=root, follower="off", strict=True)
    tg.correct("points", where={"metric": "custom:none"}, retract=True)
    owner, name, deadly = MOMENTS[moment]
    setattr(owner, name, deadly)
    tg.correct("points", where={"metric": "custom:points"}, set={"value": float(value)})


if __name__ == "__main__":
    main()
