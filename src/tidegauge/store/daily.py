# SPDX-License-Identifier: Apache-2.0
"""Daily aggregates: one row per day, feature and number, in the time zone that people look in.

A day is aggregated from its facts as they are now, late and corrected ones among them, so it can be
done again at any time and comes to the same rows, to the last bit. Of facts that are gone, their
rollups are used. Memory is bounded by one table and day: some 16 bytes for each number.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

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
from tidegauge.store.instance import working
from tidegauge.store.leader import locked
from tidegauge.store.measured import measured_sql, rolled_of
from tidegauge.store.rewrite import MAINTENANCE, removals
from tidegauge.store.rolled import SOURCES, RolledFiles, final_rows
from tidegauge.store.rolling import DAY_S, HOUR_S
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.snapshot import snapshot
from tidegauge.store.store import Store

__all__ = ["aggregate_day", "aggregate_stale_days", "day_of"]

#: The tables of which daily aggregates are made.
_SOURCES = tuple(table for table in SOURCES if rolled_of(table).kind)

_SHARES = (0.5, 0.95, 0.99)
_NAMESPACE = "daily_aggregates"
_NO_FACTS = ""
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
    # Read while nobody else may write, or older rows could come after newer ones.
    with locked(store.maintain, "maintaining", time.monotonic() + _WAIT_S):
        return _replace_day(store, _day_of(store, date, zone, RolledFiles()))


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
        known = store.state.values(_NAMESPACE)
        # A day without facts is looked at once more: they were retired, or taken back.
        marks = dict.fromkeys(known, _NO_FACTS) | _marks(store, zone)
        for key in sorted(marks):
            if known.get(key) == marks[key]:
                continue
            _replace_day(store, _day_of(store, dt.date.fromisoformat(key), zone, rolled))
            with store.state.transaction() as transaction:
                transaction.set_value(_NAMESPACE, key, marks[key])
            done += 1
        return done


def _marks(store: Store, zone: ZoneInfo) -> dict[str, str]:
    """For each day of which there are facts, by its ISO 8601 text, what changes when these do."""
    paths: dict[int, list[str]] = {}
    for table in _SOURCES:
        stored = store.tables.open(table.name)
        if stored is None:
            continue
        files = stored.view().files
        for path, day in zip(files.paths, files.dates.tolist(), strict=True):
            paths.setdefault(day, []).append(f"{table.name}/{path}")
    marks: dict[str, str] = {}
    dates = {
        date
        for day in paths
        for date in (_local(day * DAY_S, zone), _local((day + 1) * DAY_S - 1, zone))
    }
    for date in sorted(dates):
        days = _utc_days(_range(date, zone))
        if listed := sorted(path for day in days for path in paths.get(day, ())):
            text = "\n".join([zone.key, *listed])
            mark = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
            marks[date.isoformat()] = mark
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


def _bounds_s(within: TimeRange) -> tuple[int, int]:
    """Start and end of a day, seconds since 1970."""
    assert within.start_ns is not None
    assert within.end_ns is not None
    return within.start_ns // 10**9, within.end_ns // 10**9


def _utc_days(within: TimeRange) -> range:
    """The days, UTC, that a range touches; since 1970."""
    start_s, end_s = _bounds_s(within)
    return range(start_s // DAY_S, (end_s - 1) // DAY_S + 1)


class _Day(NamedTuple):
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
    rows: dict[_Key, dict[str, Any]]
    told: frozenset[str]
    cuts_hours: bool


def _day_of(store: Store, date: dt.date, zone: ZoneInfo, rolled: RolledFiles) -> _Day:
    within = _range(date, zone)
    rows: dict[_Key, dict[str, Any]] = {}
    told: set[str] = set()
    for table in _SOURCES:
        kind = rolled_of(table).kind
        gone = _gone(store, table, within, rolled)
        told.update([kind] if gone.is_covered or _has_files(store, table, within) else [])
        for feature, name, values in _values(store, table, within, gone.leaving):
            key = _Key(feature, kind, name)
            if key in gone.sums:
                gone.sums[key].add_many(values.tolist())
            else:
                rows[key] = _exact(values)
        rows |= {key: _approximate(each) for key, each in gone.sums.items()}
    common = {
        "time": (date - _EPOCH).days * 86_400 * 10**6,
        "slot": "",
        "labels": [],
        "time_zone": zone.key,
    }
    whole = {key: {**common, **key._asdict(), **row} for key, row in sorted(rows.items())}
    cuts_hours = any(bound % HOUR_S for bound in _bounds_s(within))
    return _Day(date, whole, frozenset(told), cuts_hours)


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

    sums: dict[_Key, Accumulator]
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
    sums: dict[_Key, Accumulator] = {}
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
                key = _Key(row["feature"] or "", rolled_of(table).kind, name)
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


def _replace_day(store: Store, day: _Day) -> int:
    """Put rows in the place of those that the day has, unless they are the same."""
    date, rows = day.date, dict(day.rows)
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
    rows |= {key: old for key, old in present.items() if _stays(old, rows.get(key), day)}
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


def _stays(old: Mapping[str, Any], new: Mapping[str, Any] | None, day: _Day) -> bool:
    """Whether a row that is there says more than what can be computed now, if anything."""
    if new is None:
        return is_imported(old) or old["metric_type"] not in day.told
    # Of facts that are gone since, what was computed when they were there is better, if it was of
    # the same facts.
    if not old["percentile_error"] == 0.0 < new["percentile_error"]:
        return False
    if day.cuts_hours:
        has_all: bool = old["count"] >= new["count"]
    else:
        same = all(old[name] == new[name] for name in ("count", "min_value", "max_value"))
        has_all = same and _is_close(old["sum"], new["sum"], old)
    is_same_day: bool = old["time_zone"] == new["time_zone"]
    return has_all and is_same_day


def _is_close(one: float | None, other: float | None, row: Mapping[str, Any]) -> bool:
    """Whether two sums differ by rounding only."""
    if one is None or other is None:
        return one is other
    largest = max(abs(row["min_value"]), abs(row["max_value"]))
    return bool(abs(one - other) <= 1e-12 * row["count"] * largest)
