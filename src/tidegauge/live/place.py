# SPDX-License-Identifier: Apache-2.0
"""Where live metrics are kept in a store, for those who only want to know whether they are."""

from __future__ import annotations

__all__ = ["FOLLOWER", "LIVE_FILE"]

#: The name under which the journal waits for live metrics.
FOLLOWER = "live"

#: The state file; it is there once somebody has read live metrics of the store.
LIVE_FILE = "live.state"
