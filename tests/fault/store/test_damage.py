# SPDX-License-Identifier: Apache-2.0
"""Named damages to what is on disk: what is found, what survives, and what a repair brings back.

Each case starts from forty facts in four commits of ten, and five more in the journal. All of them
still are in the journal, too, because its newest segment is never deleted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import StoreError
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import POINTS
from tidegauge.model.times import parse_time_ns
from tidegauge.store.doctor import examine
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import Retention, retire
from tidegauge.store.repair import repair
from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import Balance, status_of
from tidegauge.store.store import Store
from tidegauge.store.table_check import damaged_files
from tidegauge.testing import FakeClock

ALL = tuple(range(45))
START_NS = parse_time_ns("2026-01-01T10:00:00Z")


class Place:
    """A store on disk.

    Attributes:
        root: Its directory.
        table: The table of points.
        log: The log of that table.
        files: Its data files, in the order of their commits.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.table = root / "tables/points"
        self.log = self.table / "_delta_log"
        writer = JournalWriter(root / "journal")
        key = SeriesKey.of("model:latency_ms", {})
        for value in ALL:
            writer.put_point(key, float(value), time_ns=START_NS + value * 10**9)
            if value % 10 == 9:
                store = self.store()
                DrainFollower(store).advance(force=True)
                store.close()
        writer.close()
        actions = [self.commit(version).read_text() for version in range(1, 5)]
        adds = [
            json.loads(line)["add"]
            for text in actions
            for line in text.splitlines()
            if '"add"' in line[:9]
        ]
        self.files = [self.table / add["path"] for add in adds]

    def store(self) -> Store:
        """The store, in an object that knows nothing yet, a minute after the last fact."""
        return Store(self.root, clock=FakeClock(START_NS + 60 * 10**9))

    def commit(self, version: int) -> Path:
        """The file of one commit; 1 to 4 have ten facts each."""
        return self.log / f"{version:020d}.json"

    def checkpoint(self) -> Path:
        """Make a checkpoint of the newest version."""
        DeltaTable(self.table).create_checkpoint()
        return self.log / f"{4:020d}.checkpoint.parquet"

    def drain(self) -> None:
        """Store what is pending, as far as that can be done."""
        try:
            while DrainFollower(self.store()).advance(force=True):
                pass
        except StoreError:
            return

    def values(self) -> tuple[int, ...] | None:
        """All values of a snapshot, sorted; None if it cannot be read."""
        connection = duckdb.connect()
        try:
            snapshot(self.store(), "points").register(connection, "points")
            rows = connection.execute("SELECT value FROM points ORDER BY 1").fetchall()
        except (StoreError, duckdb.Error):
            return None
        return tuple(int(value) for (value,) in rows)


@dataclass(frozen=True)
class Damage:
    """A damage and what becomes of it.

    Attributes:
        inflict: Does it.
        codes: What `examine(deep=True)` finds.
        values: What can be read then; None if nothing can be.
        repaired: Codes of what `repair()` mends.
        after: What can be read after that and a drain; the same as before if None.
        unreadable_after: Whether nothing can be read even then.
        given_up: What can be read after `repair(drop_missing=True)`, if that mends more.
    """

    inflict: Callable[[Place], object]
    codes: Sequence[str] = ()
    values: Sequence[int] | None = ALL
    repaired: Sequence[str] = ()
    after: Sequence[int] | None = ALL
    given_up: Sequence[int] | None = None


