# SPDX-License-Identifier: Apache-2.0
"""Several system users and one store: with a group they share, or a clear refusal."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "as_user.py"
GROUP = 54321

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def work_as(user: int, group: int, root: Path, scratch: Path) -> str:
    """Record, drain, read and maintain as a user; what came of it."""
    run = subprocess.run(
        [sys.executable, PROGRAM, root, scratch, str(user), str(group)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_users_of_a_group_share_a_store(place: Path, tmp_path: Path) -> None:
    """Whatever their umask: each reads, drains and maintains what the others made."""
    root = place / "store"
    root.mkdir()
    os.chown(root, 50001, GROUP)
    root.chmod(0o2770)
    totals = [work_as(user, GROUP, root, tmp_path) for user in (50001, 50002, 50003, 50001)]
    assert totals == ["4.0", "8.0", "12.0", "16.0"]
    for path in root.rglob("*"):
        status = path.stat()
        assert status.st_gid == GROUP, path
        wanted = 0o2070 if path.is_dir() else 0o060
        assert status.st_mode & wanted == wanted, path


def test_a_user_without_the_group_is_told(place: Path, tmp_path: Path) -> None:
    """An error that names the place and what to do, instead of a half-made store."""
    root = place / "store"
    root.mkdir(mode=0o700)
    text = work_as(50001, GROUP, root, tmp_path)
    assert "the store cannot be used by user id 50001" in text
    assert "chmod g+rwxs" in text
    assert list(root.iterdir()) == []
