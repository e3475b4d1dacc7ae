# SPDX-License-Identifier: Apache-2.0
"""Training two versions of a classifier of handwritten digits, each in an MLflow run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import msgspec

import tidegauge as tg
from tidegauge.model.errors import MissingExtraError

__all__ = ["EPOCHS", "MODEL", "Trained", "require_extras", "train"]

MODEL = "digits"
EPOCHS = 12


class Trained(msgspec.Struct, frozen=True):
    """One version of the model.

    Attributes:
        version: Its version.
        algorithm: What it is.
        run_id: The MLflow run it was trained in.
        path: Where it is, pickled.
        facts: How many metric values were recorded.
    """

    version: str
    algorithm: str
    run_id: str
    path: str
    facts: int


def require_extras() -> None:
    """Make sure that what the demo needs is installed.

    Raises:
        MissingExtraError: MLflow or scikit-learn is not.
    """
    import importlib.util

    for package in ("sklearn", "mlflow"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, extra="demo")


def train(directory: Path, tracking_uri: str) -> list[Trained]:
    """Train both versions on a bundled data set and record how each epoch went.

    Args:
        directory: Where the models and MLflow's artifacts go.
        tracking_uri: Where MLflow keeps its runs.

    Returns:
        The versions, the older first.
    """
    import mlflow
    from sklearn.linear_model import SGDClassifier
    from sklearn.neural_network import MLPClassifier

    mlflow.set_tracking_uri(tracking_uri)
    experiment = mlflow.create_experiment(MODEL, (directory / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id=experiment)
    candidates = {
        "1.0": SGDClassifier(loss="log_loss", alpha=0.01, random_state=0),
        "2.0": MLPClassifier(
            hidden_layer_sizes=(64,), batch_size=32, learning_rate_init=0.003, random_state=0
        ),
    }
    return [_train_one(directory, version, model) for version, model in candidates.items()]


def _train_one(directory: Path, version: str, model: Any) -> Trained:
    import mlflow
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    train_x, test_x, train_y, test_y = split()
    facts = 0
    with (
        mlflow.start_run(run_name=f"{MODEL} {version}") as run,
        tg.context(model=MODEL, model_version=version, experiment=MODEL),
    ):
        mlflow.log_params({"algorithm": type(model).__name__, "epochs": EPOCHS})
        for epoch in range(EPOCHS):
            model.partial_fit(train_x, train_y, classes=range(10))
            predicted = model.predict(test_x)
            metrics = {
                "model:train_loss": log_loss(train_y, model.predict_proba(train_x)),
                "model:val_loss": log_loss(test_y, model.predict_proba(test_x)),
                "model:val_accuracy": accuracy_score(test_y, predicted),
                "model:f1_score": f1_score(test_y, predicted, average="macro"),
            }
            tg.log_metrics(metrics, step=epoch)  # this is all that a training needs
            facts += len(metrics)
    path = directory / f"{MODEL}-{version}.pickle"
    path.write_bytes(pickle.dumps(model))
    return Trained(version, type(model).__name__, run.info.run_id, str(path), facts)


def split() -> tuple[Any, Any, Any, Any]:
    """The data set, 1,797 images of 8 x 8 pixels: features and digits for training and for test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    features, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        features / 16, digits, test_size=0.25, random_state=0, stratify=digits
    )
    return train_x, test_x, train_y, test_y
