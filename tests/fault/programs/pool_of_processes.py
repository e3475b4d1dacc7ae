# SPDX-License-Identifier: Apache-2.0
"""Records from a pool of processes and from their parent, by a start method of multiprocessing.

Arguments: store, start method. Task `n` of 40 records 25 facts of custom:task_<n>; the parent
records one of custom:done per task.
"""

from __future__ import annotations

import multiprocessing
import sys

import tidegauge as tg

handle = tg.metric("custom:from_import")


def work(task: int) -> int:
    """Record in whatever process the pool chose."""
    for value in range(25):
        tg.log_metric(f"custom:task_{task}", value)
    handle.record(task)
    return task


def begin(store: str) -> None:
    """Configure a process that did not inherit it."""
    tg.configure(store=store, follower="off")


def main() -> None:
    """Run the pool."""
    store, method = sys.argv[1:]
    begin(store)
    tg.log_metric("custom:begun", 1.0)
    context = multiprocessing.get_context(method)
    given = {} if method == "fork" else {"initializer": begin, "initargs": (store,)}
    with context.Pool(3, **given) as pool:
        for task in pool.imap_unordered(work, range(40)):
            tg.log_metric("custom:done", task)


if __name__ == "__main__":
    main()
