# SPDX-License-Identifier: Apache-2.0
"""What a series id stands for, now and after damage."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tidegauge.journal.layout import series_offset
from tidegauge.journal.series import SERIES_FILE, SeriesLog, SeriesLogFull, Vector
from tidegauge.journal.series_reader import SeriesReader
from tidegauge.journal.state import SlotState
from tidegauge.model.series import SeriesKey

A = SeriesKey.of("custom:a", {"model": "fraud", "region": "eu"})
B = SeriesKey.of("custom:b", {})
C = SeriesKey.of("custom:ü", {"städte": "Köln"})


@pytest.fixture
def state(tmp_path: Path) -> SlotState:
    """The page of a slot."""
    return SlotState(tmp_path / "000.state", "0" * 32)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory of a slot."""
    path = tmp_path / "000"
    path.mkdir()
    return path


def test_ids_lead_back_to_their_series(directory: Path, state: SlotState) -> None:
    """A reader finds what the writer wrote, dimensions and labels apart, in any script."""
    log = SeriesLog(directory, state)
    ids = [log.id_of(key) for key in (A, B, C)]
    reader = SeriesReader(directory)
    assert [reader.entry(each) for each in ids] == [A, B, C]
    assert A.dimensions == (("model", "fraud"),)
    log.close()


def test_same_series_has_one_id(directory: Path, state: SlotState) -> None:
    """Asking again writes nothing."""
    log = SeriesLog(directory, state)
    first = log.id_of(A)
    size = (directory / SERIES_FILE).stat().st_size
    assert log.id_of(SeriesKey.of("custom:a", {"region": "eu", "model": "fraud"})) == first
    assert (directory / SERIES_FILE).stat().st_size == size
    log.close()


def test_vector_has_an_id_like_a_series(directory: Path, state: SlotState) -> None:
    """Series that are recorded together are one entry, in their order."""
    log = SeriesLog(directory, state)
    members = (log.id_of(B), log.id_of(A))
    identifier = log.id_of(Vector(members))
    assert SeriesReader(directory).entry(identifier) == Vector(members)
    assert log.id_of(Vector(members)) == identifier
    assert log.id_of(Vector(members[::-1])) != identifier
    log.close()


def test_next_owner_uses_what_is_there(directory: Path, state: SlotState) -> None:
    """Series and vectors of earlier owners keep their ids; the file grows with new ones only."""
    log = SeriesLog(directory, state)
    old = [log.id_of(A), log.id_of(C)]
    old.append(log.id_of(Vector(tuple(old))))
    log.close()
    size = (directory / SERIES_FILE).stat().st_size
    log = SeriesLog(directory, state)
    assert [log.id_of(key) for key in (A, C, Vector(tuple(old[:2])))] == old
    assert (directory / SERIES_FILE).stat().st_size == size
    new = log.id_of(B)
    assert new not in old
    assert SeriesReader(directory).entry(new) == B
    log.close()


def test_vector_with_a_damaged_member_is_not_used_again(directory: Path, state: SlotState) -> None:
    """Its facts would have no series; the same series get a new vector."""
    log = SeriesLog(directory, state)
    members = tuple(log.id_of(key) for key in (A, B))
    old = log.id_of(Vector(members))
    log.close()
    with (directory / SERIES_FILE).open("r+b") as file:
        file.seek(16 + 24)
        file.write(b"?")
    log = SeriesLog(directory, state)
    again = tuple(log.id_of(key) for key in (A, B))
    assert again[1] == members[1]
    assert again[0] not in (*members, old)
    assert log.id_of(Vector(again)) != old
    log.close()


@pytest.mark.parametrize("size", [0, 5, 16, 30, 60])
def test_no_id_gets_another_meaning_when_the_end_was_cut(
    directory: Path, state: SlotState, size: int
) -> None:
    """What was cut off stays unknown; new entries go behind it."""
    log = SeriesLog(directory, state)
    old = [log.id_of(key) for key in (A, C)]
    log.close()
    os.truncate(directory / SERIES_FILE, size)
    log = SeriesLog(directory, state)
    new = log.id_of(B)
    reader = SeriesReader(directory)
    assert reader.entry(new) == B
    assert new not in old
    assert [reader.entry(each) for each in old] == [None, None]
    log.close()


