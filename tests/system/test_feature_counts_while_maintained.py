# SPDX-License-Identifier: Apache-2.0
"""Asking for counts while others record, drain, roll up, merge files and remove rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.query.query import Query
from tidegauge.store.store import Store

N_ROUNDS = 8
N_FACTS = 300  # of a round, of each kind
N_MORE = 8  # questions when all is recorded

WRITER = """
import sys
from pathlib import Path
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns

writer = JournalWriter(Path("store/journal"))
start_ns = parse_time_ns("2026-01-01T00:00:00Z")
row = {"feature": "a", "action": "go", "duration_ms": 1.0, "user_id": "u"}
number = 0
while sys.stdin.readline():
    for number in range(number, number + int(sys.argv[1])):
        time_ns = start_ns + number % 3 * 86_400 * 10**9 + number * 10**9
        writer.put_event("feature_usage", SeriesKey.of("", {}), time_ns, row)
        key = SeriesKey.of("learning:accuracy", {"feature": "a"})
        writer.put_point(key, 1.0, time_ns=time_ns)
    number += 1
    print(number, flush=True)
writer.close()
"""

KEEPER = """
import select, sys
from pathlib import Path
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import compact
from tidegauge.store.rollup import leaving, roll_up
from tidegauge.store.store import Store

store = Store(Path("store"))
drain = DrainFollower(store, pass_rows=200)
rounds = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    drain.advance(force=True)
    assert roll_up(store) is not None
    for name in ("points", "feature_usage"):
        assert compact(store, name) is not None
        stored = store.tables.open(name)
        if stored is None or rounds % 2:
            continue
        files = stored.view().files
        some = files.chosen(files.dates == files.dates.min()) if len(files) else files
        with store.maintain(), leaving(store, name, some):
            pass
    rounds += 1
print(rounds, flush=True)
"""


def started(program: str, directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process that is told what to do on its standard input."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.system
@pytest.mark.repeat
def test_no_fact_is_counted_twice_or_missed(tmp_path: Path) -> None:
    """Counts of a closed range are those recorded, wherever the facts, or their sums, are."""
    writer, keeper = started(WRITER, tmp_path, str(N_FACTS)), started(KEEPER, tmp_path)
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "ready\n"
    store = Store(tmp_path / "store")
    queries = [Query(store, builtin_catalog(), few_rows=few) for few in (10**6, -1)]
    asked = {"start": "2026-01-01", "end": "2026-01-05"}

    def counts() -> list[int]:
        found = [query.features.usage(**asked)["total_usage"] for query in queries]
        found += [
            query.features.metric_statistics("a", "accuracy", hours=None)["count"]
            for query in queries
        ]
        return found + queries[0].stats("learning:accuracy")["count"].to_pylist()

    for number in range(1, N_ROUNDS + 1):
        writer.stdin.write("go on\n")
        writer.stdin.flush()
        for count in counts():
            assert (number - 1) * N_FACTS <= count <= number * N_FACTS
        assert writer.stdout.readline() == f"{number * N_FACTS}\n"
    for _ in range(N_MORE):
        assert counts() == [N_ROUNDS * N_FACTS] * 5
    writer.communicate(timeout=60)
    rounds, _ = keeper.communicate("stop\n", timeout=60)
    assert (writer.returncode, keeper.returncode) == (0, 0)
    assert int(rounds) > 0
    assert counts() == [N_ROUNDS * N_FACTS] * 5
    for query in queries:
        query.close()
    store.close()
