# SPDX-License-Identifier: Apache-2.0
"""A table and its rollups as they were at one moment, so that no fact is in both or in neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import ROLLUPS
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.store.files import NO_FILES, FileList
from tidegauge.store.rolled import Cover, RolledFiles, final_rows
from tidegauge.store.snapshot import Snapshot, snapshot
from tidegauge.store.store import Store
from tidegauge.store.stored_table import StoredTable

__all__ = ["Settled", "settled", "whole_days"]

_ATTEMPTS = 20
_DAY_NS = 86_400 * 10**9


class Settled(NamedTuple):
    """A table and its rollups at one moment.

    Attributes:
        taken: The table.
        rollups: The table `rollups`; None if nothing was ever rolled up.
        days: Its files, one for each day that the range touches.
        covers: What the rollups of the table stand for, by day since 1970.
    """

    taken: Snapshot
    rollups: StoredTable | None
    days: FileList
    covers: dict[int, Cover]

    @property
    def final_paths(self) -> list[str]:
        """The files of rollups with sums of rows that are gone."""
        pairs = zip(self.days.paths, self.days.dates.tolist(), strict=True)
        return [path for path, day in pairs if day in self.covers and self.covers[day].n_final]

    def final(self, path: str) -> pa.Table:
        """The sums by hour, in one of these files, of rows that are gone."""
        assert self.rollups is not None
        return final_rows(self.rollups, path, self.taken.table.name).rows

    @property
    def leaving(self) -> FileList:
        """The files of which rows are about to be removed, whose sums are final."""
        files = self.taken.files
        return files.chosen(self._is_leaving(files))

    @property
    def staying(self) -> Snapshot:
        """The table without these."""
        return replace(
            self.taken, files=self.taken.files.chosen(~self._is_leaving(self.taken.files))
        )

    def _is_leaving(self, files: FileList) -> np.ndarray[Any, np.dtype[np.bool_]]:
        paths = {path for cover in self.covers.values() for path in cover.leaving}
        return np.array([path in paths for path in files.paths], bool)

    def register(
        self, connection: duckdb.DuckDBPyConnection, name: str, files: FileList | None = None
    ) -> None:
        """Make the rows whose sums are not final a temporary view of a connection.

        Args:
            connection: The connection.
            name: The view's.
            files: Only these of the table's files, and what is in the journals only; all if None.
        """
        files = self.taken.files if files is None else files
        paths = np.array(files.paths, dtype=object)
        partly = [each for each in self.covers.values() if each.leaving and each.leaving_metrics]
        staying = replace(self.taken, files=files.chosen(~self._is_leaving(files)))
        if not partly:
            staying.register(connection, name)
            return
        staying.register(connection, f"{name}__staying")
        arms = [f"SELECT * FROM {sql.quoted(f'{name}__staying')}"]
        for number, cover in enumerate(partly):
            arm = f"{name}__leaving_{number}"
            chosen = files.chosen(np.isin(paths, cover.leaving))
            replace(self.taken, files=chosen, tail=self.taken.tail.slice(0, 0)).register(
                connection, arm
            )
            arms.append(
                f"SELECT * FROM {sql.quoted(arm)} "
                f"WHERE metric NOT IN {sql.text_list(cover.leaving_metrics)}"
            )
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {sql.quoted(name)} AS {' UNION ALL BY NAME '.join(arms)}"
        )


def settled(
    store: Store,
    rolled: RolledFiles,
    table: str,
    time_range: TimeRange,
    *,
    rows_within: TimeRange | None = None,
) -> Settled:
    """Look at a table and at its rollups.

    Sums become final, then their rows are removed, then that is noted: a commit to `rollups` before
    and after. So where nothing has become final, or been noted, since before the snapshot was
    taken, both fit together.

    Args:
        store: The store.
        rolled: Reads rollups.
        table: The table's name.
        time_range: Of which time rollups are wanted.
        rows_within: Of which time rows are wanted; all if None.

    Raises:
        StoreError: The store cannot be read, or rows were removed during every attempt.
    """
    before = _look(store, rolled, table, time_range)
    for _ in range(_ATTEMPTS):
        taken = snapshot(store, table, rows_within)
        after = _look(store, rolled, table, time_range)
        if _gone(before[2]) == _gone(after[2]):
            return Settled(taken, *before)
        before = after
    raise StoreError(
        "rows were removed during every attempt to read the table",
        got=table,
        fix="Ask again.",
    )


def _look(
    store: Store, rolled: RolledFiles, table: str, time_range: TimeRange
) -> tuple[StoredTable | None, FileList, dict[int, Cover]]:
    stored = store.tables.open(ROLLUPS.name)
    if stored is None:
        return None, NO_FILES, {}
    days = stored.view().files.within(whole_days(time_range))
    covers = rolled.covers(stored, days)
    return stored, days, {day: cover for (name, day), cover in covers.items() if name == table}


def _gone(covers: dict[int, Cover]) -> dict[int, tuple[object, ...]]:
    return {
        day: (cover.leaving, cover.leaving_metrics, cover.n_final)
        for day, cover in covers.items()
        if cover.leaving or cover.n_final
    }


def whole_days(time_range: TimeRange) -> TimeRange:
    """The range with the days it touches, for the rollups of a day lie at its beginning."""
    start_ns, end_ns = time_range.start_ns, time_range.end_ns
    return TimeRange(
        None if start_ns is None else start_ns // _DAY_NS * _DAY_NS,
        None if end_ns is None else -(-end_ns // _DAY_NS) * _DAY_NS,
    )
