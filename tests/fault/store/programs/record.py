# SPDX-License-Identifier: Apache-2.0
"""Records 0, 1, 2, … until it is told to stop.

Arguments: store, name. Each number goes into a point of the metric custom:points; each tenth also
into an event of custom:events with metadata, and each hundredth into an interval. When its input is
closed it prints how many numbers there were.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.statistics.accumulator import Accumulator


def main() -> None:
    """Record until the input ends."""
    root, name = sys.argv[1:]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    writer = JournalWriter(Path(root) / "journal", segment_slots=1000)
    points, events, intervals = (
        SeriesKey.of(f"custom:{kind}", {"service": name, "extra": "label"})
        for kind in ("points", "events", "intervals")
    )
    value = 0
    while not stop.is_set():
        writer.put_point(points, float(value), step=value)
        if value % 10 == 0:
            columns: dict[str, object] = {"value": float(value), "metadata": f'{{"n": {value}}}'}
            writer.put_event("points", events, time.time_ns(), columns)
        if value % 100 == 0:
            total = Accumulator()
            total.add(float(value))
            writer.put_event("intervals", intervals, time.time_ns(), total.columns(10.0))
        value += 1
        if value % 200 == 0:
            time.sleep(0.005)  # leave the others some of the machine
    writer.close()
    print(value)


if __name__ == "__main__":
    main()
