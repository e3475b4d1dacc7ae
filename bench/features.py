# SPDX-License-Identifier: Apache-2.0
"""What statistics of features cost: recording a use, a dashboard of 30 days, aggregating a day.

The dashboard is asked for warm, over a history that has been rolled up, and over one with ten times
the facts; both take turns. The floor of aggregating a day is the same aggregation in DuckDB by hand
over the same files, which is not exact to the last bit and writes nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

import measure
import tidegauge as tg
from feature_history import SERIES, fill
from measure import Case, Limit, Report
from tidegauge.catalog import builtin_catalog
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.zones import zone_of
from tidegauge.query.query import Query
from tidegauge.store.daily import aggregate_day
from tidegauge.store.measured import measured_sql, rolled_of
from tidegauge.store.rollup import roll_up
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

FLOOR, USE = "append a tuple to a list", "record_feature_usage"
HAND, OURS = "DuckDB by hand", "aggregate_daily_metrics"
N_CALLS, DAYS, DAY = 20_000, 30, dt.date(2026, 11, 19)
UTC = zone_of("UTC")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--facts", type=float, default=5e6)
    parser.add_argument("--aggregate", help=argparse.SUPPRESS)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    if options.aggregate:
        return aggregate_here(Store(options.aggregate))
    facts = int(options.facts)
    report = Report(
        "features",
        floor="what stands above each table",
        sizes={"rounds": options.rounds, "facts": facts, "series": SERIES},
    )
    with measure.temporary_store(options.directory) as store:
        calls(store, options.rounds, report)
        tg.shutdown()
    with measure.temporary_store(options.directory) as store:
        a_day(store, facts, options.rounds, report)
    with measure.temporary_store(options.directory) as store:
        dashboards(store, facts, options.rounds, report)
    return measure.finish(report, options, arguments)


def calls(store: Path, rounds: int, report: Report) -> None:
    """What recording a use of a feature costs."""
    tg.configure(store=store, follower="off", strict=False, journal_budget_bytes=1 << 36)
    record = tg.get_advanced_metrics().record_feature_usage
    rows: list[tuple[object, ...]] = []

    def append() -> None:
        keep = rows.append
        for number in range(N_CALLS):
            keep(("search", "find", 12.5, True, number))

    def use() -> None:
        for _ in range(N_CALLS):
            record("search", "find", 12.5, True, None, "morning_session")

    clock = time.thread_time_ns
    cases = [
        Case(FLOOR, append, N_CALLS, tidy=rows.clear, clock=clock),
        Case(USE, use, N_CALLS, clock=clock),
    ]
    found = measure.timings(measure.interleave(cases, rounds=rounds), floor=FLOOR)
    report.timings += found
    report.limits.append(Limit(USE, found[1].ns / 1e3, "µs", at_most=2.5))


def a_day(store: Path, facts: int, rounds: int, report: Report) -> None:
    """Aggregating a day of so many facts, and the memory it takes."""
    opened = Store(store)
    end = dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(), dt.UTC)
    fill(opened, facts=facts, days=1, end=end)
    cases = [
        Case(HAND, lambda: by_hand(opened), 1),
        Case(OURS, lambda: aggregate_day(opened, DAY, UTC), 1),
    ]
    found = measure.timings(measure.interleave(cases, rounds=rounds, warm_up=1), floor=HAND)
    report.timings += found
    name = f"aggregating a day of {facts:,} facts in {SERIES} series"
    report.limits.append(Limit(name, found[1].ns / 1e9, "s", at_most=3.0))
    program = [sys.executable, __file__, "--aggregate", str(store)]
    told = subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()
    report.values["memory of the process before aggregating, MiB"] = float(told[0])
    report.values["the most while aggregating, MiB"] = float(told[1])


def by_hand(store: Store) -> None:
    connection = duckdb.connect()
    for table in FEATURE_TABLES:
        rolled = rolled_of(table)
        files = snapshot(store, table.name).paths
        connection.execute(f"CREATE OR REPLACE VIEW facts AS FROM read_parquet({files!r})")
        names = ", ".join([*rolled.name, "measure"])
        connection.execute(
            f"SELECT feature, {names}, fsum(value), stddev_samp(value), min(value), max(value), "
            "count(*), quantile_cont(value, [0.5, 0.95, 0.99]) "
            f"FROM ({measured_sql(table, 'facts')}) GROUP BY ALL"
        ).fetchall()


def aggregate_here(store: Store) -> int:
    """In a process of its own: its memory before and at most, in MiB."""
    aggregate_day(store, dt.date(2000, 1, 1), UTC)  # loads what it needs
    gc.collect()
    before = measure.resident_bytes()
    aggregate_day(store, DAY, UTC)
    peak = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    print(before / 2**20, peak / 2**20)
    return os.EX_OK


def dashboards(store: Path, facts: int, rounds: int, report: Report) -> None:
    """The dashboard of 30 days, over so many facts and over ten times as many."""
    end = dt.datetime.now(dt.UTC)
    cases = []
    for name, n in (("few", facts), ("many", 10 * facts)):
        opened = Store(store / name)
        fill(opened, facts=n, days=DAYS, end=end)
        started = time.monotonic()
        roll_up(opened)
        report.values[f"rolling up {n:,} facts of {DAYS} days, s"] = time.monotonic() - started
        features = Query(opened, builtin_catalog()).features
        title = f"dashboard of {n:,} facts"
        cases.append(Case(title, lambda features=features: features.dashboard(days=DAYS), 1))
    found = measure.timings(
        measure.interleave(cases, rounds=rounds, warm_up=3), floor=cases[0].name
    )
    report.timings += found
    report.limits.append(Limit(f"{cases[0].name}, warm", found[0].ns / 1e6, "ms", at_most=250))
    report.limits.append(
        Limit("dashboard of ten times the facts", found[1].ratio, "x", at_most=1.3)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
