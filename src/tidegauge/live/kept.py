# SPDX-License-Identifier: Apache-2.0
"""What is kept of the facts of a metric, and how facts are handed to those who keep it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tidegauge.catalog.abroad import ExportedNames
from tidegauge.live.buckets import bounds_of
from tidegauge.live.families import Labels
from tidegauge.model.spec import Combine, Kind, MetricSpec

__all__ = ["NOWHERE", "OVERFLOW", "Facts", "FamilyTotals", "HowKept", "how_kept"]

#: The source of facts of which nobody knows whose they were.
NOWHERE = -1
#: The labels of the series that stands for all beyond a family's cap.
OVERFLOW: Labels = (("overflow", "true"),)


class HowKept(enum.IntEnum):
    """What is kept of the facts of a metric."""

    COUNTER = 0  # their exact sum
    LAST = 1  # the latest, whoever recorded it
    LIVING = 2  # the latest of each process
    DISTRIBUTION = 3  # sum and buckets


@dataclass(slots=True)
class FamilyTotals:
    """The series of one metric.

    Attributes:
        index: Its number.
        spec: The metric.
        names: What it is called elsewhere.
        name: Its name in Prometheus, which differs from that of `names` for rows with a prefix.
        only: The one system it is for; None for all.
        kept: What is kept.
        bounds: Upper bounds of its buckets, if it is a distribution.
        cells: The cell of each label set.
    """

    index: int
    spec: MetricSpec
    names: ExportedNames
    name: str
    only: Literal["prometheus", "otlp"] | None
    kept: HowKept
    bounds: tuple[float, ...]
    cells: dict[Labels, int] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether further label sets are counted together."""
        return OVERFLOW in self.cells


@dataclass(frozen=True, slots=True)
class Facts:
    """Values of cells, of one lane of a slot, in the order in which they were recorded.

    Attributes:
        cells: The cell of each, int64 of shape (n,).
        values: The values, float64 of shape (n,).
        times_ns: When they happened, int64 of shape (n,).
        places: Their positions among the points of the slot, or numbers among its events, int64 of
            shape (n,).
        source: Twice the number of the slot, plus 1 for events; `NOWHERE` if that is not known.
    """

    cells: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    times_ns: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    source: int

    def __len__(self) -> int:
        return len(self.cells)

    def chosen(self, which: npt.NDArray[Any]) -> Facts:
        """Those for which a mask is set, or those at some indexes, in that order."""
        return Facts(
            self.cells[which],
            self.values[which],
            self.times_ns[which],
            self.places[which],
            self.source,
        )


def how_kept(spec: MetricSpec) -> tuple[HowKept, tuple[float, ...]]:
    """What is kept of the facts of a metric, and the upper bounds of its buckets."""
    if spec.kind is Kind.COUNTER:
        return HowKept.COUNTER, ()
    if spec.kind is Kind.DISTRIBUTION:
        return HowKept.DISTRIBUTION, bounds_of(spec)
    return (HowKept.LAST if spec.combined_by is Combine.LAST else HowKept.LIVING), ()
