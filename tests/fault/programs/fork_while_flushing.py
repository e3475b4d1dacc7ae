# SPDX-License-Identifier: Apache-2.0
"""Forks while another thread records into an interval and flushes it.

Arguments: store, number of forks. Each child records one value of custom:child and flushes; the
parent records 1 as often as it says at the end.
"""

from __future__ import annotations

import os
import sys
import threading

import tidegauge as tg

shared = tg.metric("custom:shared", aggregate="1h")


def main() -> None:
    """Fork again and again, and wait for each child."""
    store, forks = sys.argv[1], int(sys.argv[2])
    tg.configure(store=store, follower="off")
    done = threading.Event()
    recorded = 0

    def work() -> None:
        nonlocal recorded
        while not done.is_set():
            shared.record(1)
            recorded += 1
            shared.flush()

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(forks):
        child = os.fork()
        if child == 0:
            shared.record(1000)
            shared.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    done.set()
    thread.join()
    print(recorded)


if __name__ == "__main__":
    main()
