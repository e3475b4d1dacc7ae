# SPDX-License-Identifier: Apache-2.0
"""Records, reads and writes live metrics as fast as it can, until it is killed.

Arguments: the store, and a file for the number of facts whose call has returned.
"""

from __future__ import annotations

import mmap
import struct
import sys
from pathlib import Path

from tidegauge.catalog import Catalog
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.live import Live
from tidegauge.model.series import SeriesKey
from tidegauge.model.spec import Kind, MetricSpec
from tidegauge.store.store import Store

root, note = Path(sys.argv[1]), Path(sys.argv[2])
catalog = Catalog([MetricSpec(name="custom:jobs", description="Jobs", kind=Kind.COUNTER)])
writer = JournalWriter(root / "journal", segment_slots=100)
live = Live(Store(root), catalog)
key = SeriesKey.of("custom:jobs", {})
with note.open("r+b") as file, mmap.mmap(file.fileno(), 8) as page:
    done = 0
    while True:
        for _ in range(20):
            writer.put_point(key, 1.0)
            done += 1
            page[:] = struct.pack("<Q", done)  # not `pack_into`, which zeroes the place first
        live.save()
