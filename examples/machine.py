# SPDX-License-Identifier: Apache-2.0
"""Watch the machine, its GPUs and this process while it works, and say what that took."""

from __future__ import annotations

import time

import tidegauge as tg
from tidegauge.resources import gpu_hours

ASKED = {"resource:cpu_percent": "CPU", "resource:memory_percent": "memory"}


def work(for_s: float) -> int:
    """Keep a CPU busy."""
    rounds, end_s = 0, time.monotonic() + for_s
    while time.monotonic() < end_s:
        sum(range(10_000))
        rounds += 1
    return rounds


def main() -> None:
    """Work for two seconds, watched four times a second."""
    tg.configure(resources_every_s=0.25, service="example")
    work(for_s=2.0)
    for row in tg.stats(list(ASKED), hours=1).to_pylist():
        print(f"{ASKED[row['metric']]}: {row['count']} looks, {row['mean']:.0f} % on average")
    share = tg.stats("resource:process_cpu_percent", hours=1).to_pylist()[0]
    print(f"this process was busy: {share['max'] > 5}")
    for gpu in gpu_hours(hours=1, price_usd_per_hour="3.50"):
        print(f"GPU {gpu.gpu}: {gpu.idle_hours:.4f} idle hours, {gpu.waste_usd} USD wasted")


if __name__ == "__main__":
    main()
