# SPDX-License-Identifier: Apache-2.0
"""Rolling up: one row per series and hour, and per series and day, for longer than facts are kept.

A day is rolled up anew, as a whole and in one commit, whenever its data files have changed: facts
came late, were corrected, or the files were merged. What was made of rows that are gone since is
final and stays: see `leaving`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidegauge.model.tables import ROLLUPS, TABLES
from tidegauge.store.arrays import from_list, scalar
from tidegauge.store.files import NO_FILES, FileList, write_file
from tidegauge.store.leader import PIECE_S
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, drop_files, removals, rewrite_files
from tidegauge.store.rolled import SOURCES, Cover, RolledFiles, cover_rows, covers_in, read_rollups
from tidegauge.store.rolling import rolled_rows
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable

__all__ = ["RolledUp", "finish_leaving", "leaving", "roll_up"]

_GROUP_ROWS = 4096
_NAMESPACE = "rollup"
_LEAVING = "leaving"
_EPOCH = dt.date(1970, 1, 1)


class RolledUp(msgspec.Struct, frozen=True):
    """What a rolling up did.

    Attributes:
        days: Days, UTC, whose rollups were made anew.
        facts: Rows that were read for it.
        rows: Rows of rollups that were written.
    """

    days: int = 0
    facts: int = 0
    rows: int = 0

    def __add__(self, other: RolledUp) -> RolledUp:
        return RolledUp(self.days + other.days, self.facts + other.facts, self.rows + other.rows)


def roll_up(store: Store) -> RolledUp | None:
    """Bring the rollups of a store up to date with its tables.

    What is in the journals only is not rolled up yet. At most the facts of one table and day are
    held in memory, some 16 bytes for each number of a row. A long history is rolled up in pieces,
    between which others may maintain the store.

    Returns:
        What was done; None if another process is maintaining the store.

    Raises:
        StoreError: A table cannot be used.
        Overtaken: Another host maintains the same tables; what was done until then is kept.
    """
    roller, done, goes_on = _Roller(store), None, True
    while goes_on:
        with store.maintain() as mine:
            if not mine:
                return done
            roller.finish_leaving()
            piece, goes_on = roller.roll(time.monotonic() + PIECE_S)
        done = piece if done is None else done + piece
    return done


def finish_leaving(store: Store) -> None:
    """Do what is left of a block of `leaving` that was ended early, as by a kill.

    Before anybody changes the files of a table: this process is maintaining the store.

    Raises:
        StoreError: A table cannot be used.
        Overtaken: Another host maintains the same tables.
    """
    if store.state.value(_NAMESPACE, _LEAVING):
        _Roller(store).finish_leaving()


@contextlib.contextmanager
def leaving(
    store: Store, name: str, files: FileList, metrics: Collection[str] = ()
) -> Iterator[None]:
    """Keep the sums of rows that are removed in the block.

    First the rollups of these rows are made final, in a commit that names the files: from then on
    the rows do not count any more, wherever they still are. Whatever ends the block, what is left
    of it is done before anything is rolled up again.

    Args:
        store: The store; this process is maintaining it.
        name: The table.
        files: The files with the rows.
        metrics: Only rows of these metrics are removed; all rows of the files if empty.

    Raises:
        StoreError: A table cannot be used.
        Overtaken: Another host maintains the same tables.
    """
    if TABLES[name].rolled is None or not len(files):
        yield
        return
    finish_leaving(store)
    roller, days = _Roller(store), np.unique(files.dates).tolist()
    roller.finish_leaving(days)
    with store.state.transaction() as transaction:
        transaction.set_value(_NAMESPACE, _LEAVING, name)
    for day in days:
        roller.begin_leaving(name, day, files.chosen(files.dates == day), metrics)
    yield
    roller.finish_leaving(days)


class _Roller:
    """Rolls up while the store is being maintained by nobody else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rolled = RolledFiles()

    def roll(self, until_s: float) -> tuple[RolledUp, bool]:
        """Roll up stale days, one at least, until a time; returns whether there are more."""
        present: dict[str, tuple[StoredTable, FileList]] = {}
        for table in SOURCES:
            stored = self._store.tables.open(table.name)
            if stored is not None:
                present[table.name] = stored, stored.view().files
        done, stale = RolledUp(), self._stale(present)
        for number, (day, names) in enumerate(stale.items(), start=1):
            done += self._roll_day(day, {name: present[name] for name in names})
            if time.monotonic() >= until_s:
                return done, number < len(stale)
        return done, False

    def _stale(self, present: Mapping[str, tuple[StoredTable, FileList]]) -> dict[int, list[str]]:
        """The tables to be rolled up anew, by day, the oldest day first."""
        stored = self._store.tables.open(ROLLUPS.name)
        files = NO_FILES if stored is None else stored.view().files
        covers = {} if stored is None else self._rolled.covers(stored, files)
        stale: dict[int, list[str]] = {}
        for name, (_, data) in present.items():
            by_day: dict[int, set[str]] = {}
            for path, day in zip(data.paths, data.dates.tolist(), strict=True):
                by_day.setdefault(day, set()).add(path)
            for source, day in covers:
                if source == name:
                    by_day.setdefault(day, set())
            for day, paths in by_day.items():
                if paths != set(covers.get((name, day), Cover()).files):
                    stale.setdefault(day, []).append(name)
        return dict(sorted(stale.items()))

    def _roll_day(self, day: int, sources: Mapping[str, tuple[StoredTable, FileList]]) -> RolledUp:
        rewriting = _Rewriting(self._store, day, sources)
        facts = 0
        for name, (stored, files) in sources.items():
            here = files.chosen(files.dates == day)
            rewriting.cover(name, Cover(tuple(sorted(here.paths))))
            if len(here):
                rewriting.parts.append(rolled_rows(TABLES[name], stored, here))
                facts += int(here.rows.sum())
        return RolledUp(days=1, facts=facts, rows=rewriting.commit())

    def begin_leaving(self, name: str, day: int, files: FileList, metrics: Collection[str]) -> None:
        """Make the sums of rows of one day final."""
        stored = self._store.tables.open(name)
        assert stored is not None
        present = stored.view().files
        leaves = np.isin(np.array(present.paths), files.paths)
        rest, files = present.chosen((present.dates == day) & ~leaves), present.chosen(leaves)
        if not len(files):  # they have left with a block that was ended early
            return
        about = f"metric IN ({', '.join(map(_text, metrics))})" if metrics else "true"
        rewriting = _Rewriting(self._store, day, [name])
        table = TABLES[name]
        rewriting.parts.append(rolled_rows(table, stored, files, where=about, is_final=True))
        if len(rest):
            rewriting.parts.append(rolled_rows(table, stored, rest))
        paths, gone = tuple(sorted(rest.paths)), tuple(sorted(files.paths))
        rewriting.cover(name, Cover(paths, leaving=gone, leaving_metrics=tuple(sorted(metrics))))
        rewriting.commit()

    def finish_leaving(self, days: Sequence[int] | None = None) -> None:
        """Remove what is still there of rows whose sums are final, and note that it is done.

        Args:
            days: Only of these days, since 1970; of all if None.
        """
        state = self._store.state
        rollups = self._store.tables.open(ROLLUPS.name)
        if rollups is None:
            return
        files = rollups.view().files
        if days is not None:
            files = files.chosen(np.isin(files.dates, days))
        for (name, day), cover in self._rolled.covers(rollups, files).items():
            if not cover.leaving:
                continue
            self._remove(name, cover)
            rewriting = _Rewriting(self._store, day, ())
            settled = msgspec.structs.replace(cover, leaving=(), leaving_metrics=())
            rewriting.cover(name, settled)
            rewriting.commit()
        if state.value(_NAMESPACE, _LEAVING):
            with state.transaction() as transaction:
                transaction.set_value(_NAMESPACE, _LEAVING, "")

    def _remove(self, name: str, cover: Cover) -> None:
        stored = self._store.tables.open(name)
        if stored is None:
            return
        names = (MAINTENANCE, RETIRED)
        files = stored.view(names).files
        left = files.chosen(np.isin(np.array(files.paths), cover.leaving))
        if not cover.leaving_metrics and len(left):
            drop_files(stored, stored.view(names), left)
        elif cover.leaving_metrics:
            for at in range(len(left)):
                one = left.chosen(np.arange(len(left)) == at)
                rewrite_files(
                    stored,
                    TABLES[name],
                    stored.view(names),
                    one,
                    without_metrics=cover.leaving_metrics,
                )


