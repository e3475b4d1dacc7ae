# SPDX-License-Identifier: Apache-2.0
"""From the record call to queryable and durable in the tables, all costs included.

One process records through a handle with everything on as in production: the ticker, and the
follower that drains the journal in a background thread of the same interpreter. The clock stops
when `flush` has returned and SQL has counted every fact. A second run records by four processes,
whose start counts as well.

Memory is sampled all the while. It holds one pass of the drain, however much was recorded, so the
run may not need more than one of a quarter of its length, made before it (a quarter more is allowed
for: the allocator keeps what it has used).
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import measure
import tidegauge as tg
from measure import Limit, Report

N_PROCESSES = 4
_SAMPLE_S = 0.05
# A run of a quarter must itself be long enough to reach a steady state.
_ENOUGH_FOR_MEMORY = 20_000_000


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=float, default=5e6 * measure.SCALE)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    points = int(options.points)
    report = Report("ingest", sizes={"points": points, "processes": N_PROCESSES})
    shorter = Report("a quarter")
    with measure.temporary_store(options.directory) as store:
        one_process(store, points // 4, shorter)
    with measure.temporary_store(options.directory) as store:
        one_process(store, points, report)
    most, most_of_shorter = (
        each.values["one process: most memory, MB"] for each in (report, shorter)
    )
    report.values["a quarter of the points: most memory, MB"] = most_of_shorter
    if points >= _ENOUGH_FOR_MEMORY:
        name = "memory, to that of a quarter of the points"
        report.limits.append(Limit(name, most / most_of_shorter, "x", at_most=1.25))
    with measure.temporary_store(options.directory) as store:
        many_processes(store, points // N_PROCESSES, report)
    return measure.finish(report, options, arguments)


def record_all(points: int, worker: str) -> None:
    """Record so many values that do not compress well: each has 52 random bits."""
    draw = random.Random(7).lognormvariate
    values = [draw(3, 1) for _ in range(1 << 16)]
    record = tg.metric("custom:ingest", worker=worker).record
    for begin in range(0, points, len(values)):
        for value in values[: points - begin]:
            record(value)


def one_process(store: Path, points: int, report: Report) -> None:
    """Record in this process and wait until everything can be asked for."""
    tg.configure(store=store, strict=False)
    with MemorySampler() as sampler:
        begin_s = time.perf_counter()
        record_all(points, "0")
        recorded_s = time.perf_counter() - begin_s
        tg.flush(600)
        stored = count_stored()
        took_s = time.perf_counter() - begin_s
    tg.shutdown()
    name = "points durable and queryable, one process"
    report.limits += [
        Limit(name, points / took_s, "points/s", at_least=5e5),
        Limit("points lost by one process", float(points - stored), "points", at_most=0),
    ]
    report.values |= {
        "one process: seconds recording": recorded_s,
        "one process: seconds until queryable": took_s,
        "one process: most memory, MB": max(sampler.samples_bytes) / 1e6,
        "one process: memory at the end, MB": sampler.samples_bytes[-1] / 1e6,
    }


def count_stored() -> int:
    """How many facts SQL finds."""
    (stored,) = tg.sql("SELECT count(*) FROM points").fetchall()[0]
    return int(stored)


def many_processes(store: Path, points_each: int, report: Report) -> None:
    """Record in several processes, which drain by turns, and store the rest from here."""
    begin_s = time.perf_counter()
    children = [
        subprocess.Popen(
            [sys.executable, __file__, "--work", str(store), str(points_each), str(worker)]
        )
        for worker in range(N_PROCESSES)
    ]
    codes = [child.wait() for child in children]
    tg.configure(store=store, strict=False)
    tg.flush(600)
    stored = count_stored()
    took_s = time.perf_counter() - begin_s
    tg.shutdown()
    total = points_each * N_PROCESSES
    report.values["four processes: points/s until queryable"] = total / took_s
    report.limits.append(
        Limit("points lost by four processes", float(total - stored), "points", at_most=0)
    )
    report.notes += [f"a recording process ended with {code}" for code in codes if code]


def work(store: str, points: str, worker: str) -> int:
    """What each of several processes does."""
    tg.configure(store=store, strict=False)
    record_all(int(points), worker)
    return 0


class MemorySampler:
    """Notes this process's own memory every 50 ms, in a thread."""

    def __init__(self) -> None:
        self.samples_bytes: list[int] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_SAMPLE_S):
            self.samples_bytes.append(measure.resident_bytes())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        sys.exit(work(*sys.argv[2:]))
    sys.exit(main(sys.argv[1:]))
