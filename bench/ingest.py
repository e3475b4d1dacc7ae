# SPDX-License-Identifier: Apache-2.0
"""From the record call to queryable and durable in the tables, all costs included.

One process records through a handle with everything on as in production: the ticker, and the
follower that drains the journal in a background thread of the same interpreter. The clock stops
when `flush` has returned and SQL has counted every fact. A second run records by four processes.
Memory is sampled along the way: the journal is deleted behind the followers, so it stays flat.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import measure
import tidegauge as tg
from measure import Limit, Report

N_PROCESSES = 4
_SAMPLES = 40

_CHILD = """
import sys, tidegauge as tg
store, points = sys.argv[1], int(sys.argv[2])
tg.configure(store=store, strict=False)
record = tg.metric("custom:ingest", worker=sys.argv[3]).record
for number in range(points):
    record(number % 977)
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=float, default=5e6, help="facts by one process")
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    points = int(options.points)
    report = Report("ingest", sizes={"points": points, "processes": N_PROCESSES})
    with measure.temporary_store(options.directory) as store:
        one_process(store, points, report)
    with measure.temporary_store(options.directory) as store:
        many_processes(store, points // N_PROCESSES, report)
    return measure.finish(report, options, arguments)


def one_process(store: Path, points: int, report: Report) -> None:
    """Record in this process and wait until everything can be asked for."""
    tg.configure(store=store, strict=False)
    record = tg.metric("custom:ingest", worker="0").record
    memory_bytes = []
    begin_s = time.perf_counter()
    for part in range(_SAMPLES):
        for number in range(part * points // _SAMPLES, (part + 1) * points // _SAMPLES):
            record(number % 977)
        memory_bytes.append(measure.resident_bytes())
    recorded_s = time.perf_counter() - begin_s
    tg.flush(600)
    (stored,) = tg.sql("SELECT count(*) FROM points").fetchall()[0]
    took_s = time.perf_counter() - begin_s
    tg.shutdown()
    early, late = max(memory_bytes[: _SAMPLES // 2]), max(memory_bytes[_SAMPLES // 2 :])
    report.limits += [
        Limit(
            "points durable and queryable, one process", points / took_s, "points/s", at_least=5e5
        ),
        Limit("points lost", float(points - stored), "points", at_most=0),
        Limit("memory, second half to first half", late / early, "x", at_most=1.25),
    ]
    report.values |= {
        "one process: seconds recording": recorded_s,
        "one process: seconds until queryable": took_s,
        "one process: memory in the first half, MB": early / 1e6,
        "one process: memory in the second half, MB": late / 1e6,
    }


def many_processes(store: Path, points_each: int, report: Report) -> None:
    """Record in several processes, which drain by turns, and store the rest from here."""
    begin_s = time.perf_counter()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(store), str(points_each), str(worker)],
            env=dict(os.environ),
        )
        for worker in range(N_PROCESSES)
    ]
    codes = [child.wait() for child in children]
    tg.configure(store=store, strict=False)
    tg.flush(600)
    (stored,) = tg.sql("SELECT count(*) FROM points").fetchall()[0]
    took_s = time.perf_counter() - begin_s
    tg.shutdown()
    total = points_each * N_PROCESSES
    report.values["four processes: points/s until queryable, start of the processes included"] = (
        total / took_s
    )
    report.limits.append(
        Limit("points lost by four processes", float(total - stored), "points", at_most=0)
    )
    report.notes += [f"a recording process ended with {code}" for code in codes if code]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
