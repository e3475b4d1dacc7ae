# SPDX-License-Identifier: Apache-2.0
"""Reads live metrics twice as a user who may look at the store and not write.

Arguments: the store, a place for a store of root's own, and the user's id. Prints what was read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.families import Numbers
from tidegauge.live.live import Live
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store

CATALOG = Catalog(
    [MetricSpec(name="custom:jobs", description="Jobs", kind=Kind.COUNTER, series_cap=2)]
)


def read(root: Path) -> None:
    """Print the sum of a counter and how many series it has, twice."""
    live = Live(Store(root), CATALOG)
    for _ in range(2):
        families = {each.name: each for each in live.read().families}
        jobs = families["custom_jobs_total"]
        assert isinstance(jobs, Numbers)
        print(sum(jobs.values), len(jobs.values))


def load_everything(root: Path) -> None:
    """The user may not be able to read where Python and its packages are."""
    writer = JournalWriter(root / "journal")
    writer.put_point(SeriesKey.of("custom:jobs", {}), 1.0)
    DrainFollower(Store(root)).advance(force=True)
    read(root)
    writer.close()


root, scratch, user = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
load_everything(scratch)
os.setgroups([])
os.setgid(user)
os.setuid(user)
read(root)
