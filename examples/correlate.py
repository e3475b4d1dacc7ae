# SPDX-License-Identifier: Apache-2.0
"""Which metrics move together: half a year of a made-up shop, in which one relation is true."""

from __future__ import annotations

import datetime as dt
import random

import tidegauge as tg

DAYS = 180
WEEK = (0.0, 0.1, 0.1, 0.2, 0.5, 0.9, 0.7)


def record_history() -> None:
    """Record a value a day; accuracy is followed by conversion two days later, and no more is."""
    chance = random.Random(11)
    today = dt.datetime.now(dt.UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    accuracy = latency = conversion = revenue = 0.0
    shocks = [0.0, 0.0]
    for ago in range(DAYS, 0, -1):
        day = today - dt.timedelta(days=ago)
        weekly = WEEK[day.weekday()]
        shocks.append(chance.gauss())
        accuracy = 0.7 * accuracy + shocks[-1]
        latency = 0.9 * latency + chance.gauss()
        conversion = 0.7 * conversion + 0.6 * shocks[-3] + 0.8 * chance.gauss()
        revenue = 0.9 * revenue + chance.gauss()
        tg.log_metric("model:accuracy", 0.90 + 0.01 * accuracy - 0.01 * weekly, time=day)
        tg.log_metric("model:latency_ms", 80 + 4 * latency + 30 * weekly, time=day)
        tg.log_metric("usage:conversion_rate", 0.05 + 0.003 * (conversion + weekly), time=day)
        tg.log_metric("business:revenue_usd", 9_000 + 300 * revenue + 4_000 * weekly, time=day)


def main() -> None:
    """Ask which of the model's metrics move with what the business looks at."""
    record_history()
    found = tg.correlate(
        ["model:accuracy", "model:latency_ms"],
        ["usage:conversion_rate", "business:revenue_usd"],
        days=DAYS,
    )
    print(found.table())
    print()
    print(found.summary)


if __name__ == "__main__":
    main()
