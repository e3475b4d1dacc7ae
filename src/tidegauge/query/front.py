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
    """Every single value of a metric, in the order of time.

    Args:
        name: A metric, a list of metrics, or a pattern such as `model:*`.
        hours: Length of the range up to now.
        days: Length of the range up to now.
        start: Beginning of the range: a datetime, ISO 8601 text, or seconds since 1970.
        end: End of the range, not in it.
        limit: Only the newest so many.
        lazy: Compute the rows when they are asked for; see `tidegauge.query.query.Query.sql`.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        A DuckDB relation of `time`, `metric`, `value`, `step`, the dimensions, `labels` and
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

    Args:
        name: A metric, a list of metrics, or a pattern such as `model:*`.
        hours: Length of the range up to now.
        days: Length of the range up to now.
        start: Beginning of the range: a datetime, ISO 8601 text, or seconds since 1970.
        end: End of the range, not in it.
        by: What groups are told apart by: dimensions, labels, `hour`, `day`.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        An Arrow table with a row per metric and group. Without facts: a count of 0, and None for
        all else. Percentiles are exact, or say how far off they may be; see
        `tidegauge.query.query.Query.stats` for all columns.

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

    Args:
        text: Words that must all occur in the name, the aliases or the description.
        prefix: What the full name, or the name without its category, begins with.
        category: The category.
        label: A dimension or label that is declared or was recorded with the metric.

    Returns:
        An Arrow table, best match first: `metric`, `kind`, `unit`, `description`, `direction`,
        `in_catalogue`, `count`, `first_seen`, `last_seen`, `models`.

    Example:
        >>> import tidegauge as tg
        >>> tg.search("reply")["metric"].to_pylist()
        ['usage:reply_rate']
    """
    return reader.find().search(text, prefix=prefix, category=category, label=label)


def compare(
    a: str,
    b: str,
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

    Args:
        a: What is compared with: a run, a version, …
        b: What is compared.
        by: The dimension or label that `a` and `b` are values of.
        metrics: A metric, a list of metrics, or a pattern; all if None.
        hours: Length of the range up to now.
        days: Length of the range up to now.
        start: Beginning of the range: a datetime, ISO 8601 text, or seconds since 1970.
        end: End of the range, not in it.
        labels: Labels that have the name of a parameter.
        more_labels: Dimensions and labels to choose by.

    Returns:
        An Arrow table, a row per metric; its `verdict` on `b` is `better`, `worse`, `equal`,
        `unclear`, `no direction`, or says which side lacks the metric. See
        `tidegauge.query.query.Query.compare` for all columns.

    Raises:
        QueryError: A side has no facts at all, or the question makes no sense.

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

    It can only read: the tables of the store, and `metrics`, the catalogue.

    Args:
        query: One statement.
        params: Values for `?` or `$1` in a list, or for `$name` in a mapping.
        timeout_s: Most seconds to compute for.
        lazy: Compute the rows each time they are asked for, for results too large to hold; see
            `tidegauge.query.query.Query.sql`.

    Returns:
        A DuckDB relation: `.df()` gives pandas, `.pl()` polars, `.to_arrow_table()` Arrow,
        `.fetchall()` tuples.

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
