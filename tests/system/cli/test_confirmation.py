# SPDX-License-Identifier: Apache-2.0
"""On a terminal, what changes recorded facts asks before it does."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

CORRECT = ("correct", "points", "--where", "value=0.5", "--retract")
FORGET = ("forget", "al", "--delete")


@pytest.fixture
def store(store_dir: Path) -> Path:
    """A store with one point."""
    writer = JournalWriter(store_dir / "journal")
    writer.put_point(SeriesKey.of("custom:a", {"user": "al"}), 0.5)
    writer.close()
    return store_dir


def run(store: Path, *words: str, answer: str) -> tuple[int, str]:
    """Run a command on a terminal where somebody types an answer."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        done = subprocess.run(
            [sys.executable, "-m", "tidegauge.cli", "--store", store, *words],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (CORRECT, "1 rows would be taken back. Go on?"),
        (FORGET, "1 rows would be deleted, for good. Go on?"),
    ],
)
def test_a_question_on_a_terminal(store: Path, words: tuple[str, ...], question: str) -> None:
    """No leaves everything as it is, with exit code 1; yes does it; --yes is not asked."""
    code, shown = run(store, *words, answer="n\n")
    assert (code, question in shown, "Nothing was changed." in shown) == (1, True, True)
    code, shown = run(store, *words, "--dry-run", answer="")
    assert (code, question in shown) == (0, False)
    code, shown = run(store, *words, answer="y\n")
    assert (code, question in shown) == (0, True)
    code, shown = run(store, *words, "--yes", answer="")
    assert (code, question in shown) == (0, False)
