# SPDX-License-Identifier: Apache-2.0
"""Taking slots, telling their owners, and the identity of a journal."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegauge.journal.layout import STATE_BYTES
from tidegauge.journal.slot import (
    Slot,
    boot_number,
    journal_id,
    owner_of,
    slot_bytes,
    slot_directories,
)
from tidegauge.journal.state import SlotState, read_state, state_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "store" / "journal"


def names(root: Path) -> list[str]:
    """The slots of a journal."""
    return [directory.name for directory in slot_directories(root)]


def test_lowest_free_slot_is_taken(root: Path) -> None:
    """Slots are numbered from 0; one that was released is taken before a new one is made."""
    first, second, third = (Slot.take(root) for _ in range(3))
    assert [slot.directory.name for slot in (first, second, third)] == ["000", "001", "002"]
    second.release()
    again = Slot.take(root)
    assert again.directory.name == "001"
    assert names(root) == ["000", "001", "002"]
    for slot in (first, again, third):
        slot.release()


def test_owner_is_alive_while_it_holds_the_slot(root: Path) -> None:
    """A slot has an owner from take to release, and each take can be told from the one before."""
    slot = Slot.take(root)
    directory = slot.directory
    alive, first = owner_of(directory)
    assert alive
    slot.release()
    assert owner_of(directory) == (False, first)
    slot = Slot.take(root)
    assert owner_of(directory) != (True, first)
    slot.release()
    slot.release()  # once more does nothing


def test_slot_without_directory_has_no_owner(root: Path) -> None:
    """Asking for the owner of what does not exist is no error."""
    assert owner_of(root / "000") == (False, b"0")
    assert slot_directories(root) == []
    assert slot_bytes(root / "000") == 0


def test_reader_that_looks_does_not_cost_a_slot(root: Path) -> None:
    """While somebody looks whether 000 has an owner, it is taken all the same, a little later."""
    Slot.take(root).release()
    looking = os.open(root / "000", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    let_go = threading.Timer(0.005, os.close, [looking])
    let_go.start()
    slot = Slot.take(root)
    assert slot.directory.name == "000"
    let_go.join()
    slot.release()


def test_reader_that_never_stops_looking_costs_a_slot_and_no_more(root: Path) -> None:
    """A shared lock that is kept makes the next slot the free one."""
    Slot.take(root).release()
    looking = os.open(root / "000", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    slot = Slot.take(root)
    assert slot.directory.name == "001"
    slot.release()
    os.close(looking)


def test_deleted_slot_is_noticed_and_not_taken_twice(root: Path) -> None:
    """Who holds a directory that was deleted holds nothing; the name is free for the next."""
    slot = Slot.take(root)
    assert not slot.is_deleted()
    shutil.rmtree(slot.directory)
    assert slot.is_deleted()
    other = Slot.take(root)
    assert other.directory == slot.directory
    assert slot.is_deleted()
    assert not other.is_deleted()
    slot.release()
    assert owner_of(other.directory)[0]
    other.release()


def test_names_that_are_no_slots_are_ignored(root: Path) -> None:
    """Only what a writer would call a slot is one, sorted by number."""
    Slot.take(root).release()
    for name in ("0001", "1", "12", "abc", "²²²", "1000", "999"):
        (root / name).mkdir()
    (root / "002").write_text("a file")
    assert names(root) == ["000", "999", "1000"]


def test_file_in_the_place_of_a_slot_is_passed_over(root: Path) -> None:
    """A foreign file called like a slot does not stop anybody."""
    root.mkdir(parents=True)
    (root / "000").write_text("hello")
    slot = Slot.take(root)
    assert slot.directory.name == "001"
    slot.release()


def test_slot_of_another_version_is_left_alone(root: Path) -> None:
    """A page with another version's magic keeps writers of this version away."""
    Slot.take(root).release()
    page = bytearray(state_path(root / "000").read_bytes())
    page[7:8] = b"2"
    state_path(root / "000").write_bytes(page)
    slot = Slot.take(root)
    assert slot.directory.name == "001"
    assert state_path(root / "000").read_bytes() == page
    slot.release()


def test_slot_with_too_many_series_is_left_to_its_readers(root: Path) -> None:
    """Whoever takes a slot reads its series; one with more than 16 MiB of them is passed over."""
    slot = Slot.take(root)
    slot.state["series_end"] = (16 << 20) + 8
    slot.release()
    slot = Slot.take(root)
    assert slot.directory.name == "001"
    slot.release()


