# SPDX-License-Identifier: Apache-2.0
"""Drains without a pause, a little at a time. Arguments: store."""

from __future__ import annotations

import sys

from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store


def main() -> None:
    """Drain for ever."""
    follower = DrainFollower(Store(sys.argv[1]), pass_rows=5000)
    while True:
        follower.advance(force=True)


if __name__ == "__main__":
    main()
