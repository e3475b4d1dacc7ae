# SPDX-License-Identifier: Apache-2.0
"""Forks while another thread is in the middle of a reading, and reads in the child.

Argument: the store. Prints what the child found.
"""

from __future__ import annotations

import os
import sys
import threading

from tidegauge.catalog import Catalog
from tidegauge.live.collectors import Collectors
from tidegauge.live.families import Numbers
from tidegauge.live.live import Live
from tidegauge.store.store import Store

begun, release = threading.Event(), threading.Event()


def hold() -> list[Numbers]:
    """Keep a reading of the parent from ending."""
    if os.getpid() == parent:
        begun.set()
        release.wait(60)
    return []


parent = os.getpid()
collectors = Collectors()
collectors.register(hold)
live = Live(Store(sys.argv[1]), Catalog(), collectors=collectors)
reading = threading.Thread(target=live.read)
reading.start()
begun.wait(60)
child = os.fork()
if not child:
    found = {family.name: family for family in live.read().families}
    print(found["custom_level"].values, flush=True)  # type: ignore[union-attr]
    os._exit(0)
os.waitpid(child, 0)
release.set()
reading.join()
