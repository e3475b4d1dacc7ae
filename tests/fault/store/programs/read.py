# SPDX-License-Identifier: Apache-2.0
"""Reads without a pause, and ends with an error if a snapshot is not consistent. Arguments: store.

Every snapshot must hold each number from 0 to the largest once, and never fewer than one before.
"""

from __future__ import annotations

import sys

import duckdb

from tidegauge.store.snapshot import snapshot
from tidegauge.store.status import status_of
from tidegauge.store.store import Store

SQL = """
    SELECT metric, service, count(*), count(DISTINCT value), max(value)
    FROM points GROUP BY ALL
"""


def main() -> None:
    """Read for ever."""
    store, connection = Store(sys.argv[1]), duckdb.connect()
    before: dict[tuple[str, str], int] = {}
    while True:
        snapshot(store, "points").register(connection, "points")
        for metric, service, rows, distinct, largest in connection.execute(SQL).fetchall():
            step = 10 if metric == "custom:events" else 1
            expected = int(largest) // step + 1
            if not rows == distinct == expected >= before.get((metric, service), 0):
                sys.exit(f"{metric}: {rows} rows, {distinct} distinct, {expected} expected")
            before[metric, service] = rows
        if not (status := status_of(store)).is_balanced:
            sys.exit(f"not balanced: {status.balance}")


if __name__ == "__main__":
    main()
