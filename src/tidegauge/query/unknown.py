# SPDX-License-Identifier: Apache-2.0
"""When nothing was found: telling a name that nobody knows from one without facts."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from tidegauge.model.errors import QueryError
from tidegauge.model.series import DIMENSIONS
from tidegauge.query.errors import did_you_mean
from tidegauge.query.selection import Selection, Vocabulary

__all__ = ["refuse_unknown", "stored_metrics"]

# A mistyped argument looks like a label.
_ARGUMENTS = ("by", "days", "end", "hours", "limit", "start")
_OF_METRICS = ("points", "intervals")


def refuse_unknown(
    connection: duckdb.DuckDBPyConnection,
    vocabulary: Vocabulary,
    selection: Selection,
    labels: Iterable[str],
    *,
    tables: Iterable[str] = _OF_METRICS,
) -> None:
    """Raise if a metric or label that was asked for is known to nobody; return otherwise.

    Args:
        connection: With views of `points` and `intervals` over all time.
        vocabulary: What is declared.
        selection: What was asked for.
        labels: Names of labels that were chosen or grouped by.
        tables: Where the labels may occur; the connection must have views of these, too.

    Raises:
        QueryError: A metric is neither declared nor was ever recorded, or no fact of the chosen
            metrics has a label of that name. It names what is similar.
    """
    declared = vocabulary.catalog.metrics
    unknown = [name for name in selection.metrics if name not in declared]
    if unknown:
        stored = stored_metrics(connection, vocabulary)
        for name in unknown:
            if name not in stored:
                raise QueryError(
                    "the metric is neither in the catalogue nor was ever recorded",
                    got=name,
                    fix=did_you_mean(name, {*declared, *stored})
                    or "`tidegauge metrics search`, or tidegauge.search(), lists what there is.",
                )
    wanted = [name for name in labels if name not in DIMENSIONS]
    _refuse_unknown_labels(connection, vocabulary, selection, wanted, tables)


def stored_metrics(connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> frozenset[str]:
    """The names that stored metrics have today."""
    metric = vocabulary.canonical or "metric"
    rows = connection.execute(
        f"SELECT {metric} FROM (FROM (SELECT DISTINCT metric FROM points) UNION "
        "(SELECT DISTINCT metric FROM intervals))"
    ).fetchall()
    return frozenset(name for (name,) in rows)


def _refuse_unknown_labels(
    connection: duckdb.DuckDBPyConnection,
    vocabulary: Vocabulary,
    selection: Selection,
    labels: list[str],
    tables: Iterable[str],
) -> None:
    if not labels:
        return
    stored = {
        name
        for table in tables
        for (name,) in connection.execute(
            f"SELECT DISTINCT unnest(map_keys(labels)) FROM {table} WHERE {selection.about_metrics}"
        ).fetchall()
    }
    declared = {name for metric in selection.metrics for name in vocabulary.spec(metric).labels}
    for name in labels:
        if name not in stored | declared:
            raise QueryError(
                "no fact of this metric has such a label",
                got=name,
                allowed=", ".join((*DIMENSIONS, *sorted(stored | declared))),
                fix=did_you_mean(name, {*stored, *declared, *DIMENSIONS, *_ARGUMENTS}),
            )
