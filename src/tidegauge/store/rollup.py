# SPDX-License-Identifier: Apache-2.0
"""Rolling up: one row per series and hour, and per series and day, for longer than facts are kept.

A day is rolled up anew, as a whole, whenever its data files have changed: facts
came late, were corrected, or the files were merged. What was made of rows that are gone since is
final and stays: see `leaving`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from tidegauge.model.tables import ROLLUPS, TABLES
from tidegauge.store.files import NO_FILES, FileList
from tidegauge.store.leader import in_pieces
from tidegauge.store.rewrite import MAINTENANCE, RETIRED, drop_files, rewrite_files
from tidegauge.store.rolled import SOURCES, Cover, RolledFiles
from tidegauge.store.rolled_days import RolledDay, replace_days
from tidegauge.store.rolling import rolled_rows
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable

__all__ = ["RolledUp", "finish_leaving", "leaving", "roll_up"]

_NAMESPACE = "rollup"
_LEAVING = "leaving"


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
    roller = _Roller(store)

    def work(until_s: float) -> tuple[RolledUp, bool]:
        roller.finish_leaving()
        return roller.roll(until_s)

    done = in_pieces(store.maintain, work)
    return None if done is None else sum(done, RolledUp())


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
    roller.begin_leaving(name, files, metrics)
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
        stale = self._stale(present)
        days = facts = 0

        def rolled() -> Iterator[RolledDay]:
            nonlocal days, facts
            for day, names in stale.items():
                sources = {name: present[name] for name in names}
                days += 1
                for _, files in sources.values():
                    facts += int(files.rows[files.dates == day].sum())
                yield self._rolled_anew(day, sources)
                if time.monotonic() >= until_s:
                    return

        rows = replace_days(self._store, rolled())
        return RolledUp(days, facts, rows), days < len(stale)

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

    def _rolled_anew(
        self, day: int, sources: Mapping[str, tuple[StoredTable, FileList]]
    ) -> RolledDay:
        """A day on which what some tables have of it is rolled up anew."""
        rolled = RolledDay(self._store, day, sources)
        for name, (stored, files) in sources.items():
            here = files.chosen(files.dates == day)
            rolled.covers[name] = Cover(tuple(sorted(here.paths)))
            if len(here):
                rolled.parts.append(rolled_rows(TABLES[name], stored, here))
        return rolled

    def begin_leaving(self, name: str, files: FileList, metrics: Collection[str]) -> None:
        """Make the sums of rows final."""
        stored = self._store.tables.open(name)
        assert stored is not None
        present = stored.view().files
        leaves = np.isin(np.array(present.paths), files.paths)
        # Others have left with a block that was ended early.
        files, rest = present.chosen(leaves), present.chosen(~leaves)
        replace_days(
            self._store,
            (
                self._final(
                    stored,
                    day,
                    files.chosen(files.dates == day),
                    rest.chosen(rest.dates == day),
                    metrics,
                )
                for day in np.unique(files.dates).tolist()
            ),
        )

    def _final(
        self,
        stored: StoredTable,
        day: int,
        files: FileList,
        rest: FileList,
        metrics: Collection[str],
    ) -> RolledDay:
        """A day on which some files leave, and the rest stays."""
        table = TABLES[stored.name]
        about = f"metric IN ({', '.join(map(_text, metrics))})" if metrics else "true"
        rolled = RolledDay(self._store, day, [table.name])
        rolled.parts.append(rolled_rows(table, stored, files, where=about, is_final=True))
        if len(rest):
            rolled.parts.append(rolled_rows(table, stored, rest))
        gone = tuple(sorted(files.paths))
        rolled.covers[table.name] = Cover(
            tuple(sorted(rest.paths)), leaving=gone, leaving_metrics=tuple(sorted(metrics))
        )
        return rolled

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
        unsettled: dict[int, dict[str, Cover]] = {}
        for (name, day), cover in self._rolled.covers(rollups, files).items():
            if cover.leaving:
                unsettled.setdefault(day, {})[name] = cover
        for name in {name for covers in unsettled.values() for name in covers}:
            self._remove(name, [each[name] for each in unsettled.values() if name in each])
        replace_days(self._store, (self._settled(*each) for each in unsettled.items()))
        if state.value(_NAMESPACE, _LEAVING):
            with state.transaction() as transaction:
                transaction.set_value(_NAMESPACE, _LEAVING, "")

    def _settled(self, day: int, covers: Mapping[str, Cover]) -> RolledDay:
        """A day on which nothing leaves any more."""
        rolled = RolledDay(self._store, day, ())
        for name, cover in covers.items():
            rolled.covers[name] = msgspec.structs.replace(cover, leaving=(), leaving_metrics=())
        return rolled

    def _remove(self, name: str, covers: Sequence[Cover]) -> None:
        """Remove what is still there of rows whose sums are final."""
        stored = self._store.tables.open(name)
        if stored is None:
            return
        names = (MAINTENANCE, RETIRED)
        whole = [path for each in covers if not each.leaving_metrics for path in each.leaving]
        view = stored.view(names)
        if len(left := view.files.chosen(np.isin(np.array(view.files.paths), whole))):
            drop_files(stored, view, left)
        for cover in covers:
            if not cover.leaving_metrics:
                continue
            files = stored.view(names).files
            left = files.chosen(np.isin(np.array(files.paths), cover.leaving))
            for at in range(len(left)):
                rewrite_files(
                    stored,
                    TABLES[name],
                    stored.view(names),
                    left.chosen(np.arange(len(left)) == at),
                    without_metrics=cover.leaving_metrics,
                )


def _text(metric: str) -> str:
    return f"'{metric}'"  # a name of a metric has no quotation marks
