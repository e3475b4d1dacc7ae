# SPDX-License-Identifier: Apache-2.0
"""`tidegauge trend`, `change` and `aggregate`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tidegauge.cli.trends import bar

DAYS = ["--start", "2026-01-01", "--end", "2026-01-04"]


@pytest.fixture
def filled(cli: Any) -> Any:
    """Uses on the first and the third of January."""
    for at, duration_ms, success in (
        ("2026-01-01T10:00:00Z", 10.0, True),
        ("2026-01-01T23:30:00Z", 30.0, False),
        ("2026-01-03T10:00:00Z", 40.0, True),
    ):
        columns = {
            "feature": "search",
            "action": "query",
            "duration_ms": duration_ms,
            "success": success,
        }
        cli.record_row("feature_usage", columns, at)
    return cli


@pytest.fixture
def words() -> Any:
    """The lines that something printed, with one space between words, without rules."""
    return lambda done: [" ".join(line.split()) for line in done.lines if "─" not in line]


def test_a_trend_shows_its_gaps(filled: Any, words: Any) -> None:
    """A day without facts is a row of its own; bars are of the mean."""
    done = filled("trend", "usage.duration_ms", "--feature", "search", *DAYS)
    assert done.code == 0
    assert words(done) == [
        "usage.duration_ms of search, by day in UTC",
        "day count avg p50 p95 max",
        "2026-01-01 2 20 20 29 30 ██████████",
        "2026-01-02 0 - - - -",
        "2026-01-03 1 40 40 40 40 ████████████████████",
    ]


def test_what_is_counted_has_counts_and_shares_have_percents(filled: Any, words: Any) -> None:
    """The mean of what happens once per row would always be 1."""
    assert words(filled("trend", "usage", *DAYS))[1:3] == [
        "day count",
        "2026-01-01 2 ████████████████████",
    ]
    assert words(filled("trend", "usage.success", *DAYS))[1:3] == [
        "day count avg",
        "2026-01-01 2 50 % ██████████",
    ]


def test_days_are_of_the_time_zone(
    filled: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half past eleven in the evening in Greenwich is the next day in Amsterdam."""
    monkeypatch.setenv("TIDEGAUGE_TIME_ZONE", "Europe/Amsterdam")
    done = filled("trend", "usage", "--start", "2025-12-31T23:00:00Z", "--end", "2026-01-02")
    assert words(done)[0] == "usage of all features, by day in Europe/Amsterdam"
    assert [line.split()[:2] for line in words(done)[2:]] == [
        ["2026-01-01", "1"],
        ["2026-01-02", "1"],
    ]


def test_hours_have_a_time(filled: Any, words: Any) -> None:
    """And a column of the table may be asked for."""
    narrow = ["--start", "2026-01-01T10:00:00Z", "--end", "2026-01-01T11:00:00Z"]
    done = filled(
        "trend", "usage", "--every", "hour", *narrow, "-w", "action=query", "-b", "action"
    )
    assert words(done)[1:] == ["hour action count", "2026-01-01 10:00 query 1 " + "█" * 20]


def test_a_trend_in_json_is_the_list(filled: Any) -> None:
    """The one that the Python interface returns."""
    rows = filled("trend", "usage", *DAYS, "--json").json
    assert [row["count"] for row in rows] == [2, 0, 1]
    assert rows[1]["reason"] == "no values in this time"


def test_a_trend_without_values_ends_with_1(filled: Any) -> None:
    """It has its rows all the same."""
    done = filled("trend", "usage", "--feature", "nope", *DAYS)
    assert done.code == 1
    assert len(done.lines) == 6


def test_what_has_no_trend_is_a_usage_error(filled: Any) -> None:
    """With what there is."""
    for arguments in (["usge"], ["usage", "--every", "month"]):
        done = filled("trend", *arguments)
        assert done.code == 2
    assert "Got: usge" in filled("trend", "usge").err


def test_a_negative_number_has_no_bar(cli: Any, words: Any) -> None:
    """A bar from zero would say nothing of it."""
    columns = {
        "feature": "f",
        "optimization_id": "o",
        "impact_category": "accuracy",
        "before_value": 10.0,
        "after_value": 8.0,
        "relative_change": -0.2,
    }
    cli.record_row("optimization_impact", columns, "2026-01-01T10:00:00Z")
    done = cli("trend", "optimization", "--start", "2026-01-01", "--end", "2026-01-02")
    assert words(done)[1:] == ["day count avg", "2026-01-01 1 -20 %"]


