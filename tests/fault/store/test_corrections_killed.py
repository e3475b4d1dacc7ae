# SPDX-License-Identifier: Apache-2.0
"""A correction that is killed is done or not done, and the trail says which."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidegauge.amend.trail import Trail
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.record.recorder import Recorder
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

PROGRAMS = Path(__file__).parent / "programs"
DONE = {
    "a file written": False,
    "before the intent": False,
    "intent written": False,
    "committed": True,
    "row recorded": True,
    "row on the disk": True,
    "intent deleted": True,
}
METRICS = ("custom:points", "custom:others")


class Running:
    """Programs that run beside the test."""

    def __init__(self) -> None:
        self._all: list[subprocess.Popen[str]] = []

    def start(self, program: str, *arguments: object) -> subprocess.Popen[str]:
        """Start one of `programs/`."""
        process = subprocess.Popen(
            [sys.executable, PROGRAMS / f"{program}.py", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._all.append(process)
        return process

    def kill_all(self) -> None:
        """Leave nobody behind."""
        for process in self._all:
            process.kill()
            process.communicate()


@pytest.fixture
def running() -> Iterator[Running]:
    """Programs, ended with the test."""
    programs = Running()
    yield programs
    programs.kill_all()


@pytest.fixture
def root(store_dir: Path) -> Path:
    """A store with 100 points of each metric on three days, all of them 0.5, all stored."""
    writer = JournalWriter(store_dir / "journal")
    for hour in range(50):
        for metric in METRICS:
            for _ in range(2):
                time_ns = 20_000 * 86_400 * 10**9 + hour * 3600 * 10**9
                writer.put_point(SeriesKey.of(metric, {}), 0.5, time_ns=time_ns)
    writer.close()
    DrainFollower(Store(store_dir)).advance(force=True)
    return store_dir


def ask(root: Path, table: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a snapshot."""
    connection = duckdb.connect()
    snapshot(Store(root), table).register(connection, table)
    return connection.execute(sql).fetchall()


def values(root: Path, metric: str = METRICS[0]) -> set[float]:
    """The distinct values of a metric, of which there must be a hundred in all."""
    sql = f"SELECT value, count(*) FROM points WHERE metric = '{metric}' GROUP BY ALL"
    found = dict(ask(root, "points", sql))
    assert sum(found.values()) == 100
    return set(found)


def settle(root: Path) -> list[tuple[Any, ...]]:
    """Do what whoever comes next does; returns the rows of the trail."""
    recorder, store = Recorder(root / "journal"), Store(root)
    with store.maintain() as mine:
        assert mine
        Trail(store, recorder).settle()
    recorder.writer.close()
    sql = "SELECT target, rows, changes FROM corrections ORDER BY time"
    return ask(root, "corrections", sql)


def check(root: Path) -> None:
    """The doctor finds nothing wrong, and the books balance."""
    wrong = [each for each in examine(Store(root), deep=True) if each.severity != "info"]
    assert [each.what for each in wrong if each.code != "behind"] == []
    assert status_of(Store(root)).is_balanced


@pytest.mark.parametrize("moment", DONE)
def test_killed_at_a_moment(moment: str, root: Path, running: Running) -> None:
    """Wherever it is cut short, all rows are as before or all are changed, as the trail says."""
    process = running.start("correct_and_die", root, moment, 0.75)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    check(root)
    assert values(root) == {0.75 if DONE[moment] else 0.5}
    assert values(root, METRICS[1]) == {0.5}
    trail = settle(root)
    assert trail == ([("points", 100, '{"value":0.75}')] if DONE[moment] else [])
    assert settle(root) == trail
    assert list((root / "corrections").glob("*")) == []
    check(root)


@pytest.mark.repeat
def test_killed_at_any_time(root: Path, running: Running) -> None:
    """Corrections that returned are done and in the trail; of the last one the trail tells."""
    process = running.start("correct", root, METRICS[0], 10**6)
    assert process.stdout is not None
    assert process.stdout.readline() == "1 100\n"
    time.sleep(random.uniform(0.0, 0.5))
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    returned = int(output.splitlines()[-1].split()[0]) if output.strip() else 1
    check(root)
    (value,) = values(root)
    assert value in {returned, returned + 1}
    trail = settle(root)
    assert [changes for *_, changes in trail] == [
        f'{{"value":{number}.0}}' for number in range(1, int(value) + 1)
    ]
    check(root)


def test_two_at_once(root: Path, running: Running) -> None:
    """Two processes that correct the same files wait for one another; nothing is lost."""
    processes = [running.start("correct", root, metric, 8) for metric in METRICS]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert output.splitlines() == [f"{number} 100" for number in range(1, 9)]
    assert [values(root, metric) for metric in METRICS] == [{8.0}, {8.0}]
    assert len(settle(root)) == 16
    check(root)


def test_beside_recording_and_draining(root: Path, running: Running) -> None:
    """Facts that come meanwhile are neither lost nor changed, and no side fails."""
    recording = running.start("record", root, "a")
    process = running.start("correct", root, METRICS[1], 5)
    follower, passes = DrainFollower(Store(root)), 0
    while process.poll() is None:
        follower.advance(force=True)
        passes += 1
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "5 100"
    assert passes > 1
    recorded, errors = recording.communicate(timeout=60)
    assert recording.returncode == 0, errors
    sql = "SELECT count(*), count(DISTINCT value) FROM points WHERE service = 'a' AND metric = "
    counts = ask(root, "points", f"{sql} '{METRICS[0]}'")
    assert counts == [(int(recorded), int(recorded))]
    assert values(root, METRICS[1]) == {5.0}
    assert len(settle(root)) == 5
    check(root)
