# SPDX-License-Identifier: Apache-2.0
"""Merges, retires and tidies without a pause. Arguments: store."""

from __future__ import annotations

import sys

from tidegauge.store.maintenance import Retention, compact, retire, tidy
from tidegauge.store.store import Store


def main() -> None:
    """Maintain for ever."""
    store = Store(sys.argv[1])
    while True:
        for name in store.tables.names():
            compact(store, name, full_rows=50_000)
            retire(store, name, Retention(days=1000, metrics={"custom:other": 1}))
            tidy(store, name, keep_files_h=1)


if __name__ == "__main__":
    main()
