# SPDX-License-Identifier: Apache-2.0
"""A model whose confidence falls: what is noticed, since when, and how it is drawn."""

from __future__ import annotations

import datetime as dt
import random

import tidegauge as tg
from tidegauge.plots.chart import save
from tidegauge.plots.detection import control_chart, drift_chart

CONFIDENCE = "model:prediction_confidence"


def record() -> None:
    """Record 84 days, of which the last eight are worse."""
    chance = random.Random(11)
    today = dt.datetime.now(dt.UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    for days_ago in range(84, 0, -1):
        morning = today - dt.timedelta(days=days_ago)
        lost = 0.12 if days_ago <= 8 else 0.0
        for minute in range(30):
            confidence = min(max(chance.betavariate(9, 2) - lost, 0.0), 1.0)
            tg.log_metric(CONFIDENCE, confidence, time=morning + dt.timedelta(minutes=minute))


def main() -> None:
    """Watch the last three weeks, and compare the last week with the four before."""
    record()
    (watched,) = tg.detect(CONFIDENCE, days=21, budget=0.1)
    alarm = watched.alarms[-1]
    began = dt.datetime.fromtimestamp(alarm.change_us / 1e6, dt.UTC).date()
    days_ago = (dt.datetime.now(dt.UTC).date() - began).days
    print(f"{watched.name} went {alarm.direction}, since about {round(days_ago, -1)} days")

    found = tg.drift(CONFIDENCE, current=7, reference=28)
    print(f"drift: {found.is_drift}, {found.direction}")

    for chart, path in (
        (control_chart(watched), "confidence.svg"),
        (drift_chart(found), "drift.svg"),
    ):
        print(f"drawn: {save(chart, path)}")


if __name__ == "__main__":
    main()
