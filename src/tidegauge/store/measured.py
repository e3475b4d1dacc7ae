# SPDX-License-Identifier: Apache-2.0
"""The numbers of a table's rows as SQL: a row for each number, and sketches of distinct values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegauge.model.columns import Rolled, Table
from tidegauge.model.series import DIMENSIONS
from tidegauge.store.arrays import from_numpy, to_numpy

__all__ = [
    "SKETCH_VALUES",
    "distinct_count",
    "keys_sql",
    "measured_sql",
    "merged_sketches",
    "rolled_of",
    "sketches_sql",
]

#: Hashes that a sketch keeps: below so many distinct values it is exact, above its standard error
#: is 3.1 % (the k minimum values of Beyer et al. 2007: 1 / sqrt(k - 2)).
SKETCH_VALUES = 1024

_LARGEST_HASH = 2**63


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
    kept = dict.fromkeys(["time", *DIMENSIONS, "labels", *rolled.by, *rolled.distinct])
    columns = ", ".join(kept)
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


def keys_sql(names: Iterable[str]) -> str:
    """A map of columns to their texts, without those that are empty."""
    entries = ", ".join(f"{{'key': '{name}', 'value': CAST({name} AS VARCHAR)}}" for name in names)
    if not entries:
        return "MAP([]::VARCHAR[], []::VARCHAR[])"
    return f"map_from_entries(list_filter([{entries}], lambda each: each.value IS NOT NULL))"


def sketches_sql(table: Table) -> list[str]:
    """Aggregates that sketch the distinct values of a table's columns, over `measured_sql`.

    A sketch is the smallest hashes, ascending. MD5 is the same everywhere and for ever, which
    DuckDB's own hash is not. The measure that counts rows has them, the others are empty.
    """
    rolled = rolled_of(table)
    counting = next((each.name for each in rolled.measures if each.column is None), "")
    return [
        f"list_slice(list_sort(list(DISTINCT CAST(md5_number_lower({column}) >> 1 AS BIGINT)) "
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
    ends = np.append(first_of[1:], len(sketches))
    merged = [
        np.unique(hashes[offsets[start] : offsets[end]])[:SKETCH_VALUES]
        for start, end in zip(first_of.tolist(), ends.tolist(), strict=True)
    ]
    places = np.cumsum([0, *map(len, merged)]).astype(np.int32)
    flat = np.concatenate([np.empty(0, np.int64), *merged])
    return pa.ListArray.from_arrays(from_numpy(places, pa.int32()), from_numpy(flat, pa.int64()))


def distinct_count(hashes: npt.NDArray[np.int64]) -> tuple[int, float]:
    """How many distinct values a sketch has seen, and the standard error of that, relative.

    Args:
        hashes: Its hashes, distinct and ascending; those beyond `SKETCH_VALUES` are not used.
    """
    if len(hashes) < SKETCH_VALUES:
        return len(hashes), 0.0
    last = int(hashes[SKETCH_VALUES - 1])
    return round((SKETCH_VALUES - 1) / (last / _LARGEST_HASH)), (SKETCH_VALUES - 2) ** -0.5
