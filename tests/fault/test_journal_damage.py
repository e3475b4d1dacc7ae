# SPDX-License-Identifier: Apache-2.0
"""A table of named damages to the journal's files, each with its expected survivors."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tidegauge.journal.layout import HEADER_BYTES, NUMBER_OFFSETS, POINT_BYTES
from tidegauge.journal.reader import Journal, SlotReader
from tidegauge.journal.state import drop_offset
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

A, B = SeriesKey.of("custom:a", {"model": "m"}), SeriesKey.of("custom:b", {})
SLOTS = 8  # points per segment: the 12 points below fill one and a half
POINTS = [float(n) for n in range(12)]
EVENTS = [100.0, 101.0, 102.0, 103.0]

SERIES, STATE = "000/series.log", "000.state"
P0, P1 = "000/points-00000000000000000000.seg", "000/points-00000000000000000008.seg"
E0 = "000/events-00000000000000000000.seg"

Damage = Callable[[Path], None]


def record_all(root: Path) -> JournalWriter:
    """Record 12 points, 4 events and 3 drops."""
    writer = JournalWriter(root, segment_slots=SLOTS)
    for n, value in enumerate(POINTS):
        writer.put_point(
            A if n % 2 == 0 else B, value, time_ns=10**18 + n, step=n if n > 5 else None
        )
    writer.put_event("points", A, 10**18, {"value": 100.0, "step": None, "metadata": "{}"})
    vector = writer.vector_id([A, B])
    writer.put_batch(vector, writer.generation, [101.0, 102.0], 10**18, 1)
    writer.put_event("points", B, 10**18, {"value": 103.0, "step": None, "metadata": "{}"})
    writer.count_drop("bad_name", 3)
    return writer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A journal whose writer is gone."""
    root = tmp_path / "journal"
    record_all(root).close()
    return root


def flip(name: str, offset: int) -> Damage:
    """Change one bit of a file."""

    def damage(root: Path) -> None:
        with (root / name).open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))

    return damage


def fill(name: str, start: int, end: int) -> Damage:
    """Overwrite bytes of a file with zeros."""

    def damage(root: Path) -> None:
        with (root / name).open("r+b") as file:
            file.seek(start)
            file.write(bytes(end - start))

    return damage


def cut(name: str, size_bytes: int) -> Damage:
    """Shorten a file."""

    def damage(root: Path) -> None:
        with (root / name).open("r+b") as file:
            file.truncate(size_bytes)

    return damage


def delete(*patterns: str) -> Damage:
    """Delete files and directories."""

    def damage(root: Path) -> None:
        for pattern in patterns:
            for path in root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def add_foreign_files(root: Path) -> None:
    """Put what does not belong there in the slot and beside it."""
    slot = root / "000"
    (slot / "notes.txt").write_text("hello")
    (slot / "points-backup.seg").write_bytes(b"x")
    (slot / "points-00000001.seg").write_bytes(b"x")
    (slot / "events-00000000000000000007.seg.bak").write_bytes(b"x")
    (slot / "points-00000000000000000099.seg").mkdir()
    (root / "README").write_text("hello")
    (root / "0001").mkdir()
    (root / "abc").mkdir()
    (root / "001").write_text("a file where the next slot would be")
    (root / "junk.state").write_bytes(b"x" * 5000)


def in_slot(field: int, n: int = 3) -> int:
    """Offset of a byte of a point of the first segment, the fourth if not said otherwise."""
    return HEADER_BYTES + n * POINT_BYTES + field


def without(*lost: float) -> list[float]:
    """All points but some."""
    return [value for value in POINTS if value not in lost]


class Case(NamedTuple):
    """A damage, and what is found afterwards.

    Attributes:
        damage: Does it.
        points: Surviving points of known series.
        damaged: Positions counted as damaged.
        unacknowledged: Positions counted as never acknowledged.
        events: Surviving events of known series.
        damaged_events: Events counted as damaged.
        dropped: What the counter of bad names says.
    """

    damage: Damage
    points: list[float] = POINTS
    damaged: int = 0
    unacknowledged: int = 0
    events: list[float] = EVENTS
    damaged_events: int = 0
    dropped: int = 3


B_ONLY = (POINTS[1::2], [102.0, 103.0])

