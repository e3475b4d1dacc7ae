# SPDX-License-Identifier: Apache-2.0
"""A real MLflow on a SQLite database of its own, and what a process that records has."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from tidegauge.catalog import builtin_catalog
from tidegauge.export.mlflow import MlflowFollower
from tidegauge.journal.writer import JournalWriter
from tidegauge.store.store import Store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; making one takes seconds, copying it nothing."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracking_uri(empty_database: Path, tmp_path: Path) -> Iterator[str]:
    """The tracking URI of a database of this test, which MLflow is told."""
    # pytest gives a directory's name to a later test, and MLflow keeps connections by address.
    path = tmp_path / f"mlflow-{uuid.uuid4().hex}.db"
    shutil.copy(empty_database, path)
    uri = f"sqlite:///{path}"
    mlflow.set_tracking_uri(uri)
    # MLflow keeps the experiment in a variable of the process and in the environment.
    mlflow.set_experiment(experiment_id="0")
    yield uri
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri("")


@pytest.fixture
def client(tracking_uri: str) -> MlflowClient:
    """MLflow's own client, to look at what arrived."""
    return MlflowClient(tracking_uri=tracking_uri)


@pytest.fixture
def store(store_dir: Path) -> Iterator[Store]:
    """An empty store."""
    store = Store(store_dir)
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[JournalWriter]:
    """Records into the store."""
    writer = JournalWriter(store.root / "journal")
    yield writer
    writer.close()


@pytest.fixture
def follower(store: Store, tracking_uri: str) -> MlflowFollower:
    """Delivers from the store."""
    return MlflowFollower(store, builtin_catalog())


@pytest.fixture
def history(client: MlflowClient) -> Callable[[str, str], list[tuple[int, float]]]:
    """Reads back step and value of all that MLflow has of a metric, by step."""

    def read(run_id: str, key: str) -> list[tuple[int, float]]:
        return sorted((m.step, m.value) for m in client.get_metric_history(run_id, key))

    return read
