# SPDX-License-Identifier: Apache-2.0
"""What a service costs: a bill in the FOCUS format, savings, and what monitoring shows of it."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import tidegauge as tg
from tidegauge.costs import import_focus

DAYS = 14
SERVICES = {"Amazon Elastic Container Service": "2.10", "AmazonCloudWatch": "0.35"}


def write_bill(path: Path) -> None:
    """Write what the last days have cost, up to yesterday, as a provider's export has it."""
    today = dt.datetime.now(dt.UTC).date()
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["BilledCost", "BillingCurrency", "ChargePeriodStart", "ProviderName", "ServiceName"]
        )
        for ago in range(1, DAYS + 1):
            for service, cost in SERVICES.items():
                rows.writerow([cost, "USD", f"{today - dt.timedelta(days=ago)}", "AWS", service])


def main() -> None:
    """Import the bill, and tell what there is to tell."""
    path = Path("focus.csv")
    write_bill(path)
    done = import_focus(path)
    print(f"{done.rows} charges of {done.source}: {done.billed_cost} {done.currency}")

    tracker = tg.CostTracker(source=done.source)
    for row in tracker.cost_by_service(days=DAYS)["rows"]:
        print(f"{row['name']}: {row['cost']:.2f}")
    month = tracker.monthly_cost()
    print(f"{month['month']}: {month['cost']:.2f} in {month['days']} days")

    tracker.set_baseline("two tasks", unit="day", amount="4.55")
    saved = tracker.savings("two tasks", days=DAYS)
    print(f"{saved['kind']} savings: {saved['saved']:.2f}, {saved['saved_ratio']:.0%}")
    print("cost per prediction:", tracker.cost_per_prediction(days=DAYS)["reason"])

    tracker.update_metrics()  # for Prometheus: aws_daily_cost_usd and the like


if __name__ == "__main__":
    main()