def cut(path: Path, size: int | None = None) -> None:
    """Leave the first half of a file, or so many bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 if size is None else size])


def flip(path: Path, offset: int) -> None:
    """Change one bit of a byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def drop_lines(path: Path, start: str) -> None:
    """Remove the lines of a file that begin with a text."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(start)))


def empty(path: Path) -> None:
    """Delete everything in a directory."""
    for each in path.iterdir():
        each.unlink()


WITHOUT_SECOND = (*range(10), *range(20, 45))

DAMAGES = {
    "nothing": Damage(lambda _: None),
    # Data files
    "data file missing": Damage(
        lambda place: place.files[1].unlink(),
        codes=("file_unreadable",),
        values=None,
        after=None,
        given_up=WITHOUT_SECOND,
    ),
    "data file cut": Damage(
        lambda place: cut(place.files[1]),
        codes=("file_unreadable",),
        values=None,
        after=None,
        given_up=WITHOUT_SECOND,
    ),
    "data file empty": Damage(
        lambda place: cut(place.files[1], 0),
        codes=("file_unreadable",),
        values=None,
        after=None,
        given_up=WITHOUT_SECOND,
    ),
    "data file overwritten": Damage(
        lambda place: place.files[1].write_bytes(b"x" * place.files[1].stat().st_size),
        codes=("file_unreadable",),
        values=None,
        after=None,
        given_up=WITHOUT_SECOND,
    ),
    "partition missing": Damage(
        lambda place: shutil.rmtree(place.files[0].parent),
        codes=("file_unreadable",) * 4,
        values=None,
        after=None,
        given_up=ALL[40:],
    ),
    # Log
    "newest commit cut": Damage(
        lambda place: cut(place.commit(4)),
        codes=("table_unreadable",),
        values=None,
        repaired=("table_unreadable",),
    ),
    "newest commit empty": Damage(lambda place: cut(place.commit(4), 0)),
    "newest commit deleted": Damage(lambda place: place.commit(4).unlink()),
    "newest commit garbled": Damage(
        lambda place: place.commit(4).write_bytes(b"\xff" * 400),
        codes=("table_unreadable",),
        values=None,
        repaired=("table_unreadable",),
    ),
    "newest commit without its file": Damage(
        lambda place: drop_lines(place.commit(4), '{"add"'),
        codes=("row_count",),
        values=(*range(30), *range(40, 45)),
        after=(*range(30), *range(40, 45)),
    ),
    "older commit cut": Damage(
        lambda place: cut(place.commit(2)), codes=("table_unreadable",), values=None, after=None
    ),
    "older commit deleted": Damage(
        lambda place: place.commit(2).unlink(),
        codes=("table_unreadable",),
        values=None,
        after=None,
    ),
    "older commit cut behind a checkpoint": Damage(
        lambda place: (place.checkpoint(), cut(place.commit(2)))
    ),
    "checkpoint cut": Damage(
        lambda place: cut(place.checkpoint()),
        codes=("table_unreadable",),
        values=None,
        repaired=("table_unreadable",) * 2,
    ),
    "checkpoint deleted": Damage(
        lambda place: place.checkpoint().unlink(),
        codes=("table_unreadable",),
        values=None,
        repaired=("table_unreadable",),
    ),
    "pointer to the checkpoint cut": Damage(
        lambda place: (place.checkpoint(), cut(place.log / "_last_checkpoint"))
    ),
    "pointer to the checkpoint deleted": Damage(
        lambda place: (place.checkpoint(), (place.log / "_last_checkpoint").unlink())
    ),
    "log emptied": Damage(
        lambda place: empty(place.log), codes=("table_unreadable",), values=None, after=None
    ),
    "log deleted": Damage(
        lambda place: shutil.rmtree(place.log), codes=("table_unreadable",), values=None, after=None
    ),
    "table deleted": Damage(lambda place: shutil.rmtree(place.table)),
    "all tables deleted": Damage(lambda place: shutil.rmtree(place.table.parent)),
    # State
    "state garbled": Damage(
        lambda place: (place.root / "state.db").write_bytes(b"no database" * 1000),
        codes=("state_damaged",),
        repaired=("state_damaged",),
    ),
    "state cut": Damage(
        lambda place: cut(place.root / "state.db"),
        codes=("state_damaged",),
        repaired=("state_damaged",),
    ),
    "state empty": Damage(lambda place: cut(place.root / "state.db", 0)),
    "state deleted": Damage(lambda place: (place.root / "state.db").unlink()),
    # Everything else
    "locks deleted": Damage(lambda place: (place.root / "leader.lock").unlink()),
    "journal's identity deleted": Damage(lambda place: (place.root / "journal/id").unlink()),
    "journal's identity deleted everywhere": Damage(
        lambda place: (
            (place.root / "journal/id").unlink(),
            (place.root / "journal/000.state").unlink(),
        ),
        codes=("journal_id",),
        values=None,
        repaired=("journal_id",),
    ),
    "strange files": Damage(
        lambda place: (
            (place.root / "tables/.DS_Store").write_bytes(b""),
            (place.table / "notes.txt").write_bytes(b""),
            (place.log / "notes.txt").write_bytes(b""),
            (place.files[0].parent / "part-torn.zstd.parquet").write_bytes(b"PAR1"),
        )
    ),
}


@pytest.mark.repeat
@pytest.mark.parametrize("name", DAMAGES)
def test_damage(name: str, tmp_path: Path) -> None:
    """It is found, hides nothing but what it hit, and is mended as far as it can be."""
    damage = DAMAGES[name]
    place = Place(tmp_path / "store")
    damage.inflict(place)
    found = examine(place.store(), deep=True)
    assert tuple(finding.code for finding in found) == damage.codes
    assert all(finding.what and finding.action for finding in found)
    assert place.values() == damage.values
    mended = repair(place.store())
    assert tuple(each.code for each in mended) == damage.repaired
    place.drain()
    assert place.values() == damage.after
    if damage.repaired or not damage.codes:
        assert examine(place.store(), deep=True) == []
        assert status_of(place.store()).is_balanced
    if damage.given_up is not None:
        lost = sum(each.rows for each in repair(place.store(), drop_missing=True))
        assert place.values() == damage.given_up
        assert lost == len(ALL) - len(damage.given_up)
        assert examine(place.store(), deep=True) == []
        place.drain()
        balance = status_of(place.store()).balance
        assert balance == Balance(45, len(damage.given_up), 0, {"damaged": lost})


@pytest.mark.slow
def test_every_flipped_bit_of_data_is_found_by_a_deep_examination(tmp_path: Path) -> None:
    """Wherever in a file it is: the file's name has the checksum of its bytes."""
    place = Place(tmp_path / "store")
    stored = place.store().tables.open("points")
    assert stored is not None
    view = stored.view()
    for offset in range(place.files[2].stat().st_size):
        flip(place.files[2], offset)
        assert list(damaged_files(stored, view, POINTS, deep=True)) == [
            f"date=2026-01-01/{place.files[2].name}"
        ]
        flip(place.files[2], offset)
    assert examine(place.store(), deep=True) == []


