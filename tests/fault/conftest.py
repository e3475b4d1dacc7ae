# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults share: programs that begin together, and a follower that adds up."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tidegauge.journal.reader import Journal, SlotReader


@pytest.fixture
def follow() -> Callable[..., Following]:
    """Makes a follower of a journal; see `Following`."""
    return Following


@pytest.fixture
def begin() -> Callable[[list[subprocess.Popen[bytes]]], None]:
    """Tells programs to begin once all are ready, or the first would keep the CPU from the last."""

    def tell(processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()

    return tell


class Following:
    """Reads settled facts with a cursor for each lane.

    Args:
        root: The journal.
        frees: Whether segments are deleted as soon as they are passed.

    Attributes:
        damaged: Facts counted as damaged so far.
        unacknowledged: Points that never came.
    """

    def __init__(self, root: Path, *, frees: bool = False) -> None:
        self._journal = Journal(root)
        self._frees = frees
        self._points: dict[str, int] = {}
        self._events: dict[str, tuple[int, int]] = {}
        self._values: defaultdict[str, list[npt.NDArray[np.float64]]] = defaultdict(list)
        self.damaged = 0
        self.unacknowledged = 0

    def read(self) -> bool:
        """Take what there is, a bounded amount; whether there was anything."""
        found = [self._read(slot) for slot in self._journal.slots()]
        return any(found)

    def values(self) -> dict[str, npt.NDArray[np.float64]]:
        """All values so far, by metric, sorted."""
        return {name: np.sort(np.concatenate(parts)) for name, parts in self._values.items()}

    def _read(self, slot: SlotReader) -> bool:
        start = self._points.get(slot.name, 0)
        points = slot.points(start, 100_000)
        assert points.end - start == len(points.value) + points.unacknowledged + points.damaged
        for series in np.unique(points.series):
            key = slot.series(int(series))
            assert key is not None, f"series {series} of slot {slot.name} is unknown"
            self._values[key.metric].append(points.value[points.series == series])
        self._points[slot.name] = points.end
        position, ordinal = self._events.get(slot.name, (0, 0))
        events = slot.events(position, facts_before=ordinal, limit_bytes=1 << 16)
        for event in events.records:
            key = slot.series(event.series)
            assert key is not None, f"series {event.series} of slot {slot.name} is unknown"
            self._values[key.metric].append(np.array([event.columns["value"]]))
        if events.ordinal is not None:
            self._events[slot.name] = (events.end, events.ordinal)
        self.damaged += points.damaged + events.damaged
        self.unacknowledged += points.unacknowledged
        if self._frees:
            slot.free_before(points=points.end, events=events.end)
        return points.end > start or events.end > position