class _Rewriting:
    """The rollups of a day on their way from one file to the next.

    Args:
        store: The store.
        day: Days since 1970.
        sources: The tables whose rollups are made anew, but for those that are final.

    Attributes:
        parts: The rows of the next file; those that stay are there already.
    """

    def __init__(self, store: Store, day: int, sources: Collection[str]) -> None:
        self._rollups = store.tables.ensure(ROLLUPS)
        self._view = self._rollups.view((MAINTENANCE,))
        self._replaced = self._view.files.chosen(self._view.files.dates == day)
        self._day = day
        self.parts, self._covers = _kept(self._rollups, self._replaced, sources)

    def cover(self, name: str, cover: Cover) -> None:
        """Say what the rollups of a table stand for."""
        self._covers[name] = cover

    def commit(self) -> int:
        """Write the next file in the place of the last; returns how many rollups it has."""
        covers = {
            name: msgspec.structs.replace(
                cover, n_final=sum(_n_final(part, name) for part in self.parts)
            )
            for name, cover in self._covers.items()
        }
        parts = [*self.parts, cover_rows(covers, self._day)]
        rows = pa.concat_tables(parts).drop_columns([PARTITION]).combine_chunks()
        # Whoever wants the days of one table reads a few row groups, and not the hours of all.
        rows = rows.sort_by([("interval_s", "descending"), ("source", "ascending")])
        written = write_file(
            self._rollups.location,
            rows,
            _EPOCH + dt.timedelta(days=self._day),
            group_rows=_GROUP_ROWS,
            indexed=("time", "source", "interval_s"),
        )
        replaced = self._replaced
        self._rollups.commit(
            [written],
            removed=removals(replaced),
            transactions={MAINTENANCE: self._view.transactions.get(MAINTENANCE, 0) + 1},
            base=self._view.transactions,
        )
        return len(rows) - len(covers)


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


def _text(metric: str) -> str:
    return f"'{metric}'"  # a name of a metric has no quotation marks
