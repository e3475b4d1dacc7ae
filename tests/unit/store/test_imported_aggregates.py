# SPDX-License-Identifier: Apache-2.0
"""Imported daily aggregates are kept beside those that were computed, and never replace them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import DAILY_AGGREGATES
from tidegauge.store.imported_aggregates import Keeping, keep_aggregates

DAY = dt.date(2025, 6, 1)
COLUMNS = "date::VARCHAR, feature, metric_name, avg_value, slot"


def aggregate(value: float, feature: str = "search", date: dt.date = DAY) -> dict[str, Any]:
    """One that was imported."""
    return {
        "date": date,
        "feature": feature,
        "metric_type": "usage",
        "metric_name": "find",
        "avg_value": value,
        "count": 3,
        "time_zone": "UTC",
    }


def kept(bench: Any, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    """The rows of the table."""
    rows: list[tuple[Any, ...]] = bench.ask(
        f"SELECT {columns} FROM daily_aggregates ORDER BY ALL", table=DAILY_AGGREGATES.name
    )
    return rows


def test_they_are_there_once(bench: Any) -> None:
    """Days are apart; the last of two holds; what is there already is left alone."""
    rows = [aggregate(1.0), aggregate(2.0), aggregate(3.0, date=dt.date(2025, 6, 2))]
    assert keep_aggregates(bench.store, rows) == Keeping(written=2)
    assert kept(bench) == [
        ("2025-06-01", "search", "find", 2.0, "import"),
        ("2025-06-02", "search", "find", 3.0, "import"),
    ]
    version = bench.store.tables.open(DAILY_AGGREGATES.name).view().version
    assert keep_aggregates(bench.store, rows[1:]) == Keeping(present=2)
    assert bench.store.tables.open(DAILY_AGGREGATES.name).view().version == version


def test_an_imported_one_is_replaced_and_its_neighbours_stay(bench: Any) -> None:
    """In one commit."""
    keep_aggregates(bench.store, [aggregate(1.0), aggregate(5.0, "cart")])
    assert keep_aggregates(bench.store, [aggregate(2.0)]) == Keeping(written=1)
    assert kept(bench, "feature, avg_value") == [("cart", 5.0), ("search", 2.0)]


def test_a_computed_one_is_never_replaced(bench: Any) -> None:
    """It was made of rows."""
    bench.record_event(
        DAILY_AGGREGATES.name,
        metric="",
        at="2025-06-01T00:00:00Z",
        **{name: value for name, value in aggregate(9.0).items() if name != "date"},
    )
    bench.drain()
    wanted = [aggregate(1.0), aggregate(2.0, "cart")]
    assert keep_aggregates(bench.store, wanted) == Keeping(written=1, computed=1)
    assert kept(bench, "feature, avg_value") == [("cart", 2.0), ("search", 9.0)]


def test_whoever_maintains_the_store_is_waited_for(bench: Any) -> None:
    """Not for ever."""
    with bench.store.maintain(), pytest.raises(StoreError) as caught:
        keep_aggregates(bench.store, [aggregate(1.0)], wait_s=0.0)
    assert str(caught.value) == (
        "daily aggregates could not be kept, for the store is being maintained; got '2025-06-01'. "
        "Import the file once more in a while: what is there already is left as it is."
    )
