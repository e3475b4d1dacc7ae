# SPDX-License-Identifier: Apache-2.0
"""`tidegauge jobs`, `jobs run`, and what `status` says of jobs, growth and retention."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tidegauge.model.jobs import Job
from tidegauge.model.schedules import Schedule
from tidegauge.store.leader import exclusive
from tidegauge.store.scheduler import Scheduler
from tidegauge.store.store import Store

NOON = "2026-01-01T12:00:00Z"


def days_ago(days: int) -> float:
    """In the morning of the day so many days before today, seconds since 1970."""
    return (time.time() // 86_400 - days) * 86_400 + 6 * 3600


@pytest.fixture
def filled(cli: Any) -> Any:
    """A store with a table."""
    cli.record("model:accuracy", 0.5, 0.6, at=NOON)
    cli("drain")
    return cli


def test_jobs_that_never_ran_are_listed(filled: Any) -> None:
    """In the order of a round, with when they run."""
    done = filled("jobs", "--json")
    assert done.code == 0
    assert [(job["name"], job["every"], job["outcome"], job["due"]) for job in done.json] == [
        ("accuracy", "30s", None, None),
        ("corrections", "1m", None, None),
        ("budgets", "1m", None, None),
        ("rollup", "1h", None, None),
        ("daily_aggregates", "1h", None, None),
        ("compact", "1h", None, None),
        ("retention", "1h", None, None),
    ]
    assert any(line.split()[:4] == ["compact", "1h", "-", "never"] for line in filled("jobs").lines)


def test_a_job_is_run_by_name(filled: Any, monkeypatch: Any) -> None:
    """It says what it did, and the list and the status know it."""
    monkeypatch.setenv("TIDEGAUGE_RETENTION_TABLES", '{"points": 1}')
    for needed in ("rollup", "daily_aggregates"):
        assert filled("jobs", "run", needed).code == 0
    done = filled("jobs", "run", "retention", "--json")
    assert (done.code, done.json["outcome"]) == (0, "ok")
    assert done.json["result"] == "rows removed: 2 of points"
    assert (done.json["runs"], done.json["failures"], done.json["took_s"] > 0) == (1, 0, True)
    [listed] = [job for job in filled("jobs", "--json").json if job["name"] == "retention"]
    assert listed == done.json
    assert done.json in filled("status", "--json").json["jobs"]
    assert "rows removed: 2 of points" in filled("status").out
    assert filled("jobs", "run", "retention").lines[-1].startswith(" retention")


def test_a_job_that_fails_ends_with_1(filled: Any) -> None:
    """With what went wrong; so does the list, until it succeeds."""
    log = filled.store / "tables" / "points" / "_delta_log"
    [*_, newest] = sorted(log.glob("*.json"))
    text = newest.read_text()
    newest.write_text("{")
    done = filled("jobs", "run", "compact", "--json")
    assert (done.code, done.json["outcome"]) == (1, "failed")
    assert done.json["result"].startswith("StoreError: ")
    assert filled("jobs").code == 1
    newest.write_text(text)
    assert filled("jobs", "run", "compact").code == 0
    assert filled("jobs").code == 0


def test_a_job_that_does_not_exist(filled: Any) -> None:
    """The error names those that do."""
    done = filled("jobs", "run", "nonsense", "--json")
    assert done.code == 1
    assert done.json["error"]["what"] == "the store has no such job"
    names = "accuracy, budgets, compact, corrections, daily_aggregates, retention, rollup"
    assert done.json["error"]["allowed"] == names


def test_a_job_that_another_process_keeps_from_running(filled: Any) -> None:
    """It waits as long as it is told to."""
    with exclusive(filled.store / "jobs.lock"):
        done = filled("jobs", "run", "compact", "--timeout-s", "0.1")
    assert done.code == 1
    assert "another process was running a job of this store" in done.err.lower()


def test_a_programs_own_job_is_run_by_the_program(filled: Any) -> None:
    """Which is asked to; whoever asks waits, and is told if it takes too long."""
    store = Store(filled.store)
    job = Job(name="shop.report", schedule=Schedule(3600.0), run=lambda: "sent")
    program = Scheduler(store.root, store.state, [job], lock="jobs/shop.report.lock")
    program.advance()
    late = filled("jobs", "run", "shop.report", "--timeout-s", "0.1")
    assert late.code == 1
    assert "start the program that has registered it" in late.err.lower()
    has_ended = threading.Event()

    def run() -> None:
        while not has_ended.wait(0.01):
            program.advance()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        done = filled("jobs", "run", "shop.report", "--json")
    finally:
        has_ended.set()
        thread.join()
    assert (done.code, done.json["outcome"], done.json["result"]) == (0, "ok", "sent")
    assert filled("jobs", "--json").json[-1]["name"] == "shop.report"


def test_status_tells_what_goes_next(filled: Any, monkeypatch: Any) -> None:
    """Rows, size and day, as the next round of retention would remove them."""
    monkeypatch.setenv("TIDEGAUGE_RETENTION_TABLES", '{"points": 0}')
    monkeypatch.setenv("TIDEGAUGE_STORAGE_BUDGETS", '{"points": 1000000}')
    [table] = filled("status", "--json").json["tables"]
    assert (table["oldest_day"], table["newest_day"]) == ("2026-01-01", "2026-01-01")
    outlook = table["outlook"]
    assert (outlook["retention_days"], outlook["budget_bytes"]) == (0.0, 1_000_000)
    assert (outlook["next_rows"], outlook["next_bytes"]) == (2, table["size_bytes"])
    assert outlook["next_before_day"] == "2026-01-02"
    shown = filled("status").out
    assert "points: 2 rows, " in shown
    assert "older than 2026-01-02 go at the next round of retention." in shown
    assert " of 976.6 KiB are used; when it will be all cannot be told: " in shown


def test_status_tells_growth_where_there_is_enough(cli: Any) -> None:
    """Seven full days; of less nothing is told, and why not."""
    for days in range(8):
        cli.record("model:accuracy", *([0.5] * 10), at=days_ago(days))
    cli("drain")
    [table] = cli("status", "--json").json["tables"]
    week, month = table["growth"]
    assert (week["days"], week["rows_per_day"], week["reason"]) == (7, 10.0, None)
    assert week["bytes_per_day"] > 100
    assert (month["days"], month["rows_per_day"]) == (30, None)
    assert month["reason"] == "needs 30 full days, and there are 7"
    assert "rows/day, 7 d" in cli("status").out
    assert "rows/day, 30 d" in cli("status", "-v").out


def test_status_says_when_growth_cannot_be_told(cli: Any) -> None:
    """Rather than a number that means nothing."""
    cli.record("model:accuracy", 0.5, at=days_ago(0))
    cli("drain")
    assert "What comes per day is told of tables that have 7 full days." in cli("status").out


def test_status_tells_that_a_budget_is_reached(cli: Any, monkeypatch: Any) -> None:
    """Also if today alone has used it, and nothing can go."""
    cli.record("model:accuracy", 0.5, at=days_ago(0))
    cli("drain")
    monkeypatch.setenv("TIDEGAUGE_STORAGE_BUDGETS", '{"points": 10}')
    done = cli("status")
    assert "of 10 B: the budget is reached, and whole days go, today never." in done.out
    assert "at the next round" not in done.out
