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
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from tidegauge.model.clock import Clock
from tidegauge.model.errors import QueryError
from tidegauge.model.tables import DAILY_AGGREGATES
from tidegauge.store.arrays import from_rows, to_rows
from tidegauge.store.day_rows import AGGREGATED, EPOCH, Day, Key, look_at_day, utc_days
from tidegauge.store.files import read_file, write_file
from tidegauge.store.imported_aggregates import is_imported
from tidegauge.store.leader import in_pieces, locked
from tidegauge.store.rewrite import MAINTENANCE, removals
from tidegauge.store.rolled import RolledFiles
from tidegauge.store.rolling import DAY_S
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.store import Store

__all__ = ["aggregate_day", "aggregate_stale_days", "day_of"]

#: The tables of which daily aggregates are made.

_SHARES = (0.5, 0.95, 0.99)
_NAMESPACE = "daily_aggregates"
_NO_FACTS = ""
_WAIT_S = 60.0
_MIDNIGHT = dt.time()


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
        return _replace_day(store, look_at_day(store, date, zone, RolledFiles()))


def aggregate_stale_days(store: Store, zone: ZoneInfo) -> int | None:
    """Aggregate the days whose facts have changed since this was done last.

    Many days are aggregated in pieces, between which others may maintain the store.

    Returns:
        How many days were aggregated; None if another process is maintaining the store.

    Raises:
        StoreError: A table cannot be used.
    """
    rolled = RolledFiles()
    done = in_pieces(store.maintain, lambda until_s: _aggregate(store, zone, rolled, until_s))
    return None if done is None else sum(done)


def _aggregate(
    store: Store, zone: ZoneInfo, rolled: RolledFiles, until_s: float
) -> tuple[int, bool]:
    """Aggregate stale days, one at least, until a time; returns whether there are more."""
    known = store.state.values(_NAMESPACE)
    # A day without facts is looked at once more: they were retired, or taken back.
    marks = dict.fromkeys(known, _NO_FACTS) | _marks(store, zone)
    stale = [key for key in sorted(marks) if known.get(key) != marks[key]]
    for number, key in enumerate(stale, start=1):
        _replace_day(store, look_at_day(store, dt.date.fromisoformat(key), zone, rolled))
        with store.state.transaction() as transaction:
            transaction.set_value(_NAMESPACE, key, marks[key])
        if time.monotonic() >= until_s:
            return number, number < len(stale)
    return len(stale), False


def _marks(store: Store, zone: ZoneInfo) -> dict[str, str]:
    """For each day of which there are facts, by its ISO 8601 text, what changes when these do."""
    paths: dict[int, list[str]] = {}
    for table in AGGREGATED:
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
        days = utc_days(date, zone)
        if listed := sorted(path for day in days for path in paths.get(day, ())):
            text = "\n".join([zone.key, *listed])
            mark = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
            marks[date.isoformat()] = mark
    return marks


def _local(time_s: int, zone: ZoneInfo) -> dt.date:
    return dt.datetime.fromtimestamp(time_s, zone).date()


def _replace_day(store: Store, day: Day) -> int:
    """Put rows in the place of those that the day has, unless they are the same."""
    date, rows = day.date, dict(day.rows)
    stored = store.tables.ensure(DAILY_AGGREGATES)
    view = stored.view((MAINTENANCE,))
    before = view.files.chosen(view.files.dates == (date - EPOCH).days)
    schema = arrow_schema(DAILY_AGGREGATES)
    schema = schema.remove(schema.get_field_index(PARTITION))
    present = {
        Key(row["feature"], row["metric_type"], row["metric_name"]): row
        for path in before.paths
        for row in to_rows(read_file(stored.location, path, schema))
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


def _stays(old: Mapping[str, Any], new: Mapping[str, Any] | None, day: Day) -> bool:
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
