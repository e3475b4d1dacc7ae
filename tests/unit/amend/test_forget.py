# SPDX-License-Identifier: Apache-2.0
"""Forgetting a user: nothing in the store says any more who it was, in no byte of no file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.journal.reader import Event
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.families import Reading
from tidegauge.live.live import Live
from tidegauge.model.budgets import Budget
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import ROLLUPS
from tidegauge.record.context import context
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.budgets import BudgetBook, Passed
from tidegauge.store.files import write_file
from tidegauge.store.maintenance import compact
from tidegauge.store.rows import Rows
from tidegauge.store.store import Store

ALICE = "alice-8f3d"
OPINIONS = "SELECT score, user_id, feedback, metadata FROM user_satisfaction ORDER BY score"


def record(desk: Any) -> None:
    """Facts about two users, in every place where one may be named."""
    for user, score in ((ALICE, 4.0), ("bob", 2.0)):
        kept = desk.recorder.privacy.user(user)
        desk.opinion(score, user_id=kept, feedback=desk.recorder.privacy.text(f"{user} is glad"))
        desk.opinion(score + 1, metadata={"user": user})
        desk.row("feature_usage", feature="search", action="go", user_id=kept, duration_ms=score)
        desk.row(
            "errors",
            feature="search",
            error_type="E",
            error_severity="error",
            error_message=desk.recorder.privacy.text(f"{user} did it"),
            recovery_attempted=False,
            user_id=kept,
        )
        desk.row("feature_usage", feature="search", action="see", user_label=user)
        desk.point(score / 10, user=user)
        desk.point(score / 10, user_id=user, split="val")


def _users(reading: Reading) -> set[str]:
    labels = [dict(each) for family in reading.families for each in family.labels]
    return {each["user"] for each in labels if "user" in each}


@pytest.mark.parametrize("user_ids", ["keep", "hash"])
@pytest.mark.parametrize("rows", ["anonymize", "delete"])
def test_no_file_names_the_user(
    new_desk: Any, store_dir: Path, user_ids: Literal["keep", "hash"], rows: str
) -> None:
    """Neither plainly nor as a hash; who else is there stays."""
    desk = new_desk(store_dir, user_ids=user_ids)
    record(desk)
    desk.live.save()
    desk.drain()
    compact(desk.store, "points")  # whose old files are kept for a day
    record(desk)
    forms = desk.recorder.privacy.forms(ALICE)
    assert desk.files_with(*forms)
    done = desk.forget(ALICE, rows=rows, reason="request 4711")
    assert done.rows == {"errors": 2, "feature_usage": 4, "points": 4, "user_satisfaction": 4}
    assert done.remaining == ()
    assert desk.files_with(*forms) == []
    assert desk.files_with(*desk.recorder.privacy.forms("bob"))
    desk.check()
    again = desk.forget(ALICE, rows=rows)
    assert (again.rows, again.journal_frames, again.live_series, again.correction_id) == (
        {},
        0,
        0,
        None,
    )


def test_numbers_stay_where_rows_are_anonymised(desk: Any) -> None:
    """Statistics are right as before; only who and what was written is gone."""
    record(desk)
    desk.forget(ALICE)
    assert desk.ask(OPINIONS, "user_satisfaction") == [
        (2.0, "bob", "bob is glad", None),
        (3.0, None, None, '{"user":"bob"}'),
        (4.0, None, None, None),
        (5.0, None, None, None),
    ]
    sql = "SELECT labels, value FROM points ORDER BY value, cardinality(labels)"
    assert desk.ask(sql, "points") == [
        ({"user": "bob"}, 0.2),
        ({"split": "val", "user_id": "bob"}, 0.2),
        ({}, 0.4),
        ({"split": "val"}, 0.4),
    ]


def test_rows_go_where_they_are_deleted(desk: Any) -> None:
    """They count as retired."""
    record(desk)
    desk.forget(ALICE, rows="delete")
    assert [score for score, *_ in desk.ask(OPINIONS, "user_satisfaction")] == [2.0, 3.0]
    desk.check()


def test_the_trail_does_not_name_the_user(desk: Any) -> None:
    """One row for each table, with the reason."""
    record(desk)
    desk.forget(ALICE, reason="request 4711", author="dpo")
    sql = "SELECT action, target, conditions, changes, rows, reason, author FROM corrections"
    assert desk.ask(f"{sql} ORDER BY target LIMIT 1", "corrections") == [
        ("forget", "errors", '{"user":"***"}', '{"rows":"anonymize"}', 1, "request 4711", "dpo")
    ]


def test_live_metrics_do_not_show_the_user(desk: Any) -> None:
    """Series with such a label are dropped for everybody, others go on."""
    desk.point(0.4, "model:latency_ms", user=ALICE)
    desk.point(0.3, "model:latency_ms", user="bob")
    other = Live(Store(desk.root), builtin_catalog())
    assert _users(desk.live.read()) == _users(other.read()) == {ALICE, "bob"}
    assert desk.forget(ALICE).live_series == 1
    assert _users(desk.live.read()) == _users(other.read()) == {"bob"}


def test_a_process_that_records_goes_on(desk: Any) -> None:
    """Its slot is cleaned beside it; whatever it records next is stored, and nothing is damaged."""
    other = JournalWriter(desk.root / "journal", segment_slots=64)
    key = SeriesKey.of("model:accuracy", {"user": ALICE})
    bobs = SeriesKey.of("model:accuracy", {"user": "bob"})
    row = {"feature": "x", "action": "go", "user_id": ALICE}
    for each in (key, bobs):
        other.put_point(each, 0.5)
        other.put_event("feature_usage", SeriesKey(""), 10**18, row)
    desk.forget(ALICE)
    assert desk.files_with(ALICE) == []
    for each in (key, bobs):
        other.put_point(each, 0.75)
        other.put_event("feature_usage", SeriesKey(""), 10**18, row | {"user_id": "carol"})
    sql = "SELECT labels, value FROM points ORDER BY value, cardinality(labels)"
    assert desk.ask(sql, "points") == [
        ({}, 0.5),
        ({"user": "bob"}, 0.5),
        ({}, 0.75),
        ({"user": "bob"}, 0.75),
    ]
    users = "SELECT user_id FROM feature_usage ORDER BY 1 NULLS FIRST"
    assert desk.ask(users, "feature_usage") == [(None,), (None,), ("carol",), ("carol",)]
    other.close()
    desk.check()


def test_a_slot_that_is_taken_again_goes_on_where_it_was(desk: Any) -> None:
    """Blanked frames and entries do not make a later owner write over what was passed."""
    for round_number in range(3):
        desk.opinion(4.0, user_id=ALICE, at=f"2026-01-0{round_number + 1}T00:00:00Z")
        desk.point(0.5, user=ALICE)
        assert desk.forget(ALICE).rows == {"points": 1, "user_satisfaction": 1}
        desk.check()
    assert desk.ask("SELECT count(*) FROM points", "points") == [(3,)]
    assert desk.ask("SELECT count(*) FROM user_satisfaction", "user_satisfaction") == [(3,)]


def test_a_user_who_comes_back_is_recorded_again(desk: Any) -> None:
    """What comes after the call is not covered."""
    desk.point(0.5, user=ALICE)
    desk.forget(ALICE)
    desk.point(0.75, user=ALICE)
    sql = "SELECT labels, value FROM points ORDER BY value"
    assert desk.ask(sql, "points") == [({}, 0.5), ({"user": ALICE}, 0.75)]


def test_dead_letters_go(desk: Any) -> None:
    """Those that name the user, in whatever depth; the file has nothing left of them."""
    desk.opinion(4.0)
    with desk.store.state.transaction() as transaction:
        for number, user in enumerate((ALICE, "bob")):
            payload = f'{{"columns":{{"metadata":"{{\\"user\\":\\"{user}\\"}}"}}}}'
            transaction.add_dead_letter("store", "unfit", "no", payload, key=str(number))
    assert desk.forget(ALICE).dead_letters == 1
    assert len(desk.store.state.dead_letters()) == 1
    assert desk.files_with(ALICE) == []


def test_budgets_that_name_the_user_go(desk: Any) -> None:
    """With what was warned of them; the gauges of a user lose their label."""
    book = BudgetBook(desk.store.state)
    book.put(Budget(name="theirs", amount=Decimal(1), scope={"user": ALICE}))
    users = book.put(Budget(name="users", amount=Decimal(1), each="user"))
    book.note([Passed(users, ALICE, "2026", 50), Passed(users, "bob", "2026", 50)], 1)
    desk.point(3.0, "cost:budget_spent_usd", budget="users", user=ALICE)
    desk.eraser.forget(ALICE)
    assert list(book.all()) == ["users"]
    assert book.warned() == {("users", "bob", "2026"): (50,)}
    files = [path for path in desk.root.rglob("*") if path.is_file()]
    assert [path for path in files if ALICE.encode() in path.read_bytes()] == []


def test_rows_made_of_others_go_whole(desk: Any) -> None:
    """What was rolled up under the user's label is deleted, and not merged with something else."""
    desk.opinion(4.0)
    desk.drain()
    total = Accumulator()
    total.add(1.0)
    columns = total.columns(3600.0) | {
        "source": "points",
        "keys": [],
        "measure": "",
        "is_final": True,
    }
    rows = Rows(ROLLUPS, "j")
    for number, user in enumerate((ALICE, "bob")):
        key = SeriesKey("", (), (("user", user),))
        rows.add_events(
            "000", [Event("rollups", 10**18, number + 1, columns, number)], {number + 1: key}.get
        )
    stored = desk.store.tables.ensure(ROLLUPS)
    added = [write_file(stored.location, each, day) for day, each in rows.days()]
    stored.commit(added, transactions={}, base={})
    assert desk.forget(ALICE).rows == {"rollups": 1}
    assert desk.ask("SELECT labels FROM rollups", "rollups") == [({"user": "bob"},)]
    assert desk.files_with(ALICE) == []


