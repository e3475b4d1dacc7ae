# SPDX-License-Identifier: Apache-2.0
"""DuckDB instances that live as long as a process, with one connection a question.

Opening one costs 20 ms of CPU, since it makes a catalogue of every function anew; a connection to
one that is open costs less than one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb

__all__ = ["Instance", "working"]


class Instance:
    """A DuckDB instance in memory that opens itself. Safe to share between threads.

    After a fork the child opens one of its own, and leaves the parent's alone.

    Args:
        settings: DuckDB's settings, beside those that every instance has: SQL does not see the
            variables of the program around it, no extension is downloaded, and what does not fit
            into memory goes where temporary files belong, not to the working directory.
        prepare: Called with the first connection.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        prepare: Callable[[duckdb.DuckDBPyConnection], None],
    ) -> None:
        self._settings = settings
        self._prepare = prepare
        self._lock = threading.Lock()
        self._root: duckdb.DuckDBPyConnection | None = None
        _instances.add(self)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new connection. Temporary views and registered tables are its own."""
        with self._lock:
            if self._root is None:
                self._root = self._open()
            return self._root.cursor()

    def close(self) -> None:
        """Give memory back. Relations made before stay usable; the next use opens it again."""
        with self._lock:
            self._root = None

    def leave_to_parent(self) -> None:
        """In a forked child: forget the parent's instance without ending it.

        Its threads are not here, and DuckDB crashes when it waits for them: at the latest when the
        child exits. So the instance gets a reference that is never given up.
        """
        self._lock = threading.Lock()
        root, self._root = self._root, None
        if root is not None:
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(root))

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            ":memory:",
            config={
                "python_enable_replacements": False,
                "autoinstall_known_extensions": False,
                "temp_directory": f"{tempfile.gettempdir()}/tidegauge-{os.getpid()}",
                **self._settings,
            },
        )
        # Without GLOBAL a setting would not reach the connections made from this one.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._prepare(connection)
        return connection


@contextlib.contextmanager
def working() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for what the store works out itself, closed at the end of the block."""
    with contextlib.closing(_working.connect()) as connection:
        yield connection


def _after_fork_in_child() -> None:
    for instance in list(_instances):
        instance.leave_to_parent()


_instances: weakref.WeakSet[Instance] = weakref.WeakSet()
_working = Instance({}, lambda _: None)
os.register_at_fork(after_in_child=_after_fork_in_child)
