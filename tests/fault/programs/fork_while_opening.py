# SPDX-License-Identifier: Apache-2.0
"""Forks while another thread takes slots and gives them back; the children outlive the parent.

Arguments: journal, number of children. A child does not record; it waits until its standard input
ends. The parent ends by itself as soon as all are there.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from tidegauge.journal.reader import Journal
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey


def main() -> None:
    """Open, close, look and fork."""
    root, children = Path(sys.argv[1]), int(sys.argv[2])
    writer = JournalWriter(root)
    os.register_at_fork(after_in_child=writer.after_fork)

    def use() -> None:
        value = 0
        while True:
            writer.put_point(SeriesKey.of("custom:a", {}), float(value))
            writer.close()
            value += 1

    def look() -> None:
        journal = Journal(root)
        while True:
            for slot in journal.slots():
                slot.owner_alive()

    for target in (use, look, look):
        threading.Thread(target=target, daemon=True).start()
    for _ in range(children):
        if os.fork() == 0:
            sys.stdin.buffer.raw.read()  # type: ignore[attr-defined]
            os._exit(0)
    os._exit(0)


if __name__ == "__main__":
    main()
