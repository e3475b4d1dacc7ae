# SPDX-License-Identifier: Apache-2.0
"""Writes to a journal from many threads as the recorder does, and notes each call that returned.

Arguments: journal, file of acknowledgements, label, number of threads, slots per segment. Thread
`t` writes the values 0, 1, 2, … as points of the metric custom:<label>_<t>_point, and again 0, 1,
2, … as batches and as events of metrics with other names. Three counts per thread tell how many of
each have returned; they are stored in a mapped file after the call. Begins when it reads a line.
"""

from __future__ import annotations

import mmap
import struct
import sys
import threading
import time
from pathlib import Path

from tidegauge.journal.grace import packs_points
from tidegauge.journal.layout import pack_point
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey

COUNT = struct.Struct("<Q")
KINDS = ("point", "batch", "event")


def write(writer: JournalWriter, label: str, thread: int, acknowledged: mmap.mmap) -> None:
    """Write for ever."""
    keys = [SeriesKey.of(f"custom:{label}_{thread}_{kind}", {}) for kind in (*KINDS, "twin")]
    point, batch, event, twin = keys
    series = writer.series_id(point)
    vector = writer.vector_id([batch, twin])
    generation = writer.generation
    counts = [0, 0, 0]

    @packs_points
    def put(value: float) -> None:
        offsets, buffer = writer.here
        now_ns = time.time_ns()
        for offset in offsets:
            pack_point(buffer, offset, value, now_ns, now_ns, value, series, offset)
            return
        writer.put_point(point, value)

    def acknowledge(kind: int) -> None:
        counts[kind] += 1
        start = COUNT.size * (3 * thread + kind)
        # Not `pack_into`, which zeroes the place first; the kill may come just then.
        acknowledged[start : start + COUNT.size] = COUNT.pack(counts[kind])

    turn = 0
    while True:
        if turn % 16 == 5:
            writer.put_point(point, float(counts[0]), step=counts[0])
        else:
            put(float(counts[0]))
        acknowledge(0)
        if turn % 64 == 3:
            assert writer.put_batch(vector, generation, [float(counts[1])] * 2, turn, None)
            acknowledge(1)
        if turn % 64 == 9:
            writer.put_event("points", event, turn, {"value": float(counts[2])})
            acknowledge(2)
        turn += 1


def tick(writer: JournalWriter) -> None:
    """Tick for ever, as the recorder's own thread does, if more often."""
    while True:
        time.sleep(0.01)
        writer.tick()


def main() -> None:
    """Start the threads and never end."""
    root, path, label, threads, slots = sys.argv[1:]
    with Path(path).open("r+b") as file:
        acknowledged = mmap.mmap(file.fileno(), 0)
    writer = JournalWriter(Path(root), segment_slots=int(slots), budget_bytes=1 << 34)
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in range(int(threads)):
        arguments = (writer, label, thread, acknowledged)
        threading.Thread(target=write, args=arguments).start()
    tick(writer)


if __name__ == "__main__":
    main()
