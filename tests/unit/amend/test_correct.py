# SPDX-License-Identifier: Apache-2.0
"""Corrections: which rows they change, what they refuse, and what they leave in the trail."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tidegauge.model.errors import MetricValidationError, QueryError, StoreError

DAY = dt.date(2026, 1, 1)
VALUES = "SELECT value FROM points ORDER BY time, value"
TRAIL = "SELECT action, target, rows, days, reason, author FROM corrections ORDER BY time"


def test_a_value_is_changed_for_every_reader(desk: Any) -> None:
    """The Delta table has the new value, so that any engine sees it; other rows stay."""
    desk.point(0.5, run_id="a")
    desk.point(0.6, run_id="b")
    done = desk.correct("points", where={"metric": "accuracy", "run_id": "a"}, set={"value": 0.9})
    assert (done.rows, done.days, done.dry_run) == (1, (DAY,), False)
    delta = DeltaTable(desk.root / "tables" / "points")
    assert sorted(delta.to_pyarrow_table()["value"].to_pylist()) == [0.6, 0.9]
    desk.check()


def test_facts_that_are_still_in_the_journal_are_covered(desk: Any) -> None:
    """What was recorded before the call is changed, what comes after it is not."""
    desk.point(0.5)
    desk.drain()
    desk.point(0.6)
    assert desk.correct("points", where={"metric": "model:accuracy"}, set={"value": 0.9}).rows == 2
    desk.point(0.7)
    assert desk.ask(VALUES, "points") == [(0.7,), (0.9,), (0.9,)]


def test_rows_are_taken_back(desk: Any) -> None:
    """Retracted rows count as retired, so that the books and the doctor agree."""
    for value in (0.1, 0.2, 0.3):
        desk.point(value, split="a" if value < 0.25 else "b")
    done = desk.correct("points", where={"split": "a"}, retract=True, reason="test data")
    assert (done.action, done.rows) == ("retract", 2)
    assert desk.ask(VALUES, "points") == [(0.3,)]
    assert desk.ask(TRAIL, "corrections") == [("retract", "points", 2, 1, "test data", None)]
    desk.check()


def test_all_rows_of_a_day_can_be_taken_back(desk: Any) -> None:
    """A day of which nothing stays has no file."""
    desk.point(0.1)
    desk.point(0.2, at="2026-01-02T00:00:00Z")
    assert desk.correct("points", end="2026-01-02", retract=True).rows == 1
    assert desk.ask(VALUES, "points") == [(0.2,)]
    desk.check()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"model": "m"}, 1),
        ({"model": None}, 2),
        ({"model": ["m", None]}, 3),
        ({"split": "val"}, 1),
        ({"split": None}, 2),
        ({"fold": 3}, 1),
        ({"step": None}, 3),
        ({"step": 7}, 0),
        ({"value": 0.5}, 1),
        ({"metric": "model:f1_score"}, 0),
        ({"no_such_label": "x"}, 0),
        ({"model": "m", "split": "val"}, 0),
    ],
)
def test_conditions(desk: Any, where: dict[str, object], rows: int) -> None:
    """Columns, dimensions and labels are compared; None is an empty one, a list is any of it."""
    desk.point(0.5, model="m")
    desk.point(0.25, split="val")
    desk.point(0.75, fold="3")
    assert desk.correct("points", where=where, set={"value": 0.1}, dry_run=True).rows == rows


def test_a_range_of_time(desk: Any) -> None:
    """The start is in the range, the end is not, and other days are not looked at."""
    for hour in (9, 10, 11):
        desk.point(0.5, at=f"2026-01-01T{hour:02d}:00:00Z")
    done = desk.correct(
        "points", start="2026-01-01T09:00:00Z", end="2026-01-01T11:00:00Z", set={"value": 0.9}
    )
    assert done.rows == 2
    assert desk.ask(VALUES, "points") == [(0.9,), (0.9,), (0.5,)]


def test_nothing_that_fits_changes_nothing(desk: Any) -> None:
    """No row, no commit, no row in the trail."""
    desk.point(0.5)
    desk.drain()
    before = DeltaTable(desk.root / "tables" / "points").version()
    done = desk.correct("points", where={"model": "other"}, set={"value": 0.9})
    assert (done.rows, done.days, done.correction_id) == (0, (), None)
    assert DeltaTable(desk.root / "tables" / "points").version() == before
    assert desk.ask("SELECT count(*) FROM corrections", "corrections") == [(0,)]


def test_a_dry_run_changes_nothing(desk: Any) -> None:
    """It says which rows it would be."""
    desk.point(0.5)
    done = desk.correct("points", where={"value": 0.5}, set={"value": 0.9}, dry_run=True)
    assert (done.rows, done.days, done.dry_run) == (1, (DAY,), True)
    assert desk.ask(VALUES, "points") == [(0.5,)]
    assert not (desk.root / "corrections").exists()
    assert desk.ask("SELECT count(*) FROM corrections", "corrections") == [(0,)]


def test_a_table_that_does_not_exist_yet(desk: Any) -> None:
    """There is nothing to change in it."""
    desk.point(0.5)
    assert desk.correct("errors", where={"feature": "search"}, retract=True).rows == 0


def test_a_score_takes_what_is_made_of_it_with_it(desk: Any) -> None:
    """Normalised score and rating are worked out on the scale of the row."""
    desk.opinion(4.0)
    desk.correct("user_satisfaction", where={"feature": "search"}, set={"score": 2})
    sql = "SELECT score, score_scale, normalized_score, rating FROM user_satisfaction"
    assert desk.ask(sql, "user_satisfaction") == [(2.0, "1-5", 0.25, 2)]
    desk.correct(
        "user_satisfaction", where={"feature": "search"}, set={"score": 9, "score_scale": "0-10"}
    )
    assert desk.ask(sql, "user_satisfaction") == [(9.0, "0-10", 0.9, 9)]


def test_a_score_must_be_on_the_scale_of_every_row(desk: Any) -> None:
    """Otherwise nothing is changed, and no file is left."""
    desk.opinion(4.0)
    desk.opinion(0.5, at="2026-01-02T00:00:00Z", score_scale="0-1", normalized_score=0.5, rating=5)
    desk.drain()
    files = sorted(desk.root.rglob("*.parquet"))
    with pytest.raises(MetricValidationError, match="not on its scale; got 4"):
        desk.correct("user_satisfaction", where={"feature": "search"}, set={"score": 4})
    assert sorted(desk.root.rglob("*.parquet")) == files
    sql = "SELECT score FROM user_satisfaction ORDER BY 1"
    assert desk.ask(sql, "user_satisfaction") == [(0.5,), (4.0,)]


def test_an_impact_takes_its_relative_change_with_it(desk: Any) -> None:
    """It is worked out of both values; there is none from 0."""
    impact = {"feature": "x", "optimization_id": "o", "impact_category": "speed"}
    desk.row(
        "optimization_impact", **impact, before_value=4.0, after_value=5.0, relative_change=0.25
    )
    sql = "SELECT before_value, after_value, relative_change FROM optimization_impact"
    desk.correct("optimization_impact", where={"feature": "x"}, set={"after_value": 2.0})
    assert desk.ask(sql, "optimization_impact") == [(4.0, 2.0, -0.5)]
    desk.correct("optimization_impact", where={"feature": "x"}, set={"before_value": 0})
    assert desk.ask(sql, "optimization_impact") == [(0.0, 2.0, None)]


def test_texts_bools_and_metadata(desk: Any) -> None:
    """Columns of every kind can be set, and emptied where they may be."""
    desk.row("feature_usage", feature="x", action="go", duration_ms=3.0, success=True)
    desk.correct(
        "feature_usage",
        where={"success": True},
        set={"success": False, "error_type": "E", "duration_ms": None, "metadata": {"a": 1}},
    )
    sql = "SELECT success, error_type, duration_ms, metadata FROM feature_usage"
    assert desk.ask(sql, "feature_usage") == [(False, "E", None, '{"a":1}')]


def test_the_trail_says_what_was_done_and_names_nobody(desk: Any) -> None:
    """Who a user is and what they wrote is in the tables at most, never in the trail."""
    desk.opinion(4.0, user_id="alice", feedback="hello")
    desk.correct(
        "user_satisfaction",
        where={"user_id": "alice", "feature": "search"},
        set={"score": 3, "feedback": "good bye", "user_id": None},
        reason="asked for",
        author="me",
    )
    assert desk.ask(TRAIL, "corrections") == [
        ("correct", "user_satisfaction", 1, 1, "asked for", "me")
    ]
    ((conditions, changes),) = desk.ask(
        "SELECT conditions, changes FROM corrections", "corrections"
    )
    assert json.loads(conditions) == {"where": {"user_id": "***", "feature": "search"}}
    assert json.loads(changes) == {"score": 3.0, "feedback": "***", "user_id": None}


def test_a_hashed_user_is_found_by_name(new_desk: Any, store_dir: Any) -> None:
    """The hash is looked for, too, and a user that is set is hashed."""
    desk = new_desk(store_dir, user_ids="hash", free_text="hash")
    desk.opinion(4.0, user_id=desk.recorder.privacy.user("alice"))
    done = desk.correct(
        "user_satisfaction",
        where={"user_id": "alice"},
        set={"user_id": "bob", "feedback": "what he says"},
    )
    assert done.rows == 1
    assert desk.correct("user_satisfaction", where={"user_id": "bob"}, retract=True).rows == 1
    assert desk.files_with("alice", "bob", "what he says") == []


def test_order_and_statistics_of_files_stay(desk: Any) -> None:
    """Rows stay where they are in their file, and readers may leave files out as before."""
    for value in (0.3, 0.1, 0.2):
        desk.point(value, run_id="b" if value > 0.25 else "a")
    desk.drain()
    sql = "SELECT run_id, value FROM points"
    before = desk.ask(sql, "points")
    desk.correct("points", where={"value": 0.1}, set={"value": 0.9})
    assert desk.ask(sql, "points") == [
        (run, 0.9 if value == 0.1 else value) for run, value in before
    ]
    stored = desk.store.tables.open("points")
    (path,), rows = stored.view().files.paths, stored.view().files.rows.tolist()
    (added,) = [each for each in _added(desk.root / "tables" / "points") if each["path"] == path]
    statistics = json.loads(added["stats"])
    assert rows == [3]
    assert (statistics["minValues"]["value"], statistics["maxValues"]["value"]) == (0.2, 0.9)
    assert statistics["minValues"]["run_id"] == "a"
    assert added["dataChange"]


def _added(table: Path) -> Iterator[dict[str, Any]]:
    """The files that the commits of a table add."""
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for line in commit.read_text().splitlines():
            if "add" in (action := json.loads(line)):
                yield action["add"]


REFUSED = [
    (
        {"set": {"value": 1.5}, "where": {"metric": "accuracy"}},
        MetricValidationError,
        "value of metric 'model:accuracy' is out of range; got 1.5; allowed: 0 to 1",
    ),
    (
        {"set": {"value": float("nan")}, "where": {"metric": "accuracy"}},
        MetricValidationError,
        "is not finite",
    ),
    ({"set": {"step": 0.5}, "where": {"value": 0.5}}, MetricValidationError, "whole number"),
    (
        {"set": {"metric": "x:y"}, "where": {"value": 0.5}},
        QueryError,
        "the column 'metric' says which series a row belongs to, and when; got 'metric'",
    ),
    (
        {"set": {"metric": "x:y"}, "where": {"value": 0.5}},
        QueryError,
        "allowed: value, step, metadata. Retract the rows, and record them anew.",
    ),
    ({"set": {"model": "x"}, "where": {"value": 0.5}}, QueryError, "says which series"),
    ({"set": {"split": "x"}, "where": {"value": 0.5}}, QueryError, "no such column"),
    (
        {"set": {"value": 0.1}},
        QueryError,
        "allowed: where={column or label: value}, or a range of time, or both. To mean every row",
    ),
    ({"where": {"value": 0.5}}, QueryError, "either sets values or takes rows back"),
    (
        {"where": {"value": 0.5}, "set": {"value": 0.1}, "retract": True},
        QueryError,
        "either sets values or takes rows back",
    ),
    (
        {"where": {"value": "high"}, "retract": True},
        QueryError,
        "the column 'value' cannot have this value; got 'high'; allowed: a number, or None",
    ),
    ({"where": {"value": True}, "retract": True}, QueryError, "cannot have this value"),
    ({"where": {"time": 5}, "retract": True}, QueryError, "Give start and end."),
    ({"where": {"labels": {}}, "retract": True}, QueryError, "Name a label itself"),
    ({"where": {"split": 0.5}, "retract": True}, QueryError, "the label 'split' cannot have this"),
    ({"where": {"model": []}, "retract": True}, QueryError, "no value is given for 'model'"),
    (
        {"where": {"value": 0.5}, "retract": True, "reason": "x" * 10_001},
        MetricValidationError,
        "the reason cannot be kept",
    ),
    (
        {"where": {"model": ["x" * 100] * 200}, "retract": True},
        QueryError,
        "`where` is too long for the trail of corrections; got '20",
    ),
]


@pytest.mark.parametrize(("asked", "error", "text"), REFUSED)
def test_what_is_refused_of_points(
    desk: Any, asked: dict[str, Any], error: type[Exception], text: str
) -> None:
    """Nothing is changed, and the error says what would be allowed."""
    desk.point(0.5)
    with pytest.raises(error) as caught:
        desk.correct("points", **asked)
    assert text in str(caught.value)
    assert desk.ask(VALUES, "points") == [(0.5,)]


REFUSED_ROWS = [
    ("errors", {"error_severity": "bad"}, "allowed: critical, error, warning, info."),
    ("errors", {"recovery_successful": True}, "a recovery was successful that was never tried"),
    ("errors", {"feature": None}, "is missing; allowed: a text of 1 to 10,000 characters."),
    ("feature_usage", {"duration_ms": -1}, "got -1; allowed: a finite number, 0 or more, or None."),
    ("feature_usage", {"success": 1}, "allowed: True, False, or None."),
    ("learning_effectiveness", {"accuracy": 1.5}, "a finite number from 0 to 1, or None."),
    ("user_satisfaction", {"rating": 3}, "the column 'rating' is worked out of others"),
    ("user_satisfaction", {"rating": 3}, "Set score."),
    ("optimization_impact", {"relative_change": 3}, "Set before_value and after_value."),
    ("intervals", {"count": 3}, "the columns of a summary belong together"),
    ("corrections", {"rows": 3}, "the rows of this table cannot be changed"),
    (
        "rollups",
        {"count": 3},
        "the rows of this table cannot be changed; got 'rollups'; allowed: p",
    ),
    ("pointz", {"value": 3}, "there is no such table; got 'pointz'; allowed: points, "),
]


@pytest.mark.parametrize(("table", "changes", "text"), REFUSED_ROWS)
def test_what_is_refused_of_other_tables(
    desk: Any, table: str, changes: dict[str, Any], text: str
) -> None:
    """Values are checked as when they are recorded; what is made of others is not set."""
    desk.row("errors", feature="x", error_type="E", error_severity="info", recovery_attempted=False)
    with pytest.raises((QueryError, MetricValidationError)) as caught:
        desk.correct(table, start=0, set=changes)
    assert text in str(caught.value)


def test_a_store_that_others_maintain_all_the_time(desk: Any) -> None:
    """The error says so, and nothing was changed."""
    desk.point(0.5)
    desk.drain()
    desk.amender._wait_s = 0.05
    with desk.store.maintain(), pytest.raises(StoreError) as caught:
        desk.correct("points", where={"value": 0.5}, retract=True)
    assert "another process was maintaining the store all the time" in str(caught.value)


def test_a_store_that_others_drain_all_the_time(desk: Any) -> None:
    """What is in the journal only would not be covered, so nothing is done."""
    desk.point(0.5)
    desk.amender._wait_s = 0.05
    with desk.store.lead(), pytest.raises(StoreError) as caught:
        desk.correct("points", where={"value": 0.5}, retract=True)
    assert "what was recorded was not stored in time, and nothing was changed" in str(caught.value)
