# SPDX-License-Identifier: Apache-2.0
"""Many processes that record into one store at once; most of them end, the others wait."""

from __future__ import annotations

import os
import random
import signal
import sys

import tidegauge as tg


def main(store: str, live: int, dead: int, of_each: int, series: int) -> None:
    ready, told = os.pipe()
    gate, opened = os.pipe()
    children = []
    for number in range(live + dead):
        child = os.fork()
        if not child:
            record(store, number, of_each, series)
            os.write(told, b".")
            if number < dead:
                os.read(gate, 1)  # all have a slot of their own before the first one ends
                os._exit(0)
            signal.pause()
        children.append(child)
    seen = 0
    while seen < live + dead:
        seen += len(os.read(ready, 4096))
    os.write(opened, b"." * dead)
    for child in children[:dead]:
        os.waitpid(child, 0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pause()
    for child in children[dead:]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def record(store: str, number: int, of_each: int, series: int) -> None:
    tg.configure(store=store, follower="off", strict=False, journal_budget_bytes=8 << 30)
    # Every series by somebody, the rest at random.
    first = [(number * 49 + at) % series for at in range(49)]
    for at in [*first, *random.Random(number).sample(range(series), of_each - 49)]:
        labels = {"method": "GET", "endpoint": f"/items/{at // 4}", "status": str(200 + at % 4)}
        tg.log_metric("api:requests", 1, **labels)
    tg.config.recorder.writer.tick()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
