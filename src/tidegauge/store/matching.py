# SPDX-License-Identifier: Apache-2.0
"""Which rows of a table are meant: conditions on columns, labels and time, as masks over rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.times import TimeRange
from tidegauge.store.arrays import from_list, to_numpy

__all__ = ["Equal", "Mask", "Selection", "label_values", "mask_of"]

#: Which of some rows are meant, of shape (n_rows,).
Mask = npt.NDArray[np.bool_]

Scalar = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Equal:
    """A column or label has one of these values; None stands for an empty one.

    Attributes:
        name: The column or label.
        values: The values, of the column's kind.
        is_label: Whether it is a label.
    """

    name: str
    values: tuple[Scalar, ...]
    is_label: bool = False

    @property
    def column(self) -> str:
        """The column to look at."""
        return "labels" if self.is_label else self.name

    def mask(self, rows: pa.Table) -> Mask:
        """The rows for which it holds."""
        column = rows[self.column]
        return mask_of(label_values(column, self.name) if self.is_label else column, self.values)


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows for which all of some conditions hold, in a range of time.

    Attributes:
        conditions: The conditions; none means all rows of the range.
        time_range: The range.
    """

    conditions: Sequence[Equal]
    time_range: TimeRange

    @property
    def columns(self) -> list[str]:
        """The columns to look at."""
        return list(dict.fromkeys(["time", *(each.column for each in self.conditions)]))

    def mask(self, rows: pa.Table) -> Mask:
        """The rows that are meant."""
        times_us = to_numpy(rows["time"])
        chosen = np.ones(rows.num_rows, bool)
        # As a reader cuts them: see `FileList.within` and `Rows.tail`.
        if self.time_range.start_ns is not None:
            chosen &= times_us * 1000 >= self.time_range.start_ns
        if self.time_range.end_ns is not None:
            chosen &= times_us * 1000 < self.time_range.end_ns
        for condition in self.conditions:
            chosen &= condition.mask(rows)
        return chosen


def label_values(labels: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """The value of a label in each row; null where it has none."""
    key = from_list([name], pa.string())[0]
    return pc.map_lookup(labels, key, "first")


def mask_of(column: pa.ChunkedArray, values: Iterable[Scalar]) -> Mask:
    """Which rows of a column have one of these values; None stands for null."""
    wanted = list(values)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    present = [value for value in wanted if value is not None]
    found = pc.is_in(column, value_set=from_list(present, column.type), skip_nulls=True)
    mask = _bools(found)
    return mask | _bools(pc.is_null(column)) if None in wanted else mask


def _bools(flags: pa.ChunkedArray | pa.Array) -> Mask:
    return to_numpy(flags.cast(pa.uint8())).astype(bool)
