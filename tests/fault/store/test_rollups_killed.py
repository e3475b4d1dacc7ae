# SPDX-License-Identifier: Apache-2.0
"""Rollups and daily aggregates while processes are killed, and while several work at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.zones import zone_of
from tidegauge.store.daily import aggregate_day, day_of
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.rollup import RolledUp, roll_up
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

PROGRAMS = Path(__file__).parent / "programs"
DAY_NS = 86_400 * 10**9
FIRST_NS = 18_000 * DAY_NS  # 2019-04-14
DAY = "2019-04-14"

#: Facts of final rollups, and of others.
FINAL = (
    "coalesce(sum(count) FILTER (is_final), 0)::BIGINT, "
    "coalesce(sum(count) FILTER (NOT is_final), 0)::BIGINT"
)


@pytest.fixture
def root(store_dir: Path) -> Path:
    """A store with two old days of points and of uses, two files each."""
    writer = JournalWriter(store_dir / "journal")
    for part in range(2):
        for at in range(96):
            time_ns = FIRST_NS + at * DAY_NS // 48 + part
            writer.put_point(SeriesKey.of("custom:a", {}), float(at % 8), time_ns=time_ns)
            row = {"feature": f"f{at % 3}", "action": "run", "duration_ms": at / 4}
            writer.put_event("feature_usage", SeriesKey.of("", {}), time_ns, row)
        DrainFollower(Store(store_dir)).advance(force=True)
    writer.close()
    return store_dir


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start one of `programs/`."""
    return subprocess.Popen(
        [sys.executable, PROGRAMS / f"{program}.py", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(root: Path, table: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a snapshot."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        snapshot(Store(root), table).register(connection, table)
        return connection.execute(sql).fetchall()


def check(root: Path) -> None:
    """The doctor finds nothing wrong, and the books balance."""
    wrong = [each for each in examine(Store(root), deep=True) if each.severity != "info"]
    assert [each.what for each in wrong if each.code != "behind"] == []
    assert status_of(Store(root)).is_balanced


@pytest.mark.parametrize(
    "moment",
    [
        "sums written",
        "sums of one day final",
        "sums of all days final",
        "rows gone",
        "one day settled",
    ],
)
def test_retirement_killed_at_a_moment(moment: str, root: Path) -> None:
    """Whoever rolls up next brings it to an end: each fact counts once, gone or not."""
    process = start("retire_and_die", root, moment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    roll_up(Store(root))
    sums = "date::VARCHAR, sum(count)::BIGINT, sum(sum), min(min), max(max)"
    about = "source = 'points' AND interval_s"
    for length in (3600, 86400):
        sql = f"SELECT {sums} FROM rollups WHERE {about} = {length} GROUP BY 1 ORDER BY 1"
        day = (96, 336.0, 0.0, 7.0)
        assert ask(root, "rollups", sql) == [(DAY, *day), ("2019-04-15", *day)]
    ((final, left),) = ask(root, "rollups", f"SELECT {FINAL} FROM rollups WHERE {about} = 3600")
    ((rows,),) = ask(root, "points", "SELECT count(*) FROM points")
    assert (rows, final + left) == (left, 192)
    assert roll_up(Store(root)) == RolledUp()
    check(root)


def test_two_at_once(root: Path) -> None:
    """Processes that aggregate and roll up together leave one table, as one alone would."""
    processes = [start("aggregate", root, "Europe/Amsterdam", 6, DAY) for _ in range(2)]
    done = 0
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        done += int(output.split()[0])
    assert done > 0
    key = "date, feature, metric_type, metric_name"
    counts = f"SELECT count(*), count(DISTINCT ({key})), sum(count)::BIGINT FROM daily_aggregates"
    # Three features, uses and durations, on the days of Amsterdam that two days of UTC touch.
    assert ask(root, "daily_aggregates", counts) == [(18, 18, 384)]
    rows = ask(root, "daily_aggregates", "SELECT * FROM daily_aggregates ORDER BY ALL")
    zone = zone_of("Europe/Amsterdam")
    store = Store(root)
    for date in ("2019-04-14", "2019-04-15", "2019-04-16"):
        aggregate_day(store, day_of(date, zone, store.clock), zone)
    assert ask(root, "daily_aggregates", "SELECT * FROM daily_aggregates ORDER BY ALL") == rows
    sql = "SELECT count(*), sum(count)::BIGINT FROM rollups WHERE interval_s = 86400 "
    assert ask(root, "rollups", sql + "AND source = 'points'") == [(2, 192)]
    assert roll_up(store) == RolledUp()
    check(root)
