# SPDX-License-Identifier: Apache-2.0
"""The follower that fills the store passes the suite for followers."""

from __future__ import annotations

from collections import Counter

from deltalake import DeltaTable

from tidegauge.journal.follow import Follower
from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store
from tidegauge.testing import FollowerSuite


class TestDrainFollower(FollowerSuite):
    """Delivers to Delta tables."""

    def make_follower(self, store: Store) -> Follower:
        """The follower under test."""
        return DrainFollower(store)

    def delivered(self, store: Store) -> Counter[float]:
        """The rows of the table of points."""
        table = DeltaTable(store.root / "tables" / "points").to_pyarrow_table()
        return Counter(table["value"].to_pylist())