def test_no_id_in_use_is_given_out_again_when_the_page_is_lost_as_well(
    directory: Path, tmp_path: Path
) -> None:
    """What the facts refer to is passed as `used_end`, and new entries go behind that."""
    log = SeriesLog(directory, SlotState(tmp_path / "a.state", "0" * 32))
    old = [log.id_of(key) for key in (A, B)]
    log.close()
    (directory / SERIES_FILE).unlink()
    used_end = max(series_offset(each) or 0 for each in old) + 8
    log = SeriesLog(directory, SlotState(tmp_path / "b.state", "0" * 32), used_end=used_end)
    assert log.id_of(C) not in old
    log.close()


def test_half_a_frame_left_by_a_killed_owner_is_skipped(directory: Path, state: SlotState) -> None:
    """The next owner leaves it alone, and readers pass over it."""
    log = SeriesLog(directory, state)
    old = log.id_of(A)
    log.close()
    with (directory / SERIES_FILE).open("ab") as file:
        file.write(b"tFG1\x40\0\0\0")
    log = SeriesLog(directory, state)
    new = log.id_of(B)
    reader = SeriesReader(directory)
    assert [reader.entry(each) for each in (old, new)] == [A, B]
    log.close()


def test_reader_sees_what_was_added_since(directory: Path, state: SlotState) -> None:
    """A reader that knew all entries finds the next one as soon as it is asked for it."""
    log = SeriesLog(directory, state)
    reader = SeriesReader(directory)
    assert reader.entry(log.id_of(A)) == A
    assert reader.entry(log.id_of(B)) == B
    log.close()


def test_unknown_id_is_not_looked_for_again_and_again(directory: Path, state: SlotState) -> None:
    """An id without an entry is None, also before there is a file, and becomes known later."""
    reader = SeriesReader(directory)
    assert reader.entry(0) is None
    log = SeriesLog(directory, state)
    known = log.id_of(A)
    assert reader.entry(0) is None
    assert reader.entry(known) == A
    assert [reader.entry(each) for each in range(1000)].count(None) >= 999
    log.close()


def test_reader_remembers_what_it_has_read(directory: Path, state: SlotState) -> None:
    """Entries stay known when the file is gone: ids never change their meaning."""
    log = SeriesLog(directory, state)
    known = log.id_of(A)
    log.close()
    reader = SeriesReader(directory)
    assert reader.entry(known) == A
    (directory / SERIES_FILE).unlink()
    assert reader.entry(known) == A
    log = SeriesLog(directory, state)
    new = log.id_of(B)
    assert [reader.entry(each) for each in (known, new)] == [A, B]
    log.close()


def test_threads_share_a_reader(directory: Path, state: SlotState) -> None:
    """Whoever asks while another thread is reading gets the entry, never None."""
    log = SeriesLog(directory, state)
    keys = [SeriesKey.of(f"custom:m{n}", {}) for n in range(2000)]
    ids = [log.id_of(key) for key in keys]
    log.close()
    for _ in range(5):
        reader = SeriesReader(directory)
        start, found = threading.Barrier(4), list[object]()

        def ask(reader: SeriesReader, start: threading.Barrier, found: list[object]) -> None:
            start.wait()
            found.append(reader.entry(ids[-1]))

        threads = [threading.Thread(target=ask, args=(reader, start, found)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [keys[-1]] * 4


def test_deleted_file_is_put_back(directory: Path, state: SlotState) -> None:
    """The owner gives its entries a file again, those of earlier owners included."""
    log = SeriesLog(directory, state)
    old = log.id_of(A)
    log.close()
    log = SeriesLog(directory, state)
    new = log.id_of(B)
    (directory / SERIES_FILE).unlink()
    log.restore()
    log.restore()
    newest = log.id_of(C)
    reader = SeriesReader(directory)
    assert [reader.entry(each) for each in (old, new, newest)] == [A, B, C]
    assert [path.name for path in directory.iterdir()] == [SERIES_FILE]
    log.close()


def test_log_beyond_128_mib_is_refused(directory: Path, state: SlotState) -> None:
    """There are no ids left; known series go on."""
    log = SeriesLog(directory, state)
    known = log.id_of(A)
    log.close()
    state["series_end"] = (1 << 27) - 8
    log = SeriesLog(directory, state)
    log.id_of(B)
    with pytest.raises(SeriesLogFull, match="the journal has too many series") as caught:
        log.id_of(C)
    assert caught.value.reason == "budget"
    assert log.id_of(B)
    assert SeriesReader(directory).entry(known) == A
    log.close()
