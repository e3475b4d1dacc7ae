# SPDX-License-Identifier: Apache-2.0
"""Asking while four processes write and one drains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.query.query import Query
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

N_WRITERS = 4
N_ROUNDS = 15
N_POINTS = 4_000  # of a writer in a round

WRITER = """
import sys
from pathlib import Path
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

writer = JournalWriter(Path("store/journal"), segment_slots=4096)
key = SeriesKey.of("model:latency_ms", {"model": sys.argv[1]})
print("ready", flush=True)
number = 0
while sys.stdin.readline():
    for number in range(number, number + int(sys.argv[2])):
        writer.put_point(key, float(number))
    number += 1
writer.close()
"""


@pytest.mark.system
@pytest.mark.repeat
def test_every_answer_is_whole_while_processes_write(tmp_path: Path) -> None:
    """Counts only grow, no fact is seen twice or missed, and the last answer has them all.

    A writer's values are 0, 1, 2, …, so that a snapshot is whole if their number, smallest, largest
    and sum fit together.
    """
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, f"m{number}", str(N_POINTS)],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(N_WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdin is not None
        assert writer.stdout.readline() == "ready\n"
    store = Store(tmp_path / "store")
    query = Query(store, builtin_catalog())
    drain = DrainFollower(store, pass_rows=20_000)
    seen = dict.fromkeys((f"m{number}" for number in range(N_WRITERS)), 0)
    for _ in range(N_ROUNDS):
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go on\n")
            writer.stdin.flush()
        for model, count, smallest, largest, total in query.sql(
            "SELECT model, count(*), min(value), max(value), sum(value) FROM points GROUP BY ALL"
        ).fetchall():
            assert count >= seen[model]
            assert (smallest, largest, total) == (0, count - 1, count * (count - 1) / 2)
            seen[model] = count
        drain.advance(force=True)
    assert sum(seen.values()) > 0
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    counts = query.stats("model:latency_ms", by="model")["count"].to_pylist()
    assert counts == [N_ROUNDS * N_POINTS] * N_WRITERS
