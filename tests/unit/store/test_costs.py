# SPDX-License-Identifier: Apache-2.0
"""Rows of bills are replaced by period or day, in one commit, and stay apart after merging."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidegauge.model.errors import StoreError
from tidegauge.store.costs import COST_SCHEMA, Replaced, Scope, replace_cost_days, replace_costs
from tidegauge.store.doctor import examine
from tidegauge.store.maintenance import compact, retire
from tidegauge.store.retention import Retention
from tidegauge.store.store import Store

BASE: dict[str, Any] = {
    "billing_period": "2025-12",
    "currency": "USD",
    "is_estimated": False,
}


def row(day: int, billed: str, **more: Any) -> dict[str, Any]:
    """A row of a day of December 2025."""
    time = dt.datetime(2025, 12, day, tzinfo=dt.UTC)
    return {
        **BASE,
        "time": time,
        "source": "a",
        "grouping": "g",
        "billed_cost": Decimal(billed),
        **more,
    }


def put(store: Store, *rows: dict[str, Any], source: str = "a", grouping: str = "g") -> Replaced:
    """Replace the days of the rows."""
    named = [{**each, "source": source, "grouping": grouping} for each in rows]
    return replace_cost_days(store, source, grouping, named)


def costs(bench: Any) -> list[tuple[Any, ...]]:
    """All rows, in short."""
    found: list[tuple[Any, ...]] = bench.ask(
        "SELECT source, grouping, day(time), billed_cost FROM costs ORDER BY ALL", table="costs"
    )
    return found


def test_amounts_keep_eight_places(bench: Any) -> None:
    """Of any size that the column has, and below 0."""
    amounts = ["0.00000001", "-12345678901234567890.12345678", "1E-8", "3"]
    put(bench.store, *(row(1, each) for each in amounts))
    assert bench.ask("SELECT billed_cost FROM costs ORDER BY 1", table="costs") == [
        (Decimal("-12345678901234567890.12345678"),),
        (Decimal("0.00000001"),),
        (Decimal("0.00000001"),),
        (Decimal("3.00000000"),),
    ]


def test_days_are_replaced_and_others_stay(bench: Any) -> None:
    """Of one source and grouping; an estimate becomes final."""
    put(bench.store, row(1, "1", is_estimated=True), row(2, "2"), row(3, "3"))
    put(bench.store, row(1, "8"), source="b")
    put(bench.store, row(1, "9"), grouping="h")
    done = put(bench.store, row(1, "1.5"), row(2, "2"))
    assert done == Replaced(rows=2, rows_before=2, days=1)
    assert costs(bench) == [
        ("a", "g", 1, Decimal("1.50000000")),
        ("a", "g", 2, Decimal("2.00000000")),
        ("a", "g", 3, Decimal("3.00000000")),
        ("a", "h", 1, Decimal("9.00000000")),
        ("b", "g", 1, Decimal("8.00000000")),
    ]


def test_nothing_is_committed_for_rows_that_are_there(bench: Any) -> None:
    """Whatever their order."""
    rows = [row(1, "1"), row(1, "2", cloud_service="S3"), row(2, "3", labels=[("k", "v")])]
    put(bench.store, *rows)
    stored = bench.store.tables.open("costs")
    version = stored.view().version
    assert put(bench.store, *reversed(rows)) == Replaced(rows=3, rows_before=3, days=0)
    stored.load()
    assert stored.view().version == version
    assert put(bench.store) == Replaced()


def test_replacing_goes_on_after_merging(bench: Any) -> None:
    """A merged file has rows of several sources, and only those of one are replaced."""
    for number in range(5):
        put(bench.store, row(1, str(number)), source=f"s{number}")
    merged = compact(bench.store, "costs")
    assert merged is not None
    assert (merged.files_before, merged.files_after) == (5, 1)
    put(bench.store, row(1, "7"), source="s3")
    assert [(source, int(cost)) for source, _, _, cost in costs(bench)] == [
        ("s0", 0),
        ("s1", 1),
        ("s2", 2),
        ("s3", 7),
        ("s4", 4),
    ]
    assert "error" not in {each.severity for each in examine(bench.store, deep=True)}


def test_bills_go_by_age_only_if_that_is_asked_for(bench: Any) -> None:
    """As the retention of the table says."""
    put(bench.store, row(1, "1"), row(31, "2"))
    retire(bench.store, "costs", Retention())
    assert len(costs(bench)) == 2
    retire(bench.store, "costs", Retention(days=10))
    assert costs(bench) == [("a", "g", 31, Decimal("2.00000000"))]


def test_a_delivery_that_fails_leaves_no_trace(bench: Any) -> None:
    """Neither rows nor files."""
    put(bench.store, row(1, "1"))
    files = sorted(Path(bench.root, "tables", "costs").rglob("*.parquet"))

    def deliver() -> Any:
        from tidegauge.store.arrays import from_rows

        rows = {"slot": "x", "labels": [], **row(2, "2")}
        yield dt.date(2025, 12, 2), from_rows([rows], COST_SCHEMA)
        raise StoreError("the file ended")

    with pytest.raises(StoreError, match="the file ended"):
        replace_costs(bench.store, Scope(source="a"), deliver)
    assert costs(bench) == [("a", "g", 1, Decimal("1.00000000"))]
    assert sorted(Path(bench.root, "tables", "costs").rglob("*.parquet")) == files


def test_whoever_maintains_the_store_is_waited_for(bench: Any) -> None:
    """For a time; then it is an error that says so."""
    scope = Scope(source="a")
    with bench.store.maintain(), pytest.raises(StoreError, match="the store is being maintained"):
        replace_costs(Store(bench.root), scope, lambda: (), wait_s=0)
