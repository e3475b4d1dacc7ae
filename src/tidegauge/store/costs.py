# SPDX-License-Identifier: Apache-2.0
"""Replacing what a provider billed: the rows of some periods or days, in one commit.

Bills change until they are final, and each delivery has a period as a whole. So whoever delivers
says which rows the new ones stand in the place of. A day whose rows are the same is not touched.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from deltalake.transaction import AddAction

from tidegauge.model.cost_tables import COSTS
from tidegauge.model.errors import StoreError
from tidegauge.store.arrays import from_rows
from tidegauge.store.files import FileList, read_file, write_file
from tidegauge.store.instance import working
from tidegauge.store.rewrite import MAINTENANCE, removals
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.snapshot import snapshot, stored_rows
from tidegauge.store.store import Store
from tidegauge.store.stored_table import ATTEMPTS, Overtaken, StoredTable, TableView

__all__ = [
    "COST_SCHEMA",
    "Days",
    "Replaced",
    "Scope",
    "groupings_of",
    "replace_cost_days",
    "replace_costs",
    "slot_of",
]

_full = arrow_schema(COSTS)
#: The columns of the table as its files have them: without the partition.
COST_SCHEMA: pa.Schema = _full.remove(_full.get_field_index(PARTITION))

#: Rows by day. A day may come in several parts, one after the other; days ascend.
Days = Iterable[tuple[dt.date, pa.Table]]

#: Rows of a file at most; a day may have several.
_FILE_ROWS = 250_000
_EPOCH = dt.date(1970, 1, 1)
_LOOK_S = 0.05
_Print = tuple[int, int, int]
_NOTHING: _Print = (0, 0, 0)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the table a delivery replaces: those for which all of this holds.

    Attributes:
        source: Where they came from.
        groupings: How they were split; however they were if empty.
        parts: Billing account, billing period and currency, of which any may be; all if empty.
        days: Days of their `time`; all if empty.
    """

    source: str
    groupings: tuple[str, ...] = ()
    parts: tuple[tuple[str | None, str, str], ...] = ()
    days: tuple[dt.date, ...] = ()

    def where(self) -> str:
        """SQL that is true for the rows, and false for all others."""
        terms = [f"source = {_text(self.source)}"]
        if self.groupings:
            terms.append(f"grouping IN ({', '.join(map(_text, self.groupings))})")
        if self.parts:
            each = (
                f"(billing_account_id IS NOT DISTINCT FROM {_text(account)} "
                f"AND billing_period = {_text(period)} AND currency = {_text(currency)})"
                for account, period, currency in self.parts
            )
            terms.append(f"({' OR '.join(each)})")
        if self.days:
            dates = ", ".join(f"DATE '{day.isoformat()}'" for day in self.days)
            terms.append(f"time::DATE IN ({dates})")
        return " AND ".join(terms)


class Replaced(msgspec.Struct, frozen=True):
    """What a delivery changed.

    Attributes:
        rows: Rows of the delivery.
        rows_before: Rows that were there in their place.
        days: Days with other rows than before; nothing was committed if there are none.
    """

    rows: int = 0
    rows_before: int = 0
    days: int = 0


def replace_costs(
    store: Store, scope: Scope, deliver: Callable[[], Days], *, wait_s: float = 60.0
) -> Replaced:
    """Put rows in the place of those of a scope, in one commit, or none; idempotent.

    A process that is killed has either replaced all of them or none.

    Args:
        store: The store.
        scope: Which rows the new ones stand for. They must be in it themselves.
        deliver: Called for the rows, and once more if another host was faster.
        wait_s: Most seconds to wait for whoever maintains the store.

    Raises:
        StoreError: The table cannot be used, or the store is being maintained for longer.
    """
    give_up_s = time.monotonic() + wait_s
    while True:
        with store.maintain() as mine:
            if mine:
                return _replace(store.tables.ensure(COSTS), scope, deliver)
        if time.monotonic() >= give_up_s:
            raise _maintained(scope)
        time.sleep(_LOOK_S)


def replace_cost_days(
    store: Store, source: str, grouping: str, rows: Sequence[Mapping[str, Any]]
) -> Replaced:
    """Put rows in the place of those of the same days, of one source and grouping.

    Days of which there are no rows stay as they are.

    Args:
        store: The store.
        source: Where they came from.
        grouping: How they were split.
        rows: The columns of `costs` by name; `time` is a datetime, amounts are decimals.

    Raises:
        StoreError: The table cannot be used, or the store is being maintained for too long.
    """
    by_day: dict[dt.date, list[dict[str, Any]]] = {}
    for row in rows:
        whole = {"slot": slot_of(source), "labels": [], **row}
        by_day.setdefault(row["time"].date(), []).append(whole)
    if not by_day:
        return Replaced()
    days = sorted(by_day)
    scope = Scope(source=source, groupings=(grouping,), days=tuple(days))
    return replace_costs(
        store, scope, lambda: ((day, from_rows(by_day[day], COST_SCHEMA)) for day in days)
    )


def groupings_of(store: Store, source: str) -> list[str]:
    """How the stored rows of a source are split, sorted; empty if there are none.

    Raises:
        StoreError: The table cannot be read.
    """
    with working() as connection:
        snapshot(store, COSTS.name).register(connection, COSTS.name)
        found = connection.execute(
            f"SELECT DISTINCT grouping FROM {COSTS.name} "
            f"WHERE {Scope(source=source).where()} ORDER BY 1"
        ).fetchall()
    return [row[0] for row in found]


