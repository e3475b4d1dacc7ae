# SPDX-License-Identifier: Apache-2.0
"""The journal's entrance: segments, budget, refusals, drops, and going on after anything."""

from __future__ import annotations

import gc
import os
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidegauge.journal.events import MAX_EVENT_BYTES
from tidegauge.journal.grace import packs_points
from tidegauge.journal.layout import NO_STEP, POINT_BYTES
from tidegauge.journal.reader import Journal, SlotReader
from tidegauge.journal.refusal import Refused
from tidegauge.journal.writer import JournalWriter, journal_bytes
from tidegauge.model.errors import ConfigError, StoreError
from tidegauge.model.series import SeriesKey
from tidegauge.testing import FakeClock

A = SeriesKey.of("custom:a", {"model": "m"})
B = SeriesKey.of("custom:b", {})
SEGMENT_BYTES = 4096 + 100 * POINT_BYTES  # of 100 slots; two blocks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "journal"


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when told to."""
    return FakeClock()


@pytest.fixture
def writer(root: Path, clock: FakeClock) -> Iterator[JournalWriter]:
    """A writer with four points per segment."""
    writer = JournalWriter(root, segment_slots=4, clock=clock)
    yield writer
    writer.close()


def slot_of(root: Path, name: str = "000") -> SlotReader:
    """A reader of one slot."""
    return SlotReader(root / name)


def values(slot: SlotReader) -> list[float]:
    """All points of a slot."""
    return slot.points(0, 1 << 40).value.tolist()


def segments(root: Path, lane: str = "points") -> list[str]:
    """The first positions of a lane's segments."""
    paths = sorted((root / "000").glob(f"{lane}-*.seg"))
    return [path.stem.removeprefix(f"{lane}-").lstrip("0") or "0" for path in paths]


def test_point_comes_back_with_everything(writer: JournalWriter, root: Path) -> None:
    """Series, time, value and step are read as they were given; without a time it is now."""
    writer.put_point(A, 1.5, time_ns=17, step=-3)
    writer.put_point(B, 2.5)
    batch = slot_of(root).points(0, 10)
    assert [slot_of(root).series(each) for each in batch.series.tolist()] == [A, B]
    assert batch.time_ns.tolist() == [17, 1_700_000_000_000_000_000]
    assert batch.value.tolist() == [1.5, 2.5]
    assert batch.step.tolist() == [-3, NO_STEP]


def test_clock_that_goes_backwards_changes_nothing_else(
    writer: JournalWriter, root: Path, clock: FakeClock
) -> None:
    """Facts keep their order, each with the time that the clock told, across segments too."""
    times = [2_000, 1_000, 3_000, 1, 2, 500]
    for n, time_ns in enumerate(times):
        clock.set_wall(time_ns)
        writer.put_point(A, float(n))
        writer.tick()
    batch = slot_of(root).points(0, 10)
    assert batch.time_ns.tolist() == times
    assert batch.value.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_segments_follow_each_other(writer: JournalWriter, root: Path) -> None:
    """A full segment is followed by one that begins where it ended."""
    for n in range(9):
        writer.put_point(A, float(n))
    assert segments(root) == ["0", "4", "8"]
    assert values(slot_of(root)) == [float(n) for n in range(9)]
    assert {path.stat().st_size for path in (root / "000").glob("points-*")} == {4096 + 160}
    assert not list((root / "000").glob("*.new"))


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_tiny_segments_work(root: Path, slots: int) -> None:
    """A segment may have one slot only."""
    writer = JournalWriter(root, segment_slots=slots)
    for n in range(7):
        writer.put_point(A, float(n))
    assert values(slot_of(root)) == [float(n) for n in range(7)]
    writer.close()


@pytest.mark.parametrize("slots", [0, -1, 107_374_081])
def test_segment_size_beyond_the_format_is_an_error(root: Path, slots: int) -> None:
    """A stamp has 32 bits; a segment has at least one slot."""
    with pytest.raises(ConfigError, match="a segment cannot have so many slots; got"):
        JournalWriter(root, segment_slots=slots)
    writer = JournalWriter(root)
    with pytest.raises(ConfigError):
        writer.relocate(root, budget_bytes=1, segment_slots=slots)


def test_nothing_is_made_before_the_first_fact(root: Path) -> None:
    """A writer that never writes leaves no trace."""
    writer = JournalWriter(root)
    writer.tick()
    writer.sync()
    writer.close()
    assert not root.exists()


