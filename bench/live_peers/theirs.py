# SPDX-License-Identifier: Apache-2.0
"""Many processes that count with prometheus_client's files; most of them end, the others wait."""

from __future__ import annotations

import os
import random
import signal
import sys


def main(live: int, dead: int, of_each: int, series: int) -> None:
    children = []
    ready, told = os.pipe()
    for number in range(live + dead):
        child = os.fork()
        if not child:
            count(number, of_each, series)
            os.write(told, b".")
            if number < dead:
                os._exit(0)
            signal.pause()
        children.append(child)
    seen = 0
    while seen < live + dead:
        seen += len(os.read(ready, 4096))
    for child in children[:dead]:
        os.waitpid(child, 0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pause()
    for child in children[dead:]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def count(number: int, of_each: int, series: int) -> None:
    from prometheus_client import CollectorRegistry, Counter

    counter = Counter(
        "ml_api_requests",
        "Requests",
        ["method", "endpoint", "status"],
        registry=CollectorRegistry(),
    )
    first = [(number * 49 + at) % series for at in range(49)]
    for at in [*first, *random.Random(number).sample(range(series), of_each - 49)]:
        counter.labels("GET", f"/items/{at // 4}", str(200 + at % 4)).inc()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
