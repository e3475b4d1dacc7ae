# SPDX-License-Identifier: Apache-2.0
"""The follower that delivers to MLflow passes the suite for followers."""

from __future__ import annotations

from collections import Counter

from mlflow import MlflowClient

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.journal.follow import Follower, OutwardFollower
from tidegauge.store.store import Store
from tidegauge.testing import FollowerSuite


class TestMlflowFollower(FollowerSuite):
    """Delivers to a run in a database of MLflow's beside the store."""

    def make_follower(self, store: Store) -> Follower:
        """The follower under test."""
        self.labels(store)
        follower = MlflowFollower(store, builtin_catalog(), tracking_uri=self._uri(store))
        assert isinstance(follower, OutwardFollower)
        return follower

    def delivered(self, store: Store) -> Counter[float]:
        """The history of the metric in the run."""
        run_id = self.labels(store)["run_id"]
        history = self._client(store).get_metric_history(run_id, "custom:conformance")
        return Counter(entry.value for entry in history)

    def labels(self, store: Store) -> dict[str, str]:
        """The run's id; the run is created with the first question for it."""
        client = self._client(store)
        runs = client.search_runs(["0"])
        run = runs[0] if runs else client.create_run("0")
        return {"run_id": run.info.run_id}

    def _client(self, store: Store) -> MlflowClient:
        return MlflowClient(tracking_uri=self._uri(store))

    def _uri(self, store: Store) -> str:
        return f"sqlite:///{store.root.parent}/mlflow.db"
