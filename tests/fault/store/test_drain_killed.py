# SPDX-License-Identifier: Apache-2.0
"""A drain that is killed, anywhere and again and again, neither loses nor repeats a fact."""

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

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import tidy
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

PROGRAMS = Path(__file__).parent / "programs"
MOMENTS = (
    *("facts read", "a file written", "files written", "one table committed"),
    *("all tables committed", "state half written", "state written", "segments deleted"),
)


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
            text=True,
        )
        self._all.append(process)
        return process

    def stop(self, process: subprocess.Popen[str]) -> str:
        """Close a program's input and return its output."""
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return output

    def kill(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL; the program must not have ended before."""
        assert process.poll() is None, f"ended by itself: {process.args}"
        process.send_signal(signal.SIGKILL)
        process.communicate()

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


def ask(store: Store, table: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a snapshot."""
    connection = duckdb.connect()
    snapshot(store, table).register(connection, table)
    return connection.execute(sql).fetchall()


def check_all(root: Path, numbers: dict[str, int]) -> None:
    """Every number that was recorded is there once, by service; and the books are in order."""
    store = Store(root)
    for metric, step in (("points", 1), ("events", 10)):
        sql = (
            "SELECT service, count(*), count(DISTINCT value), sum(value) FROM points "
            f"WHERE metric = 'custom:{metric}' GROUP BY ALL"
        )
        expected = {
            name: (len(range(0, count, step)),) * 2 + (float(sum(range(0, count, step))),)
            for name, count in numbers.items()
        }
        assert {name: tuple(rest) for name, *rest in ask(store, "points", sql)} == expected
    sql = 'SELECT service, count(*), count(DISTINCT "sum") FROM intervals GROUP BY ALL'
    expected_intervals = {name: (len(range(0, n, 100)),) * 2 for name, n in numbers.items()}
    found = {name: tuple(rest) for name, *rest in ask(store, "intervals", sql)}
    assert found == expected_intervals
    status = status_of(store)
    assert status.is_balanced
    assert status.balance.dropped == {}


def drain(root: Path) -> None:
    """Store everything."""
    follower = DrainFollower(Store(root))
    while follower.advance(force=True):
        pass
    assert follower.is_caught_up()


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment(moment: str, store_dir: Path, running: Running) -> None:
    """Wherever a pass is cut short, readers see every fact once, and the next pass goes on."""
    writer = JournalWriter(store_dir / "journal", segment_slots=50)
    keys = [
        SeriesKey.of(f"custom:{each}", {"service": "a"}) for each in ("points", "events", "sums")
    ]
    for value in range(1000):
        writer.put_point(keys[0], float(value))
        if value % 10 == 0:
            writer.put_event("points", keys[1], time.time_ns(), {"value": float(value)})
        if value % 100 == 0:
            total = Accumulator()
            total.add(float(value))
            writer.put_event("intervals", keys[2], time.time_ns(), total.columns(10.0))
        if value == 500:
            drain(store_dir)
    writer.close()
    for _ in range(2):  # and once more in what the first left
        process = running.start("drain_and_die", store_dir, moment)
        process.communicate()
        assert process.returncode in {-signal.SIGKILL, 0}
        check_all(store_dir, {"a": 1000})
    drain(store_dir)
    check_all(store_dir, {"a": 1000})
    assert [each for each in examine(Store(store_dir), deep=True) if each.severity != "info"] == []
    tidy(Store(store_dir), "points", keep_files_h=0)
    tables = store_dir / "tables/points"
    assert len(list(tables.glob("date=*/*.parquet"))) == len(
        snapshot(Store(store_dir), "points").files
    )


@pytest.mark.slow
@pytest.mark.repeat
def test_killed_again_and_again(store_dir: Path, running: Running) -> None:
    """Two programs record, a drain is killed eight times, somebody reads: all is there once."""
    recorders = {name: running.start("record", store_dir, name) for name in ("a", "b")}
    reader = running.start("read", store_dir)
    for _ in range(8):
        process = running.start("drain", store_dir)
        time.sleep(random.uniform(0.5, 1.5))
        running.kill(process)
    running.kill(reader)
    numbers = {name: int(running.stop(process)) for name, process in recorders.items()}
    check_all(store_dir, numbers)
    drain(store_dir)
    check_all(store_dir, numbers)
    assert examine(Store(store_dir), deep=True) == []


@pytest.mark.slow
@pytest.mark.repeat
def test_maintained_beside_everything_else(store_dir: Path, running: Running) -> None:
    """Recording, draining, reading and maintaining at once: no error on any side, nothing lost.

    The maintaining process is killed now and then, too.
    """
    recorders = {name: running.start("record", store_dir, name) for name in ("a", "b")}
    others = [running.start(each, store_dir) for each in ("drain", "read", "read")]
    for _ in range(4):
        maintaining = running.start("maintain", store_dir)
        time.sleep(random.uniform(1.0, 3.0))
        running.kill(maintaining)
    for process in others:
        running.kill(process)
    numbers = {name: int(running.stop(process)) for name, process in recorders.items()}
    check_all(store_dir, numbers)
    drain(store_dir)
    check_all(store_dir, numbers)
    assert examine(Store(store_dir), deep=True) == []
    assert ask(Store(store_dir), "points", "SELECT DISTINCT cardinality(labels) FROM points") == [
        (1,)
    ]


@pytest.mark.parametrize("size_bytes", [0, 1000, 3000, 10_000, 50_000])
def test_a_disk_without_room(size_bytes: int, store_dir: Path, running: Running) -> None:
    """A drain that cannot write fails with an error, and goes on when there is room again."""
    writer = JournalWriter(store_dir / "journal", segment_slots=50)
    key = SeriesKey.of("custom:points", {"service": "a"})
    other = SeriesKey.of("custom:events", {"service": "a"})
    for value in range(1000):
        writer.put_point(key, float(value), time_ns=10**18 + value * 10**13)
        if value % 10 == 0:
            writer.put_event("points", other, 10**18, {"value": float(value)})
        if value % 100 == 0:
            total = Accumulator()
            total.add(float(value))
            writer.put_event("intervals", key, 10**18, total.columns(10.0))
    writer.close()
    for _ in range(2):
        output = running.stop(running.start("drain_without_room", store_dir, size_bytes))
        assert size_bytes >= 50_000 or output
        check_all(store_dir, {"a": 1000})
    drain(store_dir)
    check_all(store_dir, {"a": 1000})
    assert [each for each in examine(Store(store_dir), deep=True) if each.code != "behind"] == []
