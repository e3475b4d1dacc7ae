# SPDX-License-Identifier: Apache-2.0
"""Columns that SQL computes where a statement names them, and at nobody else's expense."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tidegauge.model.errors import QueryError
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.computed import COMPUTED_COLUMNS

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
ROW = {"metric_category": "latency", "metric_name": "p", "value": 1.0}


@pytest.fixture
def filled(facts: Any) -> Any:
    """Six values on three days, the latest of each day first; the last day is in the journal."""
    for day in DAYS:
        for hour in (18, 6):
            facts.writer.put_event(
                "system_performance",
                SeriesKey("", (), ()),
                parse_time_ns(f"{day}T{hour:02}:00:00Z"),
                {"feature": f"{day} {hour}", **ROW},
            )
        if day != DAYS[-1]:
            facts.drain()
    return facts


def plan(facts: Any, statement: str) -> str:
    """How DuckDB goes about it."""
    return "\n".join(str(row[1]) for row in facts.query.sql(f"EXPLAIN {statement}").fetchall())


def test_rows_have_a_number_and_their_time_under_other_names(filled: Any) -> None:
    """Numbers go by time, over files and journals."""
    rows = filled.query.sql(
        "SELECT id, timestamp, created_at, feature FROM system_performance ORDER BY id"
    ).fetchall()
    assert [(number, feature) for number, _, _, feature in rows] == [
        (1, "2026-01-01 6"),
        (2, "2026-01-01 18"),
        (3, "2026-01-02 6"),
        (4, "2026-01-02 18"),
        (5, "2026-01-03 6"),
        (6, "2026-01-03 18"),
    ]
    assert rows[0][1] == rows[0][2] == dt.datetime(2026, 1, 1, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT max(id) FROM system_performance",
        "SELECT max(p.ID) FROM system_performance AS p",
        "SELECT count(*) FROM system_performance WHERE timestamp > '2026-01-01'",
        "SELECT count(*) FROM system_performance a JOIN system_performance b USING (id)",
        "WITH named AS (FROM system_performance SELECT id) SELECT max(id) FROM named",
        "SELECT max(id) FROM (SELECT *, id FROM system_performance)",
        "SELECT count(created_at) FROM system_performance",
    ],
)
def test_a_name_is_found_wherever_it_stands(filled: Any, statement: str) -> None:
    """In conditions, joins and statements within statements."""
    assert filled.query.sql(statement).fetchall() == [(6,)]


@pytest.mark.parametrize("table", sorted(COMPUTED_COLUMNS))
def test_every_table_that_has_them_can_be_asked(facts: Any, table: str) -> None:
    """Also while nothing is in it."""
    names = ", ".join(name for name, _, _, _ in COMPUTED_COLUMNS[table])
    assert facts.query.sql(f"SELECT {names}, feature FROM {table}").fetchall() == []
    assert {each.name for each in FEATURE_TABLES} < set(COMPUTED_COLUMNS)


def test_the_types_are_those_of_the_reference(filled: Any) -> None:
    """The page is made of the same declaration."""
    relation = filled.query.sql("SELECT id, timestamp, created_at FROM system_performance")
    declared = {name: kind for name, _, kind, _ in COMPUTED_COLUMNS["system_performance"]}
    shown = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    found = [shown.get(str(kind), str(kind)) for kind in relation.types]
    assert dict(zip(relation.columns, found, strict=True)) == declared


def test_who_does_not_name_them_does_not_have_them(filled: Any) -> None:
    """`*` is what is stored, and nothing is sorted for it."""
    statement = "SELECT * FROM system_performance"
    assert {"id", "timestamp", "created_at"}.isdisjoint(filled.query.sql(statement).columns)
    assert "Window" not in plan(filled, statement)
    assert "Window" not in plan(filled, "SELECT timestamp, feature FROM system_performance")
    assert "Window" in plan(filled, "SELECT id FROM system_performance")


def test_other_tables_do_not_have_them(filled: Any) -> None:
    """There a name that is no column stays an error."""
    filled.record("model:accuracy", 0.5)
    with pytest.raises(QueryError, match="id"):
        filled.query.sql("SELECT id FROM points")


@pytest.mark.parametrize("column", ["time", "timestamp", "created_at"])
def test_conditions_still_choose_what_is_read(filled: Any, column: str) -> None:
    """A condition on the time goes to the files under each of its names."""
    statement = f"SELECT feature, {column} FROM system_performance WHERE {column} < '2026-01-02'"
    assert len(filled.query.sql(statement).fetchall()) == 2
    shown = plan(filled, statement)
    scan = shown[shown.index("Read Parquet") :]
    assert "Filters" in scan
    assert "time" in scan[scan.index("Filters") :]
    by_day = "SELECT timestamp FROM system_performance WHERE date = '2026-01-01'"
    assert "Scanning Files: 1/2" in plan(filled, by_day)
