# SPDX-License-Identifier: Apache-2.0
"""Leaving out series: those not heard of for a while, and those of users to be forgotten."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegauge.live.families import Labels
from tidegauge.live.kept import HowKept
from tidegauge.live.totals import PER_CELL, Totals

__all__ = ["without_labels", "without_series_before"]


def without_series_before(totals: Totals, before_ns: int) -> Totals:
    """The totals without series whose latest fact is older.

    Returns:
        The same object if there are none.
    """
    return _of_cells(totals, totals.last_ns[: totals.n_cells] >= before_ns)


def without_labels(totals: Totals, is_gone: Callable[[Labels], bool]) -> Totals:
    """The totals without the series whose labels are such.

    Returns:
        The same object if there are none.
    """
    stays = np.ones(totals.n_cells, bool)
    for family in totals.all_families():
        for labels, cell in family.cells.items():
            stays[cell] = not is_gone(labels)
    return _of_cells(totals, stays)


def _of_cells(totals: Totals, stays: npt.NDArray[np.bool_]) -> Totals:
    """The totals with those cells only for which a mask, of shape (n_cells,), is set."""
    if stays.all():
        return totals
    kept = Totals()
    old: list[int] = []
    for family in totals.all_families():
        found = kept.restore_family(family)
        for labels, cell in family.cells.items():
            if stays[cell]:
                kept.restore_cell(found, labels)
                old.append(cell)
                if family.kept is HowKept.DISTRIBUTION:
                    kept.buckets[kept.first_bucket[kept.n_cells - 1] :][
                        : len(family.bounds) + 1
                    ] = totals.counts(family, np.array([cell]))[0]
    cells = np.array(old, np.int64)
    for name in PER_CELL:
        setattr(kept, name, getattr(totals, name)[cells])
    numbers = np.full(totals.n_cells, -1, np.int64)
    numbers[cells] = np.arange(len(cells))
    kept.sums = totals.sums.taken(cells)
    kept.exponential = totals.exponential.renumbered(numbers)
    kept.buckets = kept.buckets[: kept.n_buckets]
    kept.living = {
        source: {int(numbers[cell]): value for cell, value in values.items() if numbers[cell] >= 0}
        for source, values in totals.living.items()
    }
    kept.exemplars = {
        (int(numbers[cell]), bucket): each
        for (cell, bucket), each in totals.exemplars.items()
        if numbers[cell] >= 0
    }
    kept.skipped = totals.skipped.copy()
    kept.recorded, kept.first_ns = totals.recorded, totals.first_ns
    kept.settle()
    return kept
