# SPDX-License-Identifier: Apache-2.0
"""What measuring a model costs: a million predictions of two classes, and of numbers.

The floor is the sum of what scikit-learn's functions take that people call for the same: accuracy,
precision, recall, F1, ROC AUC, log loss and average precision; for numbers MAE, MSE, RMSE and R².
All take turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
from sklearn import metrics as sk

import measure
from measure import Case, Limit, Report
from tidegauge.quality import ModelMetricsCalculator, ScoreHistogram, compare_models

FLOOR, OURS = "scikit-learn, seven metrics", "classification_metrics"
WITH, USERS, PAIR = f"{OURS}, 95 % intervals", f"{OURS}, intervals by user", "compare_models"
COUNT = "ScoreHistogram.of"
NUMBERS, OURS_NUMBERS = "scikit-learn, four metrics", "regression_metrics"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=float, default=1e6)
    measure.add_arguments(parser)
    options = parser.parse_args(arguments)
    n = int(options.rows)
    report = Report(
        "quality",
        floor="what stands above each table",
        sizes={"rounds": options.rounds, "rows": n, "users": n // 20},
    )
    of_classes(n, options.rounds, report)
    of_numbers(n, options.rounds, report)
    return measure.finish(report, options, arguments)


def of_classes(n: int, rounds: int, report: Report) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 5, n)
    y = (rng.random(n) < p).astype(int)
    other = np.clip(p + rng.normal(0, 0.05, n), 0, 1)
    predicted = (p > 0.5).astype(int)
    users = rng.integers(n // 20, size=n)
    ours = ModelMetricsCalculator.classification_metrics

    def floor() -> None:
        sk.accuracy_score(y, predicted)
        sk.precision_score(y, predicted, average="weighted")
        sk.recall_score(y, predicted, average="weighted")
        sk.f1_score(y, predicted, average="weighted")
        sk.roc_auc_score(y, p)
        sk.log_loss(y, p)
        sk.average_precision_score(y, p)

    runs = {
        FLOOR: floor,
        COUNT: lambda: ScoreHistogram.of(y, p),
        OURS: lambda: ours(y, predicted, p),
        WITH: lambda: ours(y, predicted, p, confidence=0.95),
        USERS: lambda: ours(y, predicted, p, confidence=0.95, clusters=users),
        PAIR: lambda: compare_models(y, predicted, other > 0.5, prob_a=p, prob_b=other),
    }
    found = timed(runs, FLOOR, n, rounds, report)
    name = f"{OURS} of {n:,} rows, all metrics"
    report.limits.append(Limit(name, found[OURS], "x", at_most=1.3))


def of_numbers(n: int, rounds: int, report: Report) -> None:
    rng = np.random.default_rng(0)
    y = rng.gamma(2, 10, n) + 1
    predicted = y + rng.normal(0, 3, n)

    def floor() -> None:
        sk.mean_absolute_error(y, predicted)
        sk.mean_squared_error(y, predicted)
        sk.root_mean_squared_error(y, predicted)
        sk.r2_score(y, predicted)

    ours = ModelMetricsCalculator.regression_metrics
    runs = {
        NUMBERS: floor,
        OURS_NUMBERS: lambda: ours(y, predicted),
        f"{OURS_NUMBERS}, 95 % intervals": lambda: ours(y, predicted, confidence=0.95),
    }
    timed(runs, NUMBERS, n, rounds, report)


def timed(runs, floor: str, n: int, rounds: int, report: Report) -> dict[str, float]:
    """Add the cases to the report; returns their ratios."""
    cases = [Case(name, run, n, clock=time.thread_time_ns) for name, run in runs.items()]
    found = measure.timings(measure.interleave(cases, rounds=rounds, warm_up=1), floor=floor)
    report.timings += found
    return {each.name: each.ratio for each in found}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
