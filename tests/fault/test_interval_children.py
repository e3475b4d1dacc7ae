# SPDX-License-Identifier: Apache-2.0
"""Open intervals in processes that others start: what ends in order keeps them, a fork shares none.

For killed processes, see test_kill.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidegauge.journal.reader import Journal

PROGRAMS = Path(__file__).parent / "programs"


def run(program: str, *arguments: object) -> str:
    """Run a program to its end and return what it printed."""
    command = [sys.executable, str(PROGRAMS / program), *map(str, arguments)]
    done = subprocess.run(
        command, env=dict(os.environ), check=True, capture_output=True, text=True, timeout=100
    )
    assert done.stderr == ""
    return done.stdout


def sums(store: Path) -> list[float]:
    """The sum of every interval in the journals, sorted."""
    return sorted(
        float(str(event.columns["sum"]))
        for slot in Journal(store / "journal").slots()
        for event in slot.events(0, limit_bytes=1 << 40).records
        if event.table == "intervals"
    )


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing_record_their_open_intervals(
    method: str, store_dir: Path
) -> None:
    """A child that ends in order records what it has gathered, once, however it was started.

    Also what its own finalizers record. The parent's values are recorded by the parent alone.
    """
    run("intervals_of_children.py", store_dir, method)
    assert sums(store_dir) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_fork_while_another_thread_flushes(store_dir: Path) -> None:
    """The child can record into the handle and flush it, and has nothing of the parent's."""
    recorded = int(run("fork_while_flushing.py", store_dir, 30))
    found = sums(store_dir)
    assert [total for total in found if total >= 1000] == [1000.0] * 30
    assert sum(total for total in found if total < 1000) == recorded