def test_drops_alone_take_a_slot(root: Path) -> None:
    """A process that records nothing that is allowed is seen, too."""
    writer = JournalWriter(root)
    writer.count_drop("bad_name", 2)
    assert slot_of(root).drops() == {"bad_name": 2}
    writer.close()


def test_owner_goes_on_where_the_last_one_stopped(root: Path) -> None:
    """After close a segment is filled up by the next owner of the slot."""
    for n in range(6):
        writer = JournalWriter(root, segment_slots=4)
        writer.put_point(A, float(n))
        writer.put_event("points", A, n, {"value": float(n)})
        writer.close()
    assert segments(root) == ["0", "4"]
    assert segments(root, "events") == ["0"]
    slot = slot_of(root)
    assert values(slot) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [event.ordinal for event in slot.events(0).records] == [0, 1, 2, 3, 4, 5]
    assert slot.events(0, facts_before=0).damaged == 0


def test_other_segment_sizes_fit_together(root: Path) -> None:
    """Segments of different sizes follow each other without a gap."""
    for slots, count in ((4, 6), (10, 9), (2, 5)):
        writer = JournalWriter(root, segment_slots=slots)
        for n in range(count):
            writer.put_point(A, float(n))
        writer.close()
    batch = slot_of(root).points(0, 100)
    assert (batch.end, batch.damaged, batch.unacknowledged) == (20, 0, 0)
    assert len(batch.value) == 20


def test_draft_of_a_killed_owner_is_used_up(root: Path) -> None:
    """A segment that was being made when its owner was killed is made again, in the right size."""
    writer = JournalWriter(root, segment_slots=4)
    writer.put_point(A, 0.0)
    writer.close()
    draft = root / "000" / "points-00000000000000000004.new"
    draft.write_bytes(b"x" * 100_000)
    writer = JournalWriter(root, segment_slots=4)
    for n in range(1, 6):
        writer.put_point(A, float(n))
    batch = slot_of(root).points(0, 100)
    assert (batch.value.tolist(), batch.damaged) == ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0)
    assert not draft.exists()
    writer.close()


def test_several_writers_have_several_slots(root: Path) -> None:
    """Each writer of a journal has a slot of its own, and gives it back at close."""
    writers = [JournalWriter(root) for _ in range(3)]
    for n, writer in enumerate(writers):
        writer.put_point(A, float(n))
    assert [writer.slot_name for writer in writers] == ["000", "001", "002"]
    assert [values(slot) for slot in Journal(root).slots()] == [[0.0], [1.0], [2.0]]
    for writer in writers:
        writer.close()
    assert not any(slot.owner_alive() for slot in Journal(root).slots())


# --- batches and events --------------------------------------------------------------------------


def test_batch_is_as_many_facts_as_it_has_values(writer: JournalWriter, root: Path) -> None:
    """A batch is read as one event of the table points per value, in the vector's order."""
    vector = writer.vector_id([B, A])
    assert writer.put_batch(vector, writer.generation, [1.0, 2.0], 17, None)
    assert writer.put_batch(vector, writer.generation, [3.0, 4.0], 18, 5)
    slot = slot_of(root)
    batch = slot.events(0)
    assert [slot.series(event.series) for event in batch.records] == [B, A, B, A]
    assert [(event.table, event.time_ns, event.columns) for event in batch.records] == [
        ("points", 17, {"value": 1.0, "step": None}),
        ("points", 17, {"value": 2.0, "step": None}),
        ("points", 18, {"value": 3.0, "step": 5}),
        ("points", 18, {"value": 4.0, "step": 5}),
    ]
    assert [event.ordinal for event in batch.records] == [0, 1, 2, 3]
    assert batch.ordinal == 4


def test_batch_with_an_id_of_before_is_not_written(writer: JournalWriter, root: Path) -> None:
    """After the slot was given back, ids are stale: nothing is written, and False tells so."""
    vector, generation = writer.vector_id([A]), writer.generation
    writer.close()
    assert not writer.put_batch(vector, generation, [1.0], 17, None)
    vector = writer.vector_id([A])
    assert not writer.put_batch(vector, generation, [1.0], 17, None)
    assert writer.put_batch(vector, writer.generation, [2.0], 17, None)
    assert [event.columns["value"] for event in slot_of(root).events(0).records] == [2.0]