TABLE = {
    "nothing": Case(lambda root: None),  # noqa: ARG005
    # Points: whatever byte of a slot changes, that slot is lost and no other.
    "value of a point, high byte": Case(flip(P0, in_slot(7)), without(3), 1),
    "value of a point, low byte": Case(flip(P0, in_slot(0)), without(3), 1),
    "time of a point": Case(flip(P0, in_slot(8)), without(3), 1),
    "second time of a point": Case(flip(P0, in_slot(23)), without(3), 1),
    "second time of a point with a step": Case(flip(P0, in_slot(18, 7)), without(7), 1),
    "second value of a point": Case(flip(P0, in_slot(24)), without(3), 1),
    "series of a point": Case(flip(P0, in_slot(33)), without(3), 1),
    "check bits of a point's series": Case(flip(P0, in_slot(32)), without(3), 1),
    "stamp of a point": Case(flip(P0, in_slot(36)), without(3), 1),
    # Zeros cannot be told from a call that never returned.
    "stamp zeroed": Case(fill(P0, in_slot(36), in_slot(40)), without(3), 0, 1),
    "slot zeroed": Case(fill(P0, in_slot(0), in_slot(40)), without(3), 0, 1),
    "end of a full segment zeroed": Case(
        fill(P0, in_slot(0, 5), in_slot(0, 8)), without(5, 6, 7), 0, 3
    ),
    "header of a full segment": Case(flip(P0, 20)),
    "magic of a full segment": Case(flip(P0, 0)),
    "checksum of a header": Case(flip(P0, 33)),
    "header of the newest segment": Case(flip(P1, 20)),
    "header page of a full segment zeroed": Case(fill(P0, 0, HEADER_BYTES)),
    "header page of the newest segment zeroed": Case(fill(P1, 0, HEADER_BYTES)),
    "full segment cut in a slot": Case(cut(P0, in_slot(5, 2)), [0.0, 1.0, *POINTS[8:]], 6),
    "full segment cut between slots": Case(cut(P0, in_slot(0, 2)), [0.0, 1.0, *POINTS[8:]], 6),
    "full segment cut in its header": Case(cut(P0, 50), POINTS[8:], 8),
    "full segment cut to nothing": Case(cut(P0, 0), POINTS[8:], 8),
    "full segment deleted": Case(delete(P0), POINTS[8:], 8),
    # At the end of a journal the page tells how much there was, up to what was settled: here, where
    # the writer had no second of peace, nothing.
    "newest segment cut in a slot": Case(cut(P1, in_slot(5, 1)), POINTS[:9]),
    "newest segment cut to nothing": Case(cut(P1, 0), POINTS[:8]),
    "newest segment deleted": Case(delete(P1), POINTS[:8]),
    # Events: whatever byte of a frame changes, that frame is lost and no other.
    "payload of an event": Case(flip(E0, HEADER_BYTES + 40), events=EVENTS[1:], damaged_events=1),
    "length of an event": Case(flip(E0, HEADER_BYTES + 4), events=EVENTS[1:], damaged_events=1),
    "length of an event, to gigabytes": Case(
        flip(E0, HEADER_BYTES + 7), events=EVENTS[1:], damaged_events=1
    ),
    "magic of an event": Case(flip(E0, HEADER_BYTES), events=EVENTS[1:], damaged_events=1),
    "ordinal of an event, low": Case(
        flip(E0, HEADER_BYTES + 8), events=EVENTS[1:], damaged_events=1
    ),
    "ordinal of an event, high": Case(
        flip(E0, HEADER_BYTES + 15), events=EVENTS[1:], damaged_events=1
    ),
    "checksum of an event": Case(flip(E0, HEADER_BYTES + 17), events=EVENTS[1:], damaged_events=1),
    "header of the events": Case(flip(E0, 30)),
    "header page of the events zeroed": Case(fill(E0, 0, HEADER_BYTES)),
    "first event zeroed": Case(
        fill(E0, HEADER_BYTES, HEADER_BYTES + 40), events=EVENTS[1:], damaged_events=1
    ),
    # The page tells how many there were.
    "last event": Case(flip(E0, HEADER_BYTES + 200), events=EVENTS[:3], damaged_events=1),
    "events cut in the first frame": Case(cut(E0, HEADER_BYTES + 30), events=[], damaged_events=4),
    "events cut in the header": Case(cut(E0, 30), events=[], damaged_events=4),
    "events cut to nothing": Case(cut(E0, 0), events=[], damaged_events=4),
    "events deleted": Case(delete(E0), events=[], damaged_events=4),
    "all segments deleted": Case(delete("000/*.seg"), [], events=[], damaged_events=4),
    # Series: an entry that is lost takes its facts with it, and gives them to no other series.
    "entry of a series": Case(flip(SERIES, 16 + 40), B_ONLY[0], events=B_ONLY[1]),
    "length of an entry": Case(flip(SERIES, 16 + 4), B_ONLY[0], events=B_ONLY[1]),
    "ordinal of an entry": Case(flip(SERIES, 16 + 14), B_ONLY[0], events=B_ONLY[1]),
    "magic of the series": Case(flip(SERIES, 3)),
    "series cut in the first entry": Case(cut(SERIES, 30), [], events=[]),
    "series cut in the header": Case(cut(SERIES, 5), [], events=[]),
    "series cut to nothing": Case(cut(SERIES, 0), [], events=[]),
    "series deleted": Case(delete(SERIES), [], events=[]),
    # The page.
    "counter of drops": Case(flip(STATE, drop_offset("bad_name")), dropped=0),
    "copy of a counter of drops": Case(flip(STATE, drop_offset("bad_name") + 8), dropped=0),
    "another counter of drops": Case(flip(STATE, drop_offset("budget"))),
    "end of the points in the page": Case(flip(STATE, NUMBER_OFFSETS["points_end"])),
    "end of the events in the page": Case(flip(STATE, NUMBER_OFFSETS["events_end"])),
    "count of the events in the page": Case(flip(STATE, NUMBER_OFFSETS["events_facts"])),
    "end of the series in the page": Case(flip(STATE, NUMBER_OFFSETS["series_end"])),
    "settled end in the page": Case(flip(STATE, NUMBER_OFFSETS["settled"] + 4)),
    "takes in the page": Case(flip(STATE, NUMBER_OFFSETS["takes"])),
    "identity in the page": Case(flip(STATE, 10)),
    "magic of the page": Case(flip(STATE, 0)),
    "page cut": Case(cut(STATE, 100), dropped=0),
    "page cut to nothing": Case(cut(STATE, 0), dropped=0),
    "page zeroed": Case(fill(STATE, 0, 4096), dropped=0),
    "page deleted": Case(delete(STATE), dropped=0),
    # The rest.
    "id deleted": Case(delete("id")),
    "id cut to nothing": Case(cut("id", 0)),
    "id flipped": Case(flip("id", 5)),
    "foreign files": Case(add_foreign_files),
    "slot deleted": Case(delete("000"), [], events=[], damaged_events=4),
    "all but the page deleted": Case(delete("000", "id"), [], events=[], damaged_events=4),
    "page and a segment deleted": Case(delete(STATE, P0), POINTS[8:], 8, dropped=0),
}


