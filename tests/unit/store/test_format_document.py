# SPDX-License-Identifier: Apache-2.0
"""The page on the store's format says what the code does."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tidegauge.model.tables import COMMON_COLUMNS
from tidegauge.store import cursors, doctor, table_check
from tidegauge.store.files import ROW_GROUP_ROWS
from tidegauge.store.maintenance import KEEP_FILES_H
from tidegauge.store.rewrite import MAINTENANCE, RETIRED
from tidegauge.store.schema import STATISTICS
from tidegauge.store.state import DEAD_LETTERS_KEPT

PAGE = Path(__file__).resolve().parents[3] / "docs/format/store.md"


@pytest.fixture
def page() -> str:
    """The page."""
    return PAGE.read_text(encoding="utf-8")


def rows(page: str, name: str) -> list[list[str]]:
    """The cells of the table that follows a comment."""
    _, _, rest = page.partition(f"<!-- table: {name} -->\n\n")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_common_columns(page: str) -> None:
    """In order, with the ones that are never empty."""
    shown = [
        (name.strip("`"), null == "not null") for name, _, null in rows(page, "COMMON_COLUMNS")
    ]
    assert shown == [(column.name, not column.nullable) for column in COMMON_COLUMNS]


def test_the_numbers_of_a_cursor(page: str) -> None:
    """In order."""
    assert [name.strip("`") for name, _ in rows(page, "cursors")] == list(cursors._NAMES.values())


def test_the_tables_of_the_state(page: str, bench: Any) -> None:
    """With all their columns, in order."""
    bench.store.state.register_follower("any")
    connection = sqlite3.connect(bench.store.state.path)
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql > ''")
    ]
    there = {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names
    }
    connection.close()
    shown = {
        name.strip("`"): re.findall(r"`(\w+)`", columns) for name, columns, _ in rows(page, "state")
    }
    assert shown == there


def test_the_findings(page: str) -> None:
    """Every code that the doctor has, with its severity."""
    source = "".join(
        Path(str(module.__file__)).read_text(encoding="utf-8") for module in (doctor, table_check)
    )
    found = re.findall(r'Finding\(\s*"(\w+)",\s*"(\w+)"', source)
    assert [(code.strip("`"), severity) for code, severity, *_ in rows(page, "findings")] == sorted(
        {(code, severity) for severity, code in found}
    )


def test_numbers_and_names(page: str) -> None:
    """Those that are given in the text."""
    for text in (
        *(f"`{name}`" for name in (MAINTENANCE, RETIRED, *STATISTICS)),
        f"{ROW_GROUP_ROWS:,}",
        f"{KEEP_FILES_H} hours",
        f"{DEAD_LETTERS_KEPT:,}",
        "every 20 commits",
    ):
        assert text in page, text
