# SPDX-License-Identifier: Apache-2.0
"""Works on a store as another system user. Must be started as root.

Arguments: store, scratch directory, user id, group id. Prints the sum of what is in the store, or
the error that it was given.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import duckdb

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.errors import StorePermissionError
from tidegauge.model.series import SeriesKey
from tidegauge.store.drain import DrainFollower
from tidegauge.store.maintenance import compact, tidy
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store


def work(root: Path) -> float:
    """Record, drain, read and maintain."""
    store = Store(root)
    writer = JournalWriter(root / "journal")
    key = SeriesKey.of("custom:points", {})
    for _ in range(4):
        writer.put_point(key, 1.0)
        DrainFollower(store).advance(force=True)
    store.state.register_follower(f"of user {os.geteuid()}")
    compact(store, "points", full_rows=8)
    tidy(store, "points", keep_files_h=0)
    connection = duckdb.connect()
    snapshot(store, "points").register(connection, "points")
    (total,) = connection.execute("SELECT sum(value) FROM points").fetchall()[0]
    writer.close()
    return float(total)


def main() -> None:
    """Load everything while that is allowed, then be somebody else."""
    root, scratch, user, group = sys.argv[1:]
    work(Path(scratch) / "warm up")
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
    os.umask(0o077)
    try:
        print(work(Path(root)))
    except StorePermissionError as error:
        print(error)


if __name__ == "__main__":
    main()