def test_two_takers_never_get_the_same_slot(root: Path) -> None:
    """Of many threads that take slots at once each gets its own."""
    taken: list[Slot] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        taken.append(Slot.take(root))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({slot.directory for slot in taken}) == 8
    for slot in taken:
        slot.release()


def test_slot_is_doubtful_when_its_page_cannot_be_trusted(root: Path) -> None:
    """A page that is new, damaged or from before a restart of the machine is doubted once."""
    doubts = []
    for damage in (None, None, ("boot", 5), ("series_end", None), None):
        if damage is not None:
            state = SlotState(state_path(root / "000"), journal_id(root))
            state[damage[0]] = damage[1] or 0
            if damage[1] is None:
                state.page[192] ^= 1
        slot = Slot.take(root)
        doubts.append(slot.is_doubtful)
        slot.release()
    assert doubts == [True, False, True, True, False]


def test_id_is_made_once(root: Path) -> None:
    """There is no id before a writer comes, and the same one ever after."""
    assert journal_id(root) == ""
    Slot.take(root).release()
    identity = journal_id(root)
    assert len(identity) == 32
    Slot.take(root).release()
    assert journal_id(root) == identity
    assert (root / "id").read_text() == f"{identity}\n"
    assert sorted(path.name for path in root.iterdir()) == ["000", "000.state", "id"]


@pytest.mark.parametrize("text", [None, "", "0123", "x" * 32, "\xff"])
def test_lost_id_comes_back_from_the_slots(root: Path, text: str | None) -> None:
    """Readers and writers find the same id again, as long as a slot's page has it."""
    Slot.take(root).release()
    identity = journal_id(root)
    if text is None:
        (root / "id").unlink()
    else:
        (root / "id").write_text(text, encoding="latin-1")
    assert journal_id(root) == identity
    Slot.take(root).release()
    assert (root / "id").read_text() == f"{identity}\n"


def test_journals_differ(tmp_path: Path) -> None:
    """Two journals have two ids."""
    assert journal_id(_made(tmp_path / "a")) != journal_id(_made(tmp_path / "b"))


def test_page_tells_who_owns_the_slot(root: Path) -> None:
    """For people: the process id and the time, and how often the slot was taken."""
    slot = Slot.take(root)
    page = read_state(state_path(slot.directory))
    assert page.number("owner_pid") == os.getpid()
    assert (page.number("owner_since_ns") or 0) > 1_700_000_000_000_000_000
    assert page.number("takes") == 1
    assert page.journal_id == journal_id(root)
    assert state_path(slot.directory).stat().st_size == STATE_BYTES
    slot.release()


def test_page_that_was_deleted_is_put_back(root: Path) -> None:
    """The owner keeps its numbers and gives them a file again."""
    slot = Slot.take(root)
    slot.state.add_drop("budget", 7)
    state_path(slot.directory).unlink()
    slot.state.restore()
    slot.state.add_drop("budget", 1)
    page = read_state(state_path(slot.directory))
    assert page.drops() == {"budget": 8}
    assert page.journal_id == journal_id(root)
    slot.state.restore()
    assert read_state(state_path(slot.directory)).drops() == {"budget": 8}
    slot.release()


def test_descriptors_are_given_back(root: Path, open_files: Callable[[Path], int]) -> None:
    """Taking, probing and releasing leaves no open file behind."""
    Slot.take(root).release()
    held = Slot.take(root)
    before = open_files(root)
    for _ in range(20):
        slot = Slot.take(root)
        owner_of(slot.directory)
        journal_id(root)
        slot.release()
        del slot
    assert open_files(root) == before > 0
    held.release()


def _made(root: Path) -> Path:
    Slot.take(root).release()
    return root


@pytest.mark.parametrize("boot_id", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)])
def test_every_start_of_the_machine_fits_into_the_page(boot_id: uuid.UUID, root: Path) -> None:
    """Whatever the identity that the system gives it."""
    slot = Slot.take(root)
    slot.state["boot"] = boot_number(boot_id)
    assert read_state(state_path(slot.directory)).number("boot") == boot_number(boot_id)
    slot.release()
