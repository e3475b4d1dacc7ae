# SPDX-License-Identifier: Apache-2.0
"""How numbers of features go on, and how two weeks or two features differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.features import Features
from tidegauge.query.query import Query
from tidegauge.store.drain import DrainFollower
from tidegauge.store.rollup import roll_up
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock


class Uses:
    """Uses of features, at noon of 2026-01-15, in Berlin."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.writer = JournalWriter(self.store.root / "journal")
        clock = FakeClock(parse_time_ns("2026-01-15T12:00:00Z"))
        self.queries = [
            Query(self.store, builtin_catalog(), clock, time_zone="Europe/Berlin", few_rows=few)
            for few in (10**6, -1)
        ]

    @property
    def ask(self) -> Features:
        """Asks without rollups."""
        return self.queries[0].features

    @property
    def ask_rollups(self) -> Features:
        """Asks rollups."""
        return self.queries[1].features

    def put(self, at: str, *durations: float, feature: str = "a", action: str = "go") -> None:
        """Record uses."""
        for duration in durations:
            columns = {"feature": feature, "action": action, "duration_ms": duration}
            self.writer.put_event("feature_usage", SeriesKey.of("", {}), parse_time_ns(at), columns)


@pytest.fixture
def uses(store_dir: Path) -> Iterator[Uses]:
    """An empty store."""
    found = Uses(store_dir)
    yield found
    found.writer.close()
    for query in found.queries:
        query.close()
    found.store.close()


def test_a_gap_is_a_row_without_values(uses: Uses) -> None:
    """Days of the zone, one after the other; a day without values has a reason."""
    uses.put("2026-01-12T23:30:00Z", 10.0, 30.0)  # the 13th in Berlin
    uses.put("2026-01-14T23:30:00Z", 50.0)
    rows = uses.ask.trend("usage.duration_ms", days=3)
    assert [(row["start"][:13], row["count"], row["avg"]) for row in rows] == [
        ("2026-01-11T23", 0, None),
        ("2026-01-12T23", 2, 20.0),
        ("2026-01-13T23", 0, None),
        ("2026-01-14T23", 1, 50.0),
    ]
    assert (rows[0]["reason"], rows[0]["sum"]) == ("no values in this time", None)
    assert (rows[1]["sum"], rows[1]["source"]) == (40.0, "raw")
    json.dumps(rows, allow_nan=False)


def test_each_group_has_each_piece(uses: Uses) -> None:
    """By a column and by a label that nobody has; a group is told with its gaps."""
    uses.put("2026-01-15T09:30:00Z", 1.0, action="x")
    uses.put("2026-01-15T10:30:00Z", 2.0, action="y")
    rows = uses.ask.trend("usage.duration_ms", hours=3, every="hour", by=["action", "product"])
    assert [(row["action"], row["product"], row["avg"]) for row in rows] == [
        ("x", None, 1.0),
        ("x", None, None),
        ("x", None, None),
        ("x", None, None),
        ("y", None, None),
        ("y", None, 2.0),
        ("y", None, None),
        ("y", None, None),
    ]


def test_an_open_range_begins_with_the_first_fact(uses: Uses) -> None:
    """And ends now; of nothing there is nothing, unless the beginning is known."""
    uses.put("2026-01-07T10:00:00Z", 5.0)
    rows = uses.ask.trend("usage", hours=None, every="week")
    assert [(row["start"], row["count"]) for row in rows] == [
        ("2026-01-04T23:00:00+00:00", 1),
        ("2026-01-11T23:00:00+00:00", 0),
    ]
    assert uses.ask.trend("usage", end="2026-01-08", every="day")[0]["count"] == 1
    assert len(uses.ask.trend("usage", "nobody", start="2026-01-14")) == 2
    assert uses.ask.trend("usage", "nobody", hours=None) == []


