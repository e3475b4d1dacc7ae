# SPDX-License-Identifier: Apache-2.0
"""Points and intervals that retention has deleted: what their rollups still tell of them."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from tidegauge.model.tables import INTERVALS, POINTS
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.settled import Settled, settled
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.schema import columns_of
from tidegauge.store.store import Store

__all__ = ["settled_facts", "view_facts"]


def settled_facts(store: Store, rolled: RolledFiles, time_range: TimeRange) -> list[Settled]:
    """Look at `points` and at `intervals`.

    Args:
        store: The store.
        rolled: Reads rollups.
        time_range: Of which time. An hour belongs to it if its beginning does.

    Raises:
        StoreError: The store cannot be read.
    """
    return [
        settled(store, rolled, name, time_range, rows_within=time_range)
        for name in (POINTS.name, INTERVALS.name)
    ]


def view_facts(connection: duckdb.DuckDBPyConnection, facts: list[Settled]) -> None:
    """Give a connection views `points` and `intervals`, with what is left of facts that are gone.

    That is in `intervals`, an hour in each row.

    Args:
        connection: From `Engine.connect`.
        facts: From `settled_facts`.

    Raises:
        StoreError: The store cannot be read.
    """
    final: list[pa.Table] = []
    for table in facts:
        table.register(connection, table.taken.table.name)
        final.extend(map(table.final, table.final_paths))
    if not final:
        return
    connection.register("final_rollups", pa.concat_tables(final))
    connection.execute("ALTER VIEW intervals RENAME TO recorded_intervals")
    columns = ", ".join(
        "CAST(time AS DATE) AS date" if column.name == "date" else sql.quoted(column.name)
        for column in columns_of(INTERVALS)
    )
    connection.execute(
        "CREATE TEMP VIEW intervals AS SELECT * FROM recorded_intervals "
        f"UNION ALL BY NAME SELECT {columns} FROM final_rollups"
    )
