# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand values, kept as one summary per ten seconds."""

from __future__ import annotations

import tidegauge as tg


def main() -> None:
    """Record very often, and ask for statistics all the same."""
    depth = tg.metric("custom:queue_depth", aggregate="10s", queue="in")
    for number in range(100_000):
        depth.record(number % 1000)
    depth.flush()
    (row,) = tg.stats("custom:queue_depth", hours=1).to_pylist()
    print(f"{row['count']} values, mean {row['mean']}, p95 about {row['p95']:.0f}")
    print(f"percentiles from a {row['percentiles']}, off by at most {row['percentile_error']:.1%}")


if __name__ == "__main__":
    main()
