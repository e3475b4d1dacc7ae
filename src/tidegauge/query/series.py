# SPDX-License-Identifier: Apache-2.0
"""Numbers on a grid of hours or days: what correlation, impact and detection look at.

A name is a metric, or a column of a typed table such as `predictions.latency_s`. A piece of time
without facts is a gap, NaN, and never 0. What is summed or counted is 0, though, after it was first
counted, up to the last piece for which the store has facts of anything: errors that stop are none,
and a store that stops recording is a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np

from tidegauge.model.columns import Table
from tidegauge.model.errors import QueryError
from tidegauge.model.spec import Combine, Direction, Kind
from tidegauge.model.tables import TABLES
from tidegauge.model.times import TimeRange, isoformat
from tidegauge.query import sql
from tidegauge.query.errors import did_you_mean
from tidegauge.query.selection import Selection, Vocabulary
from tidegauge.query.summary import PERCENTILES, Summary, summarise
from tidegauge.statistics.timeseries.adjustment import STEPS_S

__all__ = [
    "STATISTICS",
    "STEPS_S",
    "Measure",
    "Series",
    "Step",
    "check_statistic",
    "check_step",
    "measure_of",
    "measure_series",
    "metric_series",
    "whole_steps",
]

Step = Literal["hour", "day"]

#: What a piece of time can be summed up by.
STATISTICS = ("mean", "sum", "last", "min", "max", "p50", "p95", "p99", "count")

# The last value of a day tells of a moment; the mean of its values, of the day.
_BY_COMBINE = {
    Combine.MEAN: "mean",
    Combine.LAST: "mean",
    Combine.SUM: "sum",
    Combine.MAX: "max",
}
# Without facts, these are 0.
_COUNTING = ("sum", "count")

_NUMBER_KINDS = ("f64", "i64", "i32", "decimal")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One number per piece of time, without holes in the grid.

    Attributes:
        name: The metric, or the table's column.
        statistic: What of the facts of a piece is told, one of `STATISTICS`.
        unit: Unit of the values; empty if there is none.
        direction: Which way is better.
        start_us: Beginning of the first piece, microseconds since 1970, UTC.
        step_s: Length of a piece, seconds.
        values: One per piece; shape (n,), NaN where there are no facts.
        counts: From how many facts; shape (n,).
    """

    name: str
    statistic: str
    unit: str
    direction: Direction
    start_us: int
    step_s: int
    values: np.ndarray
    counts: np.ndarray

    @property
    def times_us(self) -> np.ndarray:
        """Beginnings of the pieces, microseconds since 1970; shape (n,)."""
        step_us = self.step_s * 1_000_000
        return self.start_us + step_us * np.arange(len(self.values), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Measure:
    """A numeric column of a typed table.

    Attributes:
        table: The table.
        column: The column's name.
    """

    table: Table
    column: str


def measure_of(name: str) -> Measure | None:
    """The column that a name such as `predictions.latency_s` stands for; None for a metric.

    Raises:
        QueryError: The table has no such column, or it holds no numbers.
    """
    table_name, dot, column = name.partition(".")
    if not dot or table_name not in TABLES:
        return None
    table = TABLES[table_name]
    numbers = [each.name for each in table.columns if each.kind in _NUMBER_KINDS]
    if column not in numbers:
        raise QueryError(
            f"the table {table_name} has no such column of numbers",
            got=column,
            allowed=", ".join(numbers),
            fix=did_you_mean(column, numbers),
        )
    return Measure(table, column)


def metric_series(
    connection: duckdb.DuckDBPyConnection,
    vocabulary: Vocabulary,
    selection: Selection,
    *,
    by: Step,
    statistic: str | None,
) -> list[Series]:
    """A series for each metric that has facts.

    Args:
        connection: With views of `points` and `intervals`.
        vocabulary: What is declared.
        selection: The facts.
        by: The step.
        statistic: One of `STATISTICS`; if None, the sum of counters and of what the catalogue says
            is summed, the largest value where it says so, and else the mean.
    """
    wants_quantiles = statistic is not None and statistic.startswith("p")
    summaries = summarise(
        connection,
        selection.where,
        [selection.metric, _bucket(by)],
        quantiles=wants_quantiles or statistic == "last",
    )
    found: dict[str, list[tuple[int, float, int]]] = {}
    chosen: dict[str, str] = {}
    for summary in summaries:
        metric, bucket = summary.key
        spec = vocabulary.spec(metric)
        combined = "sum" if spec.kind is Kind.COUNTER else _BY_COMBINE[spec.combined_by]
        chosen[metric] = statistic or combined
        value = _value(summary, chosen[metric])
        found.setdefault(metric, []).append((bucket, value, summary.count))
    last = None
    if any(each in _COUNTING for each in chosen.values()):
        last = _last_piece(connection, ("points", "intervals"), selection.about_time, by)
    series = []
    for metric, rows in found.items():
        spec = vocabulary.spec(metric)
        series.append(_gridded(metric, chosen[metric], spec.unit, spec.direction, by, rows, last))
    return series


def measure_series(
    connection: duckdb.DuckDBPyConnection,
    measure: Measure,
    selection: Selection,
    *,
    by: Step,
    statistic: str | None,
) -> Series | None:
    """The series of a column; None if there are no rows with a number.

    Args:
        connection: With a view of the table.
        measure: The column.
        selection: The rows.
        by: The step.
        statistic: One of `STATISTICS`; the mean if None.
    """
    statistic = statistic or "mean"
    column = f"CAST({sql.quoted(measure.column)} AS DOUBLE)"
    telling = {
        "mean": f"avg({column})",
        "last": f"arg_max({column}, time)",
        "count": f"CAST(count({column}) AS DOUBLE)",
        **{f"p{round(100 * q)}": f"quantile_cont({column}, {q})" for q in PERCENTILES},
    }.get(statistic, f"{statistic}({column})")
    rows = connection.execute(
        f"SELECT {_bucket(by)} AS bucket, {telling}, count({column}) FROM {measure.table.name} "
        f"WHERE {selection.where} AND {column} IS NOT NULL GROUP BY bucket ORDER BY bucket"
    ).fetchall()
    if not rows:
        return None
    name = f"{measure.table.name}.{measure.column}"
    last = None
    if statistic in _COUNTING:
        last = _last_piece(connection, (measure.table.name,), selection.about_time, by)
    return _gridded(name, statistic, "", Direction.NONE, by, rows, last)


def check_statistic(statistic: str | None) -> None:
    """Refuse what no series can be made of.

    Raises:
        QueryError: It is neither None nor one of `STATISTICS`.
    """
    if statistic is not None and statistic not in STATISTICS:
        raise QueryError("this is no statistic", got=statistic, allowed=", ".join(STATISTICS))


def check_step(by: str) -> None:
    """Refuse what is no step of a series.

    Raises:
        QueryError: It is neither `hour` nor `day`.
    """
    if by not in STEPS_S:
        raise QueryError("a series has no such step", got=by, allowed=", ".join(STEPS_S))


def whole_steps(asked: TimeRange, by: Step, now_ns: int, *, reaches_back: bool) -> TimeRange:
    """The range of the whole hours or days, none of which is still going on.

    Args:
        asked: The range that was asked for.
        by: The step.
        now_ns: The present time.
        reaches_back: Whether it begins so long before its end. Then the piece in which it begins
            is taken whole; otherwise it is left out.

    Raises:
        QueryError: No whole step is in it.
    """
    step_ns = STEPS_S[by] * 10**9
    end_ns = min(asked.end_ns or now_ns, now_ns) // step_ns * step_ns
    start_ns = asked.start_ns
    if start_ns is not None:
        start_ns = (start_ns if reaches_back else start_ns + step_ns - 1) // step_ns * step_ns
        if start_ns >= end_ns:
            raise QueryError(
                f"there is no whole {by} in this time",
                got=f"{isoformat(asked.start_ns or 0)} to {isoformat(asked.end_ns or now_ns)}",
                fix="Ask for a longer time; the present hour and day are not whole.",
            )
    return TimeRange(start_ns, end_ns)


def _bucket(by: Step) -> str:
    """SQL for the number of the piece since 1970."""
    return f"epoch_us(time) // {STEPS_S[by] * 1_000_000}"


def _last_piece(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str], about_time: str, by: Step
) -> int | None:
    """The number of the last piece in which tables have facts of anything; None if in none."""
    parts = [
        f"SELECT max({_bucket(by)}) AS last FROM {table} WHERE {about_time}" for table in tables
    ]
    row = connection.execute(f"SELECT max(last) FROM ({' UNION ALL '.join(parts)})").fetchone()
    return None if row is None else row[0]


def _value(summary: Summary, statistic: str) -> float:
    value: float | None
    match statistic:
        case "mean":
            value = summary.mean
        case "sum":
            value = summary.total
        case "last":
            value = summary.last
        case "min":
            value = summary.smallest
        case "max":
            value = summary.largest
        case "count":
            value = float(summary.count)
        case _:
            value = dict(zip(("p50", "p95", "p99"), summary.quantiles, strict=True))[statistic]
    return float("nan") if value is None else value


def _gridded(
    name: str,
    statistic: str,
    unit: str,
    direction: Direction,
    by: Step,
    rows: Sequence[tuple[int, float, int]],
    until: int | None,
) -> Series:
    first, last = rows[0][0], rows[-1][0]
    is_counting = statistic in _COUNTING
    if is_counting and until is not None:
        last = max(last, until)
    at = np.array([row[0] - first for row in rows])
    values = np.full(last - first + 1, 0.0 if is_counting else np.nan)
    values[at] = [row[1] for row in rows]
    counts = np.zeros(last - first + 1, dtype=np.int64)
    counts[at] = [row[2] for row in rows]
    step_s = STEPS_S[by]
    return Series(
        name, statistic, unit, direction, first * step_s * 1_000_000, step_s, values, counts
    )