def test_event_too_large_is_refused(writer: JournalWriter, root: Path) -> None:
    """An event of more than 1 MiB is refused with its reason, and the next one is written."""
    with pytest.raises(Refused, match="the fact is too large for the journal") as caught:
        writer.put_event("errors", A, 1, {"message": "x" * MAX_EVENT_BYTES})
    assert caught.value.reason == "bad_metadata"
    writer.put_event("errors", A, 2, {"message": "x" * (MAX_EVENT_BYTES - 100)})
    writer.put_event("errors", A, 3, {"message": "y"})
    batch = slot_of(root).events(0, facts_before=0)
    assert [event.time_ns for event in batch.records] == [2, 3]
    assert batch.damaged == 0


def test_event_segments_follow_each_other(writer: JournalWriter, root: Path) -> None:
    """Events that do not fit any more go on in another segment; positions go on with them."""
    text = "x" * 1_000_000
    for n in range(9):
        writer.put_event("errors", A, n, {"message": text})
    assert len(segments(root, "events")) == 3
    slot, position, seen = slot_of(root), 0, list[int]()
    while (batch := slot.events(position, limit_bytes=1)).end > position:
        position = batch.end
        seen += [event.time_ns for event in batch.records]
    assert seen == list(range(9))
    assert slot.end_events() == position


# --- budget and refusals -------------------------------------------------------------------------


def test_budget_refuses_and_recording_goes_on_when_it_is_freed(
    root: Path, clock: FakeClock
) -> None:
    """No segment is made beyond the budget; once a follower has freed one, facts are taken."""
    writer = JournalWriter(root, segment_slots=100, budget_bytes=4 * SEGMENT_BYTES, clock=clock)
    refusal, written = None, 0
    while refusal is None:
        try:
            writer.put_point(A, float(written))
        except Refused as error:
            refusal = error
        else:
            written += 1
    assert refusal.reason == "budget"
    assert str(refusal).startswith("the journal has used up its byte budget; got")
    assert written % 100 == 0
    assert journal_bytes(root) <= 4 * SEGMENT_BYTES
    assert slot_of(root).free_before(points=100, events=0) > 0
    with pytest.raises(Refused):
        writer.put_point(A, -1.0)
    clock.advance(1.0)
    writer.put_point(A, -2.0)
    slot = slot_of(root)
    assert slot.first_points() == 100
    batch = slot.points(100, 10_000)
    assert batch.value.tolist() == [*map(float, range(100, written)), -2.0]
    assert batch.damaged == 0
    writer.close()


def test_refusal_stands_for_a_second(root: Path, clock: FakeClock) -> None:
    """The disk is not asked again before a second has passed, and each error is a new one."""
    writer = JournalWriter(root, segment_slots=100, budget_bytes=SEGMENT_BYTES, clock=clock)
    errors = []
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            writer.put_point(A, 1.0)
        errors.append(caught.value)
    assert len({id(error) for error in errors}) == 3
    assert len({str(error) for error in errors}) == 1
    assert errors[2].__traceback__ is not None
    assert errors[2].__cause__ is None
    writer.relocate(root, budget_bytes=1 << 30, segment_slots=100)
    writer.put_point(A, 2.0)
    assert values(slot_of(root)) == [2.0]
    writer.close()


def test_traceback_of_a_repeated_refusal_does_not_grow(root: Path, clock: FakeClock) -> None:
    """A million refusals hold no more memory than one."""
    writer = JournalWriter(root, budget_bytes=1, clock=clock)
    depths = []
    for _ in range(50):
        with pytest.raises(Refused) as caught:
            writer.put_point(A, 1.0)
        depth, traceback = 0, caught.value.__traceback__
        while traceback is not None:
            depth, traceback = depth + 1, traceback.tb_next
        depths.append(depth)
    assert len(set(depths[1:])) == 1
    writer.close()


def test_journal_that_cannot_be_opened_is_refused_for_a_second(
    tmp_path: Path, clock: FakeClock
) -> None:
    """A file in the place of the journal: refused, counted in memory, and taken once it is gone."""
    root = tmp_path / "journal"
    root.write_text("not a directory")
    writer = JournalWriter(root, clock=clock)
    for _ in range(2):
        with pytest.raises(StoreError):
            writer.put_point(A, 1.0)
        writer.count_drop("unavailable")
    root.unlink()
    with pytest.raises(StoreError):
        writer.put_point(A, 1.0)
    clock.advance(1.0)
    writer.put_point(A, 2.0)
    assert values(slot_of(root)) == [2.0]
    assert slot_of(root).drops() == {"unavailable": 2}
    writer.close()