def read(slot: SlotReader, points_from: int, events_from: int) -> tuple[list[float], list[float]]:
    """The values of all points and events whose series is known; all must be as written."""
    batch = slot.points(points_from, 1 << 40)
    assert batch.end - batch.start == len(batch.value) + batch.unacknowledged + batch.damaged
    columns = (batch.series, batch.time_ns, batch.value, batch.step)
    points = []
    for series, time_ns, value, step in zip(*(c.tolist() for c in columns), strict=True):
        if (key := slot.series(series)) is not None:
            assert (key, time_ns) == (A if value % 2 == 0 else B, 10**18 + int(value))
            assert step == (value if value > 5 else -(2**63))
            points.append(value)
    events = []
    for event in slot.events(events_from).records:
        if (key := slot.series(event.series)) is not None:
            assert key == (B if event.columns["value"] in (102.0, 103.0) else A)
            events.append(event.columns["value"])
    return points, events


@pytest.mark.repeat
@pytest.mark.parametrize("name", TABLE)
def test_survivors_of_a_damage(name: str, root: Path) -> None:
    """What is whole is read with its exact value, the rest is counted, nothing is made up."""
    case = TABLE[name]
    identity = Journal(root).id
    case.damage(root)
    journal = Journal(root)
    assert journal.id == identity or name == "id flipped"
    slot = SlotReader(root / "000")
    assert [each.name for each in journal.slots()] == (["000"] if slot.directory.exists() else [])
    batch = slot.points(0, 1 << 40)
    assert read(slot, 0, 0) == (case.points, case.events)
    assert (batch.damaged, batch.unacknowledged) == (case.damaged, case.unacknowledged)
    assert slot.events(0, facts_before=0).damaged == case.damaged_events
    assert slot.drops()["bad_name"] == case.dropped
    assert set(slot.drops()) <= {"bad_name"}


