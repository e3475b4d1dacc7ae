# SPDX-License-Identifier: Apache-2.0
"""The questions programs ask, put to the store that is in force when they are asked.

Importing this loads nothing heavy. `tidegauge.config` says which store that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tidegauge.model.times import TimeLike

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from tidegauge.query.query import Query

__all__ = ["compare", "history", "reader", "search", "sql", "stats"]


class _Reader:
    """Holds the way to the process's `Query`, so that the functions below need not know it."""

    find: Callable[[], Query]


reader = _Reader()


def history(
    name: str | Sequence[str] | None,
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
    """Every single value of a metric, in the order of time, then of step.

    Values of handles with `aggregate=…` are not kept singly: see `stats`, or the table `intervals`
    in `sql`.

    Args:
        name: A metric, a list of metrics, or a pattern such as `model:*`.
        hours: Length of the range up to now, or up to `end`.
        days: Length of the range up to now, or up to `end`.
        start: Beginning of the range: a datetime, ISO 8601 text, or seconds since 1970.
        end: End of the range, not in it.
        limit: Only the newest so many.
        lazy: Compute the rows when they are asked for; see `sql`.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by: a text or whole number, a list of which any
            may be, or None for facts without it.

    Returns:
        A DuckDB relation of `time`, `metric`, `value`, `step`, the six dimensions, `labels` and
        `metadata`: `.df()` gives pandas, `.pl()` polars, `.to_arrow_table()` Arrow.

    Raises:
        QueryError: The question makes no sense, such as a name that was never recorded.

    Example:
        >>> import tidegauge as tg
        >>> tg.log_metric("model:accuracy", 0.5)
        >>> tg.history("model:accuracy", hours=1, limit=1).fetchall()[0][2]
        0.5
    """
    return reader.find().history(
        name,
        hours=hours,
        days=days,
        start=start,
        end=end,
        limit=limit,
        lazy=lazy,
        labels=labels,
        **more_labels,
    )


def stats(
    name: str | Sequence[str] | None,
    *,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    by: str | Sequence[str] = (),
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> pa.Table:
    """Count, mean, std, min, max, p50, p95, p99, first and last of a metric, or of each group.

    Single values and the intervals of handles with `aggregate=…` count together. An interval
    belongs to the range if its start does. Its first value counts as recorded at its start and its
    last at its end, since nothing more exact is kept: such a last value comes after single values
    that were recorded meanwhile. Percentiles are exact where all values of a group are kept singly;
    with intervals they come from a histogram, and `percentile_error` says how far off they may be.

    Args:
        name: A metric, a list of metrics, or a pattern such as `model:*`.
        hours: Length of the range up to now, or up to `end`.
        days: Length of the range up to now, or up to `end`.
        start: Beginning of the range: a datetime, ISO 8601 text, or seconds since 1970.
        end: End of the range, not in it.
        by: What groups are told apart by: dimensions, labels (`label.x` where `x` means something
            else), `hour`, `day`; always the metric, too.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by, as for `history`.

    Returns:
        An Arrow table: `metric`, the groups' columns, `count`, `mean`, `std` (of a sample; null for
        one value, and where intervals have values so far from zero compared with their spread that
        their sums no longer tell it, such as 1e9 ± 1), `min`, `max`, `p50`, `p95`, `p99`, `first`,
        `last`, `sum` and `rate_per_s` (both for counters only; a rate is over the range up to now,
        within the hour or day of the group, and null if nothing says when that begins),
        `percentiles` (`exact` or `histogram`) and `percentile_error` (relative). Without `by` there
        is a row for every metric named, with count 0 and nulls if it has no facts; a group without
        facts has no row.

    Raises:
        QueryError: The question makes no sense, such as a name that was never recorded.

    Example:
        >>> import tidegauge as tg
        >>> tg.log_metric("model:accuracy", 0.5, model="fraud")
        >>> tg.stats("model:accuracy", hours=24, by=["model"]).to_pylist()[0]["model"]
        'fraud'
    """
    return reader.find().stats(
        name,
        hours=hours,
        days=days,
        start=start,
        end=end,
        by=by,
        labels=labels,
        **more_labels,
    )


def search(text: str = "", *, prefix: str = "", category: str = "", label: str = "") -> pa.Table:
    """Metrics that are declared, recorded, or both, and meet every condition given.

    The first call of a process reads the metric, model and time of every fact, later calls only
    those of new files. With `label`, all labels are read each time.

    Args:
        text: Words that must all occur in the name, the aliases or the description.
        prefix: What the full name, or the name without its category, begins with.
        category: The category.
        label: A dimension or label that is declared or was recorded with the metric.

    Returns:
        An Arrow table, best match first: `metric`, `kind`, `unit`, `description`, `direction`,
        `in_catalogue`, `count` (values recorded), `first_seen`, `last_seen`, `models`. Values that
        were retired count as well; their times are known to the hour.

    Example:
        >>> import tidegauge as tg
        >>> tg.search("reply")["metric"].to_pylist()
        ['usage:reply_rate']
    """
    return reader.find().search(text, prefix=prefix, category=category, label=label)


def compare(
    a: str | int,
    b: str | int,
    *,
    by: str = "run_id",
    metrics: str | Sequence[str] | None = None,
    hours: float | None = None,
    days: float | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    labels: Mapping[str, object] | None = None,
    **more_labels: object,
) -> pa.Table:
    """Two runs, versions or models side by side, with the uncertainty of the difference.

    A metric is compared by its mean, last value, sum or maximum, as the catalogue says its values
    combine. The difference of two means has a standard error and Welch's interval; all intervals of
    one answer hold together with 95 % (Bonferroni), and values that follow one another count for
    fewer. What has no interval has a `reason`.

    Args:
        a: What is compared with: a run, a version, …, as text or a whole number.
        b: What is compared.
        by: The dimension or label that `a` and `b` are values of.
        metrics: A metric, a list of metrics, or a pattern; all if None.
        hours: Length of the range up to now, or up to `end`.
        days: Length of the range up to now, or up to `end`.
        start: Beginning of the range: a datetime, ISO 8601 text, or seconds since 1970.
        end: End of the range, not in it.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by, as for `history`.

    Returns:
        An Arrow table, a row per metric: `metric`, `statistic`, `unit`, `direction`, `n_a`, `n_b`,
        `a`, `b`, `difference` (b less a), `relative` (of a's magnitude), `standard_error`, `low`,
        `high`, `verdict` and `reason`. The verdict is on b: `better`, `worse`, `equal`, `unclear`
        (the interval covers zero, or there is none for a mean), `no direction`, `only in a`, `only
        in b`, `in neither`.

    Raises:
        QueryError: A side has no facts at all (it names the sides there are), or the question makes
            no sense.

    Example:
        >>> import tidegauge as tg
        >>> tg.log_metric("model:accuracy", 0.5, model_version="1")
        >>> tg.log_metric("model:accuracy", 0.6, model_version="2")
        >>> tg.compare("1", "2", by="model_version").to_pylist()[0]["metric"]
        'model:accuracy'
    """
    return reader.find().compare(
        a,
        b,
        by=by,
        metrics=metrics,
        hours=hours,
        days=days,
        start=start,
        end=end,
        labels=labels,
        **more_labels,
    )


def sql(
    query: str,
    params: Sequence[object] | Mapping[str, object] | None = None,
    *,
    timeout_s: float | None = None,
    lazy: bool = False,
) -> duckdb.DuckDBPyRelation:
    """Ask in SQL, in DuckDB's dialect; see docs/reference/sql.md for tables and columns.

    It can only read: the tables of the store as views of their names, and `metrics`, the catalogue.
    `points.metric` and `intervals.metric` show the names metrics have today.

    Args:
        query: One statement.
        params: Values for `?` or `$1` in a list, or for `$name` in a mapping.
        timeout_s: Most seconds to compute for.
        lazy: Do not compute the rows now, but each time they are asked for, from the facts as they
            are now and for as long as maintenance keeps their files. Good for results that should
            not be held in memory; `.to_arrow_reader()` reads them in batches. Ctrl-C may then go
            unheard by DuckDB, and what goes wrong is DuckDB's error, which
            `tidegauge.query.errors.readable_errors` turns into ours.

    Returns:
        A DuckDB relation: `.df()` gives pandas, `.pl()` polars, `.to_arrow_table()` Arrow,
        `.fetchall()` tuples, and printing it a table.

    Raises:
        QueryError: The statement cannot be parsed, does more than read, names a column or table
            that does not exist, or took longer than `timeout_s`.

    Example:
        >>> import tidegauge as tg
        >>> tg.log_metric("model:accuracy", 0.5)
        >>> tg.sql("SELECT count(*) > 0 FROM points").fetchall()
        [(True,)]
    """
    return reader.find().sql(query, params, timeout_s=timeout_s, lazy=lazy)
