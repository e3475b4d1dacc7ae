# SPDX-License-Identifier: Apache-2.0
"""A fork after a question was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

PROGRAM = """
import os, sys, warnings
from tidegauge.catalog import builtin_catalog
from tidegauge.query.query import Query
from tidegauge.store.store import Store

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads and fork
query = Query(Store("store"), builtin_catalog())
relation = query.sql("SELECT value FROM points", lazy=True)
print(relation.fetchall(), flush=True)
child = os.fork()
if child == 0:
    print(query.sql("SELECT count(*) > 50 FROM metrics").fetchall(), flush=True)
    sys.exit(0)
_, status = os.waitpid(child, 0)
print(status, relation.fetchall(), flush=True)
"""


READER = """
import os, warnings
import tidegauge as tg

warnings.simplefilter("ignore", DeprecationWarning)
print(tg.sql("SELECT count(*) FROM points").fetchall(), flush=True)
for leaves in (False, True):
    child = os.fork()
    if child == 0:
        if not leaves:
            print(tg.sql("SELECT count(*) FROM points").fetchall(), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(status, flush=True)
"""


@pytest.mark.system
def test_program_that_only_reads_forks(run_program: Any, store_dir: Path) -> None:
    """Its children can ask, too, and none crashes that does not."""
    writer = JournalWriter(store_dir / "journal")
    writer.put_point(SeriesKey.of("model:accuracy", {}), 0.5)
    writer.close()
    done = run_program(READER, store_dir.parent, TIDEGAUGE_STORE=str(store_dir))
    assert done.stdout.split() == ["[(1,)]", "[(1,)]", "0", "0"], done.stderr


@pytest.mark.system
def test_a_child_neither_crashes_nor_disturbs_its_parent(run_program: Any, tmp_path: Path) -> None:
    """DuckDB alone would crash the child at its end, over threads that only its parent has."""
    writer = JournalWriter(tmp_path / "store" / "journal")
    writer.put_point(SeriesKey.of("model:accuracy", {}), 0.5)
    done = run_program(PROGRAM, tmp_path)
    writer.close()
    assert done.stdout.splitlines() == [
        "[(0.5,)]",
        "[(True,)]",
        "0 [(0.5,)]",
    ], done.stderr
