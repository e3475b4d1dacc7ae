# SPDX-License-Identifier: Apache-2.0
"""Records as many facts as each line of its input says, whatever happens to the disk meanwhile.

Arguments: store, settings as JSON, and a user id to become first (0: stay). A line of the input is
`record N` or `limit BYTES`: no file may grow beyond that; 0 lifts it. Each is answered with a line
of JSON: the log so far. Fact number n has the value n; even ones are points of custom:points, odd
ones carry metadata and belong to custom:events.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import resource
import signal
import sys

import tidegauge as tg
from tidegauge.model.errors import StorePermissionError

_BOTH = resource.RLIM_INFINITY


def main() -> None:
    """Answer line by line; a fact that raises ends the program."""
    store, settings, user = sys.argv[1:]
    log = io.StringIO()
    logging.basicConfig(stream=log, format="%(message)s")
    if int(user):
        # Everything is loaded before: Python itself may be out of that user's reach.
        tg.configure(store=f"{store}-before", **json.loads(settings))
        tg.log_metric("custom:before", 1)
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error of the write instead
    try:
        tg.configure(store=store, **json.loads(settings))
    except StorePermissionError:
        print("refused at the start", file=log)
    points = tg.metric("custom:points")
    numbers = itertools.count()
    for line in sys.stdin:
        command, _, amount = line.strip().partition(" ")
        if command == "record":
            for number in itertools.islice(numbers, int(amount)):
                if number % 2:
                    tg.log_metric_with_metadata("custom:events", number, {"n": number})
                else:
                    points.record(number)
        elif command == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(amount) or _BOTH, _BOTH))
        print(json.dumps(log.getvalue()), flush=True)
    tg.shutdown()


if __name__ == "__main__":
    main()
