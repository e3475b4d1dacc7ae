# SPDX-License-Identifier: Apache-2.0
"""What a question costs beyond DuckDB itself, and what the newest facts cost.

The floor is the same SQL given to DuckDB by hand, on the same Parquet files.

Then four processes record without end while this one takes snapshots, each a version of the table
with the journals' newest facts decoded. Nobody drains meanwhile: each journal holds more than half
of what makes a drain due by default, which is what a question finds on average.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

import measure
import tidegauge as tg
from measure import Case, Limit, Report
from tidegauge.model.tables import POINTS
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

FLOOR = "the same SQL in DuckDB by hand"
OURS = "tg.sql"
QUERY = """
    SELECT metric, count(*), quantile_cont(value, 0.5), quantile_cont(value, 0.95),
        quantile_cont(value, 0.99)
    FROM points GROUP BY metric ORDER BY metric
"""
N_METRICS, N_WRITERS, N_SNAPSHOTS = 20, 4, 31
N_WAITING = 32_768


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=float, default=5e6 * measure.SCALE)
    parser.add_argument("--rounds", type=int, default=7)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    points = int(options.points)
    report = Report("query", floor=FLOOR, sizes={"points": points, "rounds": options.rounds})
    with measure.temporary_store(options.directory) as store:
        fill(store, points)
        percentiles(store, options.rounds, report)
        snapshots(store, report)
    return measure.finish(report, options, arguments)


def fill(store: Path, points: int) -> None:
    """Record many points of several metrics, and store them."""
    tg.configure(store=store, strict=False, journal_budget_bytes=1 << 36)
    values = np.random.default_rng(7).lognormal(3, 1, 1 << 16).tolist()
    handles = [tg.metric(f"custom:m{number}").record for number in range(N_METRICS)]
    for number in range(points // N_METRICS):
        value = values[number & 0xFFFF]
        for record in handles:
            record(value)
    tg.flush(1200)


def percentiles(store: Path, rounds: int, report: Report) -> None:
    """Exact percentiles of every metric, by hand and through us."""
    taken = snapshot(Store(store), POINTS.name)
    files = taken.paths
    by_hand = QUERY.replace("FROM points", f"FROM read_parquet({files!r})")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    answers: dict[str, list[tuple[Any, ...]]] = {}

    def hand() -> None:
        answers[FLOOR] = connection.sql(by_hand).fetchall()

    def ours() -> None:
        answers[OURS] = tg.sql(QUERY).fetchall()

    cases = [Case(FLOOR, hand, 1), Case(OURS, ours, 1)]
    samples = measure.interleave(cases, rounds=rounds, warm_up=2)
    if answers[FLOOR] != answers[OURS]:
        raise SystemExit("the answers differ: what was measured is not the same question")
    report.timings = measure.timings(samples, floor=FLOOR)
    report.limits.append(
        Limit("exact percentiles by metric", report.timings[1].ratio, "x DuckDB", at_most=1.3)
    )
    report.values["rows in the files"] = float(sum(row[1] for row in answers[OURS]))
    report.values["files"] = float(len(files))


def snapshots(store: Path, report: Report) -> None:
    """Snapshots while four processes record."""
    tg.shutdown()
    writers = [
        subprocess.Popen([sys.executable, __file__, "--work", str(store), str(worker)])
        for worker in range(N_WRITERS)
    ]
    try:
        opened = Store(store)
        while snapshot(opened, POINTS.name).tail.num_rows < N_WRITERS * N_WAITING:
            time.sleep(0.1)
        opened = Store(store)
        took_ms, rows = [], []
        for _ in range(N_SNAPSHOTS):
            begin_s = time.perf_counter()
            tail: pa.Table = snapshot(opened, POINTS.name).tail
            took_ms.append((time.perf_counter() - begin_s) * 1000)
            rows.append(tail.num_rows)
            time.sleep(0.02)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    report.values |= {
        "rows in the journals during the snapshots, median": float(statistics.median(rows)),
        "first snapshot of a store that was just opened, ms": took_ms[0],
        "slowest of the other snapshots, ms": max(took_ms[1:]),
    }
    report.limits.append(
        Limit("snapshot with 4 live journals", statistics.median(took_ms[1:]), "ms", at_most=50)
    )


def work(store: str, worker: str) -> None:
    """What each recording process does."""
    tg.configure(store=store, strict=False, follower="off")
    record = tg.metric("custom:live", worker=worker).record
    for number in range(N_WAITING):
        record(number)
    while True:
        for number in range(100):
            record(number)
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
