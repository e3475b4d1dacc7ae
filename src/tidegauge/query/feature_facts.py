# SPDX-License-Identifier: Apache-2.0
"""Looking at what one typed table measures, in a range of time, for some features and labels."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import msgspec
import numpy as np

from tidegauge.model.columns import Table
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.basis import FEW_ROWS, Basis, view_measures
from tidegauge.query.engine import Engine
from tidegauge.query.errors import readable_errors
from tidegauge.query.selection import about_time, about_value
from tidegauge.query.summary import PERCENTILES, Key, Summary, joined, summarise
from tidegauge.statistics.histogram import ExponentialHistogram
from tidegauge.store.measured import SKETCH_VALUES, distinct_count, hash_sql, rolled_of
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.rolled_histograms import RolledHistograms
from tidegauge.store.rolling import DAY_S
from tidegauge.store.store import Store

__all__ = ["Chosen", "FeatureFacts", "Look"]


class Chosen(msgspec.Struct, frozen=True):
    """Which facts a question is about.

    Attributes:
        time_range: When they happened.
        columns: What columns of the table must hold: a text or whole number, a list of texts of
            which any may be, or None for rows without one. Others than the table's are left out.
        about_labels: SQL that is true for facts with the labels asked for.
    """

    time_range: TimeRange
    columns: Mapping[str, object] = {}
    about_labels: str = "true"

    def where(self, table: Table) -> str:
        """SQL that is true for the facts.

        Raises:
            QueryError: What a column must hold cannot be searched for.
        """
        by = rolled_of(table).by
        about = (about_value(name, name, each) for name, each in self.columns.items() if name in by)
        return " AND ".join([self.about_labels, *about])


class FeatureFacts:
    """Looks at the typed tables of a store. Safe to share between threads.

    Args:
        store: The store.
        engine: Opens connections to it.
        few_rows: Of so many rows of a table, rollups are not used; see `view_measures`.
    """

    def __init__(self, store: Store, engine: Engine, *, few_rows: int = FEW_ROWS) -> None:
        self._store = store
        self._engine = engine
        self._rolled = RolledFiles()
        self._few_rows = few_rows

    @contextmanager
    def look(self, table: Table, chosen: Chosen, *, grain_s: int = DAY_S) -> Iterator[Look]:
        """Look at one table as it is now.

        Args:
            table: The table.
            chosen: Which of its facts.
            grain_s: Longest time that a rollup may stand for.

        Raises:
            StoreError: The store cannot be read.
            QueryError: DuckDB cannot answer.
        """
        connection = self._engine.connect()
        try:
            with readable_errors(table.name):
                basis = view_measures(
                    connection,
                    self._store,
                    self._rolled,
                    table,
                    chosen.time_range,
                    grain_s=grain_s,
                    few_rows=self._few_rows,
                )
                yield Look(connection, table, chosen.where(table), basis)
        finally:
            connection.close()

    @contextmanager
    def rows(self, table: Table, chosen: Chosen) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """A connection with a view of a table, and SQL that is true for the chosen rows.

        Args:
            table: The table.
            chosen: Which of its rows.

        Raises:
            StoreError: The store cannot be read.
            QueryError: DuckDB cannot answer.
        """
        connection = self._engine.connect()
        try:
            with readable_errors(table.name):
                self._engine.view(connection, [table.name], chosen.time_range)
                yield connection, f"{chosen.where(table)} AND {about_time(chosen.time_range)}"
        finally:
            connection.close()


class Look:
    """One table at one moment.

    Attributes:
        connection: Has the views of `view_measures`.
        basis: What they were made of.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: Table, where: str, basis: Basis
    ) -> None:
        self.connection = connection
        self.basis = basis
        self._table = table
        self._where = where
        self._histograms: RolledHistograms | None = None
        # By condition: what was summed up first, and what was merged; fewer keys follow from more.
        self._summed_before: dict[str, tuple[tuple[str, ...], dict[Key, Summary]]] = {}
        self._merged_before: dict[str, tuple[tuple[str, ...], dict[Key, ExponentialHistogram]]] = {}

    def groups(
        self,
        *keys: str,
        measures: Sequence[str] | None = None,
        where: str = "true",
        quantiles: bool = True,
    ) -> dict[tuple[str | int | None, ...], Summary]:
        """Summaries by the values of columns, and in the end by measure.

        Args:
            keys: SQL for what the groups are told apart by.
            measures: Which measures; all if None.
            where: SQL that is true for the facts, besides what was chosen.
            quantiles: Whether percentiles are wanted.
        """
        where = f"{self._where} AND {where}"
        if measures is not None:
            where += f" AND measure IN {sql.text_list(measures)}"
        names = (*keys, "measure")
        if (derived := self._derived(where, names, quantiles=quantiles)) is not None:
            return derived
        found = summarise(
            self.connection,
            where,
            names,
            quantiles=quantiles,
            points=self.basis.rows > 0,
            intervals=len(self.basis.rollups) > 0,
            merge=self._merged,
        )
        groups = {summary.key: summary for summary in found}
        if not self.basis.rows and quantiles:
            self._summed_before.setdefault(where, (names, groups))
        return groups

    def _derived(
        self, where: str, names: tuple[str, ...], *, quantiles: bool
    ) -> dict[Key, Summary] | None:
        """Groups that are made of finer ones; None if those are not known, or not enough.

        Single values must be looked at again for exact percentiles; rollups must not.
        """
        finer, groups = self._summed_before.get(where, ((), {}))
        if not set(names).issubset(finer):
            return None
        places = [finer.index(name) for name in names]
        found: dict[Key, Summary] = {}
        for key, summary in groups.items():
            coarse = tuple(key[place] for place in places)
            both = joined(found[coarse], summary) if coarse in found else summary
            found[coarse] = msgspec.structs.replace(both, key=coarse)
        merged = _coarser(self._merged_before[where], names) if quantiles and groups else {}
        for key, histogram in merged.items():
            shares = tuple(histogram.quantiles(PERCENTILES))
            error = histogram.error_bound
            found[key] = msgspec.structs.replace(
                found[key], quantiles=shares, percentile_error=error
            )
        return found

    def distinct(self, column: str, sketch: str, measure: str) -> tuple[int, float]:
        """How many distinct values a column has, and the relative standard error of that.

        Args:
            column: The column.
            sketch: The column of rollups with its sketches.
            measure: The measure that counts the rows.
        """
        chosen = f"{self._where} AND measure = {sql.text(measure)}"
        in_rows = f"FROM points WHERE {column} IS NOT NULL AND {chosen}"
        if not (self.basis.rows or len(self.basis.rollups)):
            return 0, 0.0
        if not len(self.basis.rollups):
            found = self.connection.execute(f"SELECT count(DISTINCT {column}) {in_rows}").fetchone()
            assert found is not None
            return int(found[0]), 0.0
        places = self.connection.execute(f"SELECT place FROM intervals WHERE {chosen}").fetchall()
        hashes: list[tuple[int]] = []
        if self.basis.rows:
            hashes = self.connection.execute(
                f"SELECT DISTINCT {hash_sql(column)} AS hash {in_rows} "
                f"ORDER BY hash LIMIT {SKETCH_VALUES}"
            ).fetchall()
        is_chosen = np.zeros(len(self.basis.rollups), bool)
        is_chosen[[place for (place,) in places]] = True
        kept, start = [np.array([value for (value,) in hashes], np.int64)], 0
        for part in self.basis.parts:
            rows = is_chosen[start : start + len(part.rows)]
            kept.append(part.sketches[sketch].chosen(rows))
            start += len(rows)
        return distinct_count(np.concatenate(kept))

    def _merged(
        self, where: str, keys: Sequence[str], groups: Mapping[Key, Summary]
    ) -> dict[Key, ExponentialHistogram]:
        """The histograms of rollups by group."""
        known = self._merged_before.get(where, ((), {}))
        if set(keys).issubset(known[0]):
            return _coarser(known, keys)
        if self._histograms is None:
            self._histograms = RolledHistograms.joined(
                [each.histograms for each in self.basis.parts]
            )
        rows = self.connection.execute(
            f"SELECT {', '.join(keys)}, list(place) FROM intervals WHERE {where} GROUP BY ALL"
        ).fetchall()
        found = {tuple(key): places for *key, places in rows if tuple(key) in groups}
        number_of = np.full(len(self.basis.rollups), -1)
        for number, places in enumerate(found.values()):
            number_of[places] = number
        ends = [(groups[key].smallest, groups[key].largest) for key in found]
        merged = dict(zip(found, self._histograms.merged(number_of, ends), strict=True))
        # The first, as of the sums: what is made of both has to have the same keys.
        self._merged_before.setdefault(where, (tuple(keys), merged))
        # Whoever asked adds single values to them, where there are any.
        return copy.deepcopy(merged) if self.basis.rows else merged


def _coarser(
    known: tuple[tuple[str, ...], dict[Key, ExponentialHistogram]], keys: Sequence[str]
) -> dict[Key, ExponentialHistogram]:
    """Histograms by some of the keys that others are known by."""
    places = [known[0].index(key) for key in keys]
    merged: dict[Key, ExponentialHistogram] = {}
    for key, histogram in known[1].items():
        coarse = tuple(key[place] for place in places)
        merged.setdefault(coarse, ExponentialHistogram()).merge(histogram)
    return merged
