# SPDX-License-Identifier: Apache-2.0
"""Record values, ask for statistics. Nothing is configured, nothing runs beside the program."""

from __future__ import annotations

import random

import tidegauge as tg


def main() -> None:
    """Record a day of replies to messages."""
    chance = random.Random(7)
    for hour in range(24):
        with tg.context(experiment="welcome_message", hour=hour):
            tg.log_metric("usage:reply_rate", chance.betavariate(15, 85))
            tg.log_metrics(
                {"usage:conversion_rate": chance.betavariate(8, 92), "user_visits": hour}
            )
    tg.log_metric_with_metadata(
        "usage:reply_rate", 0.1523, {"model_version": "2.0.1", "note": "recounted by hand"}
    )
    for row in tg.stats(["usage:reply_rate", "usage:conversion_rate"], hours=1).to_pylist():
        print(f"{row['metric']}: {row['count']} values, mean {row['mean']:.3f}")


if __name__ == "__main__":
    main()
