# SPDX-License-Identifier: Apache-2.0
"""Statistics of features: each key, each reason, and what can be asked for."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import QueryError
from tidegauge.model.feature_tables import FEATURE_TABLES
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.features import Features
from tidegauge.query.query import Query
from tidegauge.store.drain import DrainFollower
from tidegauge.store.rollup import leaving, roll_up
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

NOON = "2026-01-01T12:00:00Z"
COLUMNS = {table.name: [column.name for column in table.columns] for table in FEATURE_TABLES}


class Tracked:
    """A store at noon of 2026-01-01."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.writer = JournalWriter(self.store.root / "journal")
        self.clock = FakeClock(parse_time_ns(NOON))
        self.queries = [
            Query(self.store, builtin_catalog(), self.clock, few_rows=few) for few in (10**6, -1)
        ]

    @property
    def ask(self) -> Features:
        """Asks without rollups where there are rows."""
        return self.queries[0].features

    @property
    def ask_rollups(self) -> Features:
        """Asks rollups where there are any."""
        return self.queries[1].features

    def put(
        self, table: str, at: str = "2026-01-01T11:30:00Z", labels: Any = None, **cells: Any
    ) -> None:
        """Record a row; a feature is "a" unless it says so."""
        cells = {"feature": "a", **cells}
        columns = {name: cells[name] for name in COLUMNS[table] if cells.get(name) is not None}
        key = SeriesKey.of("", labels or {})
        self.writer.put_event(table, key, parse_time_ns(at), columns)

    def point(self, metric: str, value: float, at: str, feature: str = "a") -> None:
        """Record a number of the collector."""
        key = SeriesKey.of(metric, {"feature": feature})
        self.writer.put_point(key, value, time_ns=parse_time_ns(at))

    def roll_up(self) -> None:
        """Move everything to the tables, and roll it up."""
        while DrainFollower(self.store).advance(force=True):
            pass
        roll_up(self.store)

    def retire(self, table: str) -> None:
        """Remove the rows of a table, and keep their sums."""
        stored = self.store.tables.open(table)
        assert stored is not None
        with self.store.maintain(), leaving(self.store, table, stored.view().files):
            pass


@pytest.fixture
def tracked(store_dir: Path) -> Iterator[Tracked]:
    """An empty store."""
    found = Tracked(store_dir)
    yield found
    found.writer.close()
    for query in found.queries:
        query.close()
    found.store.close()


def measured(tracked: Tracked, *values: float, unit: str | None = "ms", **more: Any) -> None:
    """Record response times."""
    for value in values:
        cells = {"metric_category": "response_time", "metric_name": "search", **more}
        tracked.put("system_performance", value=value, unit=unit, **cells)


def test_nothing_is_none_with_a_reason(tracked: Tracked) -> None:
    """An empty store answers everything: counts of 0, no mean, and it can be written as JSON."""
    found = tracked.ask.dashboard(hours=24)
    json.dumps(found, allow_nan=False)
    assert found["errors"]["total_errors"] == 0
    assert found["errors"]["recovery_rate"] is None
    assert found["errors"]["reason"] == {
        "recovery_rate": "no error in this time",
        "errors_per_use": "no use in this time",
    }
    assert found["satisfaction"]["avg_score"] is None
    assert found["satisfaction"]["reason"] == {
        "avg_score": "no opinion in this time",
        "satisfaction_rate": "no opinion in this time",
        "stddev": "no opinion in this time",
        "csat": "no score on the scale 1-5",
        "nps": "no score on the scale 0-10",
    }
    assert found["usage"]["total_usage"] == 0
    assert found["usage"]["reason"] == {
        "success_rate": "no use of which it is known whether it worked",
        "avg_duration_ms": "no duration was recorded in this time",
        "stddev_duration_ms": "no duration was recorded in this time",
    }
    assert found["performance"]["categories"] == {}
    assert found["learning"]["avg_accuracy"] is None
    assert found["learning"]["reason"]["avg_accuracy"] == "no accuracy was recorded in this time"
    assert found["optimization"]["categories"] == {}
    assert found["resources"] == {
        "start": "2025-12-31T12:00:00+00:00",
        "end": "2026-01-01T12:00:00.000001+00:00",
        "count": 0,
        "types": {},
        "resources": [],
        "source": "raw",
    }
    assert tracked.ask.metric_statistics("a", "accuracy")["reason"] == "no values in this time"
    assert tracked.ask.listed() == []
    assert tracked.ask.trend("usage", hours=None) == []


