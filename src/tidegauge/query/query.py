# SPDX-License-Identifier: Apache-2.0
"""The questions that can be asked of a store. How each is answered is in the modules beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from tidegauge.catalog import Catalog
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import QueryError
from tidegauge.model.tables import POINTS, TABLES
from tidegauge.model.times import TimeLike, TimeRange, parse_duration_s, time_range
from tidegauge.query import sql as pieces
from tidegauge.query.accuracy import Accuracy, accuracies
from tidegauge.query.basis import FEW_ROWS
from tidegauge.query.business import Business
from tidegauge.query.compare import compare_table
from tidegauge.query.costs import Costs
from tidegauge.query.distributions import Distributions
from tidegauge.query.engine import Engine
from tidegauge.query.errors import did_you_mean, readable_errors
from tidegauge.query.features import Features
from tidegauge.query.gpu_time import GPU_BUSY, GpuTime, gpu_times, widened
from tidegauge.query.guard import check_read_only
from tidegauge.query.history import history_sql
from tidegauge.query.llm import Llm
from tidegauge.query.retired import settled_facts, view_facts
from tidegauge.query.running import run
from tidegauge.query.search import Seen, SeenMetrics, metrics_with_label, search_table
from tidegauge.query.selection import Names, Selection, Vocabulary, check_limit, label_text
from tidegauge.query.series import (
    Measure,
    Series,
    Step,
    check_statistic,
    check_step,
    measure_of,
    measure_series,
    metric_series,
    whole_steps,
)
from tidegauge.query.stats import group_keys, stats_table
from tidegauge.query.summary import summarise
from tidegauge.query.unknown import refuse_unknown
from tidegauge.query.versions import Versions
from tidegauge.query.vocabulary import metrics_table
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.store import Store

if TYPE_CHECKING:
    import duckdb

__all__ = ["Query"]

_Result = TypeVar("_Result")

_ALWAYS = TimeRange()


class Query:
    """Asks a store. Every answer is one consistent view with the newest facts in it.

    Safe to share between threads. Times are UTC; ranges are half-open, `[start, end)`.

    What the methods have in common:

    - A metric is named by its full name, a bare name or an alias; facts recorded under a name that
      was given up are found under the one that replaced it, and are shown under it.
    - A range is the last `hours` or `days`, or from `start` to `end`; either end may be left out.
    - Keyword arguments that are not parameters choose facts by a dimension (`model`, `run_id`, …)
      or label: a text or whole number, a list of which any may be, or None for facts without it.
      A label that has the name of a parameter goes into `labels`.
    - They raise `QueryError` for a question that makes no sense, such as a name that is neither
      declared nor was ever recorded (with the most similar names), `MetricValidationError` for a
      name that is none, and `StoreError` if the store cannot be read. Ctrl-C ends them.

    Args:
        store: The store.
        catalog: Names, kinds, units and directions.
        clock: What `hours` and `days` count back from.
        memory_limit: Most memory of all queries together, such as `2GB`; DuckDB's default if None.
        threads: Most threads of all queries together; one per CPU if None.
        time_zone: Whose days trends of features, and cost, are of.
        few_rows: Of about so many rows of a table, statistics of features do not use rollups.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        clock: Clock = SYSTEM_CLOCK,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        time_zone: str = "UTC",
        few_rows: int = FEW_ROWS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vocabulary = Vocabulary(catalog)
        self._engine = Engine(
            store, metrics_table(catalog), memory_limit=memory_limit, threads=threads
        )
        self._seen = SeenMetrics()
        self._rolled = RolledFiles()
        #: Statistics of features and their users.
        self.features = Features(
            store, self._engine, catalog, clock, time_zone=time_zone, few_rows=few_rows
        )
        #: How values are distributed.
        self.distributions = Distributions(
            store, self._engine, self._vocabulary, self._rolled, clock
        )
        #: What clouds bill.
        self.costs = Costs(self._engine, clock)
        #: Usage and cost of language models.
        self.llm = Llm(store, self._engine, clock, time_zone=time_zone)
        #: What it was worth.
        self.business = Business(self._select, self._ask, self._vocabulary, self.features)
        #: Which version of a model is better.
        self.versions = Versions(self._engine, self._vocabulary, clock)

    def history(
        self,
        name: Names,
        *,
        hours: float | None = None,
        days: float | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        limit: int | None = None,
        lazy: bool = False,
        labels: Mapping[str, object] | None = None,
        **more_labels: object,
    ) -> duckdb.DuckDBPyRelation:
        """Every single value of a metric; see `tidegauge.history`."""
        chosen = self._select(
            name, labels, more_labels, hours=hours, days=days, start=start, end=end
        )
        if limit is not None:
            check_limit(limit)
        connection = self._engine.connect()
        self._engine.view(connection, [POINTS.name], chosen.time_range)
        rows = run(connection, "history", lambda: history_sql(connection, chosen, limit))
        if lazy:
            with readable_errors("history"):
                return connection.sql(rows)
        relation = run(connection, "history", lambda: connection.sql(rows).materialize())
        found = {name for (name,) in relation.unique("metric").fetchall()}
        self._refuse_missing(chosen, found)
        return relation

    def stats(
        self,
        name: Names,
        *,
        hours: float | None = None,
        days: float | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        by: str | Sequence[str] = (),
        labels: Mapping[str, object] | None = None,
        **more_labels: object,
    ) -> pa.Table:
        """Statistics of a metric: one row, or one for each group; see `tidegauge.stats`."""
        chosen = self._select(
            name, labels, more_labels, hours=hours, days=days, start=start, end=end
        )
        keys = group_keys(by)
        now_ns = self._clock.wall_ns()
        table = self._ask(
            "stats",
            chosen,
            lambda connection: stats_table(connection, self._vocabulary, chosen, keys, now_ns),
        )
        unknown = [
            name for name in keys if table[name].null_count == len(table) and name != "metric"
        ]
        counts = zip(table["metric"].to_pylist(), table["count"].to_pylist(), strict=True)
        names = [each.removeprefix("label.") for each in unknown if each not in ("hour", "day")]
        self._refuse_missing(chosen, {metric for metric, count in counts if count}, names)
        return table

    def search(
        self, text: str = "", *, prefix: str = "", category: str = "", label: str = ""
    ) -> pa.Table:
        """Metrics that are declared, recorded, or both; see `tidegauge.search`."""
        for given in (text, prefix, category, label):
            if not isinstance(given, str):
                raise QueryError("what is searched for must be text", got=given)
        connection = self._engine.connect()

        def look() -> tuple[dict[str, Seen], frozenset[str]]:
            found = settled_facts(self._store, self._rolled, _ALWAYS)
            seen = self._seen.look(connection, found)
            if not label:
                return seen, frozenset()
            view_facts(connection, found)
            return seen, metrics_with_label(connection, label)

        seen, with_label = run(connection, "search", look)
        return search_table(
            self._vocabulary,
            seen,
            text=text,
            prefix=prefix,
            category=category,
            label=label,
            with_label=with_label,
        )

    def compare(
        self,
        a: str | int,
        b: str | int,
        *,
        by: str = "run_id",
        metrics: Names = None,
        hours: float | None = None,
        days: float | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        labels: Mapping[str, object] | None = None,
        **more_labels: object,
    ) -> pa.Table:
        """Two runs, versions or models side by side; see `tidegauge.compare`."""
        a, b = label_text(by, a), label_text(by, b)
        if not isinstance(by, str):
            raise QueryError(
                "sides cannot be told apart by this",
                got=by,
                allowed="the name of a dimension or label",
            )
        if a == b:
            raise QueryError("both sides of the comparison are the same", got=a)
        if by in more_labels or by in (labels or {}):
            raise QueryError("facts cannot be chosen by what is compared", got=by)
        chosen = self._select(
            metrics,
            labels,
            {**more_labels, by: [a, b]},
            hours=hours,
            days=days,
            start=start,
            end=end,
        )
        table = self._ask(
            "compare",
            chosen,
            lambda connection: compare_table(connection, self._vocabulary, chosen, by, a, b),
        )
        rows = table.select(["metric", "n_a", "n_b"]).to_pylist()
        found = {row["metric"] for row in rows if row["n_a"] or row["n_b"]}
        self._refuse_missing(chosen, found)
        for side, name in (("n_a", a), ("n_b", b)):
            if not any(row[side] for row in rows):
                raise self._no_such_side(by, name)
        return table

    @property
    def now_ns(self) -> int:
        """The present time, nanoseconds since 1970."""
        return self._clock.wall_ns()

    def series(
        self,
        name: str,
        *,
        by: Step = "day",
        statistic: str | None = None,
        hours: float | None = None,
        days: float | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        labels: Mapping[str, object] | None = None,
        **more_labels: object,
    ) -> list[Series]:
        """A number for each hour or day: of a metric, of each metric of a pattern, or of a column.

        Only whole hours and days count, and so not the present one.

        Args:
            name: A metric or a pattern; or a numeric column of a typed table, such as
                `predictions.latency_s`.
            by: `hour` or `day`, UTC.
            statistic: One of `STATISTICS`; if None, the sum of counters and of what the catalogue
                says is summed, the largest value where it says so, and else the mean.
            hours: Length of the range up to now, or up to `end`.
            days: The same in days.
            start: Beginning of the range.
            end: End of the range, not in it.
            labels: Labels that have the name of a parameter.
            more_labels: Dimensions and labels to choose by.

        Returns:
            One for each metric with facts; none if there are no facts.
        """
        check_step(by)
        check_statistic(statistic)
        measure = measure_of(name)
        asked = self._select(
            name if measure is None else None,
            labels,
            more_labels,
            hours=hours,
            days=days,
            start=start,
            end=end,
        )
        reaches_back = hours is not None or days is not None
        chosen = asked.within(
            whole_steps(asked.time_range, by, self._clock.wall_ns(), reaches_back=reaches_back)
        )
        if measure is not None:
            found = self._measured(measure, chosen, by, statistic)
            return [] if found is None else [found]
        series = self._ask(
            "series",
            chosen,
            lambda connection: metric_series(
                connection, self._vocabulary, chosen, by=by, statistic=statistic
            ),
        )
        self._refuse_missing(chosen, {each.name for each in series})
        return series

    def sql(
        self,
        query: str,
        params: Sequence[object] | Mapping[str, object] | None = None,
        *,
        timeout_s: float | None = None,
        lazy: bool = False,
    ) -> duckdb.DuckDBPyRelation:
        """Ask in SQL, in DuckDB's dialect; see `tidegauge.sql`."""
        connection = self._engine.connect()
        statement = check_read_only(connection, query)
        named = [name for name in TABLES if name in statement.tables]
        self._engine.view(
            connection, named, canonical=self._vocabulary.canonical, named=statement.columns
        )
        if statement.lists_tables:
            self._engine.outline(connection, [name for name in TABLES if name not in named])
        values = list(params) if isinstance(params, Sequence) else params

        def compute() -> duckdb.DuckDBPyRelation:
            relation = connection.sql(query, params=values)
            return relation if lazy else relation.materialize()

        if lazy and timeout_s is not None:
            raise QueryError(
                "a lazy query has no time limit", got=timeout_s, fix="Leave out one of the two."
            )
        limit_s = None if timeout_s is None else parse_duration_s(timeout_s)
        return run(connection, query, compute, timeout_s=limit_s, tables=(*TABLES, "metrics"))

    def accuracies(self) -> list[Accuracy]:
        """The accuracy of every model version of which ground truths are known."""
        return accuracies(self._engine)

    def gpu_times(
        self,
        *,
        hours: float | None = None,
        days: float | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        **labels: object,
    ) -> list[GpuTime]:
        """For how long each GPU was watched, and busy; see `tidegauge.resources.gpu_hours`."""
        now_ns = self._clock.wall_ns()
        asked = time_range(now_ns=now_ns, hours=hours, days=days, start=start, end=end)
        chosen = self._vocabulary.select(GPU_BUSY, labels, widened(asked, now_ns))
        connection = self._engine.connect()
        self._engine.view(connection, [POINTS.name], chosen.time_range)
        return run(connection, "gpu_times", lambda: gpu_times(connection, chosen, asked, now_ns))

    def latest(self, **labels: object) -> dict[str, float]:
        """The newest value of every metric among the chosen facts, by full name.

        Args:
            labels: Dimensions and labels to choose by.
        """
        chosen = self._vocabulary.select(None, labels, _ALWAYS)
        found = self._ask(
            "latest",
            chosen,
            lambda connection: summarise(connection, chosen.where, [chosen.metric]),
        )
        return {summary.key[0]: summary.last for summary in found}

    def check_known(self, names: Names) -> None:
        """Make sure that metrics are declared, or were recorded at some time.

        Raises:
            QueryError: One is neither; the error names what is similar.
        """
        self._refuse_unknown(self._vocabulary.select(names, {}, _ALWAYS), ())

    def close(self) -> None:
        """Give memory back; the next question opens what it needs again."""
        self._engine.close()

    def _measured(
        self, measure: Measure, chosen: Selection, by: Step, statistic: str | None
    ) -> Series | None:
        connection = self._engine.connect()
        self._engine.view(connection, [measure.table.name], chosen.time_range)
        return run(
            connection,
            "series",
            lambda: measure_series(connection, measure, chosen, by=by, statistic=statistic),
        )

    def _ask(
        self,
        question: str,
        chosen: Selection,
        work: Callable[[duckdb.DuckDBPyConnection], _Result],
    ) -> _Result:
        """Do work on the facts of a time range as they are now."""
        connection = self._engine.connect()

        def on_facts() -> _Result:
            with readable_errors(POINTS.name):
                facts = settled_facts(self._store, self._rolled, chosen.time_range)
                view_facts(connection, facts)
            return work(connection)

        return run(connection, question, on_facts)

    def _select(
        self,
        names: Names,
        labels: Mapping[str, object] | None,
        more_labels: Mapping[str, object],
        **given: Any,
    ) -> Selection:
        if labels is not None and not isinstance(labels, Mapping):
            raise QueryError(
                "labels are not a dict", got=labels, allowed="a dict of names to values"
            )
        chosen = time_range(now_ns=self._clock.wall_ns(), **given)
        return self._vocabulary.select(names, {**(labels or {}), **more_labels}, chosen)

    def _refuse_missing(
        self, chosen: Selection, found: set[str], groups: Sequence[str] = ()
    ) -> None:
        """Raise if a metric that was not found, or a label that no fact has, is known to nobody."""
        if not found:
            self._refuse_unknown(chosen, (*chosen.labels, *groups))
        elif groups or not found.issuperset(chosen.metrics):
            self._refuse_unknown(chosen, groups)

    def _refuse_unknown(self, chosen: Selection, labels: Sequence[str]) -> None:
        connection = self._engine.connect()
        view_facts(connection, settled_facts(self._store, self._rolled, _ALWAYS))
        refuse_unknown(connection, self._vocabulary, chosen, labels)

    def _no_such_side(self, by: str, name: str) -> QueryError:
        connection = self._engine.connect()
        view_facts(connection, settled_facts(self._store, self._rolled, _ALWAYS))
        column = pieces.label(by)
        rows = connection.execute(
            f"SELECT DISTINCT {column} FROM points UNION SELECT DISTINCT {column} FROM intervals"
        ).fetchall()
        sides = [side for (side,) in rows if side is not None]
        return QueryError(
            f"no fact that was chosen has this {by}",
            got=name,
            fix="Ask for another time or other labels."
            if name in sides
            else did_you_mean(name, sides),
        )
