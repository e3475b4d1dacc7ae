# SPDX-License-Identifier: Apache-2.0
"""Days of the table `rollups` on their way from one file to the next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction

from tidegauge.model.tables import ROLLUPS
from tidegauge.store.arrays import from_list, scalar
from tidegauge.store.files import FileList, write_file
from tidegauge.store.rewrite import MAINTENANCE, removals
from tidegauge.store.rolled import Cover, cover_rows, covers_in, read_rollups
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable

__all__ = ["RolledDay", "replace_days"]

_GROUP_ROWS = 4096
#: Days of one commit. One commit a day makes a log that takes long to write, and to read.
_DAYS_AT_ONCE = 100
_EPOCH = dt.date(1970, 1, 1)


class RolledDay:
    """The rollups of a day, to be changed and then given to `replace_days`.

    Args:
        store: The store.
        day: Days since 1970.
        sources: The tables whose rollups are made anew, but for those that are final.

    Attributes:
        parts: The rows of the next file; those that stay are there already.
        covers: What the rollups of each table stand for; those of other tables are there already.
    """

    def __init__(self, store: Store, day: int, sources: Collection[str]) -> None:
        rollups = store.tables.ensure(ROLLUPS)
        view = rollups.view((MAINTENANCE,))
        self._location = rollups.location
        self._base = view.transactions
        self._replaced = view.files.chosen(view.files.dates == day)
        self._day = day
        self.parts, self.covers = _kept(rollups, self._replaced, sources)

    def write(self) -> _Written:
        """Write the next file; nobody sees it yet."""
        covers = {
            name: msgspec.structs.replace(
                cover, n_final=sum(_n_final(part, name) for part in self.parts)
            )
            for name, cover in self.covers.items()
        }
        parts = [*self.parts, cover_rows(covers, self._day)]
        rows = pa.concat_tables(parts).drop_columns([PARTITION]).combine_chunks()
        # Whoever wants the days of one table reads a few row groups, and not the hours of all.
        rows = rows.sort_by([("interval_s", "descending"), ("source", "ascending")])
        added = write_file(
            self._location,
            rows,
            _EPOCH + dt.timedelta(days=self._day),
            group_rows=_GROUP_ROWS,
            indexed=("time", "source", "interval_s"),
        )
        return _Written(added, self._replaced, len(rows) - len(covers), self._base)


class _Written(NamedTuple):
    """A day's next file.

    Attributes:
        added: The file.
        replaced: Those in whose place it comes.
        rows: How many rollups it has.
        base: The application transactions of the version that it follows.
    """

    added: AddAction
    replaced: FileList
    rows: int
    base: Mapping[str, int]


def replace_days(store: Store, days: Iterable[RolledDay]) -> int:
    """Put files in the place of those that the table has of some days.

    Args:
        store: The store; this process is maintaining it.
        days: Each day at most once. They are taken and written one after the other.

    Returns:
        How many rollups they have.

    Raises:
        StoreError: The table cannot be used.
        Overtaken: Another host maintains the same tables; what was committed before stays.
    """
    left, rows = iter(days), 0
    while batch := [day.write() for day in islice(left, _DAYS_AT_ONCE)]:
        base = batch[0].base
        store.tables.ensure(ROLLUPS).commit(
            [each.added for each in batch],
            removed=[action for each in batch for action in removals(each.replaced)],
            transactions={MAINTENANCE: base.get(MAINTENANCE, 0) + 1},
            base=base,
        )
        rows += sum(each.rows for each in batch)
    return rows


def _kept(
    rollups: StoredTable, replaced: FileList, sources: Collection[str]
) -> tuple[list[pa.Table], dict[str, Cover]]:
    """The rows of a day that are not made anew, and the covers of the other tables."""
    parts: list[pa.Table] = []
    covers: dict[str, Cover] = {}
    for path in replaced.paths:
        schema = arrow_schema(ROLLUPS)
        rows = read_rollups(rollups, path, schema.remove(schema.get_field_index(PARTITION)))
        dates = pc.cast(rows["time"], pa.date32())
        rows = rows.add_column(schema.get_field_index(PARTITION), schema.field(PARTITION), dates)
        covers |= {name: each for name, each in covers_in(rows).items() if name not in sources}
        is_sum = pc.greater(rows["interval_s"], scalar(0.0, pa.float64()))
        is_other = pc.invert(pc.is_in(rows["source"], from_list(list(sources), pa.string())))
        parts.append(rows.filter(pc.and_(is_sum, pc.or_(rows["is_final"], is_other))))
    return parts, covers


def _n_final(rows: pa.Table, source: str) -> int:
    """How many final rollups of a table there are."""
    final = pc.and_(rows["is_final"], pc.equal(rows["source"], scalar(source, pa.string())))
    return int(pc.sum(final).as_py() or 0)
