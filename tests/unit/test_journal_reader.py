# SPDX-License-Identifier: Apache-2.0
"""The journal's exit: where a reader stops, what it passes, and what it counts."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidegauge.journal.frames import encode_frame
from tidegauge.journal.grace import packs_points
from tidegauge.journal.layout import HEADER_BYTES, POINT_BYTES
from tidegauge.journal.reader import Journal, SlotReader
from tidegauge.journal.slot import Slot
from tidegauge.journal.state import read_state, state_path
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.testing import FakeClock

A = SeriesKey.of("custom:a", {})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "journal"


@pytest.fixture
def writer(root: Path) -> Iterator[JournalWriter]:
    """A writer with four points per segment."""
    writer = JournalWriter(root, segment_slots=4)
    yield writer
    writer.close()


@pytest.fixture
def slot(root: Path) -> SlotReader:
    """A reader of the first slot, which need not exist yet."""
    return SlotReader(root / "000")


def put(writer: JournalWriter, *values: float) -> None:
    """Record points."""
    for value in values:
        writer.put_point(A, value)


def leave_a_hole(writer: JournalWriter) -> None:
    """Take an offset and never fill it, as a call does that is interrupted in between."""
    offsets, _ = writer.here
    next(offsets)


def counts(slot: SlotReader, start: int = 0, **how: bool) -> tuple[int, list[float], int, int]:
    """End, values, unacknowledged and damaged of a batch."""
    batch = slot.points(start, 1 << 40, **how)
    assert batch.start == start
    assert batch.end - start == len(batch.value) + batch.unacknowledged + batch.damaged
    return batch.end, batch.value.tolist(), batch.unacknowledged, batch.damaged


class Busy:
    """A thread in the middle of a record call."""

    def __init__(self) -> None:
        self._leave = threading.Event()
        inside = threading.Event()

        @packs_points
        def call() -> None:
            inside.set()
            self._leave.wait()

        self._thread = threading.Thread(target=call)
        self._thread.start()
        inside.wait()

    def end(self) -> None:
        """Let the call return."""
        self._leave.set()
        self._thread.join()


@pytest.fixture
def busy_thread() -> Iterator[Callable[[], Busy]]:
    """Makes threads in the middle of record calls, none of which outlives the test."""
    made: list[Busy] = []

    def make() -> Busy:
        made.append(Busy())
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_slot_that_does_not_exist_is_empty(slot: SlotReader) -> None:
    """Reading nothing is no error."""
    assert counts(slot) == (0, [], 0, 0)
    assert slot.events(0).records == []
    assert (slot.first_points(), slot.end_points(), slot.first_events(), slot.end_events()) == (
        0,
        0,
        0,
        0,
    )
    assert slot.drops() == {}
    assert slot.size_bytes() == 0
    assert slot.free_before(points=10, events=10) == 0
    assert slot.series(5) is None


def test_limit_bounds_a_batch(writer: JournalWriter, slot: SlotReader) -> None:
    """At most so many positions are covered, across segments; the next batch begins at the end."""
    put(writer, *range(10))
    first = slot.points(0, 6)
    second = slot.points(first.end, 6)
    assert (first.end, first.value.tolist()) == (6, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert (second.end, second.value.tolist()) == (10, [6.0, 7.0, 8.0, 9.0])
    assert slot.points(10, 6).end == 10
    assert slot.points(3, 0).end == 3


def test_reader_waits_before_a_slot_that_may_still_be_filled(
    writer: JournalWriter, slot: SlotReader
) -> None:
    """While the owner lives, an empty slot below filled ones stops a settled reader only."""
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0, 2.0, 3.0)
    assert counts(slot) == (1, [0.0], 0, 0)
    assert counts(slot, settled=False) == (5, [0.0, 1.0, 2.0, 3.0], 1, 0)
    assert slot.end_points() == 5


def test_owner_settles_a_slot_that_was_given_up(writer: JournalWriter, slot: SlotReader) -> None:
    """After the next tick the slot counts as unacknowledged, and readers go on."""
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0, 2.0, 3.0)
    writer.tick()
    assert counts(slot) == (5, [0.0, 1.0, 2.0, 3.0], 1, 0)


def test_slot_of_a_call_that_is_running_is_not_settled(
    writer: JournalWriter, slot: SlotReader, busy_thread: Callable[[], Busy]
) -> None:
    """A call that runs in any thread might be the one that fills it."""
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0)
    busy = busy_thread()
    writer.tick()
    writer.tick()
    assert counts(slot) == (1, [0.0], 0, 0)
    busy.end()
    writer.tick()
    assert counts(slot) == (3, [0.0, 1.0], 1, 0)


def test_calls_that_never_pause_do_not_keep_a_slot_from_being_settled(
    writer: JournalWriter, slot: SlotReader, busy_thread: Callable[[], Busy]
) -> None:
    """It is enough that each call that ran when the slot was given up has ended since.

    There is always one running, yet the slot is settled at the second tick.
    """
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0)
    first = busy_thread()
    writer.tick()
    second = busy_thread()
    first.end()
    put(writer, 2.0)
    writer.tick()
    assert counts(slot) == (4, [0.0, 1.0, 2.0], 1, 0)
    second.end()


def test_slot_taken_after_the_look_is_not_settled_with_it(
    writer: JournalWriter, slot: SlotReader, busy_thread: Callable[[], Busy]
) -> None:
    """What was taken while the owner waited has to wait for another round."""
    put(writer, 0.0)
    first = busy_thread()
    writer.tick()
    leave_a_hole(writer)
    put(writer, 1.0)
    second = busy_thread()
    first.end()
    writer.tick()
    assert counts(slot) == (1, [0.0], 0, 0)
    second.end()
    writer.tick()
    assert counts(slot) == (3, [0.0, 1.0], 1, 0)


def test_slot_given_up_at_the_end_of_a_segment_is_settled(
    writer: JournalWriter, slot: SlotReader
) -> None:
    """Also the last slots of a segment that is full by now."""
    put(writer, 0.0, 1.0)
    leave_a_hole(writer)
    leave_a_hole(writer)
    put(writer, 2.0)
    assert counts(slot) == (2, [0.0, 1.0], 0, 0)
    writer.tick()
    assert counts(slot) == (5, [0.0, 1.0, 2.0], 2, 0)


def test_empty_slots_of_the_dead_are_final(root: Path, slot: SlotReader) -> None:
    """Without an owner an empty slot will never be filled."""
    writer = JournalWriter(root, segment_slots=4)
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0, 2.0, 3.0)
    leave_a_hole(writer)
    writer.close()
    assert counts(slot) == (5, [0.0, 1.0, 2.0, 3.0], 1, 0)


def test_next_owner_does_not_hold_up_readers_of_the_last_one(root: Path, slot: SlotReader) -> None:
    """What an earlier owner left unfinished is final as soon as another one has the slot."""
    writer = JournalWriter(root, segment_slots=4)
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0)
    leave_a_hole(writer)
    put(writer, 2.0)
    writer.close()
    writer = JournalWriter(root, segment_slots=4)
    writer.open()
    assert counts(slot) == (5, [0.0, 1.0, 2.0], 2, 0)
    writer.close()


def test_page_that_cannot_be_read_makes_readers_wait(
    writer: JournalWriter, slot: SlotReader, root: Path
) -> None:
    """A settled position whose copies disagree is none; the owner's next tick heals it."""
    put(writer, 0.0)
    leave_a_hole(writer)
    put(writer, 1.0)
    writer.tick()
    page = state_path(root / "000")
    assert read_state(page).number("settled") == 3
    with page.open("r+b") as file:
        file.seek(128)
        file.write(b"\xff")
    assert counts(slot) == (1, [0.0], 0, 0)
    writer.tick()
    assert counts(slot) == (3, [0.0, 1.0], 1, 0)


