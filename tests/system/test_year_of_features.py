# SPDX-License-Identifier: Apache-2.0
"""A year of facts goes through everything that is done to a store, and tells the same after it.

What a SQLite file cannot carry are rows that were retired: it has their daily aggregates, which the
other store keeps, and of the rows those that are left.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import tidegauge as tg
from tidegauge.config import start_over
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.series import SeriesKey
from tidegauge.model.zones import zone_of
from tidegauge.store.daily import aggregate_stale_days
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import Retention, compact, retire
from tidegauge.store.rollup import RolledUp, roll_up
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

DAY_S = 86_400
DAYS = 365
#: Facts happen once a week: what takes the time here is rolling up each day.
STEP = 7
DAYS_WITH_FACTS = len(range(0, DAYS, STEP))
END_S = SYSTEM_CLOCK.wall_ns() // 10**9 // DAY_S * DAY_S
FACTS_OF_A_DAY = 3_776
KEPT_DAYS = 30
FEATURES = ("search", "chat", "import")
TABLES = tuple(table.name for table in FEATURE_TABLES)

#: Largest relative error of a percentile that is made of rollups: half a bucket at scale 5.
ERROR = 0.011


def row_of(table: str, chance: np.random.Generator) -> dict[str, Any]:
    """A row of a table."""
    feature = FEATURES[chance.integers(3)]
    # Eighths, so that sums are exact in whatever order.
    number, share = float(chance.integers(1, 8000)) / 8, float(chance.integers(0, 9)) / 8
    user = f"u{chance.integers(800)}"
    if table == "system_performance":
        name = ("p50", "p95")[chance.integers(2)]
        about = {"metric_category": "response_time", "metric_name": name, "unit": "ms"}
        return {"feature": feature, **about, "value": number}
    if table == "user_satisfaction":
        scores = {"score": 1 + share * 4, "normalized_score": share, "rating": round(1 + share * 4)}
        about = {"satisfaction_type": "answer", "score_scale": "1-5", "user_id": user}
        return {"feature": feature, **about, **scores}
    if table == "feature_usage":
        about = {"action": ("open", "run")[chance.integers(2)], "user_id": user}
        return {"feature": feature, **about, "duration_ms": number, "success": share > 0.1}
    if table == "learning_effectiveness":
        numbers = {"accuracy": share, "confidence": 1 - share, "sample_size": int(number)}
        return {"feature": feature, "learning_type": "prediction", **numbers}
    if table == "optimization_impact":
        change = {"before_value": 1000.0, "after_value": number, "user_impact_score": share}
        about = {"optimization_id": "o1", "impact_category": "task_completion_time"}
        change["relative_change"] = (number - 1000.0) / 1000.0
        return {"feature": feature, **about, **change}
    if table == "resource_utilization":
        about = {"resource_type": "memory", "resource_name": "heap", "unit": "MiB"}
        return {**about, "utilization_percent": share * 100, "allocated": 8.0, "used": share * 8}
    tried = bool(chance.integers(2))
    about = {"error_type": "TimeoutError", "error_severity": "error", "impact_level": "low"}
    recovery = {"recovery_attempted": tried, "recovery_successful": share > 0.5 if tried else None}
    return {"feature": feature, **about, **recovery, "user_id": user}


@pytest.fixture
def root(store_dir: Path) -> Path:
    """A store with a year of facts, 200,000 of them, that ends with yesterday."""
    chance = np.random.default_rng(20260101)
    writer = JournalWriter(store_dir / "journal")
    nothing = SeriesKey.of("", {})
    points = SeriesKey.of("custom:load", {"host": "a"})
    follower = DrainFollower(Store(store_dir))
    for day in range(0, DAYS, STEP):
        start_s = END_S - (DAYS - day) * DAY_S
        for at in range(FACTS_OF_A_DAY):
            time_ns = (start_s + int(chance.integers(DAY_S))) * 10**9
            if at % 8 == 7:
                writer.put_point(points, float(chance.integers(8000)) / 8, time_ns=time_ns)
            else:
                table = TABLES[at % 8]
                writer.put_event(table, nothing, time_ns, row_of(table, chance))
        if day % 4 == 0:  # so that files come in several passes
            writer.tick()
            follower.advance(force=True)
    while follower.advance(force=True):
        pass
    writer.close()
    return store_dir


@pytest.fixture(autouse=True)
def over() -> Iterator[None]:
    """The process is as before afterwards."""
    yield
    start_over()


def dashboard(root: Path, *, days: int = DAYS) -> dict[str, Any]:
    """What the store says of the last days."""
    tg.configure(store=root, strict=True, follower="off")
    try:
        found = tg.get_advanced_metrics().get_comprehensive_dashboard(
            hours=None, start=END_S - days * DAY_S, end=END_S
        )
    finally:
        start_over()
    del found["generated_at"]
    return found


def daily(root: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """The numbers of the daily aggregates, by day, feature, type and name."""
    names = ("date", "feature", "metric_type", "metric_name")
    kept = "avg_value, min_value, max_value, stddev, count, COLUMNS('percentile_[0-9]+')"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        snapshot(Store(root), "daily_aggregates").register(connection, "daily")
        rows = connection.sql(f"SELECT {', '.join(names)}, {kept} FROM daily").fetchall()
    found = {tuple(map(str, row[:4])): row[4:] for row in rows}
    assert len(found) == len(rows)
    return found


def load(root: Path) -> list[tuple[Any, ...]]:
    """What rollups say of the points."""
    with duckdb.connect() as connection:
        snapshot(Store(root), "rollups").register(connection, "rollups")
        sums = "interval_s, sum(count)::BIGINT, sum(sum), min(min), max(max)"
        sql = f"SELECT {sums} FROM rollups WHERE source = 'points' AND interval_s > 0 GROUP BY 1"
        return connection.sql(f"{sql} ORDER BY 1").fetchall()


def check(root: Path) -> None:
    """The doctor finds nothing wrong, and the books balance."""
    found = [each for each in examine(Store(root)) if each.severity != "info"]
    assert [each.what for each in found if each.code != "behind"] == []
    assert status_of(Store(root)).is_balanced


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where two documents differ, beyond the error that estimated percentiles may have."""
    name = path.rpartition(".")[2]
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for each in before:
            yield from differences(before[each], after[each], f"{path}.{each}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}[{at}]")
    elif name in BASIS:
        return
    elif isinstance(before, float) and isinstance(after, float):
        error = ERROR if name.startswith(ESTIMATED) else ROUNDING
        if not math.isclose(before, after, rel_tol=error, abs_tol=ROUNDING):
            yield f"{path}: {before} and {after}"
    elif before != after:
        yield f"{path}: {before!r} and {after!r}"


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(240)
def test_a_year(root: Path, tmp_path: Path) -> None:
    """Every step leaves numbers as they were; percentiles of what is gone within their error."""
    store = Store(root)
    told = dashboard(root)
    last_days = dashboard(root, days=KEPT_DAYS)

    for name in store.tables.names():
        compact(store, name)
    assert list(differences(told, dashboard(root))) == []
    check(root)

    done = roll_up(store)
    assert done is not None
    assert (done.days, done.facts) == (DAYS_WITH_FACTS, DAYS_WITH_FACTS * FACTS_OF_A_DAY)
    assert roll_up(store) == RolledUp()
    assert list(differences(told, dashboard(root))) == []
    points = load(root)
    assert [count for _, count, *_ in points] == [DAYS_WITH_FACTS * FACTS_OF_A_DAY // 8] * 2

    assert aggregate_stale_days(store, zone_of("UTC")) == DAYS_WITH_FACTS
    aggregates = daily(root)
    assert sum(row[4] for key, row in aggregates.items() if key[3] == "run.uses") > 0

    gone = 0
    for name in (*TABLES, "points"):
        retired = retire(store, name, Retention(days=KEPT_DAYS))
        assert retired is not None
        gone += retired.rows_retired
    days_gone = len(range(0, DAYS - KEPT_DAYS, STEP))
    assert gone == days_gone * FACTS_OF_A_DAY
    roll_up(store)
    assert aggregate_stale_days(store, zone_of("UTC")) == days_gone
    assert list(differences(told, dashboard(root))) == []
    assert load(root) == points
    assert daily(root) == aggregates
    check(root)

    file, other = tmp_path / "year.db", tmp_path / "other"
    tg.configure(store=root, strict=True, follower="off")
    written = tg.export_sqlite(file)
    start_over()
    assert written["daily_aggregates"] == len(aggregates)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM feature_usage").fetchone()
    assert rows == written["feature_usage"]

    tg.configure(store=other, strict=True, follower="off")
    tg.import_sqlite(file)
    start_over()
    DrainFollower(Store(other)).advance(force=True)
    aggregate_stale_days(Store(other), zone_of("UTC"))
    assert list(differences(last_days, dashboard(other, days=KEPT_DAYS))) == []
    found = daily(other)
    assert found.keys() == aggregates.keys()
    assert [key for key, row in aggregates.items() if found[key] != pytest.approx(row)] == []
    check(other)


ROUNDING = 1e-9
#: What names of percentiles begin with.
ESTIMATED = ("p50", "p95", "p99")
#: Names of what is said of the way to an answer.
BASIS = ("source", "percentile_error")
