# SPDX-License-Identifier: Apache-2.0
"""Daily aggregates: one row per day, feature and number, in the time zone that people look in.

A day is aggregated from its facts as they are now, late and corrected ones among them, so it can be
done again at any time and comes to the same rows, to the last bit. Of facts that are gone, their
rollups are used. Memory is bounded by one table and day: some 16 bytes for each number.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from tidegauge.model.clock import Clock
from tidegauge.model.columns import Table
from tidegauge.model.errors import QueryError
from tidegauge.model.tables import DAILY_AGGREGATES, ROLLUPS
from tidegauge.model.times import TimeRange
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.arrays import from_rows, to_numpy
from tidegauge.store.files import read_file, write_file
from tidegauge.store.grouped import exact_statistics
from tidegauge.store.imported_aggregates import is_imported
from tidegauge.store.leader import locked
from tidegauge.store.measured import measured_sql, rolled_of
from tidegauge.store.rewrite import MAINTENANCE, removals
from tidegauge.store.rolled import SOURCES, RolledFiles, final_rows
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

__all__ = ["aggregate_day", "aggregate_stale_days", "day_of"]

#: The tables of which daily aggregates are made.
_SOURCES = tuple(table for table in SOURCES if rolled_of(table).kind)

_SHARES = (0.5, 0.95, 0.99)
_NAMESPACE = "daily_aggregates"
_WAIT_S = 60.0
_EPOCH = dt.date(1970, 1, 1)
_MIDNIGHT = dt.time()


class _Key(NamedTuple):
    """What a row is about."""

    feature: str
    metric_type: str
    metric_name: str


def day_of(date: str | dt.date | None, zone: ZoneInfo, clock: Clock) -> dt.date:
    """Read a day.

    Args:
        date: A date, or its ISO 8601 text such as `2025-12-14`; today if None.
        zone: Whose day today is.
        clock: Where the time comes from.

    Raises:
        QueryError: It is no day.
    """
    if date is None:
        return _local(clock.wall_ns() // 10**9, zone)
    if isinstance(date, dt.datetime):
        return (date.astimezone(zone) if date.tzinfo else date).date()
    if isinstance(date, dt.date):
        return date
    try:
        return dt.date.fromisoformat(date)
    except (TypeError, ValueError) as error:
        raise QueryError(
            "this is no day", got=date, allowed="a date, or a text such as '2025-12-14'"
        ) from error


def aggregate_day(store: Store, date: dt.date, zone: ZoneInfo) -> int:
    """Aggregate one day, with the newest facts, in place of what was aggregated of it before.

    Args:
        store: The store.
        date: The day, from midnight to midnight in `zone`, 23 to 25 hours.
        zone: The time zone.

    Returns:
        How many rows the day has.

    Raises:
        StoreError: A table cannot be used, or another process has maintained the store for a
            minute.
    """
    rows = _rows_of(store, date, zone, RolledFiles())
    with locked(store.maintain, "maintaining", time.monotonic() + _WAIT_S):
        return _replace_day(store, date, rows)


def aggregate_stale_days(store: Store, zone: ZoneInfo) -> int | None:
    """Aggregate the days whose facts have changed since this was done last.

    Returns:
        How many days were aggregated; None if another process is maintaining the store.

    Raises:
        StoreError: A table cannot be used.
    """
    with store.maintain() as mine:
        if not mine:
            return None
        rolled, done = RolledFiles(), 0
        for date, mark in _marks(store, zone).items():
            key = date.isoformat()
            if store.state.value(_NAMESPACE, key) == mark:
                continue
            _replace_day(store, date, _rows_of(store, date, zone, rolled))
            with store.state.transaction() as transaction:
                transaction.set_value(_NAMESPACE, key, mark)
            done += 1
        return done


def _marks(store: Store, zone: ZoneInfo) -> dict[dt.date, str]:
    """For each day of which there are facts, what changes when these do."""
    paths: dict[int, list[str]] = {}
    for table in (*_SOURCES, ROLLUPS):
        stored = store.tables.open(table.name)
        if stored is None:
            continue
        files = stored.view().files
        for path, day in zip(files.paths, files.dates.tolist(), strict=True):
            if table is not ROLLUPS:
                paths.setdefault(day, []).append(f"{table.name}/{path}")
    marks: dict[dt.date, str] = {}
    dates = {
        date
        for day in paths
        for date in (_local(day * 86_400, zone), _local((day + 1) * 86_400 - 1, zone))
    }
    for date in sorted(dates):
        within = _range(date, zone)
        assert within.start_ns is not None
        assert within.end_ns is not None
        days = range(within.start_ns // 10**9 // 86_400, (within.end_ns // 10**9 - 1) // 86_400 + 1)
        listed = sorted(path for day in days for path in paths.get(day, ()))
        text = "\n".join([zone.key, *listed])
        marks[date] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return marks


def _local(time_s: int, zone: ZoneInfo) -> dt.date:
    return dt.datetime.fromtimestamp(time_s, zone).date()


def _range(date: dt.date, zone: ZoneInfo) -> TimeRange:
    """The day from midnight to midnight; where there is no midnight, from the first moment."""
    start, end = (
        round(dt.datetime.combine(each, _MIDNIGHT, zone).timestamp()) * 10**9
        for each in (date, date + dt.timedelta(days=1))
    )
    return TimeRange(start, end)


def _rows_of(
    store: Store, date: dt.date, zone: ZoneInfo, rolled: RolledFiles
) -> dict[_Key, dict[str, Any]]:
    """The rows of a day."""
    within = _range(date, zone)
    rows: dict[_Key, dict[str, Any]] = {}
    for table in _SOURCES:
        kind = rolled_of(table).kind
        gone, leaving = _gone(store, table, within, rolled)
        for feature, name, values in _values(store, table, within, leaving):
            key = _Key(feature, kind, name)
            if key in gone:
                gone[key].add_many(values.tolist())
            else:
                rows[key] = _exact(values)
        rows |= {key: _approximate(each) for key, each in gone.items()}
    common = {
        "time": (date - _EPOCH).days * 86_400 * 10**6,
        "slot": "",
        "labels": [],
        "time_zone": zone.key,
    }
    return {key: {**common, **key._asdict(), **row} for key, row in sorted(rows.items())}


def _values(
    store: Store, table: Table, within: TimeRange, leaving: frozenset[str]
) -> Iterator[tuple[str, str, np.ndarray[Any, np.dtype[np.float64]]]]:
    """Feature, name and values of each number that was measured."""
    rolled = rolled_of(table)
    taken = snapshot(store, table.name, within)
    kept = np.array([path not in leaving for path in taken.files.paths], bool)
    assert within.start_ns is not None
    assert within.end_ns is not None
    names = ", ".join([*rolled.name, "nullif(measure, '')"])
    feature = "coalesce(feature, '')"
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        replace(taken, files=taken.files.chosen(kept)).register(connection, "facts")
        groups = connection.sql(f"""
            WITH chosen AS (
                SELECT * FROM facts WHERE epoch_us(time) >= {within.start_ns // 1000}
                AND epoch_us(time) < {within.end_ns // 1000})
            SELECT {feature} AS feature, concat_ws('.', {names}) AS metric_name,
                   list(value) AS "values"
            FROM ({measured_sql(table, "chosen")}) GROUP BY ALL
        """).to_arrow_table()
    for batch in groups.to_batches():
        features, titles = batch["feature"].to_pylist(), batch["metric_name"].to_pylist()
        offsets = to_numpy(batch["values"].offsets).tolist()
        flat = to_numpy(batch["values"].values).view(np.float64).copy()
        for at, (name, title) in enumerate(zip(features, titles, strict=True)):
            yield name, title, flat[offsets[at] : offsets[at + 1]]


def _gone(
    store: Store, table: Table, within: TimeRange, rolled: RolledFiles
) -> tuple[dict[_Key, Accumulator], frozenset[str]]:
    """Sums of facts that are gone, and files of which nothing may be read any more."""
    stored = store.tables.open(ROLLUPS.name)
    sums: dict[_Key, Accumulator] = {}
    leaving: set[str] = set()
    if stored is None:
        return sums, frozenset()
    assert within.start_ns is not None
    assert within.end_ns is not None
    names = rolled_of(table).name
    files = stored.view().files
    days = range(within.start_ns // 10**9 // 86_400, (within.end_ns // 10**9 - 1) // 86_400 + 1)
    files = files.chosen(np.isin(files.dates, list(days)))
    covers = rolled.covers(stored, files)
    for path, day in zip(files.paths, files.dates.tolist(), strict=True):
        cover = covers.get((table.name, day))
        if cover is None:
            continue
        leaving.update(cover.leaving)
        if not cover.n_final:
            continue
        final = final_rows(stored, path, table.name).rows
        times_us = to_numpy(final["time"]).tolist()
        for time_us, row in zip(times_us, final.drop_columns(["time"]).to_pylist(), strict=True):
            if within.start_ns <= time_us * 1000 < within.end_ns:
                parts = [row[name] for name in names if row[name] is not None]
                name = ".".join([*parts, *filter(None, [row["measure"]])])
                key = _Key(row["feature"] or "", rolled_of(table).kind, name)
                sums.setdefault(key, Accumulator()).merge(Accumulator.from_columns(row))
    return sums, frozenset(leaving)


def _exact(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    total, mean, deviation, *quantiles = exact_statistics(values, _SHARES)
    return _row(len(values), total, mean, deviation, (values[0], values[-1]), quantiles, 0.0)


def _approximate(sums: Accumulator) -> dict[str, Any]:
    histogram = sums.histogram
    total = None if sums.mean is None else sums.sum
    ends = histogram.min, histogram.max
    quantiles = histogram.quantiles(_SHARES)
    return _row(sums.count, total, sums.mean, sums.std, ends, quantiles, histogram.error_bound)


def _row(
    count: int,
    total: float | None,
    mean: float | None,
    deviation: float | None,
    ends: tuple[float, float],
    quantiles: Iterable[float | None],
    error: float,
) -> dict[str, Any]:
    names = ("percentile_50", "percentile_95", "percentile_99")
    return {
        "avg_value": mean,
        "min_value": float(ends[0]),
        "max_value": float(ends[1]),
        "stddev": deviation,
        "count": count,
        **dict(zip(names, quantiles, strict=True)),
        "sum": total,
        "percentile_error": error,
    }


def _replace_day(store: Store, date: dt.date, rows: dict[_Key, dict[str, Any]]) -> int:
    """Put rows in the place of those that the day has, unless they are the same."""
    stored = store.tables.ensure(DAILY_AGGREGATES)
    view = stored.view((MAINTENANCE,))
    before = view.files.chosen(view.files.dates == (date - _EPOCH).days)
    schema = arrow_schema(DAILY_AGGREGATES)
    schema = schema.remove(schema.get_field_index(PARTITION))
    # Reading a time would import pandas, where that is installed.
    without_time = schema.remove(schema.get_field_index("time"))
    time_us = (date - _EPOCH).days * 86_400 * 10**6
    present = {
        _Key(row["feature"], row["metric_type"], row["metric_name"]): {**row, "time": time_us}
        for path in before.paths
        for row in read_file(stored.location, path, without_time).to_pylist()
    }
    for key, old in present.items():
        is_missing = key not in rows
        # What others told of a day stays; and facts may be gone since, so that what was told of
        # them when they were there is better.
        if (is_missing and is_imported(old)) or (not is_missing and _is_better(old, rows[key])):
            rows[key] = old
    new = from_rows([rows[key] for key in sorted(rows)], schema)
    old_rows = from_rows(list(present.values()), schema)
    if new.equals(old_rows) and len(before) <= 1:
        return len(new)
    stored.commit(
        [write_file(stored.location, new, date)] if len(new) else [],
        removed=removals(before),
        transactions={MAINTENANCE: view.transactions.get(MAINTENANCE, 0) + 1},
        base=view.transactions,
    )
    return len(new)


def _is_better(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    was_exact: bool = old["percentile_error"] == 0.0 < new["percentile_error"]
    has_all: bool = old["count"] == new["count"]
    return was_exact and has_all
