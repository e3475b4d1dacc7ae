# SPDX-License-Identifier: Apache-2.0
"""A file in memory on which the workers of the demo note what they have done, one byte a request.

What is noted survives the worker that noted it, so that its acknowledgements can be compared with
what the store has.
"""

from __future__ import annotations

import mmap
from pathlib import Path

__all__ = ["Board"]

_HEAD_BYTES = 64


class Board:
    """The board at `path`.

    Args:
        path: Its file.
        requests: How many requests there are; creates the file. None opens one that is there.
    """

    def __init__(self, path: Path, *, requests: int | None = None) -> None:
        if requests is not None:
            path.write_bytes(bytes(_HEAD_BYTES + requests))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 0)

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return len(self._bytes) - _HEAD_BYTES

    @property
    def started(self) -> bool:
        """Whether requests are coming."""
        return self._bytes[0] == 1

    def start(self) -> None:
        """Let requests come."""
        self._bytes[0] = 1

    def get_ready(self, worker: int) -> None:
        """Note that a worker, numbered from 1, waits for requests."""
        self._bytes[worker] = 1

    def is_ready(self, worker: int) -> bool:
        """Whether it does."""
        return self._bytes[worker] == 1

    def acknowledge(self, request: int, worker: int) -> None:
        """Note that a request was answered and recorded, by whom."""
        self._bytes[_HEAD_BYTES + request] = worker

    def answered_by(self, request: int) -> int:
        """Who answered a request; 0 if nobody did."""
        return self._bytes[_HEAD_BYTES + request]

    def count(self, worker: int | None = None) -> int:
        """How many requests a worker has answered, or all of them together."""
        noted = self._bytes[_HEAD_BYTES:]
        return len(noted) - noted.count(0) if worker is None else noted.count(worker)
