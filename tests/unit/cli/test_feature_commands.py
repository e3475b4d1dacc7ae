# SPDX-License-Identifier: Apache-2.0
"""`tidegauge features` and `dashboard`."""

from __future__ import annotations

from typing import Any

import pytest

DAY = ["--start", "2026-01-01", "--end", "2026-01-02"]


@pytest.fixture
def filled(cli: Any) -> Any:
    """A day of a feature, of which something of every kind was recorded."""
    at = "2026-01-01T12:00:00Z"
    for index, duration_ms in enumerate((10.0, 20.0, 60.0)):
        cli.record_row(
            "feature_usage",
            {
                "feature": "search",
                "action": "query",
                "duration_ms": duration_ms,
                "success": index > 0,
                "user_id": f"u{index}",
            },
            at,
        )
    for name, unit in (("read", "ms"), ("size", "MB")):
        cli.record_row(
            "system_performance",
            {
                "feature": "search",
                "metric_category": "io",
                "metric_name": name,
                "value": 2.5,
                "unit": unit,
            },
            at,
        )
    cli.record_row(
        "user_satisfaction",
        {
            "feature": "search",
            "satisfaction_type": "speed",
            "score": 4.0,
            "score_scale": "1-5",
            "normalized_score": 0.75,
            "rating": 4,
        },
        at,
    )
    cli.record_row(
        "errors",
        {
            "feature": "search",
            "error_type": "Timeout",
            "error_severity": "error",
            "recovery_attempted": False,
        },
        at,
    )
    cli.record_row(
        "learning_effectiveness",
        {"feature": "search", "learning_type": "ranking", "accuracy": 0.9, "sample_size": 100},
        at,
    )
    cli.record_row(
        "optimization_impact",
        {
            "feature": "search",
            "optimization_id": "o1",
            "impact_category": "task_completion_time",
            "before_value": 10.0,
            "after_value": 8.0,
            "relative_change": -0.2,
        },
        at,
    )
    cli.record_row(
        "resource_utilization",
        {
            "feature": "search",
            "resource_type": "memory",
            "resource_name": "cache",
            "utilization_percent": 65.5,
            "allocated": 1024.0,
            "used": 670.0,
            "unit": "MB",
        },
        at,
    )
    return cli


@pytest.fixture
def words() -> Any:
    """The lines that something printed, with one space between words, without rules."""
    return lambda done: [" ".join(line.split()) for line in done.lines if "─" not in line]


def test_features_with_how_much_there_is_of_each(filled: Any, words: Any) -> None:
    """A column for each table that has something; first and last in UTC."""
    filled.record_row(
        "feature_usage", {"feature": "upload", "action": "send"}, "2026-01-03T08:00:00Z"
    )
    done = filled("features")
    assert done.code == 0
    assert words(done)[0] == (
        "feature system performance user satisfaction feature usage learning effectiveness "
        "optimization impact resource utilization errors first last"
    )
    assert words(done)[1:] == [
        "search 2 1 3 1 1 1 1 2026-01-01 12:00:00 2026-01-01 12:00:00",
        "upload - - 1 - - - - 2026-01-03 08:00:00 2026-01-03 08:00:00",
    ]
    [row] = filled("features", "UPL", "--json").json
    assert row == {
        "feature": "upload",
        "records": {"feature_usage": 1},
        "first": "2026-01-03T08:00:00+00:00",
        "last": "2026-01-03T08:00:00+00:00",
    }


def test_no_feature_ends_with_1(filled: Any) -> None:
    """Nothing is like that."""
    done = filled("features", "nope")
    assert (done.code, done.lines) == (1, ["No feature is like that."])


def test_features_by_a_label(filled: Any) -> None:
    """Facts without the label are a row of their own."""
    [row] = filled("features", "--by", "product", "--json").json
    assert (row["feature"], row["product"]) == ("search", None)