def test_performance_by_category_and_metric(tracked: Tracked) -> None:
    """Numbers of a category, of its metrics, and the newest rows first."""
    measured(tracked, 10.0, 20.0, 60.0)
    found = tracked.ask.performance("a", "response_time", hours=24, limit=2)
    assert found["categories"]["response_time"] == {
        "count": 3,
        "avg": 30.0,
        "min": 10.0,
        "max": 60.0,
        "stddev": pytest.approx(26.457513110645905),
        "p50": 20.0,
        "p95": pytest.approx(56.0),
        "p99": pytest.approx(59.2),
        "percentile_error": 0.0,
        "reason": None,
        "units": ["ms"],
    }
    (metric,) = found["metrics"]
    assert (metric["metric_name"], metric["unit"], metric["avg"]) == ("search", "ms", 30.0)
    assert found["source"] == "raw"
    assert len(found["records"]) == 2
    assert found["records"][0]["timestamp"] == "2026-01-01T11:30:00.000000+00:00"


def test_values_of_several_units_have_no_mean(tracked: Tracked) -> None:
    """A category of seconds and milliseconds tells its count and why there is no mean."""
    measured(tracked, 1.0, unit="s")
    measured(tracked, 900.0, unit="ms")
    found = tracked.ask.performance(hours=24)
    category = found["categories"]["response_time"]
    assert (category["count"], category["avg"]) == (2, None)
    assert category["reason"] == "the values have several units"
    assert category["units"] == ["ms", "s"]
    assert [(each["unit"], each["avg"]) for each in found["metrics"]] == [("ms", 900.0), ("s", 1.0)]


def test_the_newest_records_come_first(tracked: Tracked) -> None:
    """As many as `limit`; none for 0."""
    for hour in range(8, 12):
        measured(tracked, float(hour), at=f"2026-01-01T{hour:02}:00:00Z")
    found = tracked.ask.performance(hours=24, limit=3)
    assert [row["value"] for row in found["records"]] == [11.0, 10.0, 9.0]
    assert "records" not in tracked.ask.performance(hours=24)
    with pytest.raises(QueryError, match=r"limit cannot be used; got -1"):
        tracked.ask.performance(limit=-1)


def opinion(tracked: Tracked, scale: str, score: float, normalized: float, rating: int) -> None:
    """Record a score."""
    tracked.put(
        "user_satisfaction",
        satisfaction_type="speed",
        score=score,
        score_scale=scale,
        normalized_score=normalized,
        rating=rating,
    )


def test_scores_of_several_scales_have_one_mean(tracked: Tracked) -> None:
    """Normalised; CSAT is of the stars alone, and NPS of 0 to 10 alone."""
    opinion(tracked, "0-1", 0.9, 0.9, 9)
    opinion(tracked, "1-5", 5.0, 1.0, 5)
    opinion(tracked, "1-5", 2.0, 0.25, 2)
    opinion(tracked, "0-10", 10.0, 1.0, 10)
    opinion(tracked, "0-10", 3.0, 0.3, 3)
    found = tracked.ask.satisfaction("a", hours=24)
    assert found["response_count"] == 5
    assert found["avg_score"] == pytest.approx(0.69)
    assert found["satisfaction_rate"] == 0.6
    assert found["satisfaction_rate_low"] == pytest.approx(0.2307, abs=1e-4)
    assert found["satisfaction_rate_high"] == pytest.approx(0.8824, abs=1e-4)
    assert (found["csat"], found["nps"]) == (0.5, 0.0)
    assert found["distribution"]["1-5"] == {"1": 0, "2": 1, "3": 0, "4": 0, "5": 1}
    assert found["distribution"]["0-1"]["0.9-1.0"] == 1
    assert found["reason"] is None
    assert found["by_type"]["speed"]["avg_score"] == found["avg_score"]