# --- drops ---------------------------------------------------------------------------------------


def test_drops_are_counted_for_the_life_of_the_slot(root: Path) -> None:
    """Counters go on from owner to owner, and are on disk when the call returns."""
    for _ in range(3):
        writer = JournalWriter(root)
        writer.count_drop("bad_name")
        writer.open()
        writer.count_drop("bad_name", 10)
        assert slot_of(root).drops()["bad_name"] % 11 == 0
        writer.count_drop("internal")
        writer.close()
    assert slot_of(root).drops() == {"bad_name": 33, "internal": 3}


def test_drops_of_many_threads_are_all_counted(writer: JournalWriter, root: Path) -> None:
    """No count gets lost between threads."""
    writer.open()

    def drop() -> None:
        for _ in range(2000):
            writer.count_drop("bad_value")

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slot_of(root).drops() == {"bad_value": 8000}


# --- calls inside calls --------------------------------------------------------------------------


class Recording:
    """An object that records when it is destroyed, and notes what came of it."""

    def __init__(self, writer: JournalWriter, outcomes: list[str]) -> None:
        self._writer = writer
        self._outcomes = outcomes
        self._me = self  # a cycle, so that the garbage collector comes for it

    def __del__(self) -> None:
        try:
            self._writer.put_event("errors", SeriesKey.of("custom:gone", {}), 1, {"n": 1})
        except Refused as refusal:
            self._outcomes.append(refusal.reason)
            self._writer.count_drop(refusal.reason)
        else:
            self._outcomes.append("written")


def test_destructor_that_records_does_not_damage_what_it_interrupts(
    writer: JournalWriter, root: Path
) -> None:
    """Facts recorded inside of the journal's own work are refused and counted; no other is hurt."""
    outcomes: list[str] = []
    before = gc.get_threshold()
    gc.set_threshold(3)
    try:
        for n in range(2000):
            Recording(writer, outcomes)
            writer.put_event("errors", SeriesKey.of(f"custom:n{n}", {}), n, {"n": n})
    finally:
        gc.set_threshold(*before)
        gc.collect()
    slot = slot_of(root)
    batch = slot.events(0, facts_before=0)
    assert batch.damaged == 0
    assert [event.ordinal for event in batch.records] == list(range(len(batch.records)))
    kept = [event for event in batch.records if slot.series(event.series).metric != "custom:gone"]
    assert [event.time_ns for event in kept] == list(range(2000))
    assert [slot.series(event.series).metric for event in kept] == [
        f"custom:n{n}" for n in range(2000)
    ]
    writer.tick()
    refused = outcomes.count("internal")
    assert len(outcomes) == 2000
    assert slot.drops()["internal"] == refused
    assert len(batch.records) == 4000 - refused


# --- giving the slot back ------------------------------------------------------------------------


def test_slot_stays_taken_while_a_call_may_be_writing(root: Path) -> None:
    """Close does not give a slot back under a thread that may still fill a point there."""
    writer = JournalWriter(root)
    writer.put_point(A, 1.0)
    inside, leave = threading.Event(), threading.Event()

    @packs_points
    def slow_call() -> None:
        inside.set()
        leave.wait()

    thread = threading.Thread(target=slow_call)
    thread.start()
    inside.wait()
    writer.close(timeout_s=0.01)
    assert slot_of(root).owner_alive()
    writer.put_point(A, 2.0)
    assert writer.slot_name == "001"
    leave.set()
    thread.join()
    writer.tick()
    assert not slot_of(root).owner_alive()
    assert slot_of(root, "001").owner_alive()
    writer.close()
    assert not slot_of(root, "001").owner_alive()


