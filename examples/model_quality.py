# SPDX-License-Identifier: Apache-2.0
"""A month of predictions kept as counts of each hour: its metrics, its threshold, its weeks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import tidegauge as tg
from tidegauge.quality import ScoreHistogram

HOURS = 30 * 24


def customers(rng: np.random.Generator, n: int, *, drift: float = 0.0) -> tuple[np.ndarray, ...]:
    """What is known of some customers, and whether they left."""
    known = rng.normal(size=(n, 3))
    leaves = rng.random(n) < 1 / (1 + np.exp(2.5 - known @ [1.0, 0.7, 0.0] - drift * known[:, 2]))
    return known, leaves.astype(int)


def main() -> None:
    """Train, evaluate, serve a month, and ask what it was like."""
    rng = np.random.default_rng(7)
    model = LogisticRegression().fit(*customers(rng, 5_000))
    result = tg.evaluate_model_performance(
        model, *customers(rng, 2_000), model_name="churn", confidence=0.95
    )
    area = result.intervals["auc_roc"]
    print(f"test set: AUC {area.value:.3f}, 95 %: {area.low:.3f} to {area.high:.3f}")
    print(f"calibration error {result['ece']:.3f}, chance alone: {result['ece_null']:.3f}")

    path = Path("scores.jsonl")
    with path.open("w", encoding="utf-8") as file:
        for hour in range(HOURS):
            known, left = customers(rng, 40, drift=2.0 if hour >= HOURS / 2 else 0.0)
            counted = ScoreHistogram.of(left, model.predict_proba(known)[:, 1])
            file.write(json.dumps({"hour": hour, "scores": counted.as_dict()}) + "\n")

    halves: dict[str, list[ScoreHistogram]] = {"first half": [], "second half": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        kept = json.loads(line)
        half = "first half" if kept["hour"] < HOURS / 2 else "second half"
        halves[half].append(ScoreHistogram.from_dict(kept["scores"]))
    sums = {name: sum(each[1:], each[0]) for name, each in halves.items()}
    for name, scores in sums.items():
        metrics = scores.metrics()
        print(f"{name}: {scores.n} rows, AUC {metrics['auc_roc']:.2f} ± {scores.auc_bound():.3f}")
    month = sums["first half"] + sums["second half"]
    best = month.curve().best("f1")
    assert best is not None
    print(f"the month: {month.n} rows; cut at {best.threshold:.2f} for an F1 of {best.f1:.2f}")
    print(tg.sql("SELECT metric, round(value, 3) FROM points WHERE metric = 'model:auc_roc'"))


if __name__ == "__main__":
    main()