def test_uses_of_a_feature(tracked: Tracked) -> None:
    """Uses, those that worked among those known, durations, users and contexts."""
    rows = [(100.0, True, "u1", "x"), (300.0, False, "u1", None), (None, None, "u2", "x")]
    for duration, success, user, context in rows:
        cells = {"duration_ms": duration, "success": success}
        tracked.put("feature_usage", action="go", user_id=user, user_context=context, **cells)
    found = tracked.ask.usage("a", hours=24)
    assert found["total_usage"] == 3
    assert found["success_rate"] == 0.5
    assert (found["avg_duration_ms"], found["p50_duration_ms"]) == (200.0, 200.0)
    assert found["p95_duration_ms"] == pytest.approx(290.0)
    assert (found["unique_users"], found["unique_contexts"]) == (2, 1)
    assert found["actions"]["go"]["total_usage"] == 3
    assert found["reason"] is None
    assert tracked.ask.usage("b", hours=24)["total_usage"] == 0


def failed(tracked: Tracked, kind: str, **cells: Any) -> None:
    """Record an error."""
    tracked.put(
        "errors",
        **{"error_type": kind, "error_severity": "error", "recovery_attempted": False, **cells},
    )


def test_errors_and_what_became_of_them(tracked: Tracked) -> None:
    """By type and severity, recoveries of which the end is known, and errors per use."""
    failed(tracked, "Timeout", recovery_attempted=True, recovery_successful=True)
    failed(tracked, "Timeout", error_severity="warning", impact_level="low", user_id="u1")
    failed(tracked, "Value", recovery_attempted=True, recovery_successful=False)
    for _ in range(12):
        tracked.put("feature_usage", action="go")
    found = tracked.ask.errors("a", hours=24)
    assert found["total_errors"] == 3
    assert found["by_type"] == {"Timeout": 2, "Value": 1}
    assert found["by_severity"] == {"error": 2, "warning": 1}
    assert found["by_impact"] == {"unknown": 2, "low": 1}
    assert (found["recovery_attempts"], found["recovery_rate"]) == (2, 0.5)
    assert (found["errors_per_use"], found["total_usage"]) == (0.25, 12)
    assert found["affected_users"] == 1
    assert found["types"]["Value"] == {"count": 1, "recovery_rate": 0.0}
    only = tracked.ask.errors("a", hours=24, error_type="Value")
    assert (only["total_errors"], only["errors_per_use"]) == (1, pytest.approx(1 / 12))


def test_learning_optimization_and_resources(tracked: Tracked) -> None:
    """Means by type, whether a change is for the better, and how full a resource is."""
    tracked.put("learning_effectiveness", learning_type="p", accuracy=0.5)
    tracked.put("learning_effectiveness", learning_type="p", accuracy=1.0, confidence=0.75)
    learned = tracked.ask.learning(hours=24)
    assert (learned["count"], learned["avg_accuracy"], learned["avg_confidence"]) == (2, 0.75, 0.75)
    assert set(learned["reason"]) == {"avg_improvement_rate", "avg_sample_size"}
    change = {"before_value": 40.0, "after_value": 30.0, "relative_change": -0.25}
    for category in ("task_completion_time", "accuracy", "other"):
        tracked.put("optimization_impact", optimization_id="o", impact_category=category, **change)
    changed = tracked.ask.optimization(hours=24)["categories"]
    assert {name: each["better"] for name, each in changed.items()} == {
        "accuracy": False,
        "other": None,
        "task_completion_time": True,
    }
    assert changed["accuracy"]["relative_change"]["avg"] == -0.25
    tracked.put(
        "resource_utilization",
        feature=None,
        resource_type="memory",
        resource_name="cache",
        utilization_percent=65.5,
        used=670.0,
        unit="MB",
    )
    found = tracked.ask.resources(hours=24)
    assert found["types"]["memory"]["avg"] == 65.5
    (resource,) = found["resources"]
    assert (resource["used"]["avg"], resource["allocated"]["count"]) == (670.0, 0)
    assert tracked.ask.resources(feature="a", hours=24)["count"] == 0


