# SPDX-License-Identifier: Apache-2.0
"""Live metrics in forked children, and for users who may only look."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.live import Live
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

PROGRAMS = Path(__file__).parent / "programs"
CATALOG = Catalog(
    [MetricSpec(name="custom:jobs", description="Jobs", kind=Kind.COUNTER, series_cap=2)]
)
USER = "50001"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def writer(place: Path) -> Iterator[JournalWriter]:
    """Writes into the journal of a store there."""
    writer = JournalWriter(place / "store" / "journal")
    yield writer
    writer.close()


def test_forked_child_reads_by_itself(place: Path, writer: JournalWriter) -> None:
    """A child takes nothing of its parent's locks and totals, and finds the same."""
    writer.put_point(SeriesKey.of("custom:level", {}), 2.0)
    done = subprocess.run(
        [sys.executable, PROGRAMS / "fork_while_reading.py", place / "store"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "[2.0]\n"), done.stderr


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("has_file", [False, True])
def test_user_who_may_only_look(
    place: Path, tmp_path: Path, writer: JournalWriter, *, has_file: bool
) -> None:
    """Such a user gets the same numbers, with a family beyond its cap too, and changes nothing."""
    root = place / "store"
    for number in range(4):
        writer.put_point(SeriesKey.of("custom:jobs", {"x": str(number % 2)}), 1.0)
    store = Store(root)
    if has_file:
        Live(store, CATALOG).save()
    DrainFollower(store).advance(force=True)
    for number in range(4):
        writer.put_point(SeriesKey.of("custom:jobs", {"x": str(number)}), 1.0)
    store.close()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    done = subprocess.run(
        [sys.executable, PROGRAMS / "read_as_user.py", root, tmp_path / "scratch", USER],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "1.0 1\n" * 2 + "8.0 3\n" * 2), done.stderr
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
