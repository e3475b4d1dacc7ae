# SPDX-License-Identifier: Apache-2.0
"""What the MLflow follower remembers in state.db: ways, notes on runs, dead letters, counts.

Each change is one SQLite transaction, made after what it says has arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import cast

import msgspec

from tidegauge.export.mlflow_batch import RunNotes
from tidegauge.export.mlflow_delivery import Refusal
from tidegauge.export.mlflow_window import Positions
from tidegauge.store.state import Lane, State

__all__ = ["FOLLOWER", "Ledger", "Progress", "Way"]

#: Name of the follower, and of everything it keeps in state.db.
FOLLOWER = "mlflow"

_RUNS = "mlflow.runs"


class Way(msgspec.Struct):
    """How far the facts of some runs have come.

    Attributes:
        at: Everything before has arrived or was refused.
        end: End of the window that is being sent; None between windows.
        attempts: Failures in a row.
        since_ns: When the first of them was.
        error: What the last of them said.
    """

    at: Positions = {}
    end: Positions | None = None
    attempts: int = 0
    since_ns: int = 0
    error: str = ""


class Progress(msgspec.Struct):
    """How far the follower has come.

    Attributes:
        journal: Id of the journal that the positions belong to.
        main: The way of all runs that are not set aside.
        aside: The ways of runs that failed while others did not, by run.
    """

    journal: str = ""
    main: Way = msgspec.field(default_factory=Way)
    aside: dict[str, Way] = {}

    def passed(self) -> Positions:
        """The positions that all runs have passed: what the journal may forget."""
        ways = [self.main, *self.aside.values()]
        return {lane: min(way.at.get(lane, 0) for way in ways) for lane in self.main.at}


_read_progress = msgspec.json.Decoder(Progress).decode
_read_notes = msgspec.json.Decoder(RunNotes).decode


class Ledger:
    """Reads and writes what the follower remembers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._saved = False

    def progress(self, journal_id: str) -> Progress:
        """How far the follower has come in this journal."""
        text = self._state.value(FOLLOWER, "progress")
        progress = Progress() if text is None else _read_progress(text)
        if progress.journal == journal_id:
            return progress
        # The old journal was deleted: its positions mean nothing in this one.
        return Progress(journal=journal_id)

    def target(self) -> str:
        """Where the runs are: MLflow's tracking URI, a password as `***`; empty if not known."""
        return self._state.value(FOLLOWER, "target") or ""

    def set_target(self, uri: str) -> None:
        """Remember where the runs are."""
        with self._state.transaction() as transaction:
            transaction.set_value(FOLLOWER, "target", uri)

    def notes(self, run_id: str) -> RunNotes:
        """What is remembered of a run."""
        text = self._state.value(_RUNS, run_id)
        return RunNotes() if text is None else _read_notes(text)

    def save(
        self,
        progress: Progress,
        *,
        notes: Mapping[str, RunNotes] | None = None,
        refusals: Iterable[Refusal] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Remember all of this at once.

        Every refused fact is counted by its reason. Of several with one run, reason and key, the
        first becomes a dead letter.
        """
        total = Counter(counts or {})
        with self._state.transaction() as transaction:
            for refusal in refusals:
                total[f"refused/{refusal.reason}"] += refusal.facts
                transaction.add_dead_letter(
                    FOLLOWER,
                    refusal.reason,
                    refusal.detail,
                    _payload(refusal),
                    key=f"{refusal.run_id} {refusal.reason} {refusal.key}",
                )
            for run_id, known in (notes or {}).items():
                transaction.set_value(_RUNS, run_id, msgspec.json.encode(known).decode())
            for name, count in total.items():
                if count:
                    transaction.count(FOLLOWER, name, count)
            for lane, position in progress.passed().items():
                slot, _, kind = lane.partition("/")
                transaction.set_cursor(FOLLOWER, slot, cast("Lane", kind), position)
            transaction.set_value(FOLLOWER, "progress", msgspec.json.encode(progress).decode())
        self._saved = True

    def caught_up(self, time_ns: int) -> None:
        """Remember that all was delivered that had been recorded by then, if anything was since."""
        if self._saved:
            with self._state.transaction() as transaction:
                transaction.set_caught_up(FOLLOWER, time_ns)
            self._saved = False

    def forget_runs(self, *, unused_since_ns: int) -> None:
        """Forget the notes on runs for which nothing came since then."""
        with self._state.transaction() as transaction:
            transaction.execute(
                "delete from settings where namespace = ? and json_extract(value, '$.used_ns') < ?",
                (_RUNS, unused_since_ns),
            )


def _payload(refusal: Refusal) -> str:
    payload = {
        "run_id": refusal.run_id,
        "key": refusal.key,
        "facts": refusal.facts,
        "sample": None if refusal.sample is None else msgspec.structs.asdict(refusal.sample),
    }
    return msgspec.json.encode(payload).decode()
