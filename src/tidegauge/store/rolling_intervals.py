# SPDX-License-Identifier: Apache-2.0
"""The rollups of intervals: summaries of summaries. Nothing is lost by it but when in the hour."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tidegauge.model.columns import SUMMARY_COLUMNS
from tidegauge.model.series import DIMENSIONS
from tidegauge.store.arrays import from_list, from_numpy
from tidegauge.store.rolled_histograms import RolledHistograms
from tidegauge.store.schema import KINDS

__all__ = ["rolled_intervals"]


def rolled_intervals(connection: duckdb.DuckDBPyConnection, interval_us: int) -> pa.Table:
    """Sum up the intervals of each series by hour, or by day.

    Sums are rounded once, and histograms are integers, so the order of rows does not matter.

    Args:
        connection: Has a view `facts` with the columns of the table `intervals`.
        interval_us: Microseconds of an hour or a day. An interval belongs to where it begins.

    Returns:
        Dimensions, `labels`, `metric`, `start_us` and the columns of a summary.
    """
    rows = connection.sql("SELECT * FROM facts").to_arrow_table()
    places = from_numpy(np.arange(len(rows)), pa.int64())
    connection.register("placed", rows.append_column("place", places))
    series = ", ".join([*DIMENSIONS, "labels", "metric"])
    groups = connection.sql(f"""
        SELECT {series}, epoch_us(time) // {interval_us} * {interval_us} AS start_us,
               list("sum") AS sums, list(sum_squares) AS squares, list(place) AS places,
               CAST(sum("count") AS BIGINT) AS "count", min("min") AS "min", max("max") AS "max",
               arg_min("first", {{'at': time, 'first': "first"}}) AS "first",
               arg_max("last", {{'at': epoch_us(time) + interval_s * 1e6, 'last': "last"}})
               AS "last"
        FROM placed GROUP BY ALL ORDER BY {series}, start_us
    """).to_arrow_table()
    connection.unregister("placed")
    columns: dict[str, list[Any]] = {column.name: [] for column in SUMMARY_COLUMNS}
    number_of = np.full(len(rows), -1)
    for number, members in enumerate(groups["places"].to_pylist()):
        number_of[members] = number
    for name in ("count", "min", "max", "first", "last"):
        columns[name] = groups[name].to_pylist()
    for name, lists in (("sum", groups["sums"]), ("sum_squares", groups["squares"])):
        columns[name] = [_sum(each) for each in lists.to_pylist()]
    ends = list(zip(columns["min"], columns["max"], strict=True))
    for histogram in RolledHistograms.of(rows).merged(number_of, ends):
        for name, value in histogram.columns().items():
            columns[name].append(value)
    summed = groups.select([*DIMENSIONS, "labels", "metric", "start_us"])
    for column in SUMMARY_COLUMNS:
        array = from_list(columns[column.name], KINDS[column.kind])
        summed = summed.append_column(column.name, array)
    return summed


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:  # an intermediate sum is beyond the largest float
        return sum(values)
