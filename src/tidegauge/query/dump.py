# SPDX-License-Identifier: Apache-2.0
"""Chosen facts of one moment, day by day in the order of time, for whoever writes them elsewhere.

Memory is bounded by the facts of a day, which DuckDB sorts, and by the size of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from tidegauge.catalog import Catalog
from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.tables import COMMON_COLUMNS, INTERVALS, POINTS, TABLES, Column
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.engine import Engine
from tidegauge.query.errors import readable_errors
from tidegauge.query.selection import Names, Vocabulary
from tidegauge.query.unknown import refuse_unknown
from tidegauge.query.vocabulary import metrics_table
from tidegauge.store.store import Store

__all__ = ["BATCH_ROWS", "Dump", "facts_of_slots"]

#: Rows of a batch.
BATCH_ROWS = 50_000

# Where a fact is kept, which means nothing elsewhere.
_LEFT_OUT = ("date", "slot")
_NESTED = ("map", "i64_list")


class Dump:
    """The rows of a table that meet some conditions, as they were when this was made.

    Args:
        store: The store.
        catalog: What names mean.
        table: Name of the table.
        names: Metrics, as for `tidegauge.query.Query`; all if None. Rows of a table such as
            `requests` are of no metric.
        labels: Dimensions and labels to choose by.
        time_range: When they happened.
        may_be_unknown: Whether a label that nobody knows is no error, but chooses nothing.

    Attributes:
        table: The table.
        columns: Names of the columns, in order.
        count: How many rows there are.

    Raises:
        QueryError: There is no such table, or a metric or label that was chosen by is known to
            nobody.
        MetricValidationError: A name is none.
        StoreError: The store cannot be read.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        table: str = POINTS.name,
        names: Names = None,
        labels: Mapping[str, object] | None = None,
        time_range: TimeRange | None = None,
        may_be_unknown: bool = False,
    ) -> None:
        if table not in TABLES:
            raise QueryError("there is no such table", got=table, allowed=", ".join(TABLES))
        self.table = table
        self._columns = _columns(table)
        self.columns = [column.name for column in self._columns]
        if names is not None and "metric" not in self.columns:
            raise _no_metrics(table, names)
        vocabulary = Vocabulary(catalog)
        chosen = vocabulary.select(names, labels or {}, time_range or TimeRange())
        self._chosen = chosen
        engine = Engine(store, metrics_table(catalog))
        self._connection = engine.connect()
        engine.view(self._connection, [table], chosen.time_range)
        with readable_errors("export"):
            self._days: list[tuple[str, int]] = self._connection.execute(
                f"SELECT date::VARCHAR, count(*) FROM {table} WHERE {chosen.where} "
                "GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        self.count = sum(rows for _, rows in self._days)
        if not may_be_unknown and (not self.count or len(chosen.metrics) > 1):
            everything = engine.connect()
            engine.view(everything, TABLES)
            with readable_errors("export"):
                labels_of_none = () if self.count else chosen.labels
                tables = {POINTS.name, INTERVALS.name, table}
                refuse_unknown(everything, vocabulary, chosen, labels_of_none, tables=tables)

    def schema(self, *, flat: bool = False) -> pa.Schema:
        """The Arrow schema of `batches`."""
        with readable_errors("export"):
            empty = self._connection.sql(
                f"SELECT {self._select(flat=flat)} FROM {self.table} LIMIT 0"
            )
            schema: pa.Schema = empty.to_arrow_table().schema
            return schema

    def batches(
        self, *, flat: bool = False, batch_rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows, in the order of time.

        Args:
            flat: Have maps and lists as JSON text, and times as ISO 8601 text, for formats that
                have neither.
            batch_rows: Most rows of a batch.
        """
        order = ", ".join(name for name in ("time", "metric", "step") if name in self.columns)
        for day, _ in self._days:
            with readable_errors("export"):
                relation = self._connection.sql(
                    f"SELECT {self._select(flat=flat)} FROM {self.table} AS facts WHERE "
                    f"{self._chosen.where} AND date = DATE {sql.text(day)} ORDER BY facts.{order}"
                )
                yield from relation.to_arrow_reader(batch_rows)

    def _select(self, *, flat: bool) -> str:
        return ", ".join(
            _selected(column, self._chosen.metric, flat=flat) for column in self._columns
        )


def facts_of_slots(
    store: Store, catalog: Catalog, *, slots: tuple[str, ...], time_range: TimeRange
) -> Iterator[tuple[SeriesKey, float, int, int | None, str | None]]:
    """Points that came through some slots: series, value, time in ns, step and metadata.

    Args:
        store: The store.
        catalog: What names mean.
        slots: `<journal>/<slot>` of each.
        time_range: When they happened.
    """
    engine = Engine(store, metrics_table(catalog))
    connection = engine.connect()
    engine.view(connection, [POINTS.name], time_range)
    dimensions = ("environment", "experiment", "model", "model_version", "run_id", "service")
    with readable_errors("facts"):
        rows = connection.execute(
            f"SELECT metric, value, epoch_us(time), step, metadata, labels, {', '.join(dimensions)}"
            f" FROM points WHERE slot IN {sql.text_list(slots)}"
        )
        while found := rows.fetchmany(BATCH_ROWS):
            for metric, value, time_us, step, metadata, labels, *cells in found:
                named: dict[str, Any] = dict(zip(dimensions, cells, strict=True))
                known = {name: text for name, text in named.items() if text is not None}
                key = SeriesKey.of(metric, {**labels, **known})
                yield key, value, time_us * 1000, step, metadata


def _columns(table: str) -> list[Column]:
    """Time, metric and the table's own columns first, then what a fact is about."""
    common = [column for column in COMMON_COLUMNS if column.name not in _LEFT_OUT]
    own = list(TABLES[table].columns)
    return [common[0], *own, *common[1:]]


def _selected(column: Column, metric: str, *, flat: bool) -> str:
    name = sql.quoted(column.name)
    if column.name == "metric":
        return f"{metric} AS metric"
    if flat and column.name == "time":
        return "strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ') AS time"
    if flat and column.kind in _NESTED:
        return f"to_json({name})::VARCHAR AS {name}"
    return name


def _no_metrics(table: str, names: Names) -> QueryError:
    return QueryError(
        f"the rows of the table {table!r} are of no metric",
        got=names,
        fix="Choose them by a dimension or label, such as model=fraud.",
    )
