# SPDX-License-Identifier: Apache-2.0
"""Points and intervals that retention has deleted: what their rollups still tell of them."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from tidegauge.model.tables import INTERVALS, POINTS, ROLLUPS
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.basis import whole_days
from tidegauge.store.rolled import RolledFiles, final_rows
from tidegauge.store.schema import columns_of
from tidegauge.store.store import Store

__all__ = ["add_retired"]


def add_retired(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    rolled: RolledFiles,
    time_range: TimeRange,
) -> None:
    """Add to the view `intervals` what is left of facts that are gone, an hour in each row.

    Args:
        connection: With views of `points` and `intervals`.
        store: The store.
        rolled: Reads rollups.
        time_range: Of which time. An hour belongs to it if its beginning does.

    Raises:
        StoreError: The store cannot be read.
    """
    stored = store.tables.open(ROLLUPS.name)
    if stored is None:
        return
    files = stored.view().files.within(whole_days(time_range))
    covers = rolled.covers(stored, files)
    final: list[pa.Table] = []
    for path, day in zip(files.paths, files.dates.tolist(), strict=True):
        for source in (POINTS.name, INTERVALS.name):
            cover = covers.get((source, day))
            if cover is not None and cover.n_final:
                final.append(final_rows(stored, path, source).rows)
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