@pytest.mark.repeat
@pytest.mark.parametrize("name", TABLE)
def test_recording_goes_on_after_a_damage(name: str, root: Path) -> None:
    """The next owner of the slot records, and a follower that had read all gets all of that.

    What survived before survives the next owner as well.
    """
    case = TABLE[name]
    identity = Journal(root).id
    slot = SlotReader(root / "000")
    points_end, events = slot.points(0, 1 << 40).end, slot.events(0)
    case.damage(root)
    new = [float(value) for value in range(50, 70)]
    writer = JournalWriter(root, segment_slots=SLOTS)
    for value in new:
        writer.put_point(
            A if value % 2 == 0 else B, value, time_ns=10**18 + int(value), step=int(value)
        )
    writer.put_event("points", A, 5, {"value": 200.0, "step": None})
    writer.put_batch(writer.vector_id([B]), writer.generation, [103.0], 5, None)
    writer.count_drop("bad_name")
    assert writer.slot_name == "000"
    slot = SlotReader(root / "000")
    assert read(slot, points_end, events.end) == (new, [200.0, 103.0])
    later = slot.events(events.end, facts_before=events.ordinal)
    assert [event.ordinal for event in later.records] == [4, 5]
    assert later.damaged == 0
    assert slot.drops()["bad_name"] == case.dropped + 1
    assert Journal(root).id == identity or name == "id flipped"
    old = slot.points(0, points_end)
    survivors = read(slot, 0, 0)
    assert survivors == ([*case.points, *new], [*case.events, 200.0, 103.0])
    assert len(old.value) + old.damaged + old.unacknowledged == points_end
    writer.close()


LIVE = [
    "full segment deleted",
    "newest segment deleted",
    "events deleted",
    "all segments deleted",
    "series deleted",
    "page deleted",
    "id deleted",
    "slot deleted",
    "foreign files",
]


@pytest.mark.repeat
@pytest.mark.parametrize("name", LIVE)
def test_living_owner_goes_on_after_a_deletion(name: str, tmp_path: Path) -> None:
    """The owner notices at its next tick; facts since the tick before it are written again.

    That holds for what is recorded after the deletion as well, before anybody has noticed.
    """
    root = tmp_path / "journal"
    writer = record_all(root)
    writer.tick()
    slots_before = {slot.name: slot for slot in Journal(root).slots()}
    ends = {
        name: (slot.points(0, 99).end, slot.events(0).end) for name, slot in slots_before.items()
    }
    writer.put_point(A, 50.0, time_ns=10**18 + 50, step=50)
    TABLE[name].damage(root)
    writer.put_point(B, 51.0, time_ns=10**18 + 51, step=51)
    writer.put_event("points", A, 5, {"value": 200.0, "step": None})
    writer.put_batch(writer.vector_id([A, B]), writer.generation, [201.0, 103.0], 5, None)
    writer.tick()
    for value in range(52, 70):
        key = SeriesKey.of(f"custom:{value}", {}) if value == 60 else (A if value % 2 == 0 else B)
        writer.put_point(key, float(value), time_ns=10**18 + value, step=value)
    writer.tick()
    points, events = [], []
    for slot in Journal(root).slots():
        start = ends.get(slot.name, (0, 0))
        batch = slot.points(start[0], 1 << 40)
        assert all(slot.series(series) for series in batch.series.tolist())
        points += batch.value.tolist()
        events += [each.columns["value"] for each in slot.events(start[1]).records]
    assert sorted(points) == [float(value) for value in range(50, 70)]
    assert sorted(events) == [103.0, 200.0, 201.0]
    assert sum(slot.drops().total() for slot in Journal(root).slots()) in (3, 0)
    writer.close()


def test_slot_that_vanishes_is_no_error(root: Path) -> None:
    """A slot whose directory is gone has no facts; what its page says stays."""
    journal = Journal(root)
    (slot,) = journal.slots()
    shutil.rmtree(root / "000")
    assert read(slot, 0, 0) == ([], [])
    assert slot.drops() == {"bad_name": 3}
    assert not slot.owner_alive()
    assert slot.size_bytes() == 0
    assert journal.slots() == []


def test_journal_that_lost_everything_is_another_one(root: Path) -> None:
    """A journal begun anew has another id, so that no cursor of before is applied to it."""
    journal = Journal(root)
    before = journal.id
    (slot,) = journal.slots()
    assert slot.series(slot.points(0, 1).series.tolist()[0]) == A
    shutil.rmtree(root)
    writer = JournalWriter(root)
    writer.put_point(B, 1.0)
    assert len(journal.id) == 32
    assert journal.id != before
    (slot,) = journal.slots()
    batch = slot.points(0, 9)
    assert (batch.start, batch.end, slot.series(batch.series.tolist()[0])) == (0, 1, B)
    writer.close()
