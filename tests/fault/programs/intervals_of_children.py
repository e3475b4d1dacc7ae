# SPDX-License-Identifier: Apache-2.0
"""Records into open intervals in children of multiprocessing, by a start method.

Arguments: store, start method. The parent and four children record one value each; the last child
does so in a finalizer of its own.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import sys

import tidegauge as tg

handle = tg.metric("custom:interval", aggregate="1h")


def work(store: str, value: float) -> None:
    """Record a value in a child, the last one while it ends."""
    if multiprocessing.get_start_method() != "fork":  # did not inherit it
        tg.configure(store=store, follower="off")
    if value == 5:
        multiprocessing.util.Finalize(None, handle.record, args=(value,), exitpriority=0)
    else:
        handle.record(value)


def main() -> None:
    """Run the children."""
    store, method = sys.argv[1:]
    multiprocessing.set_start_method(method)
    tg.configure(store=store, follower="off")
    handle.record(1)
    children = [multiprocessing.Process(target=work, args=(store, n)) for n in range(2, 6)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0, child.exitcode


if __name__ == "__main__":
    main()