@pytest.mark.parametrize(
    ("value", "most", "drawn"),
    [
        (None, 1.0, ""),
        (0.0, 0.0, ""),
        (0.0, 2.0, ""),
        (2.0, 2.0, "████"),
        (1.0, 2.0, "██"),
        (1.125, 2.0, "██▎"),
        (1.9999, 2.0, "████"),
    ],
)
def test_a_bar_is_as_long_as_its_value(value: float | None, most: float, drawn: str) -> None:
    """To an eighth of a sign."""
    assert bar(value, most, width=4) == drawn


@pytest.fixture
def recent(cli: Any) -> Any:
    """Two uses a day of one feature in this week, one a day before; one of another feature."""
    now = dt.datetime.now(dt.UTC)
    for days_ago in range(14):
        at = (now - dt.timedelta(days=days_ago, hours=1)).isoformat()
        for duration_ms in (20.0 + days_ago, 22.0) if days_ago < 7 else (100.0 + days_ago,):
            columns = {"feature": "search", "action": "query", "duration_ms": duration_ms}
            cli.record_row("feature_usage", columns, at)
    columns = {"feature": "upload", "action": "send", "duration_ms": 5.0}
    cli.record_row("feature_usage", columns, (now - dt.timedelta(hours=1)).isoformat())
    return cli


def test_change_of_a_mean_against_the_days_before(recent: Any, words: Any) -> None:
    """With the interval of the difference."""
    done = recent("change", "usage.duration_ms", "--feature", "search")
    assert done.code == 0
    told = words(done)
    assert told[0] == "usage.duration_ms"
    assert told[2].startswith("before ")
    assert told[2].split()[-7:] == ["7", "7", "1", "110", "110", "112.7", "113"]
    assert told[4].startswith("mean -87.5 (-79.5 %), 95 %: -89.")
    found = recent("change", "usage.duration_ms", "--feature", "search", "--json").json
    assert found["low"] < found["difference"] == -87.5 < found["high"] < 0


def test_change_of_what_is_counted_is_per_day(recent: Any, words: Any) -> None:
    """Its mean is always 1 and never changes."""
    told = words(recent("change", "usage", "--feature", "search"))
    assert told[1] == "from, to (UTC) count days per day"
    assert told[4] == "per day +1 (+100 %), 95 %: +1 … +1"


def test_change_against_another_feature(recent: Any, words: Any) -> None:
    """The feature against the other; one day is too little to tell chance."""
    told = words(recent("change", "usage.duration_ms", "-f", "search", "--against", "upload"))
    assert [line.split()[0] for line in told[2:4]] == ["upload", "search"]
    assert told[5] == "one side has values on less than two days: there is no telling chance"


def test_change_without_values_ends_with_1(recent: Any) -> None:
    """And says why."""
    done = recent("change", "satisfaction")
    assert (done.code, done.lines[-1]) == (1, "one side has no values")


def test_another_feature_needs_one_to_compare(recent: Any) -> None:
    """--against says with what, --feature says what."""
    done = recent("change", "usage", "--against", "upload")
    assert done.code == 2
    assert "--against wants a --feature to compare" in " ".join(done.err.split())


def test_a_day_is_aggregated(filled: Any) -> None:
    """A row for each number; a day without facts has none, and what is no day is refused."""
    done = filled("aggregate", "--date", "2026-01-01")
    assert (done.code, done.lines) == (0, ["Aggregated 2026-01-01: 3 rows."])
    assert filled("aggregate", "--date", "2026-01-02", "--json").json == {
        "date": "2026-01-02",
        "rows": 0,
    }
    assert filled("aggregate").lines == ["Aggregated today: 0 rows."]
    wrong = filled("aggregate", "--date", "yesterday")
    assert wrong.code == 2
    assert "Got: yesterday" in wrong.err


def test_all_days_are_aggregated_once(filled: Any) -> None:
    """Those whose facts have not changed are not done again."""
    assert filled("aggregate", "--all").lines == ["Aggregated 2 days."]
    assert filled("aggregate", "--all", "--json").json == {"days": 0}
    rows = filled("sql", "SELECT DISTINCT date FROM daily_aggregates ORDER BY 1", "--json").json
    assert [row["date"] for row in rows] == ["2026-01-01", "2026-01-03"]


def test_one_day_and_all_days_exclude_each_other(filled: Any) -> None:
    """A usage error."""
    assert filled("aggregate", "--all", "--date", "2026-01-01").code == 2
