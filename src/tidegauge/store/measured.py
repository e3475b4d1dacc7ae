# SPDX-License-Identifier: Apache-2.0
"""The numbers of a table's rows as SQL: a row for each number, and sketches of distinct values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.columns import Rolled, Table
from tidegauge.model.series import DIMENSIONS
from tidegauge.store.arrays import from_numpy, to_numpy

__all__ = [
    "SKETCHES",
    "SKETCH_VALUES",
    "Sketches",
    "distinct_count",
    "hash_sql",
    "key_columns",
    "keys_sql",
    "measured_columns",
    "measured_sql",
    "merged_sketches",
    "rolled_of",
    "sketches_sql",
]

#: Hashes that a sketch keeps: below so many distinct values it is exact, above its standard error
#: is 3.1 % (the k minimum values of Beyer et al. 2007: 1 / sqrt(k - 2)).
SKETCH_VALUES = 1024

#: The columns of rollups with sketches: of the first column whose distinct values are counted, and
#: of the second.
SKETCHES = ("users", "contexts")

_LARGEST_HASH = 2**63 - 1


def rolled_of(table: Table) -> Rolled:
    """What is rolled up of a table.

    Raises:
        ValueError: Nothing is.
    """
    if table.rolled is None:
        raise ValueError(f"nothing is rolled up of {table.name}")
    return table.rolled


def measured_sql(table: Table, rows: str) -> str:
    """One row for each number in the rows of a table.

    The columns are time, dimensions, labels, those that tell series apart and those whose distinct
    values are counted, then `measure` and `value`, a double.

    Args:
        table: The table.
        rows: Name of a relation with its columns.
    """
    rolled = rolled_of(table)
    columns = ", ".join(_carried(rolled))
    return " UNION ALL ".join(
        f"SELECT {columns}, '{measure.name}' AS measure, "
        + (
            f"1.0::DOUBLE AS value FROM {rows}"
            if measure.column is None
            else f"CAST({measure.column} AS DOUBLE) AS value FROM {rows} "
            f"WHERE {measure.column} IS NOT NULL"
        )
        for measure in rolled.measures
    )


def measured_columns(table: Table) -> list[str]:
    """The columns of a table that `measured_sql` uses."""
    rolled = rolled_of(table)
    measured = (each.column for each in rolled.measures if each.column is not None)
    return list(dict.fromkeys([*_carried(rolled), *measured]))


def _carried(rolled: Rolled) -> list[str]:
    """The columns that each number is given."""
    return list(dict.fromkeys(["time", *DIMENSIONS, "labels", *rolled.by, *rolled.distinct]))


def key_columns(table: Table) -> list[str]:
    """The columns that tell series apart and are in the map `keys` of rollups."""
    return [name for name in rolled_of(table).by if name not in ("metric", "feature")]


def keys_sql(names: Iterable[str]) -> str:
    """A map of columns to their texts, without those that are empty."""
    entries = ", ".join(f"{{'key': '{name}', 'value': CAST({name} AS VARCHAR)}}" for name in names)
    if not entries:
        return "MAP([]::VARCHAR[], []::VARCHAR[])"
    return f"map_from_entries(list_filter([{entries}], lambda each: each.value IS NOT NULL))"


def hash_sql(column: str) -> str:
    """A number from 0 to 2**63 - 1 for each value of a column, evenly spread.

    MD5 is the same everywhere and for ever, which DuckDB's own hash is not.
    """
    return f"CAST(md5_number_lower({column}) >> 1 AS BIGINT)"


def sketches_sql(table: Table) -> list[str]:
    """Aggregates that sketch the distinct values of a table's columns, over `measured_sql`.

    A sketch is the smallest hashes, ascending. The measure that counts rows has it, the others
    have none.
    """
    rolled = rolled_of(table)
    counting = next((each.name for each in rolled.measures if each.column is None), "")
    return [
        f"list_slice(list_sort(list(DISTINCT {hash_sql(column)}) "
        f"FILTER ({column} IS NOT NULL AND measure = '{counting}')), 1, {SKETCH_VALUES})"
        for column in rolled.distinct
    ]


def merged_sketches(sketches: pa.ListArray, first_of: npt.NDArray[np.int64]) -> pa.Array:
    """The sketches of larger groups.

    Args:
        sketches: One for each group; null where nothing was counted.
        first_of: Number of the first group of each larger one, of shape (n_larger,).
    """
    offsets = to_numpy(sketches.offsets).astype(np.int64)
    hashes = to_numpy(sketches.flatten())
    merged = [
        np.unique(hashes[offsets[start] : offsets[end]])[:SKETCH_VALUES]
        for start, end in itertools.pairwise([*first_of.tolist(), len(sketches)])
    ]
    places = np.cumsum([0, *map(len, merged)]).astype(np.int32)
    flat = np.concatenate([np.empty(0, np.int64), *merged])
    return pa.ListArray.from_arrays(from_numpy(places, pa.int32()), from_numpy(flat, pa.int64()))


class Sketches(NamedTuple):
    """The sketches of one column of many rollups.

    Attributes:
        lengths: How many hashes each has, 0 where nothing was counted; of shape (n_rows,).
        hashes: Their hashes, one sketch after the other.
        union: The sketch of all of them together.
    """

    lengths: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.int64]
    union: npt.NDArray[np.int64]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Sketches:
        """Read them from a column of lists."""
        lengths = to_numpy(pc.list_value_length(column)).astype(np.int64)
        parts = [to_numpy(chunk.flatten()) for chunk in column.chunks]
        hashes: npt.NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *parts])
        return cls(lengths, hashes, np.unique(hashes)[:SKETCH_VALUES])

    def chosen(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The hashes that tell how many values some rows have seen.

        Args:
            rows: Which, of shape (n_rows,).
        """
        if rows[self.lengths > 0].all():
            return self.union
        return self.hashes[np.repeat(rows, self.lengths)]


def distinct_count(hashes: npt.NDArray[np.int64]) -> tuple[int, float]:
    """How many distinct values sketches have seen, and the standard error of that, relative.

    Args:
        hashes: All their hashes, of shape (n,), in any order.
    """
    smallest = np.unique(hashes)
    if len(smallest) < SKETCH_VALUES:
        return len(smallest), 0.0
    last = int(smallest[SKETCH_VALUES - 1])
    return round((SKETCH_VALUES - 1) / (last / _LARGEST_HASH)), (SKETCH_VALUES - 2) ** -0.5
