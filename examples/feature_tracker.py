# SPDX-License-Identifier: Apache-2.0
"""A reader of handwritten digits as a feature: how fast it is, what users think, what fails."""

from __future__ import annotations

import random
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import tidegauge as tg

FEATURE = "digit-reader"

advanced = tg.get_advanced_metrics()


class UnreadableBatch(Exception):
    """A batch has pixels that are no numbers."""


def train() -> tuple[Pipeline, np.ndarray, np.ndarray]:
    """Train on half of the digits, and record how well that went; the other half is for users."""
    train_x, test_x, train_y, test_y = train_test_split(
        *load_digits(return_X_y=True), test_size=0.5, random_state=7
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    with tg.track_feature(FEATURE, "train"):
        model.fit(train_x, train_y)
    advanced.record_learning_effectiveness(
        feature=FEATURE,
        learning_type="classification",
        accuracy=model.score(test_x, test_y),
        confidence=model.predict_proba(test_x).max(axis=1).mean(),
        sample_size=len(train_x),
    )
    return model, test_x, test_y


def predict(model: Pipeline, batch: np.ndarray) -> np.ndarray:
    """Read the digits of a batch."""
    if not np.isfinite(batch).all():
        raise UnreadableBatch(f"{np.count_nonzero(~np.isfinite(batch))} pixels are no numbers")
    return model.predict(batch)


def serve(model: Pipeline, batch: np.ndarray, user: str) -> np.ndarray:
    """Read a batch for a user; what is broken in it is taken for white paper."""
    with tg.track_feature(FEATURE, "predict", user=user) as use:
        start = time.perf_counter()
        try:
            read = predict(model, batch)
        except UnreadableBatch as error:
            read = predict(model, np.nan_to_num(batch))
            use.recovered(error, severity="warning", impact_level="low")
        advanced.record_performance_metric(
            feature=FEATURE,
            metric_category="throughput",
            metric_name="digits_per_s",
            value=len(batch) / (time.perf_counter() - start),
            unit="digits/s",
        )
    return read


def main() -> None:
    """Serve some users, and show what became of it."""
    chance = random.Random(7)
    model, digits, truth = train()
    for number in range(60):
        user = f"user-{chance.randrange(12)}"
        chosen = np.array(chance.sample(range(len(digits)), 15))
        batch = digits[chosen].copy()
        if number % 20 == 19:
            batch[0, :5] = np.nan
        right = np.mean(serve(model, batch, user) == truth[chosen])
        # A user who got every digit is delighted, and one who got most is not.
        stars = 5 if right == 1 else 4 if right > 0.9 else 2
        advanced.record_satisfaction(FEATURE, "accuracy", stars, scale="1-5", user=user)

    dashboard = advanced.get_comprehensive_dashboard(FEATURE, hours=1)
    usage = dashboard["usage"]["actions"]["predict"]
    print(f"uses: {usage['total_usage']}, {usage['success_rate']:.0%} of them worked")
    print(f"95 % took at most {usage['p95_duration_ms']:.2f} ms")
    print(f"users: {dashboard['usage']['unique_users']}")
    opinions = dashboard["satisfaction"]
    print(f"satisfied: {opinions['satisfaction_rate']:.0%} of {opinions['response_count']}")
    errors = dashboard["errors"]
    print(f"errors: {errors['by_type']}, recovered: {errors['recovery_rate']:.0%}")
    accuracy = dashboard["learning"]["by_type"]["classification"]["accuracy"]["avg"]
    print(f"accuracy: {accuracy:.2f}")

    advanced.aggregate_daily_metrics()
    print(
        tg.sql(
            "SELECT metric_type, metric_name, sum(count)::BIGINT AS n, avg(avg_value) AS mean "
            "FROM daily_aggregates GROUP BY ALL ORDER BY ALL"
        )
    )


if __name__ == "__main__":
    main()
