# SPDX-License-Identifier: Apache-2.0
"""The code of the requirements document for model quality runs as printed, on a real model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

QUALITY = """
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from tidegauge import ModelMetricsCalculator, configure, flush, log_metric, stats

configure(store="metrics", follower="off")
X, y = load_breast_cancer(return_X_y=True)
train, test_data, train_labels, test_labels = train_test_split(
    StandardScaler().fit_transform(X), y, random_state=0
)
model = LogisticRegression().fit(train, train_labels)

calculator = ModelMetricsCalculator()

def evaluate_model_performance(model, test_data, test_labels):
    predictions = model.predict(test_data)
    probabilities = model.predict_proba(test_data) if hasattr(model, 'predict_proba') else None

    metrics = calculator.classification_metrics(
        test_labels, predictions, probabilities
    )

    for name, value in metrics.items():
        log_metric(f'model_{name}', value)

    return metrics

import json
metrics = evaluate_model_performance(model, test_data, test_labels)
regression = calculator.regression_metrics(np.array([3.0, 5.0]), np.array([2.0, 5.0]))
ranking = calculator.ranking_metrics(np.array([0, 1, 0, 1]), np.array([0.9, 0.8, 0.3, 0.1]), k=2)
flush()
recorded = [row["metric"] for row in stats("*").to_pylist()]
print(json.dumps([metrics, regression, ranking, recorded]))
"""

CORRELATION = """
import json
import numpy as np
import pandas as pd

from tidegauge import correlate_ml_business_metrics

days = pd.date_range("2026-01-01", periods=120)
rng = np.random.default_rng(3)

def of_days(*columns):
    return pd.DataFrame({"timestamp": days} | {name: rng.normal(size=120) for name in columns})

ml_metrics = of_days("accuracy", "confidence", "latency")
business_metrics = of_days("ctr", "conversion", "revenue")
business_metrics["revenue"] += 100 - 2 * ml_metrics["latency"]

def weekly_metrics_report():
    correlations = correlate_ml_business_metrics(ml_metrics, business_metrics)

    # Find significant correlations
    significant = {k: v for k, v in correlations.items() if v['significant']}

    report = {
        'period': 'last_7_days',
        'ml_metrics_summary': ml_metrics.describe().to_dict(),
        'correlations': correlations,
        'insights': list(significant)
    }
    return report

print(json.dumps(weekly_metrics_report(), default=str))
"""


@pytest.mark.system
def test_the_calculator_does_what_is_printed(run_program: Run, tmp_path: Path) -> None:
    """The keys of the document are there, with the values that scikit-learn has, and are logged."""
    done = run_program(QUALITY, tmp_path, production=True)
    metrics, regression, ranking, recorded = json.loads(done.stdout)
    wanted = {"accuracy", "precision", "recall", "f1", "auc_roc", "log_loss", "avg_precision"}
    assert wanted <= metrics.keys()
    assert all(0 < metrics[name] < 1 for name in wanted)
    assert metrics["accuracy"] == pytest.approx(138 / 143)
    assert {name: regression[name] for name in ("mae", "mse", "rmse", "r2", "mape")} == {
        "mae": 0.5,
        "mse": 0.5,
        "rmse": pytest.approx(0.5**0.5),
        "r2": 0.5,
        "mape": pytest.approx(100 / 6),
    }
    assert (ranking["hit_rate@2"], ranking["mrr"]) == (1.0, 0.5)
    assert ranking["ndcg@2"] == pytest.approx((1 / 1.5849625) / (1 + 1 / 1.5849625))
    assert {f"custom:model_{name}" for name in wanted} <= set(recorded)


@pytest.mark.system
def test_the_weekly_report_finds_what_is_there(run_program: Run, tmp_path: Path) -> None:
    """Of nine pairs the one that is related is found, with the keys that the document reads."""
    done = run_program(CORRELATION, tmp_path)
    report: dict[str, Any] = json.loads(done.stdout)
    assert len(report["correlations"]) == 9
    assert report["insights"] == ["latency_vs_revenue"]
    pair = report["correlations"]["latency_vs_revenue"]
    assert pair["correlation"] < -0.7
    assert pair["p_value"] < 1e-6
    assert pair["significant"] is True
