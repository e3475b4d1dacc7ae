# SPDX-License-Identifier: Apache-2.0
"""What a ranking is worth: rates from counts, revenue per user, retention and time saved."""

from __future__ import annotations

import datetime as dt
import random

import tidegauge as tg
from tidegauge.business import mean_per_unit, saved

DAYS = 56


def record_history(chance: random.Random) -> None:
    """Record eight weeks of a shop, up to now."""
    tracker = tg.get_advanced_metrics()
    now = dt.datetime.now(dt.UTC)
    for ago in range(DAYS):
        at = now - dt.timedelta(days=ago, minutes=5)
        impressions = chance.randrange(800, 1600)
        clicked = chance.gauss(0.05, 0.01)  # some days are better than others
        tg.log_business(
            impressions=impressions,
            clicks=sum(chance.random() < clicked for _ in range(impressions)),
            revenue=f"{chance.gauss(120, 20):.2f}",
            time=at,
            model="ranker",
        )
        for user in chance.sample(range(400), 12):
            tracker.record_feature_usage("search", "query", user=f"user-{user}", time=at)


def main() -> None:
    """Record, and tell what it was worth."""
    record_history(random.Random(7))
    for row in tg.business_metrics(days=28, margin=0.4, discount=0.01):
        found = row.estimate
        if found.value is None:
            print(f"{row.metric}: not known, {found.reason}")
        elif found.low is None or found.high is None:
            print(f"{row.metric}: {row.numerator} {row.unit}")
        else:
            print(f"{row.metric}: {found.value:.4f}, {found.low:.4f} to {found.high:.4f}")

    before, after = mean_per_unit([310, 290, 335, 305]), mean_per_unit([120, 95, 130, 110])
    in_all = saved(before, after, units=1200)
    assert in_all.value is not None
    tg.log_business(time_saved_s=in_all.value, feature="triage", basis="measured")
    print(f"time saved: {in_all.value / 3600:.0f} hours")


if __name__ == "__main__":
    main()