def test_a_dashboard_has_all_sections(filled: Any, words: Any) -> None:
    """Numbers in tables, reasons for what is missing, and what it was made of."""
    done = filled("dashboard", "search", *DAY)
    assert done.code == 0
    assert words(done) == [
        "search, 2026-01-01 00:00 to 2026-01-02 00:00 UTC",
        "Performance",
        "category metric unit count avg p50 p95 p99 max",
        "io all ms, MB 2 - - - - -",
        "io read ms 1 2.5 2.5 2.5 2.5 2.5",
        "io size MB 1 2.5 2.5 2.5 2.5 2.5",
        "io: the values have several units",
        "Satisfaction",
        "type opinions mean, 0 to 1 satisfied 95 % interval CSAT",
        "speed 1 0.75 100 % 20.7 … 100 % 100 %",
        "Usage",
        "action uses success 95 % interval avg ms p50 ms p95 ms p99 ms max ms",
        "query 3 66.67 % 20.8 … 93.9 % 30 20 56 59.2 60",
        "3 users, 0 contexts",
        "Errors",
        "type count recovered",
        "Timeout 1 -",
        "1 in all, 0.33333 for each use, 0 users",
        "by severity: error 1",
        "by impact: unknown 1",
        "recovery_rate: no recovery was tried in this time",
        "Learning",
        "type count accuracy confidence improvement samples",
        "ranking 1 0.9 - - 100",
        "Optimization",
        "category count before after change impact on users better",
        "task_completion_time 1 10 8 -20 % - yes",
        "Resources",
        "type name avg % p95 % max % used allocated unit",
        "memory cache 65.5 65.5 65.5 670 1,024 MB",
        "All of it from the rows themselves; percentiles are exact.",
    ]


def test_a_dashboard_in_json_is_the_dictionary(filled: Any) -> None:
    """The one that the Python interface returns."""
    document = filled("dashboard", "search", *DAY, "--json").json
    assert list(document) == [
        "feature",
        "start",
        "end",
        "generated_at",
        "performance",
        "satisfaction",
        "usage",
        "errors",
        "learning",
        "optimization",
        "resources",
    ]
    assert document["usage"]["p95_duration_ms"] == pytest.approx(56.0)


def test_a_dashboard_without_facts_ends_with_1(filled: Any, words: Any) -> None:
    """Every section says that there is nothing; the last 24 hours are looked at by themselves."""
    done = filled("dashboard", "search")
    assert done.code == 1
    assert words(done)[1:-1] == [
        "Performance",
        "Nothing was measured.",
        "Satisfaction",
        "Nobody gave an opinion.",
        "Usage",
        "It was not used.",
        "Errors",
        "There were none.",
        "Learning",
        "Nothing was recorded.",
        "Optimization",
        "Nothing was recorded.",
        "Resources",
        "Nobody looked at any.",
    ]
    assert filled("dashboard", *DAY, "--where", "environment=production").code == 1


def test_a_dashboard_up_to_a_moment_is_of_the_day_before_it(filled: Any) -> None:
    """--end alone moves the 24 hours."""
    done = filled("dashboard", "--end", "2026-01-02", "--json")
    assert (done.code, done.json["start"]) == (0, "2026-01-01T00:00:00+00:00")


def test_a_dashboard_of_rollups_says_so(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which sections, from when to when, and how far off their percentiles may be."""
    from tidegauge.config import assemble
    from tidegauge.query import query as query_module
    from tidegauge.query.features import Features
    from tidegauge.store.rollup import roll_up

    filled("drain")
    roll_up(assemble(store=str(filled.store)).store)

    class Rolled(Features):
        """Uses rollups of any number of rows."""

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **{**named, "few_rows": 0})

    monkeypatch.setattr(query_module, "Features", Rolled)
    done = filled("dashboard", "search", *DAY)
    assert "\nFrom rollups, 2026-01-01 00:00 to 2026-01-02 00:00: performance, " in done.out
    assert "percentiles there are exact to within" in done.out
