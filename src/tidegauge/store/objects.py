# SPDX-License-Identifier: Apache-2.0
"""Object stores as Arrow file systems, by way of the Delta library, so that both reach the same."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from deltalake.fs import DeltaStorageHandler

__all__ = ["ObjectStore"]


class ObjectStore(DeltaStorageHandler):
    """The library's handler, with output that takes what Arrow hands over.

    Arrow writes its own buffers, and the library (1.6) wants `bytes`.
    """

    def open_output_stream(
        self, path: str, metadata: dict[str, str] | None = None
    ) -> pa.PythonFile:
        """Open an object for writing; it is there once the stream is closed."""
        return pa.PythonFile(_Bytes(self._handler.open_output_stream(path, metadata)), "w")


class _Bytes:
    """A stream of the library that turns buffers into bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, data: Any) -> int:
        return int(self._stream.write(bytes(data)))
