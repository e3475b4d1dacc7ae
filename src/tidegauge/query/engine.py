# SPDX-License-Identifier: Apache-2.0
"""DuckDB over snapshots of a store: one instance that only reads, one connection a question."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

import duckdb
import pyarrow as pa

from tidegauge.model.tables import TABLES
from tidegauge.model.times import TimeRange
from tidegauge.query.computed import computed_sql
from tidegauge.query.errors import readable_errors
from tidegauge.query.sql import text
from tidegauge.store.arrays import from_rows
from tidegauge.store.instance import Instance
from tidegauge.store.schema import arrow_schema
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

__all__ = ["Engine"]

# Read by SQL as `table`, which is how a view named after it can exist beside it.
_STORED = "stored_{}"


class Engine:
    """Opens connections that see the store. Safe to share between threads.

    Each connection has views of its own over a snapshot of its own, so a relation that is read
    later still reads the facts of the moment it was made, whatever was asked in between.

    Args:
        store: The store.
        metrics: What the table `metrics` holds.
        memory_limit: Most memory of all queries together, such as `2GB`; DuckDB's default, 80 % of
            the machine's, if None.
        threads: Most threads of all queries together; one per CPU if None.
    """

    def __init__(
        self,
        store: Store,
        metrics: pa.Table,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._store = store
        limits = {"memory_limit": memory_limit, "threads": threads}
        set_ones = {name: value for name, value in limits.items() if value is not None}
        self._instance = Instance(set_ones, partial(_prepare, store, metrics))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new connection with the table `metrics` and no views."""
        return self._instance.connect()

    def view(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Iterable[str],
        time_range: TimeRange | None = None,
        *,
        canonical: str | None = None,
        named: Collection[str] = (),
    ) -> None:
        """Give a connection a view of each table as it is now.

        Args:
            connection: From `connect`.
            tables: Names of tables of the store.
            time_range: Leave out files and journals that have nothing in this range; rows outside
                it may still be there.
            canonical: SQL over `metric` that replaces it in the views.
            named: Names of columns; the views have those of `COMPUTED_COLUMNS` among them.

        Raises:
            StoreError: The store cannot be read.
        """
        for name in tables:
            taken = snapshot(self._store, name, time_range)
            shown = "*"
            if canonical is not None and "metric" in taken.tail.column_names:
                shown = f"* REPLACE ({canonical} AS metric)"
            shown += computed_sql(name, named)
            is_plain = shown == "*"
            with readable_errors(name):  # DuckDB looks into the first file
                taken.register(connection, name if is_plain else _STORED.format(name))
            if not is_plain:
                connection.execute(
                    f"CREATE OR REPLACE TEMPORARY VIEW {name} AS "
                    f"SELECT {shown} FROM {_STORED.format(name)}"
                )

    def outline(self, connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
        """Give a connection empty tables with the columns of the store's, to be described."""
        for name in tables:
            connection.register("outline", from_rows([], arrow_schema(TABLES[name])))
            connection.execute(f"CREATE TEMPORARY TABLE {name} AS FROM outline")
            connection.unregister("outline")

    def close(self) -> None:
        """Give memory back. Relations made before stay usable; the next use opens it again."""
        self._instance.close()


def _prepare(store: Store, metrics: pa.Table, connection: duckdb.DuckDBPyConnection) -> None:
    """Give a new instance the table `metrics`, then let it read the store and nothing else."""
    connection.register("vocabulary", metrics)
    connection.execute("CREATE TABLE metrics AS SELECT * FROM vocabulary")
    connection.unregister("vocabulary")
    directory = store.tables.location.directory
    readable = [] if directory is None else [f"{directory}/"]
    for setting in (
        # Files of a table never change, so their footers are read once.
        "parquet_metadata_cache = true",
        f"allowed_directories = [{', '.join(map(text, readable))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        # Without GLOBAL a setting would not reach the connections made from this one.
        connection.execute(f"SET GLOBAL {setting}")
