# SPDX-License-Identifier: Apache-2.0
"""Accuracy from predictions and ground truths: what counts as right, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.integrations.accuracy import AccuracyJob
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.query.query import Query
from tidegauge.record.recorder import Recorder
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

SECOND_NS = 10**9


class Judged:
    """A store with predictions and truths.

    Attributes:
        store: The store.
        clock: Its clock.
        query: Asks it.
        job: Records accuracies.
    """

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.store = Store(root, clock=self.clock)
        self.query = Query(self.store, builtin_catalog())
        self._writer = JournalWriter(root / "journal")
        self._recorder = Recorder(root / "journal", clock=self.clock)
        self.job = AccuracyJob(self.store, self.query, self._recorder)

    def predict(self, prediction_id: str | None, said: float | str | None, **labels: str) -> None:
        """Record a prediction; None is a failed one."""
        columns: dict[str, object] = {
            "status": "error" if said is None else "success",
            "prediction_text" if isinstance(said, str) else "prediction": said,
            "prediction_id": prediction_id,
        }
        self._put("predictions", columns, labels)

    def truth(self, prediction_id: str, true: float | str) -> None:
        """Record what was true."""
        name = "truth_text" if isinstance(true, str) else "truth"
        self._put("ground_truths", {"prediction_id": prediction_id, name: true}, {})

    def _put(self, table: str, columns: dict[str, object], labels: dict[str, str]) -> None:
        self.clock.advance(1)
        given = {name: value for name, value in columns.items() if value is not None}
        self._writer.put_event(table, SeriesKey.of("", labels), self.clock.wall_ns(), given)

    def scores(self) -> list[tuple[dict[str, str], int, int]]:
        """Labels, predictions whose truth is known, right ones."""
        return [(each.labels, each.n, each.n_right) for each in self.query.accuracies()]

    def drain(self) -> None:
        """Store everything."""
        DrainFollower(self.store).advance(force=True)

    def recorded(self) -> list[tuple[str | None, float]]:
        """Versions and accuracies that were recorded, in order."""
        rows = self.query.history("model:accuracy").order("time").fetchall()
        names = self.query.history("model:accuracy").columns
        return [(row[names.index("model_version")], row[names.index("value")]) for row in rows]

    def close(self) -> None:
        """Give everything back."""
        self._recorder.writer.close()
        self._writer.close()
        self.query.close()
        self.store.close()


@pytest.fixture
def judged(store_dir: Path) -> Iterator[Judged]:
    """A store of one's own."""
    judged = Judged(store_dir)
    yield judged
    judged.close()


@pytest.mark.parametrize(
    ("said", "true", "right"),
    [
        (1.0, 1.0, True),
        (3.0, 3.0, True),
        (3.0, 4.0, False),
        (0.5, 1.0, True),
        (0.49, 1.0, False),
        (0.49, 0.0, True),
        (0.5, 0.0, False),
        (2.0, 1.0, False),
        (-1.0, 0.0, False),
        ("cat", "cat", True),
        ("cat", "dog", False),
        ("1", 1.0, False),
        (1.0, "1", False),
        (None, 1.0, False),
    ],
)
def test_what_is_right(judged: Judged, said: Any, true: Any, right: bool) -> None:
    """Classes must be equal; a probability stands for the class that it is nearer to."""
    judged.predict("a", said, model="fraud")
    judged.truth("a", true)
    assert judged.scores() == [({"model": "fraud"}, 1, int(right))]


@pytest.mark.parametrize(("said", "true"), [(12.0, 12.5), (5.1, 5.0), (1.5, 1.0), (-0.2, 0.0)])
def test_regression_has_no_accuracy(judged: Judged, said: float, true: float) -> None:
    """A number that is nobody's class makes the whole version a regression, hits included."""
    judged.predict("a", said, model="price")
    judged.truth("a", true)
    judged.predict("b", 5.0, model="price")
    judged.truth("b", 5.0)
    assert judged.scores() == []


def test_scores_are_per_version_and_the_latest_truth_holds(judged: Judged) -> None:
    """Predictions without truth, truths without prediction and other versions do not mix."""
    for number in range(4):
        judged.predict(f"a{number}", 1.0, model="fraud", model_version="1")
        judged.predict(f"b{number}", 1.0, model="fraud", model_version="2")
        judged.truth(f"a{number}", 0.0)
        judged.truth(f"a{number}", 1.0)
    judged.truth("b0", 0.0)
    judged.truth("unheard of", 1.0)
    judged.predict(None, 1.0, model="fraud", model_version="1")
    assert judged.scores() == [
        ({"model": "fraud", "model_version": "1"}, 4, 4),
        ({"model": "fraud", "model_version": "2"}, 1, 0),
    ]


def test_accuracy_is_recorded_when_truths_come(judged: Judged) -> None:
    """Each version has a fact once truths are in the tables, and another when more have come."""
    judged.predict("a", 1.0, model="fraud", model_version="1")
    judged.predict("b", 1.0, model="fraud", model_version="1")
    judged.drain()
    assert not judged.job.advance()
    assert judged.job.is_caught_up()
    judged.truth("a", 1.0)
    judged.drain()
    assert not judged.job.is_caught_up()
    assert judged.job.advance()
    assert judged.job.is_caught_up()
    judged.truth("b", 0.0)
    judged.drain()
    assert judged.job.advance()
    assert not judged.job.advance()
    assert judged.recorded() == [("1", 1.0), ("1", 0.5)]


def test_accuracy_is_recorded_again_for_its_gauge(judged: Judged) -> None:
    """The gauge of a process that ended is shown five minutes only."""
    judged.predict("a", 1.0, model="fraud")
    judged.truth("a", 1.0)
    judged.drain()
    assert judged.job.advance()
    judged.clock.advance(100)
    assert not judged.job.advance()
    judged.clock.advance(101)
    assert judged.job.advance()
    assert judged.recorded() == [(None, 1.0)] * 2
