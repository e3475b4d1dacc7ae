# SPDX-License-Identifier: Apache-2.0
"""Is the new version better? Daily scores, latencies and clicks of three weeks, in one call."""

from __future__ import annotations

import datetime as dt
import random

import tidegauge as tg

DAYS = 21


def serve(version: str, *, f1: float, latency_ms: float, clicked: float) -> None:
    """Record what a version has done in the last weeks."""
    chance = random.Random(version)
    about = {"model": "ranker", "model_version": version}
    now = dt.datetime.now(dt.UTC)
    for ago in range(1, DAYS + 1):
        at = now - dt.timedelta(days=ago)
        tg.log_metric("model:f1_score", chance.gauss(f1, 0.01), time=at, **about)
        for _ in range(50):
            taken = latency_ms * chance.lognormvariate(0, 0.3)
            tg.log_metric("model:latency_ms", taken, time=at, **about)
        shown = chance.randrange(900, 1100)
        clicks = sum(chance.random() < clicked for _ in range(shown))
        tg.log_business(impressions=shown, clicks=clicks, time=at, **about)


def main() -> None:
    """Record two versions and compare them."""
    serve("1", f1=0.81, latency_ms=50, clicked=0.050)
    serve("2", f1=0.84, latency_ms=60, clicked=0.051)
    found = tg.compare_versions("ranker", 1, 2, days=30)
    print(found)
    for each in found.measures:
        print(f"{each.measure}: {each.verdict}, p = {each.p_adjusted:.2g}, by {each.block}")


if __name__ == "__main__":
    main()
