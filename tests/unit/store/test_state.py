# SPDX-License-Identifier: Apache-2.0
"""The store's transactional state."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tidegauge.model.errors import StoreError
from tidegauge.store.state import State

# Newer versions of Python warn of forks beside threads; here it is tested that they work.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state of the journal `j1`, not created yet."""
    return State(tmp_path / "store" / "state.db", journal_id=lambda: "j1")


def test_when_a_follower_had_everything_is_kept(tmp_path: Path) -> None:
    """0 until it is said."""
    state = State(tmp_path / "state.db")
    assert state.caught_up_ns("mlflow") == 0
    with state.transaction() as transaction:
        transaction.set_caught_up("mlflow", 1_700_000_000_000_000_000)
    assert State(state.path).caught_up_ns("mlflow") == 1_700_000_000_000_000_000


def test_reading_creates_nothing(state: State) -> None:
    """What is not there yet is empty."""
    assert state.followers() == []
    assert state.cursors("mlflow") == {}
    assert state.counters("mlflow") == {}
    assert state.dead_letters() == []
    assert state.value("a", "b") is None
    assert state.damage() is None
    assert not state.path.parent.exists()


def test_a_follower_is_registered_until_it_is_forgotten(state: State) -> None:
    """Registering twice is registering once; forgetting drops the cursors."""
    state.register_follower("mlflow")
    state.register_follower("mlflow")
    with state.transaction() as transaction:
        transaction.set_cursor("mlflow", "000", "points", 7)
    assert state.followers() == ["mlflow"]
    state.forget_follower("mlflow")
    assert state.followers() == []
    assert state.cursors("mlflow") == {}


def test_everything_of_a_transaction_is_kept_together(state: State) -> None:
    """Cursor, counter, dead letter and value are there after it."""
    with state.transaction() as transaction:
        transaction.set_cursor("mlflow", "000", "points", 100)
        transaction.set_cursor("mlflow", "000", "events", 4096)
        transaction.count("mlflow", "delivered", 60)
        transaction.count("mlflow", "delivered", 40)
        transaction.add_dead_letter("mlflow", "run_deleted", "run 4711 is gone", '{"a":1}')
        transaction.set_value("mlflow", "server", "up")
    assert state.cursors("mlflow") == {("000", "points"): 100, ("000", "events"): 4096}
    assert state.counters("mlflow") == {"delivered": 100, "dead_letters/run_deleted": 1}
    (letter,) = state.dead_letters("mlflow")
    assert (letter.reason, letter.detail, letter.payload_json) == (
        "run_deleted",
        "run 4711 is gone",
        '{"a":1}',
    )
    assert state.value("mlflow", "server") == "up"


def test_nothing_of_a_failed_transaction_is_kept(state: State) -> None:
    """An exception in the block undoes what was done in it."""

    def change_and_fail() -> None:
        with state.transaction() as transaction:
            transaction.set_cursor("mlflow", "000", "points", 100)
            transaction.count("mlflow", "delivered")
            raise KeyError

    with pytest.raises(KeyError):
        change_and_fail()
    assert state.cursors("mlflow") == {}
    assert state.counters("mlflow") == {}


def test_a_dead_letter_with_a_key_is_written_once(state: State) -> None:
    """A pass that is repeated after a crash does not double it, nor its count."""
    for _ in range(2):
        with state.transaction() as transaction:
            transaction.add_dead_letter("store", "unfit", "", "{}", key="j1/000/5")
            transaction.add_dead_letter("store", "unfit", "", "{}", key="j1/000/6")
    assert len(state.dead_letters()) == 2
    assert state.counters("store") == {"dead_letters/unfit": 2}


