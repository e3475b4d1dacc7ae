# SPDX-License-Identifier: Apache-2.0
"""FOCUS files, CSV or Parquet, as rows of the table of costs; read as a stream, ordered by day.

Which columns there must be, and what to say if there are not, is in `tidegauge.collect.focus`. The
versions of FOCUS differ in names and vendors in types; nothing here depends on either.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from tidegauge.model.amounts import PLACES
from tidegauge.model.errors import StoreError
from tidegauge.store.arrays import to_numpy
from tidegauge.store.costs import COST_SCHEMA, slot_of
from tidegauge.store.instance import Instance
from tidegauge.store.schema import KINDS

__all__ = ["FOCUS_GROUPING", "FocusFiles", "FocusPart", "is_csv", "open_focus"]

#: How FOCUS files split costs: one row per charge.
FOCUS_GROUPING = "charge"

# What sorting may hold in memory; the rest goes to a temporary directory.
_MEMORY = "256MB"
_BATCH_ROWS = 32_768
_FINAL_AFTER_DAYS = 10
_CSV = (".csv", ".csv.gz", ".csv.zst", ".tsv")
_TIME_FORMATS = ("%Y-%m-%dT%H:%MZ", "%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p")
_EPOCH = dt.date(1970, 1, 1)


class FocusPart(msgspec.Struct, frozen=True):
    """What files have of one provider, currency, billing account, billing period and category.

    Attributes:
        cloud: The provider.
        currency: The currency; None if the rows do not say.
        account: The billing account.
        period: The billing period, YYYY-MM; None if neither it nor the time can be read.
        category: The category of the charges.
        rows: How many rows.
        billed: Sum of what was billed, in units of 10⁻⁸; None if no row says.
        effective: Sum of the effective cost, likewise.
        bad_times: Rows whose `ChargePeriodStart` cannot be read.
        bad_amounts: Amounts that cannot be read.
    """

    cloud: str | None
    currency: str | None
    account: str | None
    period: str | None
    category: str | None
    rows: int
    billed: int | None
    effective: int | None
    bad_times: int
    bad_amounts: int


class FocusFiles:
    """Open files; made by `open_focus`.

    Attributes:
        columns: The columns of the files with their types, as DuckDB calls them.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], directory: Path
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._paths = paths
        self._source = _source_sql(paths)
        with _explained(paths):
            found = connection.execute(f"DESCRIBE SELECT * FROM {self._source}").fetchall()
        self.columns: dict[str, str] = {row[0]: row[1] for row in found}

    def parts(self, mapping: Mapping[str, Sequence[str]]) -> list[FocusPart]:
        """What the files hold, summed up; reads them once.

        Args:
            mapping: By FOCUS name, the columns of the files of which the first that is not empty
                holds it.
        """
        sql = _Expressions(self.columns, mapping)
        amounts = [name for name in ("BilledCost", "EffectiveCost", "ListCost") if mapping[name]]
        bad = " + ".join(
            f"count(*) FILTER ({sql.text(each)} IS NOT NULL AND {sql.amount(each)} IS NULL)"
            for each in amounts
        )
        billed, effective = (
            f"(sum({sql.amount(name)}) * {10**PLACES})::HUGEINT"
            for name in ("BilledCost", "EffectiveCost")
        )
        with _explained(self._paths):
            rows = self._connection.execute(
                f"SELECT {sql.text('ServiceProviderName')}, {sql.text('BillingCurrency')}, "
                f"{sql.text('BillingAccountId')}, {sql.period()}, {sql.text('ChargeCategory')}, "
                f"count(*), {billed}, {effective}, "
                f"count(*) FILTER ({sql.time('ChargePeriodStart')} IS NULL), {bad} "
                f"FROM {self._source} GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        return [FocusPart(*row) for row in rows]

    def days(
        self,
        mapping: Mapping[str, Sequence[str]],
        *,
        source: str,
        currency: str,
        now: dt.datetime,
        advance: Callable[[int], object],
    ) -> Callable[[], Iterator[tuple[dt.date, pa.Table]]]:
        """Sort the rows by day, into a temporary file that goes with these.

        So whoever stores them does not keep others waiting while files are read.

        Args:
            mapping: As for `parts`.
            source: What the rows say where they are from.
            currency: Only rows of this currency; rows that say none are taken to be of it.
            now: Rows without an invoice are estimated; where no row can have one, those of a
                billing period that was over less than ten days before this.
            advance: Told how many rows there were so far.

        Returns:
            What gives them by day, ascending, as often as it is called. A day may come in several
            parts.
        """
        path = self._directory / "sorted"
        found = self._by_day(mapping, source, currency, now, advance)
        try:
            days = _set_aside(found, path)
        except OSError as error:
            raise _no_room(path, error) from error
        return lambda: _taken_back(days, path)

    def _by_day(
        self,
        mapping: Mapping[str, Sequence[str]],
        source: str,
        currency: str,
        now: dt.datetime,
        advance: Callable[[int], object],
    ) -> Iterator[tuple[dt.date, pa.Table]]:
        sql = _Expressions(self.columns, mapping)
        chosen = sql.row(source, currency, now)
        told = {name: each for name, each in chosen.items() if '"' in each}
        inner = ", ".join(f"{each} AS {name}" for name, each in told.items())
        # What is the same for all rows is added behind the sort, which is a tenth faster for it.
        outer = ", ".join(n if n in told else f"{chosen[n]} AS {n}" for n in COST_SCHEMA.names)
        mine = f"coalesce({sql.text('BillingCurrency')}, {_literal(currency)})"
        # Not `execute`, which would hold all of it in memory before the first row.
        with _explained(self._paths):
            batches = self._connection.sql(
                f"SELECT day, {outer} FROM (SELECT ({sql.time('ChargePeriodStart')})::DATE AS day, "
                f"{inner} FROM {self._source} WHERE {mine} = {_literal(currency)} ORDER BY day)"
            ).to_arrow_reader(_BATCH_ROWS)
        done = latest = 0
        while True:
            with _explained(self._paths):
                batch = next(batches, None)
            if batch is None:
                return
            days = to_numpy(batch.column(0))
            assert days[0] >= latest or not done, "whoever replaces days relies on their order"
            latest = int(days[-1])
            rows = pa.Table.from_batches([batch]).drop_columns(["day"]).cast(COST_SCHEMA)
            starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
            for start, end in pairwise(starts):
                if end > start:
                    day = _EPOCH + dt.timedelta(days=int(days[start]))
                    yield day, rows.slice(start, end - start)
            done += len(days)
            advance(done)


@contextlib.contextmanager
def open_focus(paths: Sequence[Path]) -> Iterator[FocusFiles]:
    """Open files of one kind for the length of a `with` block. They are not held in memory.

    Args:
        paths: The files; those of one delivery, all CSV or all Parquet.

    Raises:
        StoreError: One of them cannot be read; so do the methods of what it yields.
    """
    directory = tempfile.mkdtemp(prefix="tidegauge-focus-")
    instance = Instance(
        {
            "memory_limit": _MEMORY,
            "threads": min(4, os.cpu_count() or 1),
            "temp_directory": directory,
            "preserve_insertion_order": False,
        },
        lambda _: None,
    )
    try:
        with contextlib.closing(instance.connect()) as connection:
            yield FocusFiles(connection, paths, Path(directory))
    finally:
        instance.close()
        shutil.rmtree(directory, ignore_errors=True)


def _set_aside(found: Iterator[tuple[dt.date, pa.Table]], path: Path) -> list[dt.date]:
    """Write tables one after the other, and tell the day of each."""
    days: list[dt.date] = []
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, COST_SCHEMA, options=options) as stream,
    ):
        for day, rows in found:
            for batch in rows.combine_chunks().to_batches():
                stream.write_batch(batch)
                days.append(day)
    return days


