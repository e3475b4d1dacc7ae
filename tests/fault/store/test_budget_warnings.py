# SPDX-License-Identifier: Apache-2.0
"""Budgets are warned of once per period, whoever looks at the same time, and whoever is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.query.query import Query
from tidegauge.store.budgets import BudgetBook
from tidegauge.store.state import State
from tidegauge.store.store import Store

PROGRAM = Path(__file__).parent / "programs" / "watch_budgets.py"
ALL = (50, 80, 95, 100)


@pytest.fixture
def root(calls: Any) -> Path:
    """A store with a budget that is spent."""
    calls.call("10", at=time.time() - 1)
    calls.drain()
    calls.close()
    root: Path = calls.store.root
    from tidegauge.parts import Parts
    from tidegauge.settings import read_settings

    chosen = read_settings({"store": str(root)}, environ={})
    Parts(chosen, builtin_catalog()).budgets().put("all", 10, period="year")
    return root


@pytest.fixture
def start(root: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts programs that look after the budgets; they end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(moment: str = "never") -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, PROGRAM, root, moment], stdin=pipe, stdout=pipe, stderr=pipe
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def warned(root: Path) -> list[tuple[int, ...]]:
    """The percents that are noted, by budget, value and period."""
    state = State(root / "state.db")
    found = list(BudgetBook(state).warned().values())
    state.close()
    return found


def counted(root: Path) -> int:
    """How many warnings the counter has."""
    query = Query(Store(root), builtin_catalog())
    sql = "SELECT sum(value)::INT FROM points WHERE metric = 'cost:budget_warnings'"
    [(count,)] = query.sql(sql).fetchall()
    query.close()
    return count or 0


@pytest.mark.repeat
def test_of_several_processes_one_warns(
    root: Path, start: Callable[..., subprocess.Popen[bytes]], begin: Any
) -> None:
    """Four look at the same moment: every share is noted and counted once, and one is told."""
    processes = [start() for _ in range(4)]
    begin(processes)
    told = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
        told += [line for line in out.decode().splitlines() if line.startswith("all ")]
    assert told == ["all 100"]
    assert warned(root) == [ALL]
    assert counted(root) == 4


@pytest.mark.repeat
@pytest.mark.parametrize(
    ("moment", "noted", "told_later"),
    [
        ("gauges recorded", [], ["all 100"]),
        ("in the transaction", [], ["all 100"]),
        ("decided", [ALL], []),
    ],
)
def test_a_process_that_is_killed(
    root: Path,
    start: Callable[..., subprocess.Popen[bytes]],
    begin: Any,
    moment: str,
    noted: list[tuple[int, ...]],
    told_later: list[str],
) -> None:
    """Before it has decided another one warns; after that nobody does twice, and it is noted."""
    killed = start(moment)
    begin([killed])
    out, err = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, err.decode()
    assert b"all" not in out
    assert warned(root) == noted
    for expected in (told_later, []):
        after = start()
        begin([after])
        out, err = after.communicate(timeout=60)
        assert after.returncode == 0, err.decode()
        assert [line for line in out.decode().splitlines() if line.startswith("all ")] == expected
        assert warned(root) == [ALL]