def test_facts_are_chosen_by_column_dimension_and_label(tracked: Tracked) -> None:
    """A text, several of which any may be, or None for facts without."""
    for action, labels in [
        ("x", {"environment": "production"}),
        ("y", {"product": "web"}),
        ("z", {"product": "app"}),
    ]:
        tracked.put("feature_usage", action=action, labels=labels)

    def count(**asked: Any) -> int:
        return int(tracked.ask.usage(hours=24, **asked)["total_usage"])

    assert count(environment="production") == 1
    assert count(product=["web", "app"]) == 2
    assert count(product=None) == 1
    assert count(labels={"product": "web"}) == 1
    assert count(action=["x", "y"]) == 2
    assert tracked.ask.usage(["a", "b"], hours=24)["total_usage"] == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"featur": "a"}, "this looks like the name of an argument; got 'featur'"),
        ({"hour": 5}, "Did you mean 'hours'?"),
        ({"user_context": "x"}, "facts of feature_usage cannot be chosen by this column"),
        ({"hours": 5, "days": 1}, "time range is given twice"),
        ({"hours": 5, "start": "2026-01-01"}, "time range is given twice"),
        ({"start": "2026-01-02", "end": "2026-01-01"}, "time range is empty"),
        ({"hours": 0}, "hours cannot be used; got 0"),
        ({"labels": 5}, "labels are not a dict; got 5"),
        ({"product": 0.5}, "value of label 'product' cannot be searched for"),
        ({"action": 0.5}, "value of label 'action' cannot be searched for"),
    ],
)
def test_odd_questions_are_refused(tracked: Tracked, asked: Any, message: str) -> None:
    """What makes no sense, or was probably meant otherwise, is an error that says so."""
    with pytest.raises(QueryError) as caught:
        tracked.ask.usage(**asked)
    assert message in str(caught.value)


def test_the_dashboard_refuses_columns_of_some_tables(tracked: Tracked) -> None:
    """They would choose in one part and not in the others."""
    with pytest.raises(QueryError, match="not all tables of the dashboard have this column"):
        tracked.ask.dashboard(action="x")


def test_rollups_widen_the_range_to_hours_and_say_so(tracked: Tracked) -> None:
    """The answer names its range, and counts the hours of it alone."""
    for hour in (8, 9, 10, 11):
        measured(tracked, float(hour), at=f"2026-01-01T{hour:02}:30:00Z")
    tracked.roll_up()
    asked: dict[str, Any] = {"start": "2026-01-01T09:10:00Z", "end": "2026-01-01T10:50:00Z"}
    found = tracked.ask_rollups.performance(**asked)
    assert (found["source"], found["count"]) == ("rollup", 2)
    assert (found["start"], found["end"]) == (
        "2026-01-01T09:00:00+00:00",
        "2026-01-01T11:00:00+00:00",
    )
    assert found["categories"]["response_time"]["percentile_error"] == pytest.approx(
        0.0109, abs=1e-4
    )
    assert tracked.ask.performance(**asked)["source"] == "raw"
    measured(tracked, 5.0, at="2026-01-01T10:31:00Z")
    assert tracked.ask_rollups.performance(**asked)["source"] == "raw+rollup"


def test_errors_per_use_are_of_one_range(tracked: Tracked) -> None:
    """Where only the uses are rolled up, errors are counted in the same whole hours."""
    failed(tracked, "Timeout", at="2026-01-01T09:05:00Z")
    tracked.put("feature_usage", action="go", at="2026-01-01T09:05:00Z")
    tracked.roll_up()
    tracked.retire("feature_usage")
    asked: dict[str, Any] = {"start": "2026-01-01T09:10:00Z", "end": "2026-01-01T10:00:00Z"}
    found = tracked.ask.errors(**asked)
    assert (found["total_errors"], found["total_usage"]) == (1, 1)
    assert found["start"] == "2026-01-01T09:00:00+00:00"


def test_the_collector_names_the_category_if_there_are_several(tracked: Tracked) -> None:
    """With it, or where there is one, the numbers of that metric."""
    tracked.point("learning:accuracy", 0.5, "2026-01-01T10:00:00Z")
    tracked.point("learning:accuracy", 1.0, "2026-01-01T11:00:00Z")
    found = tracked.ask.metric_statistics("a", "accuracy")
    assert (found["metric"], found["avg"], found["last"]) == ("learning:accuracy", 0.75, 1.0)
    tracked.point("optimization:accuracy", 0.0, "2026-01-01T11:00:00Z")
    with pytest.raises(QueryError, match="has several metrics of this name") as caught:
        tracked.ask.metric_statistics("a", "accuracy")
    assert "learning:accuracy, optimization:accuracy" in str(caught.value)
    assert tracked.ask.metric_statistics("a", "optimization:accuracy")["avg"] == 0.0


