# SPDX-License-Identifier: Apache-2.0
"""Writers are killed with SIGKILL, again and again on one journal, while a follower reads it."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAM = Path(__file__).parent / "programs" / "journal_until_killed.py"
COUNT = struct.Struct("<Q")
KINDS = ("point", "batch", "event")
ROUNDS = 2

# name: processes, threads, slots per segment, whether segments are deleted when they are passed
CASES = {
    "1 thread": (1, 1, 65_536, False),
    "4 threads": (1, 4, 65_536, True),
    "8 threads": (1, 8, 65_536, False),
    "4 processes": (4, 1, 65_536, True),
    "4 processes of 4 threads": (4, 4, 1_000, True),
    "a segment of 16 slots": (1, 4, 16, False),
    "a segment of 16 slots, freed": (1, 4, 16, True),
    "a segment of 1 slot": (2, 2, 1, False),
}


class Writing:
    """A running program and its acknowledgements."""

    def __init__(self, root: Path, note: Path, label: str, threads: int, slots: int) -> None:
        self.label = label
        self.threads = threads
        self._note = note
        note.write_bytes(bytes(COUNT.size * 3 * threads))
        arguments = [root, note, label, str(threads), str(slots)]
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def acknowledged(self) -> dict[str, int]:
        """How many calls have returned, by metric."""
        counts = [count for (count,) in COUNT.iter_unpack(self._note.read_bytes())]
        names = [
            f"custom:{self.label}_{thread}_{kind}"
            for thread in range(self.threads)
            for kind in KINDS
        ]
        return dict(zip(names, counts, strict=True))

    def is_busy(self) -> bool:
        """Whether every thread has made calls of all kinds."""
        assert self.process.poll() is None, "the program ended by itself"
        return all(self.acknowledged().values())

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.process.kill()
        self.process.communicate()


def kill(writing: list[Writing]) -> None:
    """Kill several, one right after the other."""
    for each in writing:
        each.kill()


@pytest.mark.repeat
@pytest.mark.parametrize("case", CASES)
def test_every_call_that_returned_is_read_once(
    case: str,
    tmp_path: Path,
    follow: Callable[..., Any],
    begin: Callable[..., None],
) -> None:
    """Of each kind and thread, exactly the acknowledged values are read, plus at most one more.

    The follower reads all the time, before and after each kill, and while the next owners of the
    slots go on in the same files.
    """
    processes, threads, slots, frees = CASES[case]
    root = tmp_path / "journal"
    following = follow(root, frees=frees)
    acknowledged: dict[str, int] = {}
    for round_number in range(ROUNDS):
        writing = [
            Writing(root, tmp_path / f"note{n}", f"r{round_number}p{n}", threads, slots)
            for n in range(processes)
        ]
        try:
            begin([each.process for each in writing])
            deadline_s = time.monotonic() + 30
            while not all(each.is_busy() for each in writing):
                following.read()
                assert time.monotonic() < deadline_s, "the programs do not write"
            killer = threading.Timer(random.uniform(0, 0.1), kill, [writing])
            killer.start()
            while killer.is_alive():
                following.read()
        finally:
            kill(writing)
        for each in writing:
            acknowledged |= each.acknowledged()
    while following.read():
        pass

    values = following.values()
    assert following.damaged == 0
    assert following.unacknowledged <= ROUNDS * processes * threads
    for metric, count in acknowledged.items():
        found = values[metric]
        assert np.array_equal(found, np.arange(len(found)))
        assert count <= len(found) <= count + 1, f"{metric}: {acknowledged}"
        if metric.endswith("batch"):
            assert np.array_equal(values[metric.replace("batch", "twin")], found)
    print(f"{ROUNDS * processes} kills, {sum(acknowledged.values())} acknowledged calls")
