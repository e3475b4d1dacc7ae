# SPDX-License-Identifier: Apache-2.0
"""Loading heavy modules late, in whatever thread needs them first, in programs that fork.

A module that one thread is importing while another one forks stays half imported in the child for
ever: the thread that was to finish it is not there, and its lock is held. So a fork waits for what
is being loaded here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

__all__ = ["loading"]

_lock = threading.RLock()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Import modules in this block, and do nothing else."""
    with _lock:
        yield


# Hooks that run before a fork run in reverse: those of the journal, registered later, come first.
# So a thread that holds the journal's lock may still load something; none does it the other way.
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)
