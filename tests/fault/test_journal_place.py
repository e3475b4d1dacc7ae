# SPDX-License-Identifier: Apache-2.0
"""The place of the journal fails a running program: full, closed, deleted, or used up.

The program goes on, every fact is either found or counted as dropped, and recording goes on by
itself once the trouble is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tidegauge.journal.reader import Journal
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

PROGRAM = Path(__file__).parent / "programs" / "record_when_told.py"
NOBODY = 65534
MIB = 1 << 20


class Program:
    """The program that records when told."""

    def __init__(self, store: Path, *, user: int = 0, **settings: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, store, json.dumps({"follower": "off"} | settings), str(user)],
            env={name: text for name, text in os.environ.items() if name != "PYTEST_VERSION"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> str:
        """Have it carry out a line; its log."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the program has ended with {self._process.wait(10)}"
        return str(json.loads(answer))

    def end(self) -> None:
        """Let it come to its end, which must be a good one."""
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def kill(self) -> None:
        """End it if it still runs."""
        with self._process:
            self._process.kill()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts programs, which are ended with the test."""
    with contextlib.ExitStack() as programs:

        def begin(store: Path, **settings: Any) -> Program:
            program = Program(store, **settings)
            programs.callback(program.kill)
            return program

        yield begin


def found_and_dropped(
    store: Path, follow: Callable[..., Any]
) -> tuple[list[float], dict[str, int]]:
    """All values in the journals, sorted, and what is missing from them, by reason."""
    following = follow(store / "journal")
    while following.read():
        pass
    assert following.unacknowledged == 0
    drops: Counter[str] = Counter()
    for slot in Journal(store / "journal").slots():
        drops.update(slot.drops())
    if following.damaged:
        drops["damaged"] = following.damaged
    return sorted(value for values in following.values().values() for value in values), dict(drops)


def wait_out_the_cooldown() -> None:
    """A refusal stands for a second; a test of what comes after it has to wait."""
    time.sleep(1.1)


# --- no room -------------------------------------------------------------------------------------


def can_mount() -> bool:
    """Whether a small file system can be had."""
    with tempfile.TemporaryDirectory() as directory:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", directory]
        try:
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                return False
        except FileNotFoundError:
            return False
        subprocess.run(["umount", directory], check=True)
        return True


@pytest.mark.slow
@pytest.mark.needs_root
@pytest.mark.skipif(not can_mount(), reason="a file system can be mounted by root only")
def test_a_full_file_system(
    tmp_path: Path, start: Callable[..., Program], follow: Callable[..., Any]
) -> None:
    """Recording goes on without a crash, and by itself when room is made."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", place], check=True)
    try:
        ballast = place / "ballast"
        ballast.write_bytes(bytes(4 * MIB))
        program = start(place / "store")
        log = program.tell("record 120000")
        assert log.count("the disk has no room for the journal") == 1
        found, dropped = found_and_dropped(place / "store", follow)
        assert set(dropped) == {"disk_full"}
        assert len(found) + dropped["disk_full"] == 120_000
        assert found[:20_000] == list(map(float, range(20_000)))
        ballast.unlink()
        wait_out_the_cooldown()
        program.tell("record 1000")
        program.end()
        again, dropped_by_now = found_and_dropped(place / "store", follow)
        assert dropped_by_now == dropped
        assert again == found + list(map(float, range(120_000, 121_000)))
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_limit_of_file_sizes(
    store_dir: Path, start: Callable[..., Program], follow: Callable[..., Any]
) -> None:
    """A limit of the operating system is met like a full disk, and left like one."""
    program = start(store_dir)
    program.tell("limit 1000000")
    log = program.tell("record 1000")
    assert "the disk has no room for the journal" in log
    assert "recording goes on by itself" in log
    program.tell("limit 0")
    wait_out_the_cooldown()
    program.tell("record 1000")
    program.end()
    found, dropped = found_and_dropped(store_dir, follow)
    assert found == list(map(float, range(1000, 2000)))
    assert dropped == {"disk_full": 1000}


def test_a_used_up_budget(
    store_dir: Path, start: Callable[..., Program], follow: Callable[..., Any]
) -> None:
    """The journal never outgrows its budget; a drain by somebody else makes room again."""
    budget_bytes = 14 * MIB
    program = start(store_dir, journal_budget_bytes=budget_bytes)
    log = program.tell("record 200000")
    assert log.count("the journal has used up its byte budget") == 1
    assert "tidegauge drain" in log
    found, dropped = found_and_dropped(store_dir, follow)
    assert set(dropped) == {"budget"}
    assert len(found) + dropped["budget"] == 200_000
    used = sum(path.stat().st_size for path in (store_dir / "journal").rglob("*.seg"))
    assert used <= budget_bytes
    drain = DrainFollower(Store(store_dir))
    while drain.advance(force=True):
        pass
    wait_out_the_cooldown()
    program.tell("record 1000")
    program.end()
    while drain.advance(force=True):
        pass
    stored = DeltaTable(store_dir / "tables" / "points").to_pyarrow_table()["value"].to_pylist()
    assert sorted(stored) == found + list(map(float, range(200_000, 201_000)))


# --- no access -----------------------------------------------------------------------------------


def test_a_read_only_directory(start: Callable[..., Program], follow: Callable[..., Any]) -> None:
    """`configure` refuses it. A program that goes on all the same is warned once, and its facts are
    counted, and taken once the directory may be written.
    """
    user = NOBODY if os.geteuid() == 0 else 0
    with tempfile.TemporaryDirectory() as directory:  # one that others can reach
        Path(directory).chmod(0o755)
        store = Path(directory) / "store"
        store.mkdir()
        if user:
            os.chown(store, user, user)
        store.chmod(0o555)
        program = start(store, user=user)
        log = program.tell("record 1000")
        assert log.startswith("refused at the start")
        assert log.count("the store cannot be used by user id") == 1
        assert "chmod g+rwxs" in log
        assert list(store.iterdir()) == []
        store.chmod(0o755)
        wait_out_the_cooldown()
        program.tell("record 1000")
        program.end()
        found, dropped = found_and_dropped(store, follow)
        assert found == list(map(float, range(1000, 2000)))
        assert dropped == {"unavailable": 1000}


# --- deleted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("deleted", ["store", "store/journal", "store/journal/000"])
def test_a_directory_that_is_deleted(
    deleted: str, tmp_path: Path, start: Callable[..., Program], follow: Callable[..., Any]
) -> None:
    """What is recorded afterwards is found, and nothing twice; the program notices by itself.

    What was deleted with the directory is gone. It is counted if the slot's page is still there.
    """
    program = start(tmp_path / "store", segment_slots=500)
    program.tell("record 2000")
    shutil.rmtree(tmp_path / deleted)
    program.tell("record 2000")
    program.end()
    found, dropped = found_and_dropped(tmp_path / "store", follow)
    page_is_there = deleted == "store/journal/000"
    assert set(dropped) == ({"damaged"} if page_is_there else set())
    assert not page_is_there or dropped["damaged"] >= 4000 - len(found)
    assert found == sorted(set(found))
    assert found[-2000:] == list(map(float, range(2000, 4000)))
