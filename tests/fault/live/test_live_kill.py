# SPDX-License-Identifier: Apache-2.0
"""Processes that write the state file are killed with SIGKILL while others read live metrics."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tidegauge.catalog import Catalog
from tidegauge.live.families import Numbers
from tidegauge.live.live import Live
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

PROGRAM = Path(__file__).parent / "programs" / "save_until_killed.py"
CATALOG = Catalog([MetricSpec(name="custom:jobs", description="Jobs", kind=Kind.COUNTER)])
ROUNDS = 2
DEADLINE_S = 60


class Watch:
    """Reads a counter as a running process does, and checks that it never goes down."""

    def __init__(self, root: Path) -> None:
        self.live = Live(Store(root), CATALOG)
        self.total = 0.0

    def look(self) -> float:
        """The counter's value."""
        (value,) = next(
            family.values
            for family in self.live.read().families
            if family.name == "custom_jobs_total" and isinstance(family, Numbers)
        )
        assert value >= self.total
        self.total = value
        return value


def noted(note: Path) -> int:
    """How many facts a program was told were recorded."""
    return int(struct.unpack("<Q", note.read_bytes())[0])


@pytest.mark.repeat
def test_writers_of_the_file_are_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whenever they die, no total goes down, none is lost, and the file is never found damaged."""
    root, acknowledged = tmp_path / "store", 0
    watch: Watch | None = None
    drain = DrainFollower(Store(root))
    for round_number in range(ROUNDS):
        notes = [tmp_path / f"note{round_number}_{n}" for n in range(2)]
        for note in notes:
            note.write_bytes(bytes(8))
        running = [subprocess.Popen([sys.executable, PROGRAM, root, note]) for note in notes]
        try:
            deadline_s = time.monotonic() + DEADLINE_S
            while not all(noted(note) > 60 for note in notes):
                assert time.monotonic() < deadline_s, "the programs do not record"
                assert all(each.poll() is None for each in running), "a program ended by itself"
                time.sleep(0.01)
            watch = watch or Watch(root)
            watch.look()
            killer = threading.Timer(random.uniform(0, 0.2), running[0].kill)
            killer.start()
            while killer.is_alive():
                watch.look()
            killer.join()
        finally:
            for each in running:
                each.kill()
                each.wait()
        acknowledged += sum(noted(note) for note in notes)
        fresh = Watch(root)
        assert acknowledged <= fresh.look() <= acknowledged + 2 * (round_number + 1)
        assert watch.look() == fresh.total
        watch.live.save()
        drain.advance(force=True)
        assert watch.look() == fresh.look() == Watch(root).look()
    assert caplog.messages == []
