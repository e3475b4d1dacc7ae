# SPDX-License-Identifier: Apache-2.0
"""Gives a metric one whole number after the other. Arguments: store, metric, how many."""

from __future__ import annotations

import sys

import tidegauge as tg


def main() -> None:
    """Correct so often, and say so after each time."""
    root, metric, count = sys.argv[1:]
    tg.configure(store=root, follower="off", strict=True)
    for number in range(1, int(count) + 1):
        done = tg.correct("points", where={"metric": metric}, set={"value": float(number)})
        print(number, done.rows, flush=True)


if __name__ == "__main__":
    main()
