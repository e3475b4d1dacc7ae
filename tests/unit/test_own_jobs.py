# SPDX-License-Identifier: Apache-2.0
"""`tidegauge.every`, and which jobs and retention the settings call for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.config import assemble
from tidegauge.model.errors import ConfigError
from tidegauge.model.jobs import JOB_NAMES
from tidegauge.model.schedules import Schedule
from tidegauge.model.tables import CORRECTIONS, TABLES
from tidegauge.parts import own_jobs


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Leaves no job behind."""
    yield
    own_jobs.clear()


def test_a_function_becomes_a_job_and_stays_a_function() -> None:
    """Under its module's and its own name, or under the one that is given."""

    @tg.every("5m", catch_up=False)
    def check() -> str:
        return "fine"

    tg.every("day at 02:00", name="report")(check)
    assert check() == "fine"
    [(name, job), (other, report)] = own_jobs.items()
    assert name == f"{__name__}.{check.__qualname__}".replace("<", "_").replace(">", "_")
    assert (job.schedule, job.catch_up, job.run()) == (Schedule(300.0), False, "fine")
    assert (other, report.schedule.at_s, report.catch_up) == ("report", 7200, True)


def test_what_is_no_text_is_no_result() -> None:
    """A job may return whatever it returns for others."""
    tg.every(5, name="a")(lambda: {"rows": 3})
    assert own_jobs["a"].run() is None


def test_a_name_that_is_registered_again_is_replaced() -> None:
    """As when a notebook's cell is run twice."""
    tg.every(5, name="a")(lambda: "first")
    tg.every(6, name="a")(lambda: "second")
    assert (own_jobs["a"].run(), len(own_jobs)) == ("second", 1)


async def sleeps() -> None:
    """Is a coroutine function."""


def needs(table: str) -> str:
    """Take an argument."""
    return table


_NO_ARGUMENTS = "allowed: a function that takes no arguments."


@pytest.mark.parametrize(
    ("name", "function", "texts"),
    [
        (
            "a/b",
            str,
            [
                "the name of a job cannot be used; got 'a/b'; allowed: up to 100 letters, digits,",
                "'_', '-' and '.', first no '-' or '.'. Give another one with name=….",
            ],
        ),
        (
            "compact",
            str,
            [
                "the name of a job is taken by one of tidegauge's own; got 'compact'; allowed:",
                "anything but accuracy, corrections, budgets, rollup, daily_aggregates,",
                "compact, retention, cloud_costs.",
                "Give another one with name=….",
            ],
        ),
        (
            "a",
            sleeps,
            [
                "the job 'a' is a coroutine function, and jobs run in a thread;",
                f"got {sleeps!r}; {_NO_ARGUMENTS} Wrap it: lambda: asyncio.run(function()).",
            ],
        ),
        ("a", "text", [f"the job 'a' cannot be called; got 'text'; {_NO_ARGUMENTS}"]),
        (
            "a",
            needs,
            [
                "the job 'a' cannot be called without arguments",
                f"(missing a required argument: 'table'); got {needs!r}; {_NO_ARGUMENTS}",
                "Wrap it: lambda: function(…).",
            ],
        ),
    ],
)
def test_what_cannot_be_a_job(name: str, function: Any, texts: list[str]) -> None:
    """The error says what to do, and nothing is registered."""
    with pytest.raises(ConfigError) as caught:
        tg.every("5m", name=name)(function)
    assert str(caught.value) == " ".join(texts)
    assert own_jobs == {}


def test_the_names_of_the_stores_jobs_are_reserved(store_dir: Path) -> None:
    """In the order of a round."""
    names = [job.name for job in assemble(store=store_dir).jobs()]
    assert [name for name in JOB_NAMES if name in names] == names


def test_rows_never_go_before_what_is_made_of_them(store_dir: Path) -> None:
    """Retention comes last, and needs the last run of what reads the rows to have succeeded."""
    *_, last = assemble(store=store_dir).jobs()
    assert (last.name, last.needs) == ("retention", ("rollup", "daily_aggregates"))


def test_intervals_are_settings(store_dir: Path) -> None:
    """Those that a user would change."""
    parts = assemble(store=store_dir, compact_every_s=60, retention_every_s=120)
    schedules = {job.name: str(job.schedule) for job in parts.jobs()}
    assert schedules == {
        "accuracy": "30s",
        "corrections": "1m",
        "budgets": "1m",
        "rollup": "1h",
        "daily_aggregates": "1h",
        "compact": "1m",
        "retention": "2m",
    }


def test_the_bill_is_read_only_where_that_is_wanted(store_dir: Path) -> None:
    """It costs money; the job looks hourly, and reads daily."""
    names = {job.name for job in assemble(store=store_dir).jobs()}
    assert "cloud_costs" not in names
    jobs = {job.name: job for job in assemble(store=store_dir, aws_costs=True).jobs()}
    assert (str(jobs["cloud_costs"].schedule), jobs["cloud_costs"].at_once) == ("1h", True)


def test_retention_by_table(store_dir: Path) -> None:
    """A table's own days go before those of all; what is derived, and the trail, stay unasked."""
    parts = assemble(
        store=store_dir,
        retention_days=30,
        retention_tables={"requests": 7, "rollups": 900},
        retention_metrics={"model:latency_ms": 3},
        storage_budgets={"points": 1000},
    )
    kept = parts.retention()
    assert kept.keys() == TABLES.keys()
    assert {name: each.days for name, each in kept.items() if each.days != 30} == {
        "requests": 7,
        "rollups": 900,
        "daily_aggregates": None,
        "costs": None,
        CORRECTIONS.name: None,
    }
    assert {name for name, each in kept.items() if not each.metrics} == {
        "rollups",
        "daily_aggregates",
        "costs",
        CORRECTIONS.name,
    }
    assert {name: each.budget_bytes for name, each in kept.items() if each.budget_bytes} == {
        "points": 1000
    }
    assert parts.retention(days=5)["points"].days == 5
    assert parts.retention(days=5)["requests"].days == 7
