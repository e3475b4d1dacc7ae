# SPDX-License-Identifier: Apache-2.0
"""Aggregates days and rolls up, again and again. Arguments: store, zone, rounds, day."""

from __future__ import annotations

import datetime as dt
import sys

from tidegauge.model.zones import zone_of
from tidegauge.store.daily import aggregate_day, aggregate_stale_days
from tidegauge.store.rollup import roll_up
from tidegauge.store.store import Store


def main() -> None:
    """Print how often there was something to do, and how often another process was at it."""
    root, zone_name, rounds, day = sys.argv[1:]
    store, zone = Store(root), zone_of(zone_name)
    done = refused = 0
    for _ in range(int(rounds)):
        aggregate_day(store, dt.date.fromisoformat(day), zone)
        for result in (aggregate_stale_days(store, zone), roll_up(store)):
            refused += result is None
            done += bool(result)
    print(done, refused)


if __name__ == "__main__":
    main()
