# SPDX-License-Identifier: Apache-2.0
"""How the values of a metric or a column are distributed on each day: what drift is told from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from tidegauge.model.clock import Clock
from tidegauge.model.columns import Table
from tidegauge.model.errors import QueryError
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.engine import Engine
from tidegauge.query.errors import readable_errors
from tidegauge.query.retired import settled_facts, view_facts
from tidegauge.query.running import run
from tidegauge.query.selection import Selection, Vocabulary
from tidegauge.query.series import measure_of
from tidegauge.query.summary import Key, column_histograms, histograms
from tidegauge.query.unknown import refuse_unknown
from tidegauge.statistics.histogram import ExponentialHistogram
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.store import Store

__all__ = ["DailyValues", "Distributions"]

_DAY_NS = 86_400 * 10**9
_DAY = "epoch_us(time) // 86400000000"


@dataclass(frozen=True, slots=True)
class DailyValues:
    """The values of each day that has some, UTC.

    Attributes:
        name: The metric, or the table's column.
        histograms: Of numbers, by days since 1970.
        labels: How often each text was there, by days since 1970; for columns of text.
    """

    name: str
    histograms: dict[int, ExponentialHistogram]
    labels: dict[int, dict[str, int]]


class Distributions:
    """Asks a store for distributions. Safe to share between threads.

    Args:
        store: The store.
        engine: Opens connections to it.
        vocabulary: What is declared.
        rolled: Reads rollups.
        clock: What tells which day it is.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        vocabulary: Vocabulary,
        rolled: RolledFiles,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._store = store
        self._engine = engine
        self._vocabulary = vocabulary
        self._rolled = rolled

    def now_ns(self) -> int:
        """The present time; nanoseconds since 1970, UTC."""
        return self._clock.wall_ns()

    def today_ns(self) -> int:
        """Beginning of the present day, which is not whole; nanoseconds since 1970, UTC."""
        return self.now_ns() // _DAY_NS * _DAY_NS

    def by_day(self, name: str, labels: Mapping[str, object], time_range: TimeRange) -> DailyValues:
        """The values of each day.

        Args:
            name: A metric; or a column of numbers or texts of a typed table, such as
                `predictions.prediction_text`.
            labels: Dimensions and labels to choose by.
            time_range: Of which time.

        Raises:
            QueryError: There is no such metric or column, or it is a pattern.
            MetricValidationError: The name is none.
            StoreError: The store cannot be read.
        """
        if name.endswith("*"):
            raise QueryError(
                "drift is of one metric or column", got=name, allowed="the name of one"
            )
        if (column := _column_of(name)) is not None:
            return self._of_column(name, *column, labels, time_range)
        chosen = self._vocabulary.select(name, labels, time_range)
        connection = self._engine.connect()

        def look() -> dict[Key, ExponentialHistogram]:
            self._view(connection, chosen.time_range)
            return histograms(connection, chosen.where, [_DAY])

        found = run(connection, "distributions", look)
        if not found:
            self._refuse_unknown(chosen)
        return DailyValues(chosen.metrics[0], {day: each for (day,), each in found.items()}, {})

    def _of_column(
        self,
        name: str,
        table: Table,
        column: str,
        labels: Mapping[str, object],
        time_range: TimeRange,
    ) -> DailyValues:
        where = self._vocabulary.select(None, labels, time_range).where
        connection = self._engine.connect()
        self._engine.view(connection, [table.name], time_range)
        quoted = sql.quoted(column)

        def look() -> DailyValues:
            if _is_text(table, column):
                return DailyValues(name, {}, _texts(connection, table.name, quoted, where))
            values = f"CAST({quoted} AS DOUBLE) AS value FROM {table.name}"
            found = column_histograms(connection, values, where, [_DAY])
            return DailyValues(name, {day: each for (day,), each in found.items()}, {})

        return run(connection, "distributions", look)

    def _view(self, connection: duckdb.DuckDBPyConnection, time_range: TimeRange) -> None:
        with readable_errors(POINTS.name):
            view_facts(connection, settled_facts(self._store, self._rolled, time_range))

    def _refuse_unknown(self, chosen: Selection) -> None:
        connection = self._engine.connect()
        self._view(connection, TimeRange())
        refuse_unknown(connection, self._vocabulary, chosen, chosen.labels)


def _column_of(name: str) -> tuple[Table, str] | None:
    """The table and column of a name; None for a metric."""
    table_name, dot, column = name.partition(".")
    if not dot or table_name not in TABLES:
        return None
    table = TABLES[table_name]
    if _is_text(table, column):
        return table, column
    try:
        measure = measure_of(name)
    except QueryError as error:
        texts = [each.name for each in table.columns if _is_text(table, each.name)]
        allowed = f"{error.allowed}; of texts: {', '.join(texts)}"
        raise QueryError(error.what, got=error.got, allowed=allowed, fix=error.fix) from error
    return None if measure is None else (measure.table, measure.column)


def _is_text(table: Table, column: str) -> bool:
    return any(each.name == column and each.kind == "str" for each in table.columns)


def _texts(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, where: str
) -> dict[int, dict[str, int]]:
    days: dict[int, dict[str, int]] = {}
    rows = connection.execute(
        f"SELECT {_DAY}, {column}, count(*) FROM {table} "
        f"WHERE {where} AND {column} IS NOT NULL GROUP BY ALL"
    ).fetchall()
    for day, label, count in rows:
        days.setdefault(day, {})[label] = count
    return days