def test_close_waits_for_calls_that_wait_for_the_lock(root: Path) -> None:
    """Threads that record all the time do not keep close from giving the slot back."""
    writer = JournalWriter(root, segment_slots=50)
    stop = threading.Event()
    counts = [0, 0]

    @packs_points
    def record(n: int) -> None:
        writer.put_point(A, float(n))

    def loop(n: int) -> None:
        while not stop.is_set():
            record(n)
            counts[n] += 1

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        before = sum(counts)
        while sum(counts) < before + 200:
            pass
        writer.close(timeout_s=30.0)
    stop.set()
    for thread in threads:
        thread.join()
    writer.close(timeout_s=30.0)
    assert not any(slot.owner_alive() for slot in Journal(root).slots())
    batches = [slot.points(0, 1 << 30) for slot in Journal(root).slots()]
    assert sum(len(batch.value) for batch in batches) == sum(counts)
    assert sum(batch.damaged + batch.unacknowledged for batch in batches) == 0


def test_files_and_memory_are_given_back(root: Path, open_files: Callable[[Path], int]) -> None:
    """Opening, changing segments, closing and deleting leave no descriptor behind."""
    writer = JournalWriter(root, segment_slots=2)
    for n in range(6):
        for value in range(20):
            writer.put_point(A, float(value))
        writer.put_event("errors", A, n, {})
        writer.sync()
        assert open_files(root) > 0
        if n % 2:
            shutil.rmtree(root)
            writer.tick()
        writer.close()
        gc.collect()
        assert open_files(root) == 0
    maps = Path("/proc/self/maps").read_text()
    assert str(root) not in maps


def test_sync_reaches_every_segment(root: Path) -> None:
    """Syncing is no error at any time, with full segments, while files vanish, and when closed."""
    writer = JournalWriter(root, segment_slots=2)
    for n in range(5):
        writer.put_point(A, float(n))
    writer.sync()
    slot_of(root).sync()
    slot_of(root).free_before(points=4, events=0)
    writer.sync()
    shutil.rmtree(root)
    writer.sync()
    slot_of(root).sync()
    writer.close()


def test_relocated_writer_writes_elsewhere(root: Path, tmp_path: Path) -> None:
    """From one call to the next, facts go to another journal; the first slot is given back."""
    forgotten: list[int] = []
    writer = JournalWriter(root, forget=lambda: forgotten.append(1))
    writer.put_point(A, 1.0)
    other = tmp_path / "other"
    with writer.lock:
        writer.relocate(other, budget_bytes=1 << 30, segment_slots=10)
    writer.put_point(A, 2.0)
    assert (values(slot_of(root)), values(slot_of(other))) == ([1.0], [2.0])
    writer.tick()
    assert not slot_of(root).owner_alive()
    assert len(forgotten) == 2
    writer.close()


# --- permissions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "umask", "directory_mode", "file_mode"),
    [
        (0o700, 0o022, 0o755, 0o644),
        (0o700, 0o077, 0o700, 0o600),
        (0o2770, 0o022, 0o2775, 0o664),
        (0o2770, 0o077, 0o2770, 0o660),
        (0o2770, 0o777, 0o2770, 0o660),
    ],
)
def test_files_are_shared_as_the_store_is(
    tmp_path: Path, mode: int, umask: int, directory_mode: int, file_mode: int
) -> None:
    """Under a directory that its group may write, all is the group's too, whatever the umask."""
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(mode)
    writer = JournalWriter(store / "journal", segment_slots=2)
    before = os.umask(umask)
    try:
        for n in range(5):
            writer.put_point(A, float(n))
        writer.put_event("errors", A, 1, {})
    finally:
        os.umask(before)
    found = {path: path.stat().st_mode & 0o7777 for path in store.rglob("*")}
    assert {m for path, m in found.items() if path.is_dir()} == {directory_mode}
    files = {path.name: m for path, m in found.items() if path.is_file()}
    assert set(files.values()) == {file_mode}
    assert {name.partition("-")[0] for name in files} == {
        "id",
        "000.state",
        "series.log",
        "points",
        "events",
    }
    writer.close()


def test_time_before_1970_is_an_error_and_costs_one_position(
    writer: JournalWriter, root: Path
) -> None:
    """The recorder refuses such a time; should one get here, no other fact is hurt."""
    writer.put_point(A, 1.0)
    with pytest.raises(struct.error):
        writer.put_point(A, 2.0, time_ns=-1)
    writer.put_point(A, 3.0)
    writer.tick()
    batch = slot_of(root).points(0, 10)
    assert (batch.value.tolist(), batch.unacknowledged, batch.damaged) == ([1.0, 3.0], 1, 0)