def slot_of(source: str) -> str:
    """The column `slot` of the rows of a source, which no journal has."""
    return f"cost/{source}"


def _replace(stored: StoredTable, scope: Scope, deliver: Callable[[], Days]) -> Replaced:
    for _ in range(ATTEMPTS):
        with working() as connection:
            change = _Change(connection, stored, scope)
            try:
                change.take(deliver())
                if not change.days:
                    return change.told
                stored.commit(
                    change.added,
                    removed=removals(change.removed),
                    transactions={MAINTENANCE: change.view.transactions.get(MAINTENANCE, 0) + 1},
                    base=change.view.transactions,
                )
            except Overtaken:  # another host maintains the same tables
                stored.load()
                continue
            except BaseException:
                change.discard()
                raise
            return change.told
    raise _maintained(scope)


class _Change:
    """A change to the table on its way to the commit.

    Attributes:
        view: The version that it starts from.
        added: Files that are written.
        days: How many days have other rows than before.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, stored: StoredTable, scope: Scope
    ) -> None:
        self.view: TableView = stored.view((MAINTENANCE,))
        self.added: list[AddAction] = []
        self.days = 0
        self._connection = connection
        self._location = stored.location
        self._where = scope.where()
        self._removed: set[str] = set()
        self._rows = 0
        self._before = self._prints_before()

    @property
    def removed(self) -> FileList:
        """The files that go."""
        files = self.view.files
        return files.chosen(np.array([path in self._removed for path in files.paths], bool))

    @property
    def told(self) -> Replaced:
        """What was done."""
        before = sum(count for count, _, _ in self._before.values())
        return Replaced(rows=self._rows, rows_before=before, days=self.days)

    def take(self, days: Days) -> None:
        """Write the files of the days that differ."""
        left = set(self._before)
        for day, parts in groupby(days, key=lambda each: each[0]):
            left.discard(day)
            self._take_day(day, (rows for _, rows in parts))
        for day in sorted(left):  # what is not delivered any more goes
            self._clear_day(day)

    def discard(self) -> None:
        """Delete what was written, for nobody will see it."""
        for action in self.added:
            self._location.delete(action.path)

    def _take_day(self, day: dt.date, parts: Iterator[pa.Table]) -> None:
        waiting: list[pa.Table] = []
        written: list[AddAction] = []
        found, n_waiting = _NOTHING, 0
        for rows in parts:
            # Where there was nothing before, there is nothing to compare with.
            more = self._print_of(rows) if day in self._before else (rows.num_rows, 0, 0)
            found = _joined(found, more)
            waiting.append(rows)
            n_waiting += rows.num_rows
            if n_waiting >= _FILE_ROWS:
                written.append(self._write(day, waiting))
                waiting, n_waiting = [], 0
        self._rows += found[0]
        if found == self._before.get(day, _NOTHING):
            for action in written:
                self._location.delete(action.path)
                self.added.remove(action)
            return
        if n_waiting:
            self._write(day, waiting)
        self._clear_day(day)

    def _write(self, day: dt.date, parts: list[pa.Table]) -> AddAction:
        rows = pa.concat_tables(parts).combine_chunks()
        action = write_file(
            self._location, rows, day, indexed=("time", "source", "grouping", "billing_period")
        )
        self.added.append(action)
        return action

    def _clear_day(self, day: dt.date) -> None:
        """Take the rows of the scope out of a day; the rest of a file that had any is kept."""
        self.days += 1
        if day not in self._before:
            return
        files = self.view.files
        for at in (files.dates == (day - _EPOCH).days).nonzero()[0]:
            rows = read_file(self._location, files.paths[at], COST_SCHEMA)
            self._connection.register("file", rows)
            kept = self._connection.sql(
                f"SELECT * FROM file WHERE ({self._where}) IS NOT TRUE"
            ).to_arrow_table()
            self._connection.unregister("file")
            if kept.num_rows == rows.num_rows:
                continue
            self._removed.add(files.paths[at])
            if kept.num_rows:
                self._write(day, [kept.cast(COST_SCHEMA)])

    def _prints_before(self) -> dict[dt.date, _Print]:
        """What tells the rows of the scope from others, by day."""
        if not len(self.view.files):
            return {}
        stored_rows(self._location, COSTS, self.view.files).register(self._connection, "costs")
        found = self._connection.execute(
            f"SELECT {PARTITION}, {_PRINT} FROM (SELECT {PARTITION}, {_HASH} FROM costs "
            f"WHERE {self._where}) GROUP BY ALL"
        ).fetchall()
        return {day: (count, total, mixed) for day, count, total, mixed in found}

    def _print_of(self, rows: pa.Table) -> _Print:
        self._connection.register("delivered", rows)
        ((count, total, mixed),) = self._connection.execute(
            f"SELECT {_PRINT} FROM (SELECT {_HASH} FROM delivered)"
        ).fetchall()
        self._connection.unregister("delivered")
        return count, total or 0, mixed or 0


# A set of rows, whatever their order: how many, and two sums of what each is like.
_HASH = f"hash({', '.join(COST_SCHEMA.names)}) AS print"
_PRINT = "count(*), sum(print), bit_xor(print)"


def _joined(a: _Print, b: _Print) -> _Print:
    return a[0] + b[0], a[1] + b[1], a[2] ^ b[2]


def _text(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def _maintained(scope: Scope) -> StoreError:
    return StoreError(
        "costs could not be stored, for the store is being maintained",
        got=scope.source,
        fix="Try once more in a while: what is there already is left as it is.",
    )