def test_rows_given_up_and_rows_retired_are_told_apart(tmp_path: Path) -> None:
    """Retired rows count as stored, given up ones as damaged, and both as accounted for."""
    place = Place(tmp_path / "store")
    place.drain()
    place.files[1].unlink()
    repair(place.store(), drop_missing=True)
    later = Store(place.root, clock=FakeClock(START_NS + 3 * 86_400 * 10**9))
    retire(later, "points", Retention(metrics={"model:latency_ms": 1}))
    writer = JournalWriter(place.root / "journal")
    for value in (1.0, 2.0):
        writer.put_point(SeriesKey.of("custom:a", {}), value, time_ns=START_NS)
    writer.close()
    place.drain()
    (remaining,) = place.store().tables.open("points").view().files.paths
    (place.table / remaining).unlink()
    repair(place.store(), drop_missing=True)
    balance = status_of(place.store()).balance
    assert balance == Balance(47, 35, 0, {"damaged": 12})
    assert examine(place.store(), deep=True) == []


def test_what_a_repair_puts_aside_is_kept(tmp_path: Path) -> None:
    """Nothing is deleted by a repair."""
    place = Place(tmp_path / "store")
    cut(place.files[0])
    cut(place.commit(4))
    (place.root / "state.db").write_bytes(b"no database")
    half_a_file = place.files[0].read_bytes()
    half_a_commit = place.commit(4).read_bytes()
    repair(place.store(), drop_missing=True)
    kept = [path.read_bytes() for path in (place.root / "quarantine").iterdir()]
    assert half_a_file in kept
    assert half_a_commit in kept
    assert b"no database" in kept


def test_nothing_is_repaired_under_somebody_s_hands(tmp_path: Path) -> None:
    """While a drain or maintenance is going on, a repair refuses to begin."""
    place = Place(tmp_path / "store")
    store = place.store()
    for lock in (store.lead, store.maintain):
        with lock(), pytest.raises(StoreError, match="cannot be repaired while another process"):
            repair(place.store())


def test_a_store_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    """It is mentioned, and nothing is created."""
    (finding,) = examine(Store(tmp_path / "store"))
    assert (finding.severity, finding.code) == ("info", "no_store")
    assert repair(Store(tmp_path / "store")) == []
    assert not (tmp_path / "store").exists()
