# SPDX-License-Identifier: Apache-2.0
"""An import of a SQLite file that is killed, of a file that grows meanwhile: every row once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROWS = 40_000
GROWTH = 3_000
MOST_KILLS = 6
SCHEMA = """
    CREATE TABLE feature_usage (
        id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL, feature TEXT NOT NULL,
        action TEXT NOT NULL, duration_ms REAL, success BOOLEAN, error_type TEXT,
        user_context TEXT, metadata TEXT, created_at TEXT DEFAULT CURRENT_TIMESTAMP
    )
"""


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_rows_of_a_killed_import_are_recorded_once(tmp_path: Path) -> None:
    """Killed at random moments; ten rows a second, and many equal to one another."""
    path, store = tmp_path / "in.db", tmp_path / "store"
    _add(path, 0, ROWS)
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    environ["TIDEGAUGE_STORE"] = str(store)
    program = str(Path(sys.executable).with_name("tidegauge"))
    command = [program, "import", "sqlite", str(path), "--json"]
    rows = kills = 0
    for _ in range(MOST_KILLS):
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE)
        _wait_for_begin(process, store)
        time.sleep(random.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        _add(path, ROWS + rows, GROWTH)
        rows += GROWTH
    assert kills
    out = subprocess.check_output(command, env=environ)
    total = ROWS + rows
    assert sum(json.loads(out)["rows"].values()) == total
    question = (
        "select count(*) as n, count(distinct time) as seconds, sum(duration_ms) as total, "
        "max(c) as most, min(c) as least from "
        "(select *, count(*) over (partition by time) as c from feature_usage)"
    )
    answer = subprocess.check_output([program, "sql", question, "--json"], env=environ)
    assert json.loads(answer) == [
        {"n": total, "seconds": total // 10, "total": total / 2, "most": 10, "least": 10}
    ]
    again = json.loads(subprocess.check_output(command, env=environ))
    assert (again["recorded"], again["present"]) == (0, total)


def _add(path: Path, first: int, count: int) -> None:
    """Add rows as a program does that goes on meanwhile."""
    rows = [
        (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_700_000_000 + n // 10)), float(n % 2))
        for n in range(first, first + count)
    ]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(SCHEMA.replace("TABLE", "TABLE IF NOT EXISTS", 1))
        connection.executemany(
            "INSERT INTO feature_usage (timestamp, feature, action, duration_ms) "
            "VALUES (?, 'search', 'find', ?)",
            rows,
        )


def _wait_for_begin(process: subprocess.Popen[bytes], store: Path) -> None:
    """Until the import has noted which rows it is about to record, or is over."""
    begun, before = time.monotonic(), _changed(store)
    while process.poll() is None and _changed(store) == before:
        assert time.monotonic() - begun < 60
        time.sleep(0.005)


def _changed(store: Path) -> tuple[float, float]:
    paths = (store / "state.db", store / "state.db-wal")
    first, second = (path.stat().st_mtime if path.exists() else 0.0 for path in paths)
    return first, second
