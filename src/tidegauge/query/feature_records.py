# SPDX-License-Identifier: Apache-2.0
"""Single rows of the typed tables, the newest first."""

from __future__ import annotations

import json
from typing import Any

from tidegauge.model.columns import Table
from tidegauge.query import sql
from tidegauge.query.feature_facts import Chosen, FeatureFacts
from tidegauge.query.selection import check_limit

__all__ = ["latest_records"]


def latest_records(
    facts: FeatureFacts, table: Table, chosen: Chosen, limit: int
) -> list[dict[str, Any]]:
    """The newest rows of a table as dictionaries ready to be written as JSON.

    Args:
        facts: Looks at the tables.
        table: Which one.
        chosen: Which rows; those that retention has deleted are not among them.
        limit: Most rows.

    Raises:
        QueryError: The limit is no whole number of 1 or more.
        StoreError: The store cannot be read.
    """
    check_limit(limit)
    own = [column.name for column in table.columns]
    columns = ", ".join(sql.quoted(name) for name in own)
    with facts.rows(table, chosen) as (connection, where):
        found = connection.execute(
            "SELECT strftime(time, '%Y-%m-%dT%H:%M:%S.%f+00:00'), metadata, "
            f"{columns} FROM {table.name} WHERE {where} ORDER BY time DESC LIMIT {int(limit)}"
        ).fetchall()
    return [
        {
            "timestamp": time,
            **dict(zip(own, cells, strict=True)),
            "metadata": None if metadata is None else json.loads(metadata),
        }
        for time, metadata, *cells in found
    ]
