# SPDX-License-Identifier: Apache-2.0
"""Did the new cache help? Latency before and after it, beside a model that it does not serve."""

from __future__ import annotations

import datetime as dt
import random

import tidegauge as tg

DAYS = 120
CHANGED_AGO = 25


def record_latencies(today: dt.datetime) -> None:
    """Record a daily latency of two models that share a machine, and so their busy days."""
    random.seed(7)
    load = 0.0
    for ago in range(DAYS, 0, -1):
        load = 0.7 * load + random.gauss(0, 3)
        weekend = -8 if (today - dt.timedelta(days=ago)).weekday() >= 5 else 0
        for model, level in (("search", 110 if ago > CHANGED_AGO else 95), ("suggest", 60)):
            share = 1 + (load + weekend) / 100
            tg.log_metric_with_metadata(
                "model:latency_ms",
                level * share + random.gauss(0, 1),
                {"model": model, "timestamp": (today - dt.timedelta(days=ago)).isoformat()},
            )


def main() -> None:
    """Measure the cache's impact, and keep it."""
    days = tg.sample_size(None, 15, std=5, autocorrelation=0.7)
    print(f"days needed on each side: {days}")

    today = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    record_latencies(today)
    changed = (today - dt.timedelta(days=CHANGED_AGO)).date()
    alone = tg.measure_impact("model:latency_ms", at=changed, model="search")
    print(f"one series: {alone.claim}, {alone.verdict}")

    beside = tg.measure_impact(
        "model:latency_ms", at=changed, model="search", control={"model": "suggest"}
    )
    print(f"with a control: {beside.claim}, {beside.verdict}, {beside.relative.value:.0%}")
    print(f"true change inside of the interval: {covers(beside.relative, 95 / 110 - 1)}")

    tg.record_impact(
        beside, feature="search", optimization_id="cache", impact_category="response_time"
    )
    stats = tg.get_advanced_metrics().get_optimization_stats("search")
    print(f"recorded: {stats['count']}")


def covers(estimate: object, truth: float) -> bool:
    """Whether an interval includes a number."""
    low, high = getattr(estimate, "low", None), getattr(estimate, "high", None)
    return low is not None and high is not None and low <= truth <= high


if __name__ == "__main__":
    main()
