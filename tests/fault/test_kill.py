# SPDX-License-Identifier: Apache-2.0
"""Real processes are killed with SIGKILL at random moments; every call that returned is found."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tidegauge.journal.reader import Journal
from tidegauge.model.tables import FEATURE_USAGE, POINTS
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

PROGRAM = Path(__file__).parent / "programs" / "record_until_killed.py"
COUNT = struct.Struct("<Q")

# name: processes, threads, settings
CASES: dict[str, tuple[int, int, dict[str, object]]] = {
    "1 thread": (1, 1, {"follower": "off"}),
    "4 threads": (1, 4, {"follower": "off"}),
    "8 threads": (1, 8, {"follower": "off"}),
    "4 processes": (4, 1, {"follower": "off"}),
    "segment changes": (1, 4, {"follower": "off", "segment_slots": 50}),
    "drain": (1, 2, {"drain_after_points": 500, "drain_after_s": 0.05, "segment_slots": 500}),
    "drain by 4 processes": (4, 1, {"drain_after_points": 500, "drain_after_s": 0.05}),
}


class Recording:
    """A running program and its acknowledgements."""

    def __init__(self, store: Path, note: Path, threads: int, settings: dict[str, object]) -> None:
        self._note = note
        self._threads = threads
        note.write_bytes(bytes(COUNT.size * threads))
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, store, note, str(threads), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: text for name, text in os.environ.items() if name != "PYTEST_VERSION"},
        )

    @property
    def acknowledged(self) -> list[int]:
        """Per thread, how many rounds of calls have returned."""
        data = self._note.read_bytes()
        return [count for (count,) in COUNT.iter_unpack(data)]

    def wait_until_busy(self) -> None:
        """Return when every thread has recorded something."""
        deadline_s = time.monotonic() + 30
        while not all(self.acknowledged):
            assert self.process.poll() is None, "the program ended by itself"
            assert time.monotonic() < deadline_s, "the program does not record"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.mark.repeat
@pytest.mark.parametrize("case", CASES)
def test_every_call_that_returned_is_found_once(
    case: str, tmp_path: Path, begin: Callable[..., None]
) -> None:
    """Of what a killed process recorded, all acknowledged facts are there, and none twice.

    What was in flight at the moment of the kill may be there or not: at most one round of calls
    per thread. After a drain the same holds for the tables, and the journals are empty.
    """
    processes, threads, settings = CASES[case]
    store = tmp_path / "store"
    recordings = [
        Recording(store, tmp_path / f"note{n}", threads, settings) for n in range(processes)
    ]
    try:
        begin([recording.process for recording in recordings])
        for recording in recordings:
            recording.wait_until_busy()
        time.sleep(random.uniform(0.02, 0.6))
    finally:
        for recording in recordings:
            recording.kill()

    acknowledged: Counter[tuple[int, int]] = Counter()
    for recording in recordings:
        for thread, count in enumerate(recording.acknowledged):
            for value in range(count):
                acknowledged[thread, value] += 1
    follower = DrainFollower(Store(store))
    while follower.advance(force=True):
        pass
    assert follower.is_caught_up()
    stored = stored_counts(store)
    in_flight = processes * threads
    for way in ("handle", "name", "batch", "twin", "use"):
        found = uses(store) if way == "use" else of_way(stored, way)
        assert not acknowledged - found, f"{way}: lost"
        extra = found - acknowledged
        assert sum(extra.values()) <= in_flight, f"{way}: doubled or made up"
        assert set(extra.values()) <= {1, 2, 3, 4}
    every_tenth = Counter({key: n for key, n in acknowledged.items() if key[1] % 10 == 0})
    assert not every_tenth - of_way(stored, "metadata")


def stored_counts(store: Path) -> Counter[tuple[str, int, int]]:
    """How often each fact is in the table: way, thread, value. Batches must be whole."""
    table = DeltaTable(store / "tables" / POINTS.name).to_pyarrow_table(
        columns=["metric", "value", "step"]
    )
    counts: Counter[tuple[str, int, int]] = Counter()
    for metric, value, step in zip(*(column.to_pylist() for column in table.columns), strict=True):
        way, thread = metric.removeprefix("custom:").split("_")
        if way == "name":
            assert step == value
        counts[way, int(thread), int(value)] += 1
    assert of_way(counts, "batch") == of_way(counts, "twin")
    return counts


def uses(store: Path) -> Counter[tuple[int, int]]:
    """How often each thread and value was recorded as the use of a feature."""
    table = DeltaTable(store / "tables" / FEATURE_USAGE.name).to_pyarrow_table(
        columns=["feature", "duration_ms", "success"]
    )
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert all(success is (value % 2 == 0) for _, value, success in rows)
    return Counter((int(thread), int(value)) for thread, value, _ in rows)


def of_way(counts: Counter[tuple[str, int, int]], way: str) -> Counter[tuple[int, int]]:
    """How often each thread and value was recorded in one way."""
    return Counter(
        {(thread, value): n for (each, thread, value), n in counts.items() if each == way}
    )


def test_slots_of_the_dead_are_taken_again(tmp_path: Path, begin: Callable[..., None]) -> None:
    """However many processes are killed one after the other, one slot is enough for them."""
    store = tmp_path / "store"
    for n in range(3):
        recording = Recording(store, tmp_path / f"note{n}", 1, {"follower": "off"})
        try:
            begin([recording.process])
            recording.wait_until_busy()
        finally:
            recording.kill()
    assert [slot.name for slot in Journal(store / "journal").slots()] == ["000"]
