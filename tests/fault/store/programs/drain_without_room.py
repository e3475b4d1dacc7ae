# SPDX-License-Identifier: Apache-2.0
"""Drains once where no file may grow beyond a size, as on a full disk. Arguments: store, bytes."""

from __future__ import annotations

import resource
import signal
import sys

from tidegauge.store.drain import DrainFollower
from tidegauge.store.store import Store


def main() -> None:
    """Print the kind of error that came of it, if one did."""
    root, size_bytes = sys.argv[1:]
    follower = DrainFollower(Store(root))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error of the write instead
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size_bytes), int(size_bytes)))
    try:
        while follower.advance(force=True):
            pass
    except Exception as error:  # noqa: BLE001  (which one it is, is the question)
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