def _taken_back(days: Sequence[dt.date], path: Path) -> Iterator[tuple[dt.date, pa.Table]]:
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
        for day, batch in zip(days, stream, strict=True):
            yield day, pa.Table.from_batches([batch])


def is_csv(path: Path) -> bool:
    """Whether a file's name says that it is CSV."""
    return path.name.lower().endswith(_CSV)


class _Expressions:
    """SQL for what a row says, whatever its columns are called and of which type they are."""

    def __init__(self, columns: Mapping[str, str], mapping: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns
        self._mapping = mapping

    def row(self, source: str, currency: str, now: dt.datetime) -> dict[str, str]:
        """The columns of the table of costs."""
        start, end = self.time("ChargePeriodStart"), self.time("ChargePeriodEnd")
        invoice = self.text("InvoiceId")
        ends = self.time("BillingPeriodEnd")
        over = f"coalesce({ends}, date_trunc('month', {start}) + INTERVAL 1 MONTH)"
        # Who numbers invoices has made none yet; of others, bills are final some days later.
        estimated = f"{invoice} IS NULL"
        if not self._mapping["InvoiceId"]:
            estimated = f"{over} + INTERVAL {_FINAL_AFTER_DAYS} DAY > {_moment(now)}"
        kinds = {field.name: field.type for field in COST_SCHEMA}
        known = {
            "time": start,
            "slot": _literal(slot_of(source)),
            "labels": self._tags(),
            "source": _literal(source),
            "grouping": _literal(FOCUS_GROUPING),
            "billing_period": self.period(),
            "period_s": f"greatest(0, epoch({end}) - epoch({start}))",
            "cloud": self.text("ServiceProviderName"),
            "cloud_service": self.text("ServiceName"),
            "service_category": self.text("ServiceCategory"),
            "account_id": self.text("SubAccountId"),
            "account_name": self.text("SubAccountName"),
            "billing_account_id": self.text("BillingAccountId"),
            "region": self.text("RegionId"),
            "resource_id": self.text("ResourceId"),
            "sku_id": self.text("SkuId"),
            "charge_category": self.text("ChargeCategory"),
            "charge_description": self.text("ChargeDescription"),
            "usage_type": self.text("SkuMeter"),
            "quantity": self._number("ConsumedQuantity"),
            "quantity_unit": self.text("ConsumedUnit"),
            "billed_cost": self.amount("BilledCost"),
            "effective_cost": self.amount("EffectiveCost"),
            "list_cost": self.amount("ListCost"),
            "currency": f"coalesce({self.text('BillingCurrency')}, {_literal(currency)})",
            "is_estimated": f"({estimated})",
            "invoice_id": invoice,
        }
        return {
            name: f"CAST({known.get(name, 'NULL')} AS {_SQL_TYPES[kind]})"
            for name, kind in kinds.items()
        }

    def text(self, name: str) -> str:
        """What a column says, as text; NULL if it is empty."""
        each = [f"nullif(CAST({_quoted(c)} AS VARCHAR), '')" for c in self._mapping[name]]
        return "NULL::VARCHAR" if not each else f"coalesce({', '.join(each)})"

    def time(self, name: str) -> str:
        """A time; NULL if it cannot be read."""
        if not (found := self._mapping[name]):
            return "NULL::TIMESTAMPTZ"
        column, kind = _quoted(found[0]), self._columns[found[0]]
        if kind != "VARCHAR":
            return f"TRY_CAST({column} AS TIMESTAMPTZ)"
        formats = ", ".join(map(_literal, _TIME_FORMATS))
        return (
            f"coalesce(TRY_CAST({column} AS TIMESTAMPTZ), "
            f"try_strptime({column}, [{formats}])::TIMESTAMPTZ)"
        )

    def period(self) -> str:
        """The billing period; the month of the charge if nothing is said."""
        begins = f"coalesce({self.time('BillingPeriodStart')}, {self.time('ChargePeriodStart')})"
        return f"strftime({begins}, '%Y-%m')"

    def amount(self, name: str) -> str:
        """An amount; a float counts as what it is printed as."""
        if not (found := self._mapping[name]):
            return f"NULL::DECIMAL(28, {PLACES})"
        column, kind = _quoted(found[0]), self._columns[found[0]]
        if kind in ("DOUBLE", "FLOAT"):
            column = f"CAST({column} AS VARCHAR)"
        elif kind == "VARCHAR":
            column = f"nullif(trim({column}), '')"
        return f"TRY_CAST({column} AS DECIMAL(28, {PLACES}))"

    def _number(self, name: str) -> str:
        if not (found := self._mapping[name]):
            return "NULL::DOUBLE"
        return f"TRY_CAST({_quoted(found[0])} AS DOUBLE)"

    def _tags(self) -> str:
        """Tags as a map, whatever they are written as; see `_tags_sql`."""
        if not (found := self._mapping["Tags"]):
            return _NO_TAGS
        column, kind = _quoted(found[0]), self._columns[found[0]]
        if kind.startswith("MAP("):
            tags = f"TRY_CAST({column} AS MAP(VARCHAR, VARCHAR))"
            entries = f"list_filter(map_entries({tags}), lambda e: e.value IS NOT NULL)"
            return f"coalesce(map_from_entries({entries}), {_NO_TAGS})"
        said = f"nullif(trim({column}), '')" if kind == "VARCHAR" else f"to_json({column})"
        return f"coalesce({_tags_sql(f'CAST({said} AS VARCHAR)')}, {_NO_TAGS})"


_NO_TAGS = "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))"

_SQL_TYPES = {
    KINDS["time"]: "TIMESTAMPTZ",
    KINDS["str"]: "VARCHAR",
    KINDS["bool"]: "BOOLEAN",
    KINDS["f64"]: "DOUBLE",
    KINDS["decimal"]: f"DECIMAL(28, {PLACES})",
    KINDS["map"]: "MAP(VARCHAR, VARCHAR)",
}


def _tags_sql(text: str) -> str:
    """SQL for tags as a map, from text; NULL if there are none.

    Objects, also those that Azure writes without braces; lists of a key and a value under the names
    that vendors give them, also as Parquet wraps them. Of keys that come twice the first one
    counts. What is none of that is kept as it is, under the name `tags`.
    """
    said = f"coalesce(TRY_CAST({text} AS JSON), TRY_CAST('{{' || {text} || '}}' AS JSON))"
    listed = (
        f"list_transform(TRY_CAST(CASE json_type({said}) WHEN 'ARRAY' THEN {said} "
        f"WHEN 'OBJECT' THEN {said}->'$.list' END AS JSON[]), "
        "lambda e: coalesce(e->'$.element', e))"
    )
    key, value = (
        f"coalesce({', '.join(f'e->>{_literal(name)}' for name in names)})"
        for names in (
            ("$.key", "$.Key", "$.k", "$.name", "$.Name"),
            ("$.value", "$.Value", "$.v"),
        )
    )
    pairs = _first_of_each(
        f"list_transform({listed}, lambda e: {{'key': {key}, 'value': {value}}})"
    )
    members = _first_of_each(
        f"list_transform(list_zip(json_keys({said}), json_extract_string({said}, '$.*')), "
        "lambda e: {'key': e[1], 'value': e[2]})"
    )
    return (
        f"CASE WHEN {text} IS NULL OR {text} IN ('{{}}', '[]', 'null') THEN NULL "
        f"WHEN len({pairs}) > 0 THEN map_from_entries({pairs}) "
        f"WHEN json_type({said}) = 'OBJECT' THEN map_from_entries({members}) "
        f"ELSE MAP {{'tags': {text}}} END"
    )


def _first_of_each(pairs: str) -> str:
    return (
        f"list_filter({pairs}, lambda e, i: e.key IS NOT NULL AND e.value IS NOT NULL AND "
        f"list_position(list_transform({pairs}, lambda o: o.key), e.key) = i)"
    )


def _source_sql(paths: Sequence[Path]) -> str:
    # A name with signs that stand for others must not find other files.
    exact = (re.sub(r"([*?\[])", r"[\1]", str(path)) for path in paths)
    names = f"[{', '.join(map(_literal, exact))}]"
    if is_csv(paths[0]):
        return (
            f"read_csv({names}, all_varchar = true, header = true, union_by_name = true, "
            # Not guessed: quotes may come after all the rows that are looked at.
            """quote = '"', escape = '"', """
            "nullstr = ['', 'NULL', 'null'], sample_size = 1000)"
        )
    return f"read_parquet({names}, union_by_name = true, hive_partitioning = false)"


@contextlib.contextmanager
def _explained(paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(
            "a FOCUS file cannot be read",
            got=", ".join(path.name for path in paths),
            allowed="CSV with a header line (.csv, .csv.gz), or Parquet",
            fix=" ".join(str(error).split())[:300],
        ) from error


def _no_room(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"what FOCUS files hold could not be sorted: {error}",
        got=str(path.parent),
        fix="Make room there, or have TMPDIR name a directory with more.",
    )


def _moment(time: dt.datetime) -> str:
    return f"TIMESTAMPTZ '{time.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}+00'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
