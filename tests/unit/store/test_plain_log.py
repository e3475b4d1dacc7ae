# SPDX-License-Identifier: Apache-2.0
"""Reading a log without the Delta library, which a forked child must do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import POINTS, Column
from tidegauge.store.cursors import transaction_names
from tidegauge.store.delta_log import DeltaLog
from tidegauge.store.maintenance import Retention, compact, retire, tidy
from tidegauge.store.plain_log import PlainLog
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of

# Newer versions of Python warn of forks beside threads; here it is tested that they work.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def fill(bench: Any, files: int) -> None:
    """Make files of one row each."""
    for number in range(files):
        bench.record(float(number))
        bench.drain()


def widen(bench: Any) -> None:
    """Add a column."""
    from msgspec.structs import replace

    column = Column("shard", "str", "a column of the future")
    bench.store.tables.ensure(replace(POINTS, columns=(*POINTS.columns, column)))


STEPS: dict[str, Callable[[Any], object]] = {
    "new": lambda bench: bench.record_event(value=1.0, metadata="{}"),
    "a few commits": lambda bench: fill(bench, 3),
    "checkpoints": lambda bench: fill(bench, 45),
    "merged": lambda bench: compact(bench.store, "points"),
    "a new column": widen,
    "late facts": lambda bench: bench.record(1.0, at="1999-12-31T23:59:59.999999Z"),
    "retired": lambda bench: retire(bench.store, "points", Retention(days=1000)),
    "tidied": lambda bench: tidy(bench.store, "points", keep_files_h=0),
    "more": lambda bench: fill(bench, 30),
}


def content(bench: Any, log: DeltaLog | PlainLog) -> object:
    """All that a log says."""
    files = log.files()
    columns = (files.dates, files.min_us, files.max_us, files.rows, files.sizes_bytes)
    rows = zip(files.paths, *(column.tolist() for column in columns), strict=True)
    names = [*transaction_names(bench.store.journal.id, ["000"]), "tidegauge/maintenance"]
    transactions = {name: log.transaction(name) for name in (*names, "nobody's")}
    return log.version, sorted(rows), transactions, log.columns, dict(log.configuration)


def test_it_agrees_with_the_library(bench: Any) -> None:
    """After everything that the store does to a table, begun anew and brought up to date."""
    fill(bench, 1)
    location = bench.store.tables.location.child("points")
    directory = bench.root / "tables/points/_delta_log"
    kept = PlainLog(directory)
    for step in STEPS.values():
        step(bench)
        bench.drain()
        kept.update()
        expected = content(bench, DeltaLog(location))
        assert content(bench, PlainLog(directory)) == expected
        assert content(bench, kept) == expected


def test_other_writers_statistics_are_understood(bench: Any) -> None:
    """A file that the library itself has written, with times cut to milliseconds, and without."""
    import pyarrow as pa
    from deltalake import write_deltalake

    fill(bench, 1)
    path = bench.root / "tables/points"
    stored = bench.store.tables.open("points")
    rows = stored.delta().to_pyarrow_table()
    late = pa.array([rows["time"][0].value + 1_234_567], pa.timestamp("us", "UTC"))
    write_deltalake(path, rows.set_column(0, rows.schema.field(0), late), mode="append")
    location = bench.store.tables.location.child("points")
    expected = content(bench, DeltaLog(location))
    assert content(bench, PlainLog(path / "_delta_log")) == expected
    assert len(bench.values()) == 2


def in_child(work: Callable[[], bool]) -> bool:
    """Run something in a forked child; whether it returned True there."""
    child = os.fork()
    if not child:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def test_a_forked_child_reads_what_its_parent_had_read(bench: Any) -> None:
    """Through the same object of the store; also what the parent stores later."""
    fill(bench, 3)
    bench.record(3.0)
    assert snapshot(bench.store, "points").version == 3
    read, write = os.pipe()
    read_back, write_back = os.pipe()

    def work() -> bool:
        before = snapshot(bench.store, "points")
        os.write(write_back, b"x")
        os.read(read, 1)
        after = snapshot(bench.store, "points")
        sizes = [(len(each.files), len(each.tail)) for each in (before, after)]
        balanced = status_of(bench.store).is_balanced
        return sizes == [(3, 1), (4, 1)] and balanced

    child = os.fork()
    if not child:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    os.close(write_back)
    os.read(read_back, 1)  # the child has looked, or is gone
    bench.drain()
    bench.record(4.0)
    os.write(write, b"x")
    assert os.waitpid(child, 0)[1] == 0
    for descriptor in (read, write, read_back):
        os.close(descriptor)


def test_a_forked_child_is_told_that_it_cannot_write_tables(bench: Any) -> None:
    """An error that can be caught, instead of the panic in the library."""
    fill(bench, 8)

    def work() -> bool:
        try:
            compact(bench.store, "points")
        except StoreError as error:
            return "forked process" in error.what
        return False

    assert in_child(work)
    assert compact(bench.store, "points").files_before == 8


def test_a_panic_of_the_library_is_an_error(bench: Any) -> None:
    """Also where the parent had used the library without us: the child reads by itself."""
    from deltalake import DeltaTable

    fill(bench, 2)
    path = bench.root / "tables/points"
    program = f"""
import os, sys
from deltalake import DeltaTable
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store
DeltaTable({str(path)!r})
child = os.fork()
if not child:
    os._exit(len(snapshot(Store({str(bench.root)!r}), "points").files))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    import subprocess
    import sys

    assert DeltaTable(path).version() == 2
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 2


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_log_is_an_error_there_too(bench: Any, damage: str) -> None:
    """What cannot be read is not passed over."""
    fill(bench, 3)
    commit = bench.root / f"tables/points/_delta_log/{2:020d}.json"
    if damage == "cut":
        commit.write_bytes(commit.read_bytes()[:-20])
    else:
        commit.unlink()

    def work() -> bool:
        try:
            snapshot(type(bench.store)(bench.root), "points")
        except StoreError as error:
            return "cannot be used" in error.what
        return False

    assert in_child(work)
