# SPDX-License-Identifier: Apache-2.0
"""Forks again and again while other threads record; every process records on its own.

Arguments: store, number of children. Prints how many facts each metric must have, as JSON. The
parent's threads record custom:parent_<t>, child `n` records custom:child_<n> through a handle made
before the fork, and through batches, points with a step and events.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import tidegauge as tg

THREADS = 3
CHILD_FACTS = 200


def main() -> None:
    """Record, fork, and tell."""
    store, children = sys.argv[1], int(sys.argv[2])
    tg.configure(store=store, follower="off", segment_slots=500)
    handles = [tg.metric(f"custom:child_{n}") for n in range(children)]
    stop = threading.Event()
    counts = [0] * THREADS

    def record(thread: int) -> None:
        handle = tg.metric(f"custom:parent_{thread}")
        while not stop.is_set():
            if counts[thread] % 50 == 49:
                tg.log_metrics({f"custom:parent_{thread}": counts[thread], "custom:twin": 1})
            elif counts[thread] % 50 == 24:
                tg.log_metric(f"custom:parent_{thread}", counts[thread], label=str(thread))
            else:
                handle.record(counts[thread])
            counts[thread] += 1

    threads = [threading.Thread(target=record, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    pids = []
    for n in range(children):
        pid = os.fork()
        if pid == 0:
            for value in range(0, CHILD_FACTS, 4):
                handles[n].record(value)
                tg.log_metric(f"custom:child_{n}", value + 1, step=value)
                tg.log_metrics({f"custom:child_{n}": value + 2})
                tg.log_metric_with_metadata(f"custom:child_{n}", value + 3, {"n": n})
            os._exit(0)
        pids.append(pid)
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)
    stop.set()
    for thread in threads:
        thread.join()
    expected = {f"custom:parent_{n}": count for n, count in enumerate(counts)}
    expected |= {f"custom:child_{n}": CHILD_FACTS for n in range(children)}
    expected["custom:twin"] = sum(count // 50 for count in counts)
    print(json.dumps({"expected": expected, "failed": failed}))


if __name__ == "__main__":
    main()
