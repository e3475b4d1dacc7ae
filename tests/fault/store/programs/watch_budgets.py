# SPDX-License-Identifier: Apache-2.0
"""Looks after the budgets of a store once, when told to, and prints what hooks are told.

Arguments: store, and the moment at which it kills itself with SIGKILL, or `never`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import tidegauge as tg
from tidegauge.config import parts
from tidegauge.store.budgets import BudgetBook
from tidegauge.store.state import StateTransaction


def die(*_: Any, **__: Any) -> None:
    """End as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with death after its first call."""

    def call(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        die()

    return call


def die_after_insert(*args: Any) -> Any:
    """What a transaction does, with death after it has written its first row."""
    found = FETCH(*args)
    if args[1].startswith("insert"):
        die()
    return found


FETCH = StateTransaction.fetch
MOMENTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "gauges recorded": (BudgetBook, "note", die),
    "in the transaction": (StateTransaction, "fetch", die_after_insert),
    "decided": (BudgetBook, "note", then_die(BudgetBook.note)),
}


def main() -> None:
    """Say that it is ready, wait for a line, and watch."""
    root, moment = sys.argv[1:]
    tg.configure(store=root, follower="off", strict=True)
    tg.on_budget_warning(lambda warning: print(warning.budget, warning.threshold_percent))
    budgets = parts().budgets()
    budgets.rows()  # everything is loaded
    print("ready", flush=True)
    sys.stdin.readline()
    if moment != "never":
        owner, name, deadly = MOMENTS[moment]
        setattr(owner, name, deadly)
    print(budgets.watch(), flush=True)


if __name__ == "__main__":
    main()
