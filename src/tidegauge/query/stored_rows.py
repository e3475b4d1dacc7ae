# SPDX-License-Identifier: Apache-2.0
"""Which of some rows of a table the store has already, and how many of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from tidegauge.catalog import Catalog
from tidegauge.model.series import DIMENSIONS, RowContent, SeriesKey, split_labels
from tidegauge.model.tables import TABLES
from tidegauge.query import sql
from tidegauge.query.engine import Engine
from tidegauge.query.errors import readable_errors
from tidegauge.query.vocabulary import metrics_table
from tidegauge.store.store import Store

__all__ = ["StoredRows"]

_FETCHED = 10_000


class StoredRows:
    """Looks for rows in a store.

    Args:
        store: The store.
        catalog: What names mean.
    """

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._engine = Engine(store, metrics_table(catalog))
        self._connection = self._engine.connect()
        self._viewed: set[str] = set()

    def count(
        self, table: str, rows: Collection[RowContent], *, as_before: bool = False
    ) -> Counter[RowContent]:
        """How many of each of some rows are in a table, journals included.

        Args:
            table: The table.
            rows: The rows.
            as_before: Look at the table as it was at the first call, which costs less.
        """
        found: Counter[RowContent] = Counter()
        if not rows:
            return found
        if not (as_before and table in self._viewed):
            self._engine.view(self._connection, [table])
            self._viewed.add(table)
        wanted = set(rows)
        times_us = sorted({row[1] for row in rows})
        own = [column.name for column in TABLES[table].columns]
        columns = ", ".join(map(sql.quoted, (*own, "metadata", "labels", *DIMENSIONS)))
        first, last = (sql.timestamp(each * 1000) for each in (times_us[0], times_us[-1]))
        with readable_errors(table):
            answer = self._connection.execute(
                f"SELECT epoch_us(time), {columns} FROM {table} SEMI JOIN "
                "(SELECT unnest(?::BIGINT[]) AS at_us) ON epoch_us(time) = at_us "
                f"WHERE date BETWEEN ({first})::DATE AND ({last})::DATE",
                [times_us],
            )
            while cells := answer.fetchmany(_FETCHED):
                found.update(row for each in cells if (row := _row(each, len(own))) in wanted)
        return found

    def close(self) -> None:
        """Give memory back."""
        self._connection.close()
        self._engine.close()


def _row(cells: tuple[Any, ...], n_own: int) -> RowContent:
    time_us, own, (metadata, labels, *dimensions) = (
        cells[0],
        cells[1 : n_own + 1],
        cells[n_own + 1 :],
    )
    named = dict(labels or {})
    known = zip(DIMENSIONS, dimensions, strict=True)
    named |= {name: text for name, text in known if text is not None}
    return RowContent(SeriesKey("", *split_labels(named)), time_us, own, metadata)
