# SPDX-License-Identifier: Apache-2.0
"""Single values in the order in which they were recorded, as SQL."""

from __future__ import annotations

import duckdb

from tidegauge.model.series import DIMENSIONS
from tidegauge.query import sql
from tidegauge.query.selection import Selection

__all__ = ["history_sql"]


def history_sql(
    connection: duckdb.DuckDBPyConnection, selection: Selection, limit: int | None
) -> str:
    """The query for the relation that `tidegauge.history` describes.

    Facts of the same microsecond are in the order of their steps, else in the order of their rows,
    which is the one they were recorded in.

    Args:
        connection: With a view of `points`.
        selection: Which facts.
        limit: Only the newest so many; all if None.
    """
    where = selection.where
    if limit is not None:
        # First how far back, from one column, so that most files need not be opened for the rest.
        ((since_us,),) = connection.execute(
            "SELECT epoch_us(min(time)) FROM "
            f"(SELECT time FROM points WHERE {where} ORDER BY time DESC LIMIT {limit})"
        ).fetchall()
        if since_us is not None:
            where += f" AND time >= {sql.timestamp(since_us * 1000)}"
    columns = ", ".join(("value", "step", *DIMENSIONS, "labels", "metadata"))
    facts = (
        f"SELECT time, {selection.metric} AS metric, {columns}, row_number() OVER () AS row "
        f"FROM points WHERE {where}"
    )
    if limit is not None:
        facts = f"FROM ({facts}) ORDER BY time DESC, step DESC NULLS FIRST, row DESC LIMIT {limit}"
    return f"SELECT * EXCLUDE (row) FROM ({facts}) ORDER BY time, step NULLS LAST, row"