def test_rollups_tell_the_same(uses: Uses) -> None:
    """Counts, means and sums of hours, days of the zone and weeks; only the source differs."""
    for day in range(1, 15):
        uses.put(f"2026-01-{day:02}T23:30:00Z", float(day), 2.0 * day)
    while DrainFollower(uses.store).advance(force=True):
        pass
    roll_up(uses.store)
    for every in ("hour", "day", "week"):
        asked: dict[str, Any] = {"start": "2026-01-03", "end": "2026-01-12", "every": every}
        raw = uses.ask.trend("usage.duration_ms", **asked)
        rolled = uses.ask_rollups.trend("usage.duration_ms", **asked)
        assert {row["source"] for row in rolled} == {"rollup"}
        keys = ("start", "end", "count", "avg", "sum", "min", "max")
        assert [[row[key] for key in keys] for row in raw] == [
            [row[key] for key in keys] for row in rolled
        ]


@pytest.mark.parametrize(
    ("what", "asked", "message"),
    [
        ("usge", {}, "this has no trend; got 'usge'"),
        ("usage", {"every": "month"}, "a trend cannot have this step; got 'month'"),
        ("usage", {"start": "2020-01-01", "every": "hour"}, "the trend has too many steps"),
        ("usage", {"by": "count"}, "a group would have the name of another key; got 'count'"),
        ("usage", {"by": 5}, "facts cannot be grouped by this; got 5"),
        ("usage", {"by": "a-b"}, "label name does not fit the grammar"),
    ],
)
def test_odd_trends_are_refused(uses: Uses, what: str, asked: Any, message: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(QueryError) as caught:
        uses.ask.trend(what, **asked)
    assert message in str(caught.value)


def test_this_week_against_the_last(uses: Uses) -> None:
    """The difference of all values, and Welch's interval of the means of days."""
    for day in range(2, 5):
        uses.put(f"2026-01-{day:02}T13:00:00Z", 10.0 * day)
    for day in range(10, 13):
        uses.put(f"2026-01-{day}T13:00:00Z", 10.0 * (day - 6))
    found = uses.ask.compare_periods("usage.duration_ms", "a")
    assert (found["a"]["avg"], found["b"]["avg"]) == (30.0, 50.0)
    assert (found["difference"], found["relative"]) == (20.0, pytest.approx(2 / 3))
    # 20 ± 2.776445 (t of 4 degrees of freedom) * sqrt(100 / 3 + 100 / 3)
    assert found["low"] == pytest.approx(20 - 22.66957, abs=1e-4)
    assert found["high"] == pytest.approx(20 + 22.66957, abs=1e-4)
    assert (found["a"]["days"], found["b"]["source"], found["reason"]) == (3, "raw", None)


def test_what_a_comparison_cannot_tell_has_a_reason(uses: Uses) -> None:
    """No values, too few days, a baseline of zero, and numbers too large."""
    nothing = uses.ask.compare_features("usage.duration_ms", "a", "b")
    assert nothing["difference"] is None
    assert nothing["reason"]["difference"] == "one side has no values"
    uses.put("2026-01-14T10:00:00Z", 0.0)
    uses.put("2026-01-14T10:00:00Z", 4.0, feature="b")
    few = uses.ask.compare_features("usage.duration_ms", "a", "b")
    assert (few["a"]["feature"], few["difference"], few["low"]) == ("a", 4.0, None)
    assert few["reason"] == {
        "relative": "the first side is 0",
        "low": "one side has values on less than two days: there is no telling chance",
    }
    for day in (12, 13):
        uses.put(f"2026-01-{day}T10:00:00Z", 5e-324, feature="c")
        uses.put(f"2026-01-{day}T10:00:00Z", 1.7e308 if day == 12 else 1e300, feature="d")
    huge = uses.ask.compare_features("usage.duration_ms", "c", "d")
    json.dumps(huge, allow_nan=False)
    assert huge["relative"] is None
    assert huge["reason"]["relative"] == "it is beyond the largest float"
