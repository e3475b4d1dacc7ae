# SPDX-License-Identifier: Apache-2.0
"""Series of a store, and columns of data frames, side by side on the same hours or days."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tidegauge.model.errors import QueryError
from tidegauge.query.frames import Frame, number_columns, table_of, times_of, wall_us
from tidegauge.query.series import STEPS_S, Series, Step, check_step
from tidegauge.statistics.correlation.grid import Grid, grid_over, usual_step_s
from tidegauge.statistics.correlation.relate import Observed
from tidegauge.statistics.timeseries.adjustment import phases_of

__all__ = ["Aligned", "align_frames", "align_series"]


class Aligned(NamedTuple):
    """Series on one grid, and which of them are to be compared.

    Attributes:
        series: The series.
        pairs: Positions of the first and the second one of each pair.
        grid: The steps.
    """

    series: list[Observed]
    pairs: list[tuple[int, int]]
    grid: Grid


def align_frames(
    first: Frame | Mapping[str, Any],
    second: Frame | Mapping[str, Any],
    *,
    on: str,
    by: Step | None,
) -> Aligned:
    """Put each column of numbers of one frame beside each of another.

    Args:
        first: A data frame; rows in any order, of which several may be in a step.
        second: Another.
        on: The column with the times, in both.
        by: The step; if None, hours if times of both are usually closer than half a day. Days are
            those of the calendar of each column's zone, and so are hours of the week.

    Raises:
        QueryError: One is no data frame, or has no such column or none of numbers.
    """
    if by is not None:
        check_step(by)
    tables = [table_of(frame) for frame in (first, second)]
    times = [times_of(table, on) for table in tables]
    columns = [number_columns(table, besides=on) for table in tables]
    for table, found in zip(tables, columns, strict=True):
        if not found:
            raise QueryError(
                "the data frame has no column of numbers", got=", ".join(table.column_names)
            )
    step_s = max(usual_step_s(each.us) for each in times) if by is None else STEPS_S[by]
    # A day is one of the calendar of where it is told. Hours are the same everywhere.
    placed = [each.wall_us if step_s == STEPS_S["day"] else each.us for each in times]
    grid = grid_over(placed, step_s)
    series = [
        Observed(name, grid.averaged(at, values), phases)
        for at, found, phases in zip(
            placed, columns, (_phases(grid, each.zone) for each in times), strict=True
        )
        for name, values in found.items()
    ]
    firsts = range(len(columns[0]))
    seconds = range(len(columns[0]), len(series))
    return Aligned(series, list(itertools.product(firsts, seconds)), grid)


def align_series(
    first: Mapping[str, Series | None],
    second: Mapping[str, Series | None] | None,
    *,
    by: Step,
    least_count: int,
) -> Aligned:
    """Put each series beside each of others, no two twice, and none beside itself.

    Args:
        first: By name; None for what has no facts.
        second: The others; each of the first with each other if None.
        by: Their step.
        least_count: Steps with fewer facts are gaps, but not in sums and counts.
    """
    together = {**first, **(second or {})}
    grid = grid_over([each.times_us for each in together.values() if each is not None], STEPS_S[by])
    at = {name: position for position, name in enumerate(together)}
    asked = itertools.combinations(first, 2) if second is None else itertools.product(first, second)
    pairs: dict[frozenset[str], tuple[int, int]] = {}
    for one, other in asked:
        if one != other:
            pairs.setdefault(frozenset((one, other)), (at[one], at[other]))
    series = [Observed(name, _placed(each, grid, least_count)) for name, each in together.items()]
    return Aligned(series, list(pairs.values()), grid)


def _phases(grid: Grid, zone: str | None) -> np.ndarray | None:
    """The hours of the week by the clocks of a zone; None where UTC's, or days, will do."""
    if zone is None or grid.step_s == STEPS_S["day"]:
        return None
    return phases_of(wall_us(grid.times_us, zone), grid.step_s)


def _placed(series: Series | None, grid: Grid, least_count: int) -> np.ndarray:
    if series is None:
        return np.full(grid.n, np.nan)
    values = series.values
    if series.statistic not in ("sum", "count"):
        # Nothing counted is a number, and as certain as others.
        values = np.where(series.counts >= least_count, values, np.nan)
    return grid.averaged(series.times_us, values)
