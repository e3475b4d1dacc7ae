# SPDX-License-Identifier: Apache-2.0
"""Jobs of a program's own: functions that are called on a schedule, once per store."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tidegauge.config import run_own_jobs
from tidegauge.model.errors import ConfigError
from tidegauge.model.jobs import JOB_NAMES, Job
from tidegauge.model.schedules import parse_schedule
from tidegauge.parts import own_jobs

__all__ = ["every"]

Function = TypeVar("Function", bound=Callable[[], object])

# It becomes the name of a file.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def every(
    interval: str | float, *, name: str | None = None, catch_up: bool = True
) -> Callable[[Function], Function]:
    """Have a function called on a schedule, in the background of this process.

    For what a program collects, checks or reports now and then. Of all processes of a store that
    register a job of the same name, one runs it at a time, once per interval; another takes over
    when that one ends or is killed. `tidegauge jobs` shows the last run of each.

    Jobs run from the moment when this process has called `configure` or recorded a fact, one after
    the other in a thread of their own; with `follower="off"` they do not. A job's first run is due
    an interval after the store has first seen it. Runs that were missed are made up for once. An
    exception is logged and noted, and the job is tried again: after ten minutes at first, if its
    schedule is not sooner.

    Args:
        interval: Seconds between the beginnings of two runs, a second or more; or a text such as
            `30s`, `5m`, `2h`; or `day at 02:00`, UTC.
        name: Under which runs are noted: letters, digits, `_`, `-` and `.`. By default the
            function's module and name. Registering a name again replaces the job.
        catch_up: Whether a run that no process could begin within five minutes is made later. If
            not, it is left out.

    Returns:
        A decorator that leaves the function as it is. The function takes no arguments; if it
        returns a text, `tidegauge jobs` shows it.

    Raises:
        ConfigError: The interval, the name or the function cannot be used.

    Example:
        >>> import tidegauge as tg
        >>> @tg.every("5m", name="check-errors")
        ... def check_errors() -> str:
        ...     return "all is well"
    """
    schedule = parse_schedule(interval)

    def register(function: Function) -> Function:
        chosen = _name_of(function) if name is None else name
        _check_name(chosen)
        _check_function(function, chosen)

        def run() -> str | None:
            told = function()
            return told if isinstance(told, str) else None

        own_jobs[chosen] = Job(name=chosen, schedule=schedule, run=run, catch_up=catch_up)
        run_own_jobs()
        return function

    return register


def _name_of(function: Callable[[], object]) -> str:
    module = getattr(function, "__module__", None) or "program"
    if module == "__main__":  # two programs that share a store are not to share the job by chance
        module = Path(getattr(sys.modules["__main__"], "__file__", None) or "program").stem
    own = getattr(function, "__qualname__", type(function).__qualname__)
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{module}.{own}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "the name of a job cannot be used",
            got=name,
            allowed="up to 100 letters, digits, '_', '-' and '.', first no '-' or '.'",
            fix="Give another one with name=….",
        )
    if name in JOB_NAMES:
        raise ConfigError(
            "the name of a job is taken by one of tidegauge's own",
            got=name,
            allowed=f"anything but {', '.join(JOB_NAMES)}",
            fix="Give another one with name=….",
        )


def _check_function(function: Any, name: str) -> None:
    if inspect.iscoroutinefunction(function):
        raise ConfigError(
            f"the job {name!r} is a coroutine function, and jobs run in a thread",
            got=function,
            allowed="a function that takes no arguments",
            fix="Wrap it: lambda: asyncio.run(function()).",
        )
    if not callable(function):
        raise ConfigError(
            f"the job {name!r} cannot be called",
            got=function,
            allowed="a function that takes no arguments",
        )
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ConfigError(
            f"the job {name!r} cannot be called without arguments ({error})",
            got=function,
            allowed="a function that takes no arguments",
            fix="Wrap it: lambda: function(…).",
        ) from error
    except ValueError:  # some built-in functions do not tell; they will
        return
