# SPDX-License-Identifier: Apache-2.0
"""What evaluating a model finds is in the MLflow run in which it was evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

import tidegauge as tg

pytestmark = pytest.mark.system


class Halves:
    """A model that tells numbers above a half from those below it."""

    classes_ = np.array(["no", "yes"])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The class of each row."""
        return np.where(x > 0.5, "yes", "no")

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """The probabilities of both classes."""
        return np.column_stack([1 - x, x])


@pytest.fixture
def delivering(store_dir: Path, tracking_uri: str) -> Iterator[None]:
    """This process records, and delivers to MLflow."""
    tg.configure(store=store_dir, mlflow=True)
    yield
    tg.shutdown()


def test_an_evaluation_is_in_its_run(delivering: None, client: MlflowClient) -> None:
    """Every metric that is defined, under its name in the catalogue, at its step."""
    x = np.random.default_rng(0).random(200)
    with mlflow.start_run() as run:
        result = tg.evaluate_model_performance(Halves(), x, Halves().predict(x**1.1), step=3)
    tg.flush()
    found = client.get_run(run.info.run_id).data.metrics
    assert found["model:f1_score"] == result["f1"]
    assert found["model:auc_roc"] == result["auc_roc"]
    assert len(found) == len(result) == 19
    assert [each.step for each in client.get_metric_history(run.info.run_id, "model:mcc")] == [3]
