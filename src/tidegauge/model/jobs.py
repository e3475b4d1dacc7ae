# SPDX-License-Identifier: Apache-2.0
"""The port of everything that is done on a schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidegauge.model.schedules import Schedule

__all__ = ["JOB_NAMES", "Job", "Postponed"]

#: The jobs that a store has by itself, in the order of a round. Nobody else's may be called so.
JOB_NAMES = (
    "accuracy",
    "corrections",
    "budgets",
    "rollup",
    "daily_aggregates",
    "compact",
    "retention",
    "cloud_costs",
)


class Postponed(Exception):
    """Raised by a job that cannot be done at this moment. It is tried again within a minute."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that is done on a schedule, by one process of a store at a time.

    The contract:

    - `run` may be killed anywhere. It is then run again, so doing it twice must be as good as
      doing it once.
    - It may raise whatever it wants; that is noted, and other jobs do not notice. After a failure
      it is tried again sooner than its schedule says: after ten minutes, then twenty, and so on.
    - It may take long. Those that share its lock wait; a run that became due more than once
      meanwhile is made up for once.
    - It loads what it needs when it runs: making a `Job` must cost nothing.

    Attributes:
        name: Under which its runs are noted in the store; of jobs of one name only one runs.
        schedule: When.
        run: Does it. Returns a short text for people about what was done, or None.
        catch_up: Whether a run that nobody could begin in time, because no process was running, is
            made later, once. If not, it is left out.
        at_once: Whether a store that has never seen it gets its first run now, and not only when
            the schedule says so.
        needs: Jobs whose last run must have succeeded, if there are such jobs.
        can_run: Whether this process can do it at all. If not, it leaves it to others.
    """

    name: str
    schedule: Schedule
    run: Callable[[], str | None]
    catch_up: bool = True
    at_once: bool = False
    needs: tuple[str, ...] = ()
    can_run: Callable[[], bool] = _always
