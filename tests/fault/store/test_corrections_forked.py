# SPDX-License-Identifier: Apache-2.0
"""A child whose parent had used tables before the fork cannot correct, and is told at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

PROGRAM = """
import os
import sys

import tidegauge as tg
from tidegauge.model.errors import StoreError

tg.configure(store="store", follower="off")
tg.log_metric("model:accuracy", 0.5)
tg.correct("points", where={"metric": "accuracy"}, set={"value": 0.75})
child = os.fork()
if child == 0:
    try:
        tg.correct("points", where={"metric": "accuracy"}, set={"value": 0.25})
    except StoreError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(tg.sql("SELECT value FROM points").fetchall())
"""


def test_a_forked_child_is_told(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """It does not wait for a minute, and changes nothing."""
    done = run_program(PROGRAM, tmp_path, timeout_s=30)
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("the table 'points' cannot be used in this forked process.")
    assert last == "[(0.75,)]"
