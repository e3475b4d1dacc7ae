# SPDX-License-Identifier: Apache-2.0
"""Two versions of a registered model, measured inside their MLflow runs, and compared."""

from __future__ import annotations

import mlflow
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

import tidegauge as tg


def train(version: str, depth: int) -> str:
    """Train one version in a run of its own; what is recorded meanwhile goes to the run."""
    train_x, test_x, train_y, test_y = train_test_split(
        *load_iris(return_X_y=True), test_size=0.5, random_state=7
    )
    with mlflow.start_run() as run, tg.context(model="iris", model_version=version):
        model = DecisionTreeClassifier(max_depth=depth, random_state=7).fit(train_x, train_y)
        tg.log_metric("model:accuracy", accuracy_score(test_y, model.predict(test_x)))
        mlflow.set_tag("registered_as", f"iris/{version}")
    return run.info.run_id


def main() -> None:
    """Train two versions, wait for delivery, read the values back from MLflow."""
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    tg.configure(mlflow=True)
    runs = {version: train(version, depth) for version, depth in (("1", 1), ("2", 3))}
    tg.flush()
    for version, run_id in runs.items():
        in_mlflow = MlflowClient().get_run(run_id).data.metrics["model:accuracy"]
        print(f"version {version}: {in_mlflow:.3f} in MLflow")
    (row,) = tg.compare("1", "2", by="model_version", metrics="model:accuracy").to_pylist()
    print(f"version 2 is {row['verdict']}")


if __name__ == "__main__":
    main()
