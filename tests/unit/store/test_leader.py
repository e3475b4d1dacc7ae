# SPDX-License-Identifier: Apache-2.0
"""One at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tidegauge.store.leader import Claim, exclusive, holder

# Newer versions of Python warn of forks beside threads; here it is tested that they work.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock is; nothing is there yet."""
    return tmp_path / "store" / "leader.lock"


def test_only_one_has_it(path: Path) -> None:
    """A second attempt is told at once that it failed; after the first it succeeds."""
    with exclusive(path) as first:
        with exclusive(path) as second:
            assert (first, second) == (True, False)
        assert holder(path) == f"pid {os.getpid()}"
    assert holder(path) is None
    with exclusive(path) as third:
        assert third


def test_threads_exclude_each_other(path: Path) -> None:
    """The lock belongs to the block, not to the process."""
    got: list[bool] = []

    def attempt() -> None:
        with exclusive(path) as mine:
            got.append(mine)

    with exclusive(path):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert got == [False]


def test_it_is_given_back_after_an_exception(path: Path) -> None:
    """A failed piece of work blocks nobody."""
    with pytest.raises(KeyError), exclusive(path):
        raise KeyError
    assert holder(path) is None


def test_it_ends_with_the_process(path: Path) -> None:
    """A process that is killed with the lock leaves it free."""
    program = (
        "import sys, os, signal, pathlib\n"
        "from tidegauge.store.leader import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])) as mine:\n"
        "    assert mine\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert run.returncode == -9
    assert path.exists()
    with exclusive(path) as mine:
        assert mine


def test_a_child_does_not_inherit_it(path: Path) -> None:
    """A child that lives on does not keep a lock that its parent gave back, nor has it one."""
    read, write = os.pipe()
    with exclusive(path):
        child = os.fork()
        if not child:
            os.close(write)
            os.read(read, 1)  # live until the parent has looked
            os._exit(0)
    try:
        assert holder(path) is None
        with exclusive(path) as mine:
            assert mine
    finally:
        os.close(write)
        os.close(read)
        assert os.waitpid(child, 0)[1] == 0


def test_a_deleted_lock_file_is_made_again(path: Path) -> None:
    """Whoever comes after a deletion gets a lock on the file that is there."""
    with exclusive(path):
        pass
    path.unlink()
    with exclusive(path) as mine:
        assert mine
        assert path.exists()


def test_looking_creates_nothing(path: Path) -> None:
    """Nobody holds a lock that does not exist."""
    assert holder(path) is None
    assert not path.parent.exists()


def test_a_claim_is_kept_until_it_is_released(path: Path) -> None:
    """Taking it again changes nothing; releasing it twice is fine; then others may have it."""
    claim, other = Claim(path), Claim(path)
    assert (claim.take(), claim.take(), claim.is_held) == (True, True, True)
    assert (other.take(), other.is_held) == (False, False)
    with exclusive(path) as mine:
        assert not mine
    other.release()
    assert claim.is_held
    claim.release()
    claim.release()
    assert not claim.is_held
    assert other.take()
    other.release()
    assert holder(path) is None


def test_a_child_does_not_have_its_parents_claim(path: Path) -> None:
    """Nor takes it away by releasing it; the child may have it when the parent has not."""
    claim = Claim(path)
    claim.take()
    child = os.fork()
    if child == 0:
        held = claim.is_held
        claim.release()
        os._exit(held or Claim(path).take())
    assert os.waitpid(child, 0)[1] == 0
    assert claim.is_held
    with exclusive(path) as mine:
        assert not mine
    claim.release()
    child = os.fork()
    if child == 0:
        os._exit(not claim.take())
    assert os.waitpid(child, 0)[1] == 0
