# SPDX-License-Identifier: Apache-2.0
"""What the documents on asking show is what one gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.query.query import Query
from tidegauge.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
HOW_TOS = [ROOT / "docs" / "how-to" / name for name in ("query.md", "feature-statistics.md")]
REFERENCE = ROOT / "docs" / "reference" / "sql.md"
SHOWN = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
SQL = re.compile(r"^```sql\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BETWEEN = "----"


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_each_block_prints_what_stands_below_it(
    page: Path, run_program: Any, tmp_path: Path
) -> None:
    """The blocks of the page are one program; each may show its output."""
    blocks = SHOWN.findall(page.read_text(encoding="utf-8"))
    program = "".join(f"{code}\nprint({BETWEEN!r})\n" for code, _ in blocks)
    done = run_program(program, tmp_path, timeout_s=110)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{BETWEEN}\n")[:-1]
    assert printed == [output for _, output in blocks]


@pytest.mark.parametrize("statement", SQL.findall(REFERENCE.read_text(encoding="utf-8")))
def test_each_statement_of_the_reference_is_answered(statement: str, store_dir: Path) -> None:
    """Statements may be copied from the page."""
    writer = JournalWriter(store_dir / "journal")
    writer.put_point(SeriesKey.of("model:latency_ms", {"region": "eu"}), 12.5)
    writer.put_event(
        "points",
        SeriesKey.of("model:accuracy", {}),
        1_767_268_800_000_000_000,
        {"value": 0.5, "step": None, "metadata": '{"git_sha": "1f2e"}'},
    )
    query = Query(Store(store_dir), builtin_catalog())
    assert query.sql(statement).fetchall() != []
    writer.close()
