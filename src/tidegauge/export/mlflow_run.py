# SPDX-License-Identifier: Apache-2.0
"""Which MLflow run is active where a fact is recorded.

Asked with every record call, so it never imports MLflow, never starts a run and does not raise.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["active_run_id"]

_modules = sys.modules
_pid = os.getpid()
_stacks: Any = None  # MLflow's thread-local stacks of runs, once found to be as expected


def active_run_id() -> str | None:
    """Tell the id of the run that is active in the calling thread.

    This is what `mlflow.active_run()` says: a run belongs to the thread that started it, the
    innermost of nested runs counts, asyncio tasks see the run of their event loop's thread, and a
    forked child has none.

    Returns:
        The run's id; None if there is none, or if nobody has imported MLflow.
    """
    if _stacks is None:
        return _asked() if "mlflow" in _modules else None
    # What `mlflow.active_run()` does, less its call of getpid() and two layers: 0.05 µs instead of
    # 0.27 µs without a run, 0.14 µs instead of 0.36 µs with one.
    try:
        stack, pid = _stacks.thread_local.value
    except AttributeError:  # this thread has never asked for a run or started one
        return None
    return stack[-1].info.run_id if stack and pid == _pid else None


def _asked() -> str | None:
    """The same through MLflow's public function, and prepare the short way for the next call."""
    active_run = getattr(_modules["mlflow"], "active_run", None)
    if active_run is None:  # another thread is importing MLflow in this moment
        return None
    run = active_run()
    _prepare(run)
    return None if run is None else run.info.run_id


def _prepare(run: Any) -> None:
    """Take the short way only if it leads to the run that the public function told."""
    global _stacks  # noqa: PLW0603 (a name of the module is the fastest to read)
    fluent = _modules.get("mlflow.tracking.fluent")
    stacks = getattr(fluent, "_active_run_stack", None)
    value = getattr(getattr(stacks, "thread_local", None), "value", None)
    if not isinstance(value, tuple) or len(value) != 2:
        return
    stack, pid = value
    is_ours = isinstance(stack, list) and pid == os.getpid()
    if is_ours and (stack[-1] if stack else None) is run:
        _stacks = stacks


def _after_fork() -> None:
    global _pid  # noqa: PLW0603
    _pid = os.getpid()


os.register_at_fork(after_in_child=_after_fork)
