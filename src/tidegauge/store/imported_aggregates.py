# SPDX-License-Identifier: Apache-2.0
"""Daily aggregates of another program whose rows are gone, kept as they are.

Nobody can compute them again. They are in the table `daily_aggregates` beside those that were
computed here, told apart by their slot. What was computed here is never replaced.
"""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from tidegauge.model.errors import StoreError
from tidegauge.model.tables import DAILY_AGGREGATES
from tidegauge.store.arrays import from_rows
from tidegauge.store.files import FileList, read_file, write_file
from tidegauge.store.rewrite import MAINTENANCE, removals
from tidegauge.store.schema import PARTITION, arrow_schema
from tidegauge.store.store import Store
from tidegauge.store.stored_table import ATTEMPTS, Overtaken, StoredTable

__all__ = ["IMPORTED_SLOT", "Keeping", "is_imported", "keep_aggregates"]

#: The column `slot` of an aggregate that was imported.
IMPORTED_SLOT = "import"

#: What makes an aggregate the same as another.
KEY = ("feature", "metric_type", "metric_name")

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_LOOK_S = 0.05


class Keeping(msgspec.Struct, frozen=True):
    """What became of aggregates.

    Attributes:
        written: Are in the table now, and were not, or not like this.
        present: Were there before.
        computed: Were left out, for the same was computed here.
    """

    written: int = 0
    present: int = 0
    computed: int = 0

    def __add__(self, other: Keeping) -> Keeping:
        return Keeping(
            self.written + other.written,
            self.present + other.present,
            self.computed + other.computed,
        )


def is_imported(row: Mapping[str, Any]) -> bool:
    """Whether a row of the table was imported, and cannot be computed again."""
    return bool(row["slot"] == IMPORTED_SLOT)


def keep_aggregates(
    store: Store, rows: Iterable[Mapping[str, Any]], *, wait_s: float = 10.0
) -> Keeping:
    """Put imported aggregates into the table, in one commit per day; idempotent.

    Of an aggregate that is given twice the last one holds. One with the same date, feature, type
    and name that was imported before is replaced.

    Args:
        store: The store.
        rows: The columns of `daily_aggregates` by name; `date` is a `date`, `time_zone` the name of
            a zone, and what is empty may be missing.
        wait_s: Most seconds to wait for whoever maintains the store.

    Raises:
        StoreError: The table cannot be used, or the store is being maintained for longer.
    """
    days = itertools.groupby(sorted(rows, key=_date), key=_date)
    kept = Keeping()
    for date, given in days:
        wanted = {_key(row): _whole(row) for row in given}
        kept += _keep_day(store, date, list(wanted.values()), wait_s)
    return kept


def _keep_day(
    store: Store, date: dt.date, wanted: Sequence[dict[str, Any]], wait_s: float
) -> Keeping:
    give_up_s = time.monotonic() + wait_s
    while True:
        with store.maintain() as mine:
            if mine:
                return _replace(store.tables.ensure(DAILY_AGGREGATES), date, wanted)
        if time.monotonic() >= give_up_s:
            raise _maintained(date)
        time.sleep(_LOOK_S)


def _replace(stored: StoredTable, date: dt.date, wanted: Sequence[dict[str, Any]]) -> Keeping:
    for _ in range(ATTEMPTS):
        view = stored.view((MAINTENANCE,))
        day = (date - _EPOCH.date()).days
        files = view.files.chosen(view.files.dates == day)
        rows = {(_key(row), is_imported(row)): row for row in _read(stored, files)}
        new, kept = _merged(rows, wanted)
        if not kept.written:
            return kept
        added = [write_file(stored.location, from_rows(new, _schema()), date)]
        try:
            stored.commit(
                added,
                removed=removals(files),
                transactions={MAINTENANCE: view.transactions.get(MAINTENANCE, 0) + 1},
                base=view.transactions,
            )
        except Overtaken:  # another host maintains the same tables
            stored.load()
            continue
        return kept
    raise _maintained(date)


def _merged(
    rows: dict[tuple[tuple[str, ...], bool], dict[str, Any]], wanted: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], Keeping]:
    merged, kept = dict(rows), Keeping()
    for row in wanted:
        key = _key(row)
        if (key, False) in rows:
            kept += Keeping(computed=1)
        elif rows.get((key, True)) == row:
            kept += Keeping(present=1)
        else:
            merged[key, True] = row
            kept += Keeping(written=1)
    return list(merged.values()), kept


def _read(stored: StoredTable, files: FileList) -> list[dict[str, Any]]:
    schema = _schema()
    rows = []
    for path in files.paths:
        found = read_file(stored.location, path, schema)
        times = found["time"].cast(pa.int64()).to_pylist()
        others = found.drop_columns(["time"]).to_pylist()
        rows += [{"time": at, **row} for at, row in zip(times, others, strict=True)]
    return rows


def _schema() -> pa.Schema:
    schema = arrow_schema(DAILY_AGGREGATES)
    return schema.remove(schema.get_field_index(PARTITION))


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as it is in the table. Its time is when its day begins."""
    midnight = dt.datetime.combine(row[PARTITION], dt.time(), ZoneInfo(row["time_zone"]))
    fixed = {
        "time": (midnight - _EPOCH) // _MICROSECOND,
        "slot": IMPORTED_SLOT,
        "labels": [],
    }
    return {name: fixed.get(name, row.get(name)) for name in _schema().names}


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in KEY)


def _date(row: Mapping[str, Any]) -> dt.date:
    date: dt.date = row[PARTITION]
    return date


def _maintained(date: dt.date) -> StoreError:
    return StoreError(
        "daily aggregates could not be kept, for the store is being maintained",
        got=date.isoformat(),
        fix="Import the file once more in a while: what is there already is left as it is.",
    )
