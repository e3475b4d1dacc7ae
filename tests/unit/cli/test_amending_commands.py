# SPDX-License-Identifier: Apache-2.0
"""`tidegauge correct` and `tidegauge forget`."""

from __future__ import annotations

from typing import Any

import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns

AT = "2026-01-01T10:00:00Z"
USAGE = {"feature": "search", "action": "go", "duration_ms": 3.0, "success": True, "user_id": "al"}


@pytest.fixture
def used(cli: Any) -> Any:
    """A store with three points of a run, and one use of a feature."""
    cli.record("model:accuracy", 0.25, 0.5, 0.75, at=AT, every_s=3600, run_id="7f3a", user="al")
    writer = JournalWriter(cli.store / "journal")
    writer.put_event("feature_usage", SeriesKey(""), parse_time_ns(AT), dict(USAGE))
    writer.close()
    return cli


def values(cli: Any) -> list[float]:
    """The values of all points, in the order of time."""
    return [
        row["value"] for row in cli("sql", "SELECT value FROM points ORDER BY time", "--json").json
    ]


def test_values_are_set(used: Any) -> None:
    """Rows are chosen by pairs, and values read as their columns want them."""
    done = used(
        "correct",
        "points",
        "--where",
        "metric=accuracy",
        "--where",
        "run_id=7f3a",
        "--set",
        "value=0.9",
    )
    assert (done.code, done.lines) == (0, ["3 rows of points were changed, of 1 days."])
    assert values(used) == [0.9, 0.9, 0.9]


def test_a_range_and_a_dry_run(used: Any) -> None:
    """The range is half open; a dry run says what would be done."""
    given = ("--start", AT, "--end", "2026-01-01T11:00:00Z", "--retract")
    done = used("correct", "points", *given, "--dry-run")
    assert done.lines == ["1 rows of points would be taken back, of 1 days."]
    assert values(used) == [0.25, 0.5, 0.75]
    assert used("correct", "points", *given).lines == [
        "1 rows of points were taken back, of 1 days."
    ]
    assert values(used) == [0.5, 0.75]


def test_the_json_of_a_correction(used: Any) -> None:
    """Everything that the Python interface returns."""
    done = used("correct", "points", "--where", "value=0.5", "--retract", "--reason", "x", "--json")
    correction_id = done.json["correction_id"]
    assert len(correction_id) == 32
    assert done.json == {
        "action": "retract",
        "table": "points",
        "rows": 1,
        "days": ["2026-01-01"],
        "correction_id": correction_id,
        "dry_run": False,
    }
    trail = used("sql", "SELECT action, target, rows, reason FROM corrections", "--json").json
    assert trail == [{"action": "retract", "target": "points", "rows": 1, "reason": "x"}]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("duration_ms=4.5", {"duration_ms": 4.5}),
        ("duration_ms=", {"duration_ms": None}),
        ("success=no", {"success": False}),
        ("user_context=at night", {"user_context": "at night"}),
        ('metadata={"a": 1}', {"metadata": {"a": 1}}),
    ],
)
def test_values_of_every_kind(used: Any, given: str, shown: dict[str, object]) -> None:
    """Numbers, bools, texts and documents; nothing after the = empties a column."""
    used("correct", "feature_usage", "--where", "success=true", "--set", given)
    (name,) = shown
    sql = f"SELECT {name} FROM feature_usage"
    (row,) = used("sql", sql, "--json").json
    assert row in (shown, {name: str(shown[name]).replace("'", '"').replace(" ", "")})


def test_nothing_that_fits(used: Any) -> None:
    """It is said, and is no failure."""
    done = used("correct", "points", "--where", "run_id=other", "--retract")
    assert (done.code, done.lines) == (0, ["No row is like that."])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("points", "--where", "value=high", "--retract"), "value is a number, and not 'high'"),
        (("points", "--where", "value", "--retract"), "'value' is not KEY=VALUE"),
        (("points", "--where", "value=0.5"), "either sets values or takes rows back"),
        (("points", "--retract"), "nothing says which rows are meant"),
        (("pointz", "--where", "a=b", "--retract"), "here is no such table"),
        (("feature_usage", "--hours", "1", "--set", "success=maybe"), "success is true or false"),
    ],
)
def test_what_cannot_be_used(used: Any, words: tuple[str, ...], text: str) -> None:
    """Exit code 2, with what is allowed."""
    done = used("correct", *words)
    assert done.code == 2
    assert text.lower() in " ".join(done.err.replace("│", "").split()).lower()
    assert values(used) == [0.25, 0.5, 0.75]


def test_a_user_is_forgotten(used: Any) -> None:
    """The rows by table, and what else was done."""
    done = used("forget", "al", "--reason", "asked")
    assert done.code == 0
    assert "feature_usage" in done.out
    assert "places blanked in the journal" in done.out
    assert values(used) == [0.25, 0.5, 0.75]
    sql = "SELECT count(user_id) AS n FROM feature_usage"
    assert used("sql", sql, "--json").json == [{"n": 0}]


def test_rows_about_a_user_are_deleted(used: Any) -> None:
    """With --delete they go as a whole; --json says everything."""
    done = used("forget", "al", "--delete", "--json").json
    assert done["rows"] == {"feature_usage": 1, "points": 3}
    assert done["remaining"] == []
    assert values(used) == []


def test_a_dry_run_of_forgetting(used: Any) -> None:
    """Only the rows are counted."""
    done = used("forget", "al", "--dry-run", "--json").json
    assert (done["rows"], done["dry_run"]) == ({"feature_usage": 1, "points": 3}, True)
    assert used("forget", "nobody", "--dry-run").lines[-1].strip() == "No row is about this user."


@pytest.mark.parametrize(
    "words", [("correct", "points", "--hours", "1", "--retract"), ("forget", "al")]
)
def test_a_store_that_does_not_exist(cli: Any, words: tuple[str, ...]) -> None:
    """A mistyped path does not become a store."""
    done = cli(*words)
    assert done.code == 1
    assert "There is no store here" in done.err
    assert not cli.store.exists()