def test_missing_segment_is_passed_and_counted(
    writer: JournalWriter, slot: SlotReader, root: Path
) -> None:
    """Positions between two files count as damaged, however the batches are cut."""
    put(writer, *range(12))
    (root / "000" / "points-00000000000000000004.seg").unlink()
    kept = [0.0, 1.0, 2.0, 3.0, 8.0, 9.0, 10.0, 11.0]
    assert counts(slot) == (12, kept, 0, 4)
    position, values, damaged = 0, list[float](), 0
    while (batch := slot.points(position, 3)).end > position:
        position = batch.end
        values += batch.value.tolist()
        damaged += batch.damaged
    assert (values, damaged) == (kept, 4)


@pytest.mark.parametrize(
    ("size_bytes", "left"), [(4096 + 100, 2), (4096 + 40, 1), (4096, 0), (30, 0), (None, 0)]
)
def test_settled_points_at_the_end_that_are_lost_are_counted(
    writer: JournalWriter, slot: SlotReader, size_bytes: int | None, left: int
) -> None:
    """The newest file is cut or deleted: the page tells how far it had come."""
    put(writer, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    writer.tick()
    writer.close()
    path = slot.directory / "points-00000000000000000004.seg"
    if size_bytes is None:
        path.unlink()
    else:
        with path.open("r+b") as file:
            file.truncate(size_bytes)
    for settled in (True, False):
        values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][: 4 + left]
        assert counts(slot, settled=settled) == (7, values, 0, 3 - left)
    assert slot.points(0, 6).end == 6
    assert counts(slot, 6) == (7, [], 0, 1)
    assert slot.end_points() == 7


def test_unfinished_points_of_a_file_that_was_cut_are_no_damage(
    writer: JournalWriter, slot: SlotReader
) -> None:
    """What is there of the file and was never filled stays that."""
    put(writer, 1.0)
    leave_a_hole(writer)
    writer.tick()
    writer.close()
    with (slot.directory / "points-00000000000000000000.seg").open("r+b") as file:
        file.truncate(HEADER_BYTES + 3 * POINT_BYTES)
    assert counts(slot) == (2, [1.0], 1, 0)


