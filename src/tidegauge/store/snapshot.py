# SPDX-License-Identifier: Apache-2.0
"""One consistent view of a table: its files, and what the journals hold beyond them.

No lock is taken and nothing is written. The cursors belong to the version whose files are read, so
each fact is in exactly one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from tidegauge.model.errors import QueryError
from tidegauge.model.tables import POINTS, TABLES, Table
from tidegauge.model.times import TimeRange
from tidegauge.store.cursors import read_cursors, transaction_names
from tidegauge.store.files import FileList
from tidegauge.store.location import Location
from tidegauge.store.reading import consistently, event_batches, may_have_events, point_batches
from tidegauge.store.rows import Rows
from tidegauge.store.schema import PARTITION, arrow_schema, columns_of
from tidegauge.store.store import Store
from tidegauge.store.stored_table import NO_TABLE

if TYPE_CHECKING:
    import duckdb
    import pyarrow.dataset as pads

__all__ = ["Snapshot", "snapshot", "stored_rows"]

_WILD = frozenset("*?[{")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one moment. Its files stay readable for as long as maintenance keeps them.

    Attributes:
        table: The table's definition.
        version: Version of the Delta table; -1 if there is none yet.
        files: The data files that may hold rows of the range asked for.
        tail: Rows of that range that are in the journals only; text of few values as dictionaries.
        location: Where the files are.
        evolved: Whether some files may lack some columns.
    """

    table: Table
    version: int
    files: FileList
    tail: pa.Table
    location: Location
    evolved: bool

    @property
    def paths(self) -> list[str]:
        """The full paths or addresses of the files."""
        return [self.location.address(path) for path in self.files.paths]

    def register(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Make the snapshot a temporary view of a connection, in place of one of that name.

        The view has the table's columns in order. It holds every row of the range asked for, and
        perhaps others: files are chosen as a whole.
        """
        tail = f"{name}__tail"
        connection.register(tail, self.tail)
        columns = [column.name for column in columns_of(self.table)]
        # Where a query needs no column, as for `count(*)`, DuckDB reads the first one of a union;
        # the partition costs nothing, where the time would have to be read from every file.
        cheapest_first = sorted(columns, key=lambda column: column != PARTITION)
        source = f"SELECT {', '.join(map(_quoted, cheapest_first))} FROM {_quoted(tail)}"
        if len(self.files):
            # By name: a file may lack columns that were added later, and a directory above the
            # store that is called `x=y` would add one.
            chosen = ", ".join(map(_text, columns))
            source += f" UNION ALL BY NAME SELECT COLUMNS(lambda c: c IN ({chosen})) FROM "
            source += self._scan(connection, f"{name}__files")
        source = f"SELECT {', '.join(map(_quoted, columns))} FROM ({source})"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {_quoted(name)} AS {source}")

    def relation(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """The snapshot as a relation of a connection, under the table's own name."""
        self.register(connection, self.table.name)
        return connection.view(self.table.name)

    def _scan(self, connection: duckdb.DuckDBPyConnection, name: str) -> str:
        directory = str(self.location.directory or "*")
        # A name that DuckDB would expand, or take for another partition.
        if _WILD & set(directory) or f"{PARTITION}=" in directory.lower():
            connection.register(name, self._dataset())
            return _quoted(name)
        paths = ", ".join(map(_text, self.paths))
        options = f"hive_partitioning = true, hive_types = {{'{PARTITION}': DATE}}"
        if self.evolved:
            options += ", union_by_name = true"
        return f"read_parquet([{paths}], {options})"

    def _dataset(self) -> pads.Dataset:
        """The files for DuckDB where it cannot open them itself."""
        import pyarrow.dataset as pads  # and pandas with it

        partition = pa.schema([(PARTITION, pa.date32())])
        return pads.dataset(
            self.files.paths,
            schema=arrow_schema(self.table),
            filesystem=self.location.filesystem,
            format="parquet",
            partitioning=pads.partitioning(partition, flavor="hive"),
        )


def snapshot(store: Store, table: str, time_range: TimeRange | None = None) -> Snapshot:
    """Look at a table and at what the journals hold for it beyond the table.

    Args:
        store: The store. Asked again, it only loads what has changed.
        table: Name of the table.
        time_range: Which rows are wanted; all if None.

    Raises:
        QueryError: There is no such table.
        StoreError: The table is damaged, or the store changed under every attempt.
    """
    if table not in TABLES:
        raise _no_table(table)
    return consistently(lambda: _look(store, TABLES[table], time_range))


def stored_rows(location: Location, table: Table, files: FileList) -> Snapshot:
    """Some data files of a table, and nothing that is in journals only.

    Args:
        location: The table's.
        table: Its definition.
        files: The files.
    """
    return Snapshot(table, -1, files, Rows(table, "").tail(), location, evolved=True)


def _look(store: Store, table: Table, time_range: TimeRange | None) -> tuple[Snapshot, bool, int]:
    """One attempt; see `consistently`."""
    journal_id, slots = store.slots()
    names = [slot.name for slot in slots]
    wanted = transaction_names(journal_id, names)
    # The anchor first: what it says of the lane of events then holds for the other table as well.
    views = {}
    for name in dict.fromkeys((POINTS.name, table.name)):
        stored = store.tables.open(name)
        views[name] = NO_TABLE if stored is None else stored.view(wanted)
    anchor = read_cursors(views[POINTS.name].transactions, journal_id, names)
    view = views[table.name]
    own = read_cursors(view.transactions, journal_id, names)
    rows, whole = Rows(table, journal_id), True
    for slot in slots:
        if table is POINTS:
            start = anchor[slot.name].points
            for points in point_batches(slot, start):
                rows.add_points(slot.name, points, slot.series)
            whole &= slot.first_points() <= start
        start = max(anchor[slot.name].events, own[slot.name].events)
        stored_facts = own[slot.name].events_facts
        anchored = anchor[slot.name].events_facts
        for events in event_batches(slot, start) if may_have_events(slot, anchored) else ():
            chosen = [
                event
                for event in events.records
                if event.table == table.name and event.ordinal >= stored_facts
            ]
            rows.add_events(slot.name, chosen, slot.series)
        whole &= slot.first_events() <= start
    found = Snapshot(
        table=table,
        version=view.version,
        files=view.files.within(time_range),
        tail=rows.tail(time_range),
        location=store.tables.location.child(table.name),
        evolved=view.evolved,
    )
    return found, whole, views[POINTS.name].version


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _no_table(name: str) -> QueryError:
    return QueryError("there is no such table", got=name, allowed=", ".join(TABLES))
