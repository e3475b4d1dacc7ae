# SPDX-License-Identifier: Apache-2.0
"""A pipeline whose steps are timed, and whose model is measured epoch by epoch."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import tidegauge as tg


@tg.timer("pipeline:duration_seconds", stage="load")
def load() -> list[np.ndarray]:
    """Load and scale the data."""
    features, labels = load_breast_cancer(return_X_y=True)
    tg.log_metric("pipeline:data_processed", len(features))
    return train_test_split(StandardScaler().fit_transform(features), labels, random_state=7)


@tg.timer("pipeline:duration_seconds", stage="train")
def train(data: list[np.ndarray], epochs: int) -> SGDClassifier:
    """Train for some epochs; every epoch is one batch with its step."""
    train_x, test_x, train_y, test_y = data
    model = SGDClassifier(random_state=7)
    for epoch in range(epochs):
        model.partial_fit(train_x, train_y, classes=[0, 1])
        guess = model.predict(test_x)
        tg.log_model_metrics(
            {"accuracy": accuracy_score(test_y, guess), "f1_score": f1_score(test_y, guess)},
            step=epoch,
        )
    return model


def main() -> None:
    """Run the pipeline and show what was recorded."""
    with tg.context(model="tumour", model_version="1.0", run_id="example"):
        train(load(), epochs=10)
    print(tg.history("model:accuracy", run_id="example").project("step, value"))
    by_stage = tg.stats("pipeline:duration_seconds", hours=1, by="stage").to_pylist()
    print({row["stage"]: row["count"] for row in by_stage})


if __name__ == "__main__":
    main()
