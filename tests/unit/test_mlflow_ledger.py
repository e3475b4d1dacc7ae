# SPDX-License-Identifier: Apache-2.0
"""What the MLflow follower remembers, and what it forgets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.export.mlflow_batch import Metric, RunNotes
from tidegauge.export.mlflow_delivery import Refusal
from tidegauge.export.mlflow_ledger import Ledger, Progress, Way
from tidegauge.model.errors import MissingExtraError
from tidegauge.store.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state file of its own."""
    return State(tmp_path / "state.db", journal_id=lambda: "journal")


def test_progress_is_kept(state: State) -> None:
    """With windows that are under way and runs that are set aside."""
    progress = Progress(
        journal="journal",
        main=Way(at={"000/points": 50}, end={"000/points": 70}),
        aside={"r1": Way(at={"000/points": 20}, attempts=3, since_ns=5, error="broken")},
    )
    Ledger(state).save(progress)
    assert Ledger(state).progress("journal") == progress


def test_the_journal_waits_for_the_run_that_is_farthest_behind(state: State) -> None:
    """The cursor is the least of all ways; a lane that a run never saw is at its beginning."""
    progress = Progress(
        journal="journal",
        main=Way(at={"000/points": 50, "000/events": 900, "001/points": 7}),
        aside={
            "r1": Way(at={"000/points": 20, "000/events": 900}),
            "r2": Way(at={"000/points": 30, "000/events": 100, "001/points": 7}),
        },
    )
    Ledger(state).save(progress)
    assert state.cursors("mlflow") == {
        ("000", "points"): 20,
        ("000", "events"): 100,
        ("001", "points"): 0,
    }


def test_positions_of_a_deleted_journal_mean_nothing(state: State) -> None:
    """A journal begun anew is read from its beginning; where the runs are is still known."""
    ledger = Ledger(state)
    ledger.save(Progress(journal="journal", main=Way(at={"000/points": 50})))
    ledger.set_target("http://x")
    assert ledger.progress("another") == Progress(journal="another")
    assert ledger.target() == "http://x"


def test_refused_facts_are_counted_and_told_once(state: State) -> None:
    """One dead letter for each run, reason and key; every fact is in the count."""
    refusals = [
        Refusal("r1", "model:accuracy", "refused", "not this", 1, Metric("a", 0.5, 10, 0)),
        Refusal("r1", "model:accuracy", "refused", "not this", 1, Metric("a", 0.6, 11, 1)),
        Refusal("r2", "", "run_deleted", "gone", 40, None),
    ]
    ledger = Ledger(state)
    ledger.save(Progress(journal="journal"), refusals=refusals, counts={"delivered": 3})
    ledger.save(Progress(journal="journal"), refusals=refusals[2:], counts={"delivered": 4})
    assert state.counters("mlflow") == {
        "delivered": 7,
        "refused/refused": 2,
        "refused/run_deleted": 80,
        "dead_letters/refused": 1,
        "dead_letters/run_deleted": 1,
    }
    deleted, refused = state.dead_letters("mlflow")
    assert (deleted.reason, deleted.detail) == ("run_deleted", "gone")
    assert json.loads(refused.payload_json) == {
        "run_id": "r1",
        "key": "model:accuracy",
        "facts": 1,
        "sample": {"key": "a", "value": 0.5, "timestamp_ms": 10, "step": 0},
    }


def test_notes_on_runs_are_forgotten_when_nothing_comes_any_more(state: State) -> None:
    """The others stay, and so does the progress."""
    ledger = Ledger(state)
    old, new = RunNotes({"a": 3}, used_ns=100), RunNotes({"a": 4}, used_ns=200)
    progress = Progress(journal="journal", main=Way(at={"000/points": 1}))
    ledger.save(progress, notes={"old": old, "new": new})
    ledger.forget_runs(unused_since_ns=150)
    assert ledger.notes("old") == RunNotes()
    assert ledger.notes("new") == new
    assert ledger.progress("journal") == progress


def test_the_extra_is_named_when_mlflow_is_missing(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At construction, with the command that installs it."""
    from tidegauge.store.store import Store

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tidegauge\[mlflow\]'"):
        MlflowFollower(Store(store_dir), builtin_catalog())
    assert not store_dir.exists()