def test_labels_in_force_are_not_in_the_trail(desk: Any) -> None:
    """Whoever forgets a user inside of that user's context leaves no trace of them."""
    desk.opinion(4.0, user_id=ALICE)
    with context(user=ALICE):
        desk.forget(ALICE)
    assert desk.files_with(ALICE) == []


def test_a_dry_run_counts(desk: Any) -> None:
    """And changes nothing."""
    record(desk)
    done = desk.forget(ALICE, dry_run=True)
    assert done.rows == {"errors": 1, "feature_usage": 2, "points": 2, "user_satisfaction": 2}
    assert done.dry_run
    assert desk.ask("SELECT count(*) FROM corrections", "corrections") == [(0,)]
    assert desk.files_with(ALICE)


def test_what_remains_is_said(desk: Any) -> None:
    """Files that were put aside, and systems that facts were sent to."""
    desk.opinion(4.0, user_id=ALICE)
    (desk.root / "quarantine").mkdir()
    (desk.root / "quarantine" / "x.parquet").write_text(ALICE)
    desk.store.state.register_follower("mlflow")
    aside, sent = desk.forget(ALICE).remaining
    assert aside.startswith(f"{desk.root / 'quarantine'} has damaged files")
    assert sent.startswith("What was sent elsewhere is there: mlflow.")


