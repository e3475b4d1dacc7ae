# SPDX-License-Identifier: Apache-2.0
"""Records in every way there is from many threads, and notes each call that has returned.

Arguments: store, file of acknowledgements, number of threads, settings as JSON. Thread `t` records
the values 0, 1, 2, … of the metrics custom:handle_t, custom:name_t, custom:batch_t (and its twin),
custom:metadata_t in turn, and as the duration of a use of the feature t, a success if it is even;
the acknowledged count per thread is the last number that was recorded in all ways, stored in a
mapped file after the last of the calls has returned. Begins when it reads a line.
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
import threading

import tidegauge as tg
from tidegauge.integrations.feature_records import FeatureRecords

COUNT = struct.Struct("<Q")


def record(thread: int, acknowledged: mmap.mmap) -> None:
    """Record for ever."""
    handle = tg.metric(f"custom:handle_{thread}")
    features = FeatureRecords()
    value = 0
    while True:
        handle.record(value)
        tg.log_metric(f"custom:name_{thread}", value, step=value, model="m")
        tg.log_metrics({f"custom:batch_{thread}": value, f"custom:twin_{thread}": value})
        features.record_feature_usage(str(thread), "use", value, value % 2 == 0)
        if value % 10 == 0:
            tg.log_metric_with_metadata(f"custom:metadata_{thread}", value, {"n": value})
        value += 1
        start = COUNT.size * thread
        # Not `pack_into`, which zeroes the place first; the kill may come just then.
        acknowledged[start : start + COUNT.size] = COUNT.pack(value)


def main() -> None:
    """Start the threads and never end."""
    store, path, threads, settings = sys.argv[1:]
    with open(path, "r+b") as file:  # noqa: PTH123
        acknowledged = mmap.mmap(file.fileno(), 0)
    tg.configure(store=store, **json.loads(settings))
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in range(int(threads)):
        threading.Thread(target=record, args=(thread, acknowledged)).start()


if __name__ == "__main__":
    main()
