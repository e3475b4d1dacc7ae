# SPDX-License-Identifier: Apache-2.0
"""What is done to a store on schedules: which jobs there are, and when each is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge.model.jobs import Job
from tidegauge.model.loading import loading
from tidegauge.model.schedules import Schedule
from tidegauge.store.intents import open_intents

if TYPE_CHECKING:
    from tidegauge.parts import Parts

__all__ = ["chores"]

_ACCURACY_EVERY_S = 30.0
_BUDGETS_EVERY_S = 60.0
#: Shown again so often; read once a day only. The gauge of a process that ended is shown no longer.
_COSTS_EVERY_S = 3600.0
_TRAIL_EVERY_S = 60.0


def chores(parts: Parts) -> list[Job]:
    """The jobs of a store, in the order of a round. Loads nothing yet.

    A new one is one entry here; its name is in `tidegauge.model.jobs.JOB_NAMES`.
    """
    chosen = parts.settings
    bill = Job(
        name="cloud_costs",
        schedule=Schedule(_COSTS_EVERY_S),
        run=parts.read_bill,
        at_once=True,
        can_run=_can_write_tables,
    )
    return [
        Job(
            name="accuracy",
            schedule=Schedule(_ACCURACY_EVERY_S),
            run=lambda: "recorded" if parts.accuracy().advance() else None,
            at_once=True,
        ),
        Job(
            name="corrections",
            schedule=Schedule(_TRAIL_EVERY_S),
            run=lambda: _settle_trail(parts),
            at_once=True,
        ),
        Job(
            name="budgets",
            schedule=Schedule(_BUDGETS_EVERY_S),
            run=lambda: parts.budgets().watch(),
            at_once=True,
        ),
        Job(
            name="rollup",
            schedule=Schedule(chosen.rollup_every_s),
            run=lambda: _roll_up(parts),
            can_run=_can_write_tables,
        ),
        Job(
            name="daily_aggregates",
            schedule=Schedule(chosen.rollup_every_s),
            run=lambda: _aggregate_days(parts),
            can_run=_can_write_tables,
        ),
        Job(
            name="compact",
            schedule=Schedule(chosen.compact_every_s),
            run=lambda: _compact(parts),
            can_run=_can_write_tables,
        ),
        Job(
            name="retention",
            schedule=Schedule(chosen.retention_every_s),
            run=lambda: _retire(parts),
            # Rows that are to go must be in what is made of them first.
            needs=("rollup", "daily_aggregates"),
            can_run=_can_write_tables,
        ),
        *([bill] if chosen.aws_costs else []),
    ]


def _settle_trail(parts: Parts) -> str | None:
    """Finish in the trail of corrections what another process was killed at."""
    if not open_intents(parts.root):
        return None
    with parts.store.maintain() as mine:
        if mine:
            parts.trail().settle()
    return "settled" if mine else None


def _roll_up(parts: Parts) -> str | None:
    with loading():
        from tidegauge.store.rounds import roll_up_tables

    return roll_up_tables(parts.store)


def _aggregate_days(parts: Parts) -> str | None:
    with loading():
        from tidegauge.model.zones import zone_of
        from tidegauge.store.rounds import aggregate_days

    return aggregate_days(parts.store, zone_of(parts.settings.time_zone))


def _compact(parts: Parts) -> str | None:
    with loading():
        from tidegauge.store.rounds import compact_tables

    return compact_tables(parts.store)


def _retire(parts: Parts) -> str | None:
    with loading():
        from tidegauge.store.rounds import retire_tables

    return retire_tables(parts.store, parts.retention())


def _can_write_tables() -> bool:
    with loading():
        from tidegauge.store.delta_log import is_usable_here

    return is_usable_here()