def test_tables_elsewhere(new_desk: Any, store_dir: Path, tmp_path: Path) -> None:
    """Files that another store may be about to commit there are left alone, and that is said."""
    desk = new_desk(store_dir, tables_uri=str(tmp_path / "shared"))
    desk.opinion(4.0, user_id=ALICE)
    desk.drain()
    (replaced,) = (tmp_path / "shared").rglob("*.parquet")
    uncommitted = replaced.with_name("part-0.zstd.parquet")
    uncommitted.write_bytes(b"PAR1")
    (remaining,) = desk.forget(ALICE).remaining
    assert remaining.startswith("The tables are not in the store: files that a drain has written")
    assert not replaced.exists()
    assert uncommitted.exists()


@pytest.mark.parametrize("user", ["", None, 5, "x" * 10_001])
def test_a_user_must_be_text(desk: Any, user: object) -> None:
    """The error says what is allowed."""
    with pytest.raises(MetricValidationError, match="the user cannot be told from others") as error:
        desk.forget(user)
    assert "allowed: the text by which they were recorded" in str(error.value)


def test_there_are_two_ways(desk: Any) -> None:
    """Anything else is an error."""
    with pytest.raises(QueryError, match="got 'burn'; allowed: anonymize, delete"):
        desk.forget(ALICE, rows="burn")