def test_the_last_value_is_the_newest_also_beside_rollups(tracked: Tracked) -> None:
    """A point of the hour that is rolled up already came after it."""
    tracked.point("learning:accuracy", 0.5, "2026-01-01T11:10:00Z")
    tracked.roll_up()
    tracked.point("learning:accuracy", 0.75, "2026-01-01T11:20:00Z")
    found = tracked.ask_rollups.metric_statistics("a", "accuracy")
    assert (found["source"], found["first"], found["last"]) == ("raw+rollup", 0.5, 0.75)


def test_points_that_are_gone_still_count(tracked: Tracked) -> None:
    """In statistics, comparisons and the newest values; there is no history of them any more."""
    for feature, value in (("a", 1.0), ("a", 3.0), ("b", 8.0)):
        tracked.point("feature:seconds", value, "2025-12-31T10:00:00Z", feature)
    tracked.roll_up()
    tracked.retire("points")
    tracked.point("feature:seconds", 5.0, "2026-01-01T10:00:00Z", "a")
    query = tracked.queries[0]
    (row,) = query.stats("feature:seconds", feature="a").to_pylist()
    assert (row["count"], row["mean"], row["min"], row["last"]) == (3, 3.0, 1.0, 5.0)
    assert row["percentiles"] == "histogram"
    sides = query.compare("a", "b", by="feature").to_pylist()
    assert [(each["n_a"], each["n_b"]) for each in sides] == [(3, 1)]
    assert query.latest(feature="b") == {"feature:seconds": 8.0}
    assert tracked.ask.metric_statistics("a", "seconds", hours=None)["count"] == 3
    assert len(query.history("feature:seconds").fetchall()) == 1
    for _ in range(2):  # the second time nothing is read again
        (found,) = query.search("seconds", prefix="feature:").to_pylist()
        assert (found["metric"], found["count"]) == ("feature:seconds", 4)
        assert found["first_seen"] == dt.datetime(2025, 12, 31, 10, tzinfo=dt.UTC)
    (found,) = query.search("seconds", label="feature").to_pylist()
    assert found["count"] == 4
    with pytest.raises(QueryError, match="Ask for another time or other labels"):
        query.compare("a", "b", by="feature", start="2026-01-01")


def test_rows_on_their_way_out_count_once(tracked: Tracked) -> None:
    """Between their sums' becoming final and their removal, rows are in both."""
    for value in (1.0, 3.0):
        tracked.point("feature:seconds", value, "2025-12-31T10:00:00Z")
        tracked.point("learning:accuracy", value, "2025-12-31T10:00:00Z")
    tracked.roll_up()
    stored = tracked.store.tables.open("points")
    assert stored is not None
    query = tracked.queries[0]
    with (
        tracked.store.maintain(),
        leaving(tracked.store, "points", stored.view().files, ["feature:seconds"]),
    ):
        for name in ("feature:seconds", "learning:accuracy"):
            assert query.stats(name)["count"].to_pylist() == [2]
            assert query.search(prefix=name)["count"].to_pylist() == [2]
            assert tracked.ask.metric_statistics("a", name, hours=None)["count"] == 2
        tracked.point("feature:seconds", 5.0, "2025-12-31T11:00:00Z")
        assert query.stats("feature:seconds")["count"].to_pylist() == [3]
        assert tracked.ask.metric_statistics("a", "seconds", hours=None)["count"] == 3
    assert query.stats("feature:seconds")["count"].to_pylist() == [3]


def test_features_are_listed_with_what_was_recorded(tracked: Tracked) -> None:
    """By name, by text in it, by a label, with the first and last time."""
    tracked.put("feature_usage", action="go", at="2026-01-01T10:00:00Z", labels={"product": "web"})
    tracked.put("feature_usage", action="go", feature="Search", at="2026-01-01T11:00:00Z")
    failed(tracked, "Timeout", at="2026-01-01T09:00:00Z")
    assert tracked.ask.listed("A", hours=24)[1] == {
        "feature": "a",
        "records": {"feature_usage": 1, "errors": 1},
        "first": "2026-01-01T09:00:00+00:00",
        "last": "2026-01-01T10:00:00+00:00",
    }
    rows = tracked.ask.listed("a", by="product", hours=24)
    assert {(row["feature"], row["product"]) for row in rows} == {
        ("Search", None),
        ("a", None),
        ("a", "web"),
    }
    with pytest.raises(QueryError, match="a group would have the name of another key"):
        tracked.ask.listed(by="first")
