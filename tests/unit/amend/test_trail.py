# SPDX-License-Identifier: Apache-2.0
"""The trail of changes that were cut short: settled by whoever comes next, once, and rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegauge.amend.trail import Trail
from tidegauge.model.errors import StoreError
from tidegauge.store.doctor import examine
from tidegauge.store.edit import Draft
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable

ROWS = "SELECT action, target, rows FROM corrections"


class Killed(BaseException):
    """In place of the end of the process."""


def killed(*_: Any, **__: Any) -> None:
    """End here."""
    raise Killed


@pytest.fixture
def leave_intent(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Corrects a point and is cut short before, or right after, the commit; tells which file."""

    def leave(*, after_commit: bool) -> Path:
        desk.point(0.5)
        with monkeypatch.context() as patched:
            patched.setattr(*((Trail, "_finish") if after_commit else (Draft, "commit")), killed)
            with pytest.raises(Killed):
                desk.correct("points", where={"value": 0.5}, set={"value": 0.9})
        (intent,) = (desk.root / "corrections").iterdir()
        return intent

    return leave


def test_a_change_that_was_made_gets_its_row(desk: Any, leave_intent: Any) -> None:
    """The table says that it was made; the row is recorded once, and the file goes."""
    intent = leave_intent(after_commit=True)
    assert [each.code for each in examine(desk.store)] == ["correction_open"]
    assert desk.ask(ROWS, "corrections") == []
    assert desk.amender.trail.settle() == 1
    assert desk.amender.trail.settle() == 0
    assert not intent.exists()
    assert desk.ask(ROWS, "corrections") == [("correct", "points", 1)]
    desk.check()


def test_a_change_that_was_not_made_leaves_nothing(desk: Any, leave_intent: Any) -> None:
    """There is no row for it, and the value is as it was."""
    intent = leave_intent(after_commit=False)
    assert desk.amender.trail.settle() == 0
    assert not intent.exists()
    assert desk.ask(ROWS, "corrections") == []
    assert desk.ask("SELECT value FROM points", "points") == [(0.5,)]
    desk.check()


def test_a_row_that_was_recorded_is_not_recorded_again(desk: Any, leave_intent: Any) -> None:
    """Whoever was cut short between the row and the file has left both."""
    intent = leave_intent(after_commit=True)
    data = intent.read_bytes()
    desk.amender.trail.settle()
    desk.drain()
    intent.write_bytes(data)
    assert desk.amender.trail.settle() == 0
    assert not intent.exists()
    assert desk.ask(ROWS, "corrections") == [("correct", "points", 1)]


def test_the_next_correction_settles_first(desk: Any, leave_intent: Any) -> None:
    """Its own version of the table would be taken for the one before."""
    leave_intent(after_commit=False)
    desk.correct("points", where={"value": 0.5}, set={"value": 0.7})
    assert list((desk.root / "corrections").iterdir()) == []
    assert desk.ask(ROWS, "corrections") == [("correct", "points", 1)]


def test_an_intent_that_is_cut_short_is_none(desk: Any) -> None:
    """The change comes after its intent is on the disk, so there was no change."""
    desk.point(0.5)
    intent = desk.root / "corrections" / "1-points.json"
    intent.parent.mkdir()
    intent.write_text('{"entry":{"act')
    assert desk.amender.trail.settle() == 0
    assert not intent.exists()


def test_a_commit_that_fails_leaves_no_intent(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error reaches the caller, and there is nothing to settle."""

    def fail(*_: Any, **__: Any) -> None:
        raise StoreError("no room")

    desk.point(0.5)
    desk.drain()
    with monkeypatch.context() as patched:
        patched.setattr(StoredTable, "commit", fail)
        with pytest.raises(StoreError, match="no room"):
            desk.correct("points", where={"value": 0.5}, retract=True)
    assert list((desk.root / "corrections").iterdir()) == []
    desk.check()


def test_a_row_that_cannot_be_recorded_waits(
    desk: Any, leave_intent: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the journal takes nothing, the file stays, and a later look records the row."""
    intent = leave_intent(after_commit=True)
    name = intent.name

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("the journal is full")

    with monkeypatch.context() as patched:
        patched.setattr(type(desk.recorder.writer), "put_event", refuse)
        desk.amender.trail.settle()
    assert "has to wait: the journal is full" in caplog.text
    assert [path.name for path in (desk.root / "corrections").iterdir()] == [name]
    assert desk.amender.trail.settle() == 1
    assert desk.ask(ROWS, "corrections") == [("correct", "points", 1)]


def test_two_in_one_go_share_an_id(desk: Any) -> None:
    """The rows of one call can be told from those of others."""
    desk.opinion(4.0, user_id="alice")
    desk.row("feature_usage", feature="x", action="go", user_id="alice")
    done = desk.forget("alice")
    sql = "SELECT DISTINCT correction_id FROM corrections"
    assert desk.ask(sql, "corrections") == [(done.correction_id,)]


def test_the_version_of_a_table_counts_its_changes(desk: Any) -> None:
    """One transaction for each journal, moved by the commit that changes rows."""
    desk.point(0.5)
    for value in (0.6, 0.7):
        desk.correct("points", start=0, set={"value": value})
    name = f"{desk.store.journal.id}/corrections"
    stored = Store(desk.root).tables.open("points")
    assert stored is not None
    assert stored.transactions([name]) == {name: 2}