def test_dead_letters_are_bounded_and_their_count_is_not(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound, the oldest goes; newest come first."""
    monkeypatch.setattr("tidegauge.store.state.DEAD_LETTERS_KEPT", 3)
    for number in range(5):
        with state.transaction() as transaction:
            transaction.add_dead_letter("mlflow", "refused", str(number), "{}")
    assert [letter.detail for letter in state.dead_letters()] == ["4", "3", "2"]
    assert state.counters("mlflow") == {"dead_letters/refused": 5}


def test_cursors_of_another_journal_are_not_shown(tmp_path: Path) -> None:
    """A journal that was begun anew starts without cursors; the old ones are kept for the old."""
    path = tmp_path / "state.db"
    first, second = State(path, journal_id=lambda: "j1"), State(path, journal_id=lambda: "j2")
    with first.transaction() as transaction:
        transaction.set_cursor("mlflow", "000", "points", 100)
    assert second.cursors("mlflow") == {}
    assert first.cursors("mlflow") == {("000", "points"): 100}
    with second.transaction() as transaction:
        transaction.set_cursor("mlflow", "000", "points", 3)
    assert second.journals() == ["j1", "j2"]


def test_threads_take_turns(state: State) -> None:
    """Eight threads that count at once lose no count."""

    def count() -> None:
        for _ in range(50):
            with state.transaction() as transaction:
                transaction.count("mlflow", "delivered")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.counters("mlflow") == {"delivered": 400}


def test_a_forked_child_and_its_parent_both_go_on(state: State) -> None:
    """The child opens the file anew and never touches the parent's connection."""
    state.register_follower("before")
    child = os.fork()
    if not child:
        state.register_follower("child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    state.register_follower("parent")
    assert state.followers() == ["before", "child", "parent"]


def test_a_child_forked_while_others_write_can_write(state: State) -> None:
    """Whatever other threads are in the middle of, the child finds no lock that nobody holds."""
    state.register_follower("before")
    ending = threading.Event()

    def write(store: State) -> None:
        while not ending.is_set():
            with store.transaction() as transaction:
                transaction.count("store", "written")

    writers = [threading.Thread(target=write, args=(each,)) for each in (state, State(state.path))]
    for thread in writers:
        thread.start()
    try:
        ends = []
        for number in range(20):
            child = os.fork()
            if not child:
                fresh = State(state.path)
                fresh.register_follower(f"child {number}")
                os._exit(0 if fresh.followers() else 1)
            ends.append(os.waitpid(child, 0)[1])
    finally:
        ending.set()
        for thread in writers:
            thread.join()
    assert ends == [0] * 20
    assert len(state.followers()) == 21


def test_a_fork_within_a_transaction_leaves_it_to_the_parent(state: State) -> None:
    """It is committed there, and the child does not touch it."""
    state.register_follower("before")
    with state.transaction() as transaction:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        transaction.count("store", "written")
    assert state.counters("store") == {"written": 1}


def test_a_file_deleted_under_us_is_begun_anew(state: State) -> None:
    """Writes go where the name leads, not to a file without a name."""
    state.register_follower("before")
    for suffix in ("", "-wal", "-shm"):
        state.path.with_name(f"state.db{suffix}").unlink(missing_ok=True)
    assert state.followers() == []
    state.register_follower("after")
    assert State(state.path).followers() == ["after"]


def test_a_newer_file_with_more_migrations_still_works(state: State) -> None:
    """Migrations that this version does not know are left alone."""
    state.register_follower("mlflow")
    state.close()
    with sqlite3.connect(state.path) as connection:
        connection.execute("insert into migrations values ('from the future', 1)")
    connection.close()
    assert state.followers() == ["mlflow"]


def test_a_damaged_file_is_an_error_that_names_it(state: State) -> None:
    """The error says which file, and what to do."""
    state.path.parent.mkdir()
    state.path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"state cannot be used.*state\.db.*doctor --repair"):
        state.register_follower("mlflow")
    assert state.damage() is not None


def test_group_writable_store_makes_a_group_writable_state(tmp_path: Path) -> None:
    """All three files of SQLite, whatever the umask says."""
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o2770)
    before = os.umask(0o077)
    try:
        state = State(root / "state.db")
        state.register_follower("mlflow")
        modes = {path.name: path.stat().st_mode & 0o777 for path in root.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"state.db": 0o660, "state.db-wal": 0o660, "state.db-shm": 0o660}


def test_a_second_object_does_not_take_the_locks_of_the_first(tmp_path: Path) -> None:
    """Another process that comes and goes leaves the log alone that is in use here."""
    path = tmp_path / "state.db"
    first, second = State(path), State(path)
    with first.transaction() as transaction:
        transaction.count("store", "stored")
    assert second.counters("store") == {"stored": 1}
    program = f"""
import sqlite3
connection = sqlite3.connect({str(path)!r})
connection.execute("select * from counters").fetchall()
connection.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    with first.transaction() as transaction:
        transaction.count("store", "stored")
    assert second.counters("store") == State(path).counters("store") == {"stored": 2}
    assert path.with_name("state.db-wal").exists()
    assert second.damage() is None


def test_dead_letters_that_go_leave_nothing(tmp_path: Path) -> None:
    """They stay counted, and no byte of the file or beside it has them."""
    state = State(tmp_path / "state.db")
    with state.transaction() as transaction:
        for key in ("a", "b"):
            transaction.add_dead_letter("store", "unfit", "no", f"payload of {key}", key=key)
    assert state.drop_dead_letters(lambda letter: letter.payload_json.endswith("a")) == 1
    assert state.scrub()
    assert [letter.payload_json for letter in state.dead_letters()] == ["payload of b"]
    assert state.counters("store") == {"dead_letters/unfit": 2}
    state.close()
    assert not any(b"payload of a" in path.read_bytes() for path in tmp_path.iterdir())
