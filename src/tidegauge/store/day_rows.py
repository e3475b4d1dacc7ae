# SPDX-License-Identifier: Apache-2.0
"""The rows that the daily aggregates of one day are to have, and what is not known of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tidegauge.model.columns import Table
from tidegauge.model.tables import ROLLUPS
from tidegauge.model.times import TimeRange
from tidegauge.statistics.accumulator import Accumulator
from tidegauge.store.arrays import to_numpy
from tidegauge.store.grouped import exact_statistics
from tidegauge.store.instance import working
from tidegauge.store.measured import measured_sql, rolled_of
from tidegauge.store.rolled import SOURCES, RolledFiles, final_rows
from tidegauge.store.rolling import DAY_S, HOUR_S
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

__all__ = ["AGGREGATED", "EPOCH", "Day", "Key", "look_at_day", "utc_days"]

#: The tables of which daily aggregates are made.
AGGREGATED = tuple(table for table in SOURCES if rolled_of(table).kind)
EPOCH = dt.date(1970, 1, 1)

_SHARES = (0.5, 0.95, 0.99)
_MIDNIGHT = dt.time()


class Key(NamedTuple):
    """What a row is about."""

    feature: str
    metric_type: str
    metric_name: str


class Day(NamedTuple):
    """What is known of a day.

    Attributes:
        date: The day.
        rows: Its rows.
        told: The types of metrics of which something is known: there are files or rollups of that
            time. Of the others everything may be gone.
        cuts_hours: Whether it begins or ends within an hour of the rollups. What facts that are
            gone add to it can be told to the hour only.
    """

    date: dt.date
    rows: dict[Key, dict[str, Any]]
    told: frozenset[str]
    cuts_hours: bool


def look_at_day(store: Store, date: dt.date, zone: ZoneInfo, rolled: RolledFiles) -> Day:
    """Work out the rows of a day, from its facts as they are now and the rollups of those gone.

    Args:
        store: The store.
        date: The day, from midnight to midnight in `zone`.
        zone: The time zone.
        rolled: What is known of the files of rollups already.
    """
    within = _range(date, zone)
    rows: dict[Key, dict[str, Any]] = {}
    told: set[str] = set()
    for table in AGGREGATED:
        kind = rolled_of(table).kind
        gone = _gone(store, table, within, rolled)
        told.update([kind] if gone.is_covered or _has_files(store, table, within) else [])
        for feature, name, values in _values(store, table, within, gone.leaving):
            key = Key(feature, kind, name)
            if key in gone.sums:
                gone.sums[key].add_many(values.tolist())
            else:
                rows[key] = _exact(values)
        rows |= {key: _approximate(each) for key, each in gone.sums.items()}
    common = {
        "time": (date - EPOCH).days * 86_400 * 10**6,
        "slot": "",
        "labels": [],
        "time_zone": zone.key,
    }
    whole = {key: {**common, **key._asdict(), **row} for key, row in sorted(rows.items())}
    cuts_hours = any(bound % HOUR_S for bound in _bounds_s(within))
    return Day(date, whole, frozenset(told), cuts_hours)


def utc_days(date: dt.date, zone: ZoneInfo) -> range:
    """The days, UTC, that a day of another time zone touches; since 1970."""
    return _utc_days(_range(date, zone))


def _has_files(store: Store, table: Table, within: TimeRange) -> bool:
    """Whether a table has files of the days that a range touches."""
    stored = store.tables.open(table.name)
    days = list(_utc_days(within))
    return stored is not None and bool(np.isin(stored.view().files.dates, days).any())


def _values(
    store: Store, table: Table, within: TimeRange, leaving: frozenset[str]
) -> Iterator[tuple[str, str, np.ndarray[Any, np.dtype[np.float64]]]]:
    """Feature, name and values of each number that was measured."""
    rolled = rolled_of(table)
    taken = snapshot(store, table.name, within)
    if not len(taken.files) and not len(taken.tail):
        return
    kept = np.array([path not in leaving for path in taken.files.paths], bool)
    start_s, end_s = _bounds_s(within)
    names = ", ".join([*rolled.name, "nullif(measure, '')"])
    feature = "coalesce(feature, '')"
    with working() as connection:
        replace(taken, files=taken.files.chosen(kept)).register(connection, "facts")
        groups = connection.sql(f"""
            WITH chosen AS (
                SELECT * FROM facts WHERE epoch_us(time) >= {start_s * 10**6}
                AND epoch_us(time) < {end_s * 10**6})
            SELECT {feature} AS feature, concat_ws('.', {names}) AS metric_name,
                   list(value) AS "values"
            FROM ({measured_sql(table, "chosen")}) GROUP BY ALL
        """).to_arrow_table()
    for batch in groups.to_batches():
        features, titles = batch["feature"].to_pylist(), batch["metric_name"].to_pylist()
        offsets = to_numpy(batch["values"].offsets).tolist()
        flat = to_numpy(batch["values"].values).view(np.float64) + 0.0
        for at, (name, title) in enumerate(zip(features, titles, strict=True)):
            yield name, title, flat[offsets[at] : offsets[at + 1]]


class _Gone(NamedTuple):
    """What the rollups of a table say of a day.

    Attributes:
        sums: The sums of facts that are gone.
        leaving: Files of which nothing may be read any more.
        is_covered: Whether they say anything of it.
    """

    sums: dict[Key, Accumulator]
    leaving: frozenset[str]
    is_covered: bool


def _gone(store: Store, table: Table, within: TimeRange, rolled: RolledFiles) -> _Gone:
    stored = store.tables.open(ROLLUPS.name)
    if stored is None:
        return _Gone({}, frozenset(), is_covered=False)
    names = rolled_of(table).name
    files = stored.view().files
    files = files.chosen(np.isin(files.dates, list(_utc_days(within))))
    covers = rolled.covers(stored, files)
    sums: dict[Key, Accumulator] = {}
    leaving: set[str] = set()
    start_s, end_s = _bounds_s(within)
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
            if start_s <= time_us // 10**6 < end_s:
                parts = [row[name] for name in names if row[name] is not None]
                name = ".".join([*parts, *filter(None, [row["measure"]])])
                key = Key(row["feature"] or "", rolled_of(table).kind, name)
                sums.setdefault(key, Accumulator()).merge(Accumulator.from_columns(row))
    return _Gone(sums, frozenset(leaving), any(name == table.name for name, _ in covers))


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


def _range(date: dt.date, zone: ZoneInfo) -> TimeRange:
    """The day from midnight to midnight; where there is no midnight, from the first moment."""
    start, end = (
        round(dt.datetime.combine(each, _MIDNIGHT, zone).timestamp()) * 10**9
        for each in (date, date + dt.timedelta(days=1))
    )
    return TimeRange(start, end)


def _bounds_s(within: TimeRange) -> tuple[int, int]:
    """Start and end of a day, seconds since 1970."""
    assert within.start_ns is not None
    assert within.end_ns is not None
    return within.start_ns // 10**9, within.end_ns // 10**9


def _utc_days(within: TimeRange) -> range:
    """The days, UTC, that a range touches; since 1970."""
    start_s, end_s = _bounds_s(within)
    return range(start_s // DAY_S, (end_s - 1) // DAY_S + 1)
