# SPDX-License-Identifier: Apache-2.0
"""Waiting for DuckDB in a way that Ctrl-C and a deadline can end.

DuckDB computes without looking at Python's signals often enough to rely on, so that Ctrl-C may go
unheard for as long as a query takes. It does hear its own `interrupt`, from another thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

import duckdb

from tidegauge.model.errors import QueryError
from tidegauge.query.errors import clip, readable_errors

__all__ = ["run"]

_Result = TypeVar("_Result")
_AGAIN_S = 0.01


def run(
    connection: duckdb.DuckDBPyConnection,
    question: str,
    work: Callable[[], _Result],
    *,
    timeout_s: float | None = None,
    tables: Collection[str] = (),
) -> _Result:
    """Do work that uses a connection, and wait for it.

    Args:
        connection: What `work` uses, and nobody else.
        question: What was asked, for errors.
        work: What to do. It runs in a thread of its own where it can be ended.
        timeout_s: Most seconds to wait; no limit if None.
        tables: Tables that may be meant where one does not exist.

    Returns:
        What `work` returned.

    Raises:
        QueryError: DuckDB raised an error, or `timeout_s` is over.
        KeyboardInterrupt: Ctrl-C was pressed; the work has ended.
    """
    with readable_errors(question, tables=tables):
        # Python raises KeyboardInterrupt in the main thread only.
        if timeout_s is None and threading.current_thread() is not threading.main_thread():
            return work()
        worker = _Worker(work)
        try:
            if worker.done.wait(timeout_s):
                return worker.result()
        except BaseException:
            worker.end(connection)
            raise
        worker.end(connection)
        raise QueryError(
            f"the question took longer than {timeout_s} s",
            got=clip(question),
            fix="Ask for less, or allow more time.",
        )


class _Worker(Generic[_Result]):
    """A thread that does one thing."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        self.done = threading.Event()
        self._work = work
        self._result: list[_Result] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._do, name="tidegauge-query", daemon=True).start()

    def result(self) -> _Result:
        """What the work returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def end(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Interrupt the work until it has ended: it may be between two statements."""
        while not self.done.wait(_AGAIN_S):
            connection.interrupt()

    def _do(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001  (raised again where the result is taken)
            self._error = error
        finally:
            self.done.set()
