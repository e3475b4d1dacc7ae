# SPDX-License-Identifier: Apache-2.0
"""An import that is killed goes on with the next one, and every row is recorded once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROWS = 60_000
MOST_KILLS = 6


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_rows_of_a_killed_import_are_recorded_once(tmp_path: Path) -> None:
    """Killed at random moments; many rows are equal to one another."""
    path, store = tmp_path / "in.csv", tmp_path / "store"
    # Ten rows a second, and only two values: the same fact comes again and again.
    rows = [f"{1_700_000_000 + n // 10},model:latency_ms,{n % 2}" for n in range(ROWS)]
    path.write_text("\n".join(["time,metric,value", *rows, ""]))
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    environ["TIDEGAUGE_STORE"] = str(store)
    program = [str(Path(sys.executable).with_name("tidegauge"))]
    for _ in range(MOST_KILLS):
        process = subprocess.Popen(
            [*program, "import", str(path), "--json"], env=environ, stdout=subprocess.PIPE
        )
        _wait_for_begin(process, store)
        time.sleep(random.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
    else:
        run = subprocess.run(
            [*program, "import", str(path), "--json"],
            env=environ,
            stdout=subprocess.PIPE,
            check=False,
        )
        out = run.stdout
    # The last kill may have come after all was done.
    assert f'"recorded": {ROWS}' in out.decode() or f"{ROWS:,} facts" in out.decode()
    question = (
        "select count(*) as n, count(distinct time) as seconds, sum(value) as total, "
        "max(c) as most from (select *, count(*) over (partition by time) as c from points)"
    )
    answer = subprocess.check_output([*program, "sql", question, "--json"], env=environ)
    assert json.loads(answer) == [{"n": ROWS, "seconds": ROWS // 10, "total": ROWS / 2, "most": 10}]


def _wait_for_begin(process: subprocess.Popen[bytes], store: Path) -> None:
    """Until the import has noted that it began, or is over."""
    begun = time.monotonic()
    before = _changed(store)
    while process.poll() is None and _changed(store) == before:
        assert time.monotonic() - begun < 60
        time.sleep(0.005)


def _changed(store: Path) -> tuple[float, float]:
    paths = (store / "state.db", store / "state.db-wal")
    first, second = (path.stat().st_mtime if path.exists() else 0.0 for path in paths)
    return first, second
