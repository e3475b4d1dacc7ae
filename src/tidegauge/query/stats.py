# SPDX-License-Identifier: Apache-2.0
"""Statistics of metrics, by group, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from tidegauge.catalog.labels import LABEL_NAME_PATTERN
from tidegauge.model.errors import QueryError
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.spec import Kind
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.selection import Selection, Vocabulary
from tidegauge.query.summary import Summary, summarise
from tidegauge.store.arrays import from_rows

__all__ = ["group_keys", "stats_table"]

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_LABEL_PREFIX = "label."

_COLUMNS = pa.schema(
    [
        ("count", pa.int64()),
        *((name, pa.float64()) for name in ("mean", "std", "min", "max", "p50", "p95", "p99")),
        *((name, pa.float64()) for name in ("first", "last", "sum", "rate_per_s")),
        ("percentiles", pa.string()),
        ("percentile_error", pa.float64()),
    ]
)


def group_keys(by: str | Sequence[str]) -> dict[str, str]:
    """Column names of groups, and the SQL they are told apart by. `metric` always comes first.

    Raises:
        QueryError: A name cannot be grouped by.
    """
    keys = {"metric": ""}
    for name in _listed(by):
        if not (
            isinstance(name, str) and LABEL_NAME_PATTERN.match(name.removeprefix(_LABEL_PREFIX))
        ):
            raise _no_group(name)
        if name in _COLUMNS.names:
            raise QueryError(
                "a group would have the name of a statistic",
                got=name,
                fix=f"Write '{_LABEL_PREFIX}{name}' to group by the label of that name.",
            )
        if name == "hour":
            # date_trunc looks the time zone up for every row: six times slower.
            keys[name] = f"make_timestamptz(epoch_us(time) // {_HOUR_US} * {_HOUR_US})"
        elif name == "day":
            keys[name] = "date"
        elif name != "metric":
            keys[name] = sql.label(name.removeprefix(_LABEL_PREFIX))
    return keys


def stats_table(
    connection: duckdb.DuckDBPyConnection,
    vocabulary: Vocabulary,
    selection: Selection,
    keys: dict[str, str],
    now_ns: int,
) -> pa.Table:
    """Compute the table that `tidegauge.stats` describes."""
    summaries = summarise(connection, selection.where, [selection.metric, *list(keys.values())[1:]])
    rows = [
        _row(dict(zip(keys, summary.key, strict=True)), summary, vocabulary, selection, now_ns)
        for summary in summaries
    ]
    if len(keys) == 1:
        found = {row["metric"]: row for row in rows}
        rows = [found.pop(name, _nothing(name)) for name in selection.metrics]
        rows.extend(found.values())
    return from_rows(rows, pa.schema([*map(_field, keys), *_COLUMNS]))


def _row(
    group: dict[str, Any],
    summary: Summary,
    vocabulary: Vocabulary,
    selection: Selection,
    now_ns: int,
) -> dict[str, Any]:
    p50, p95, p99 = summary.quantiles
    row = {
        **group,
        "count": summary.count,
        "mean": summary.mean,
        "std": summary.std,
        "min": summary.smallest,
        "max": summary.largest,
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "first": summary.first,
        "last": summary.last,
        "percentiles": "histogram" if summary.from_intervals else "exact",
        "percentile_error": summary.percentile_error,
    }
    if vocabulary.spec(group["metric"]).kind is Kind.COUNTER and summary.total is not None:
        row["sum"] = summary.total
        span_s = _span_s(group, summary, selection.time_range, now_ns)
        row["rate_per_s"] = summary.total / span_s if span_s else None
    return row


def _nothing(name: str) -> dict[str, Any]:
    return {"metric": name, "count": 0}


def _span_s(
    group: dict[str, Any], summary: Summary, time_range: TimeRange, now_ns: int
) -> float | None:
    """Seconds that a group's facts are counted over: the range up to now, within its hour or day.

    None if nothing says when that begins: the first fact is no beginning of the time in which there
    could have been others.
    """
    start_us, end_us = 0, now_ns // 1000
    if time_range.start_ns is not None:
        start_us = time_range.start_ns // 1000
    elif "hour" not in group and "day" not in group:
        return None
    if time_range.end_ns is not None:
        end_us = min(end_us, time_range.end_ns // 1000)
    for name, length_us in (("hour", _HOUR_US), ("day", _DAY_US)):
        if name in group:
            bucket_us = summary.start_us // length_us * length_us
            start_us, end_us = max(start_us, bucket_us), min(end_us, bucket_us + length_us)
    return max(0, end_us - start_us) / 1e6


def _listed(by: object) -> list[object]:
    return list(by) if isinstance(by, Iterable) and not isinstance(by, str) else [by]


def _no_group(name: object) -> QueryError:
    return QueryError(
        "facts cannot be grouped by this",
        got=name,
        allowed=f"metric, hour, day, {', '.join(DIMENSIONS)}, or the name of a label",
    )


def _field(name: str) -> pa.Field:
    kinds = {"hour": pa.timestamp("us", "UTC"), "day": pa.date32()}
    return pa.field(name, kinds.get(name, pa.string()))