def test_a_position_is_no_older_than_its_file(root: Path, slot: SlotReader) -> None:
    """Whatever the time of the fact there says; 0 where nothing tells."""
    clock = FakeClock(1_000_000_000)
    writer = JournalWriter(root, segment_slots=4, clock=clock)
    put(writer, 1.0, 2.0, 3.0, 4.0)
    clock.advance(5)
    put(writer, 5.0)
    writer.close()
    assert [slot.created_ns("points", position) for position in (0, 3, 4, 7, 8)] == [
        1_000_000_000,
        1_000_000_000,
        6_000_000_000,
        6_000_000_000,
        0,
    ]
    assert slot.created_ns("events", 0) == 0


def test_freed_segments_are_gone_and_the_newest_stays(
    writer: JournalWriter, slot: SlotReader
) -> None:
    """Whole segments before a position are deleted, oldest first; never the newest of a lane."""
    put(writer, *range(12))
    for n in range(9):
        writer.put_event("errors", A, n, {"message": "x" * 1_000_000})
    ends = [slot.events(0, limit_bytes=size).end for size in (1, 5_000_000)]
    assert slot.free_before(points=7, events=ends[0]) > 0
    assert (slot.first_points(), slot.first_events()) == (4, 0)
    assert slot.free_before(points=1 << 40, events=1 << 40) > 0
    assert (slot.first_points(), slot.end_points()) == (8, 12)
    assert slot.first_events() > ends[1]
    assert slot.free_before(points=1 << 40, events=1 << 40) == 0
    put(writer, 12.0)
    assert counts(slot, 8)[:2] == (13, [8.0, 9.0, 10.0, 11.0, 12.0])


def test_position_before_the_oldest_file_counts_as_damaged(
    writer: JournalWriter, slot: SlotReader
) -> None:
    """A cursor that was not passed by everybody is told what it missed."""
    put(writer, *range(6))
    slot.free_before(points=4, events=0)
    assert counts(slot, 1) == (6, [4.0, 5.0], 0, 3)
    assert slot.points(1, 2).end == 3


def test_cursor_beyond_the_end_waits(writer: JournalWriter, slot: SlotReader) -> None:
    """Nothing is there, and nothing is counted."""
    put(writer, 0.0)
    assert counts(slot, 100) == (100, [], 0, 0)
    assert slot.events(100).end == 100


def test_event_of_a_kind_from_the_future_is_passed_over(
    writer: JournalWriter, slot: SlotReader, root: Path
) -> None:
    """A valid frame that this version cannot read is counted by the next ordinal."""
    writer.put_event("errors", A, 1, {})
    path = root / "000" / "events-00000000000000000000.seg"
    after = HEADER_BYTES + slot.events(0).end
    first = path.read_bytes()[HEADER_BYTES:after]
    writer.close()
    with path.open("r+b") as file:
        file.seek(after)
        file.write(encode_frame(1, b"\x92\xa1x\x01"))
        file.write(encode_frame(4, bytes(first[24 : 24 + first[4]])))
    batch = slot.events(0, facts_before=0)
    assert [event.ordinal for event in batch.records] == [0, 4]
    assert (batch.damaged, batch.ordinal) == (3, 5)
    # The next owner goes on behind all of them.
    writer.put_event("errors", A, 9, {})
    batch = slot.events(batch.end, facts_before=batch.ordinal)
    assert [(event.time_ns, event.ordinal) for event in batch.records] == [(9, 5)]
    assert batch.damaged == 0


def test_lost_events_right_after_the_cursor_are_counted(
    writer: JournalWriter, slot: SlotReader, root: Path
) -> None:
    """With the count of facts before the cursor, a gap right behind it shows."""
    for n in range(4):
        writer.put_event("errors", A, n, {})
    first = slot.events(0, facts_before=0, limit_bytes=1)
    with (root / "000" / "events-00000000000000000000.seg").open("r+b") as file:
        file.seek(HEADER_BYTES + first.end + 30)
        file.write(b"\xff")
    rest = slot.events(first.end, facts_before=first.ordinal)
    assert [event.time_ns for event in rest.records] == [2, 3]
    assert rest.damaged == 1
    assert slot.events(first.end).damaged == 0


def test_journal_lists_its_slots_and_keeps_their_readers(root: Path) -> None:
    """The same object each time for the same slot, and a new one for a journal begun anew."""
    journal = Journal(root)
    assert (journal.slots(), journal.id) == ([], "")
    Slot.take(root).release()
    (first,) = journal.slots()
    assert journal.slots() == [first]
    shutil.rmtree(root)
    Slot.take(root).release()
    assert journal.slots() != [first]


def test_size_is_what_the_disk_gives(writer: JournalWriter, slot: SlotReader) -> None:
    """Segments count in full from the moment they are made."""
    put(writer, 0.0)
    assert slot.size_bytes() >= HEADER_BYTES + 4 * POINT_BYTES
