# SPDX-License-Identifier: Apache-2.0
"""Finding metrics in the catalogue and in the store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from tidegauge.catalog.search import search_metrics
from tidegauge.model.columns import Table
from tidegauge.model.tables import INTERVALS, POINTS
from tidegauge.query import sql
from tidegauge.query.selection import Vocabulary
from tidegauge.query.settled import Settled
from tidegauge.store.arrays import from_rows
from tidegauge.store.snapshot import Snapshot

__all__ = ["Seen", "SeenMetrics", "metrics_with_label", "search_table"]

_SCHEMA = pa.schema(
    [
        ("metric", pa.string()),
        ("kind", pa.string()),
        ("unit", pa.string()),
        ("description", pa.string()),
        ("direction", pa.string()),
        ("in_catalogue", pa.bool_()),
        ("count", pa.int64()),
        ("first_seen", pa.timestamp("us", "UTC")),
        ("last_seen", pa.timestamp("us", "UTC")),
        ("models", pa.list_(pa.string())),
    ]
)


class Seen(msgspec.Struct, frozen=True):
    """What is stored of one metric, in a file or altogether.

    Attributes:
        count: Number of values.
        first_us: Time of the first, microseconds since 1970.
        last_us: Time of the last.
        models: The models they are about.
    """

    count: int
    first_us: int
    last_us: int
    models: frozenset[str]

    def joined(self, other: Seen) -> Seen:
        """Both together."""
        return Seen(
            self.count + other.count,
            min(self.first_us, other.first_us),
            max(self.last_us, other.last_us),
            self.models | other.models,
        )


class SeenMetrics:
    """What the store holds of each metric, remembered by day, so that only new files are read.

    The first look reads three columns of every file, the next ones what was written since; a day
    that was compacted is read again. What was retired is known to the hour. Safe to share between
    threads.
    """

    def __init__(self) -> None:
        self._days: dict[tuple[str, int], tuple[frozenset[str], dict[str, Seen]]] = {}
        self._retired: dict[tuple[str, str], dict[str, Seen]] = {}
        self._lock = threading.Lock()

    def look(self, connection: duckdb.DuckDBPyConnection, tables: list[Settled]) -> dict[str, Seen]:
        """What is stored or was retired, by stored name.

        Args:
            connection: From `Engine.connect`.
            tables: `points` and `intervals`, of all time.
        """
        with self._lock:
            for table in tables:
                self._learn(connection, table.staying)
            self._learn_retired(connection, tables)
            known = [*(seen for _, seen in self._days.values()), *self._retired.values()]
        for table in tables:
            table.register(connection, "seen", table.leaving)  # and what is in journals only
            known.extend(_seen(connection, table.taken.table).values())
        total: dict[str, Seen] = {}
        for seen in known:
            _add(total, seen)
        return total

    def _learn(self, connection: duckdb.DuckDBPyConnection, taken: Snapshot) -> None:
        table, files = taken.table.name, taken.files
        present: dict[int, set[str]] = {}
        for day, path in zip(files.dates.tolist(), files.paths, strict=True):
            present.setdefault(day, set()).add(path)
        for name, day in list(self._days):
            if name == table and not self._days[name, day][0] <= present.get(day, set()):
                del self._days[name, day]
        read = {
            path for (name, _), (paths, _) in self._days.items() if name == table for path in paths
        }
        new = np.array([path not in read for path in files.paths], dtype=bool)
        if new.any():
            unread = replace(taken, files=files.chosen(new), tail=taken.tail[:0])
            unread.register(connection, "seen")
            found = _seen(connection, taken.table)
            for day, paths in present.items():
                _, seen = self._days.setdefault((table, day), (frozenset(), {}))
                _add(seen, found.get(day, {}))
                self._days[table, day] = frozenset(paths), seen

    def _learn_retired(self, connection: duckdb.DuckDBPyConnection, tables: list[Settled]) -> None:
        before, self._retired = self._retired, {}
        for table in tables:
            for path in table.final_paths:
                key = table.taken.table.name, path
                if key in before:
                    self._retired[key] = before[key]
                    continue
                connection.register("seen", table.final(path))
                self._retired[key] = {}
                for seen in _seen(connection, INTERVALS).values():
                    _add(self._retired[key], seen)


def search_table(
    vocabulary: Vocabulary,
    seen: Mapping[str, Seen],
    *,
    text: str,
    prefix: str,
    category: str,
    label: str,
    with_label: frozenset[str],
) -> pa.Table:
    """Compute the table that `tidegauge.search` describes.

    Args:
        vocabulary: What is declared.
        seen: What is stored, by stored name.
        text: As for `tidegauge.search`.
        prefix: As for `tidegauge.search`.
        category: As for `tidegauge.search`.
        label: As for `tidegauge.search`.
        with_label: Stored names of metrics that have facts with the label.
    """
    today: dict[str, Seen] = {}
    for name, found in seen.items():
        _add(today, {vocabulary.renamed.get(name, name): found})
    labelled = {vocabulary.renamed.get(name, name) for name in with_label}
    catalog = vocabulary.catalog
    specs = [spec for name, spec in catalog.metrics.items() if name not in catalog.renames]
    specs.extend(vocabulary.spec(name) for name in today if name not in catalog.metrics)
    rows = []
    for spec in search_metrics(specs, text, prefix=prefix, category=category):
        if label and label not in spec.labels and spec.name not in labelled:
            continue
        stored = today.get(spec.name)
        rows.append(
            {
                "metric": spec.name,
                "kind": str(spec.kind),
                "unit": spec.unit,
                "description": spec.description,
                "direction": str(spec.direction),
                "in_catalogue": spec.name in catalog.metrics,
                "count": stored.count if stored else 0,
                "first_seen": stored.first_us if stored else None,
                "last_seen": stored.last_us if stored else None,
                "models": sorted(stored.models) if stored else [],
            }
        )
    return from_rows(rows, _SCHEMA)


def metrics_with_label(connection: duckdb.DuckDBPyConnection, label: str) -> frozenset[str]:
    """Stored names of metrics that have facts with a label.

    Args:
        connection: With views of `points` and `intervals`.
        label: Name of a dimension or label.
    """
    rows = connection.execute(
        " UNION ".join(
            f"SELECT metric FROM {table} WHERE {sql.label(label)} IS NOT NULL"
            for table in (POINTS.name, INTERVALS.name)
        )
    ).fetchall()
    return frozenset(name for (name,) in rows)


def _seen(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[int, dict[str, Seen]]:
    """What the view `seen` has, by day since 1970 and by stored name."""
    count = 'sum("count")::BIGINT' if table is INTERVALS else "count(*)"
    rows = connection.execute(
        f"SELECT CAST(time AS DATE) - DATE '1970-01-01', metric, model, {count}, "
        "epoch_us(min(time)), epoch_us(max(time)) FROM seen GROUP BY ALL"
    ).fetchall()
    found: dict[int, dict[str, Seen]] = {}
    for day, metric, model, number, first_us, last_us in rows:
        models = frozenset() if model is None else frozenset((model,))
        _add(found.setdefault(day, {}), {metric: Seen(number, first_us, last_us, models)})
    return found


def _add(total: dict[str, Seen], more: Mapping[str, Seen]) -> None:
    for name, seen in more.items():
        total[name] = total[name].joined(seen) if name in total else seen
