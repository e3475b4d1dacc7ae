# SPDX-License-Identifier: Apache-2.0
"""The job that turns late ground truth into the accuracy of each model version."""

from __future__ import annotations

from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import GROUND_TRUTHS
from tidegauge.query.query import Query
from tidegauge.record.recorder import Recorder
from tidegauge.store.leader import exclusive
from tidegauge.store.store import Store

__all__ = ["AccuracyJob"]

_METRIC = "model:accuracy"
_NAMESPACE = "accuracy"
#: Recorded again after this long, for the gauge of a process that ended is shown 5 minutes only.
_AGAIN_NS = 200 * 10**9


class AccuracyJob:
    """Records `model:accuracy` of every model version when truths have come to the store.

    Used by one thread at a time. Of several processes one does it.

    Args:
        store: The store.
        query: Its read side.
        recorder: Records the accuracies.
    """

    def __init__(self, store: Store, query: Query, recorder: Recorder) -> None:
        self._store = store
        self._query = query
        self._recorder = recorder

    def advance(self) -> bool:
        """Look whether there is something to do, and do it; returns whether it did.

        Raises:
            StoreError: The store cannot be read.
        """
        stored = self._store.tables.open(GROUND_TRUTHS.name)
        if stored is None:
            return False
        with exclusive(self._store.root / "accuracy.lock") as alone:
            return alone and self._advance(stored.view().version)

    def is_caught_up(self) -> bool:
        """Whether the accuracies tell of every ground truth that is in the tables.

        Raises:
            StoreError: The store cannot be read.
        """
        stored = self._store.tables.open(GROUND_TRUTHS.name)
        return stored is None or stored.view().version <= self._done_version()

    def _done_version(self) -> int:
        return int(self._store.state.value(_NAMESPACE, "version") or -1)

    def _advance(self, version: int) -> bool:
        now_ns = self._store.clock.wall_ns()
        state = self._store.state
        done_ns = int(state.value(_NAMESPACE, "recorded_ns") or 0)
        if version == self._done_version() and 0 <= now_ns - done_ns < _AGAIN_NS:
            return False
        for each in self._query.accuracies():
            # As stored: the labels of the process that computes this are not those of the model.
            key = SeriesKey.of(_METRIC, each.labels)
            self._recorder.writer.put_point(key, each.n_right / each.n, time_ns=now_ns)
        with state.transaction() as transaction:
            transaction.set_value(_NAMESPACE, "version", str(version))
            transaction.set_value(_NAMESPACE, "recorded_ns", str(now_ns))
        return True
