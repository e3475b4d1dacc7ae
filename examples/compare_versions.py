# SPDX-License-Identifier: Apache-2.0
"""Is the new version better? Predictions, truths, clicks and opinions of two weeks, in one call."""

from __future__ import annotations

import datetime as dt
import random

import tidegauge as tg

DAYS = 20
PER_DAY = 40


def serve(version: str, *, right: float, latency_s: float, clicked: float) -> None:
    """Record what a version has done in the last weeks."""
    chance = random.Random(version)
    metrics = tg.MLMetrics(model_name="ranker", model_version=version)
    now = dt.datetime.now(dt.UTC)
    for ago in range(1, DAYS + 1):
        at = now - dt.timedelta(days=ago)
        for number in range(PER_DAY):
            is_relevant = chance.random() < 0.5
            says = is_relevant if chance.random() < right else not is_relevant
            prediction_id = f"{version}-{ago}-{number}"
            metrics.record_prediction(
                "relevant" if says else "other",
                latency_s=latency_s * chance.lognormvariate(0, 0.3),
                prediction_id=prediction_id,
                time=at,
            )
            tg.record_ground_truth(prediction_id, "relevant" if is_relevant else "other", time=at)
        shown = chance.randrange(900, 1100)
        tg.log_business(
            impressions=shown,
            clicks=sum(chance.random() < clicked for _ in range(shown)),
            time=at,
            model="ranker",
            model_version=version,
        )


def main() -> None:
    """Record two versions and compare them."""
    serve("1", right=0.75, latency_s=0.050, clicked=0.050)
    serve("2", right=0.90, latency_s=0.065, clicked=0.051)
    found = tg.compare_versions("ranker", 1, 2, days=30)
    print(found)
    for each in found.measures:
        print(f"{each.measure} {each.statistic}: {each.verdict}, p = {each.p_adjusted:.2g}")


if __name__ == "__main__":
    main()
