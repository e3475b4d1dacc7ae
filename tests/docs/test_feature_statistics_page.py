# SPDX-License-Identifier: Apache-2.0
"""The page on statistics of features names every key of every answer, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.query import Query
from tidegauge.query.trends import MEASURES
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/feature-statistics.md"

ROWS: dict[str, dict[str, Any]] = {
    "system_performance": {
        "metric_category": "response_time",
        "metric_name": "query_ms",
        "value": 12.0,
    },
    "user_satisfaction": {
        "satisfaction_type": "speed",
        "score": 4.0,
        "score_scale": "1-5",
        "normalized_score": 0.75,
        "rating": 4,
    },
    "feature_usage": {"action": "query", "duration_ms": 12.0, "success": True},
    "errors": {
        "error_type": "Timeout",
        "error_severity": "error",
        "recovery_attempted": True,
        "recovery_successful": True,
    },
    "learning_effectiveness": {"learning_type": "ranking", "accuracy": 0.9},
    "optimization_impact": {
        "optimization_id": "o",
        "impact_category": "accuracy",
        "before_value": 1.0,
        "after_value": 2.0,
    },
    "resource_utilization": {
        "resource_type": "cpu",
        "resource_name": "0",
        "utilization_percent": 12.0,
    },
}


def shown(name: str) -> list[tuple[str, str]]:
    """The keys in a table of the page, and when they are null; tables that it includes as well."""
    _, found, rest = PAGE.read_text(encoding="utf-8").partition(f"<!-- keys: {name} -->\n\n")
    assert found, name
    keys: list[tuple[str, str]] = []
    for line in rest.partition("\n\n")[0].splitlines()[2:]:
        cell, *_, null = (each.strip() for each in line.strip("|").split("|"))
        keys += [(cell.strip("`"), null)] if cell.startswith("`") else shown(cell)
    return keys


def answers(store: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dictionaries of every table of the page."""
    writer = JournalWriter(store / "journal")
    for table, columns in ROWS.items():
        row = {"feature": "search", **columns}
        writer.put_event(table, SeriesKey("", (), ()), parse_time_ns("2026-01-01T11:00:00Z"), row)
    writer.close()
    clock = FakeClock(parse_time_ns("2026-01-01T12:00:00Z"))
    features = Query(Store(store), builtin_catalog(), clock).features
    performance = features.performance("search", limit=1)
    yield "performance", performance
    yield "performance.category", performance["categories"]["response_time"]
    yield "performance.metric", performance["metrics"][0]
    yield "performance.record", performance["records"][0]
    satisfaction = features.satisfaction("search")
    yield "satisfaction", satisfaction
    yield "opinions", satisfaction["by_type"]["speed"]
    usage = features.usage("search")
    yield "usage", usage
    yield "uses", usage["actions"]["query"]
    errors = features.errors("search")
    yield "errors", errors
    yield "errors.type", errors["types"]["Timeout"]
    learning = features.learning("search")
    yield "learning", learning
    yield "learning.type", learning["by_type"]["ranking"]
    yield "numbers", learning["by_type"]["ranking"]["accuracy"]
    optimization = features.optimization("search")
    yield "optimization", optimization
    yield "optimization.category", optimization["categories"]["accuracy"]
    yield "numbers", optimization["categories"]["accuracy"]["before_value"]
    resources = features.resources(feature="search")
    yield "resources", resources
    yield "numbers", resources["types"]["cpu"]
    yield "resources.resource", resources["resources"][0]
    dashboard = features.dashboard("search")
    yield "dashboard", dashboard
    for section in ("satisfaction", "usage", "errors", "learning", "optimization", "resources"):
        yield section, dashboard[section]
    yield "trend", features.trend("usage", days=1)[0]
    comparison = features.compare_features("usage", "search", "upload")
    yield "comparison", comparison
    for side in ("a", "b"):
        yield "comparison.side", comparison[side]
    yield "feature", features.listed()[0]
    yield "metric", features.metric_statistics("search", "accuracy")


def test_every_key_is_on_the_page_and_the_other_way_round(store_dir: Path) -> None:
    """In whatever order; and no table of the page is left out."""
    seen = set()
    for name, answer in answers(store_dir):
        keys = [key for key, _ in shown(name)]
        assert (name, sorted(answer)) == (name, sorted(keys))
        assert len(keys) == len(set(keys))
        seen.add(name)
    on_the_page = set(re.findall(r"<!-- keys: ([\w.]+) -->", PAGE.read_text(encoding="utf-8")))
    assert on_the_page == {*seen, "answer"}


def test_what_is_never_null_is_not_where_there_is_nothing(store_dir: Path) -> None:
    """And all that may be null is: no number is made up."""
    dashboard = Query(Store(store_dir), builtin_catalog()).features.dashboard("search", hours=1)
    for name, section in dashboard.items():
        if isinstance(section, dict):
            null = dict(shown(name))
            missing = {key for key, value in section.items() if value is None}
            assert not {key for key in missing if null[key] == "never"}
            may_be = {key for key in section if null[key] != "never"}
            assert may_be - missing <= {"start", "end", "reason"}


def test_every_measure_is_on_the_page() -> None:
    """In the table of what may be followed."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measures -->\n\n")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    names = [name for line in lines for name in re.findall(r"`([\w.]+)`", line.split("|")[1])]
    assert sorted(names) == sorted(MEASURES)
