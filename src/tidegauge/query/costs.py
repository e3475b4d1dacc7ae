# SPDX-License-Identifier: Apache-2.0
"""The questions about what clouds bill. Every sum is of one source, one grouping and one currency.

Two sources tell of the same money, and so do two groupings of one source: nothing here adds them.
Only complete days, UTC, are looked at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import duckdb

from tidegauge.model.clock import Clock
from tidegauge.model.cost_tables import COSTS
from tidegauge.model.errors import QueryError
from tidegauge.model.llm_tables import LLM_CALLS
from tidegauge.model.times import TimeRange
from tidegauge.query import sql
from tidegauge.query.engine import Engine
from tidegauge.query.errors import did_you_mean, readable_errors
from tidegauge.query.llm_calls import view_calls

__all__ = [
    "AWS",
    "BASES",
    "BY",
    "MAX_DAY",
    "MIN_DAY",
    "NO_COSTS",
    "Basis",
    "CostDays",
    "Costs",
    "Document",
    "date_sql",
    "rows_of",
]

#: The source of what Cost Explorer says.
AWS = "aws-ce"

#: A dictionary ready to be written as JSON; amounts are decimals.
Document = dict[str, Any]

#: What is on the bill, or the same with what was paid ahead spread out.
Basis = Literal["billed", "effective"]
BASES: tuple[str, ...] = ("billed", "effective")

#: What costs can be told apart by, with the column.
BY: dict[str, str] = {
    "day": "strftime(time, '%Y-%m-%d')",
    "month": "billing_period",
    "service": "cloud_service",
    "account": "account_id",
    "category": "charge_category",
    "model": "model",
    "region": "region",
}

# What each way of splitting tells; one that is not here tells everything.
_TELLS: dict[str, tuple[str, ...]] = {
    "service-account": ("day", "month", "service", "account"),
    "service-record-type": ("day", "month", "service", "category"),
    "bedrock-model": ("model",),
}
# A day of which clocks are put back has 25 hours.
_USAGE = "coalesce(period_s, 0) <= 90000 AND coalesce(charge_category, 'Usage') = 'Usage'"
# What files call it.
_AWS_CLOUDS = ("AWS", "Amazon Web Services")
_DAY = dt.timedelta(days=1)
_EPOCH = dt.date(1970, 1, 1)
_MOST_DAYS = 100_000
#: Costs of days beyond are asked for by mistake; what is counted from them would overflow.
MIN_DAY, MAX_DAY = dt.date(1970, 1, 1), dt.date(2999, 12, 31)
#: Why nothing can be told where there is nothing.
NO_COSTS = "no costs of these days are stored"


class CostDays(NamedTuple):
    """What days have cost, of one source, grouping and currency.

    Attributes:
        source: Where the amounts are from.
        grouping: How the source had split them.
        currency: Their currency; None if there are none.
        start: The first day asked for.
        end: The day after the last one.
        costs: By day, those without rows left out.
        estimated: Days of which the provider may still change something.
    """

    source: str
    grouping: str | None
    currency: str | None
    start: dt.date
    end: dt.date
    costs: dict[dt.date, Decimal]
    estimated: frozenset[dt.date]

    @property
    def total(self) -> Decimal | None:
        """Their sum; None if there are none."""
        return sum(self.costs.values(), Decimal()) if self.costs else None

    def without_partial(self, today: dt.date) -> CostDays:
        """The same without yesterday if that is an estimate: its provider still fills it.

        Args:
            today: The day that is not over, UTC.
        """
        yesterday = today - _DAY
        if yesterday not in self.estimated:
            return self
        kept = {day: cost for day, cost in self.costs.items() if day != yesterday}
        return self._replace(costs=kept, estimated=self.estimated - {yesterday})


class Costs:
    """Asks the table `costs`. Safe to share between threads.

    What the methods have in common:

    - They look at the last `days` complete days, UTC, or from the day `start` to before `end`.
    - `source` is where amounts are from, such as `aws-ce` or `focus:AWS`.
    - `basis` is `billed` or `effective`, which spreads out what was paid ahead.
    - `services` and `accounts` choose by name and by number.
    - A number that cannot be told is None, and `reason` says why.
    - They raise `QueryError` for a question that makes no sense, and `StoreError` if the store
      cannot be read.

    Args:
        engine: Opens connections to the store.
        clock: What `days` count back from.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @property
    def today(self) -> dt.date:
        """The day that is not over, UTC."""
        return dt.datetime.fromtimestamp(self._clock.wall_ns() / 1e9, dt.UTC).date()

    def sources(self) -> list[Document]:
        """What is stored: each source, grouping and currency with its days and rows."""
        with self.look(COSTS.name) as connection:
            rows = connection.execute(
                "SELECT source, grouping, currency, count(*), min(time::DATE), max(time::DATE) "
                "FROM costs GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        names = ("source", "grouping", "currency", "rows", "first_day", "last_day")
        return [
            {
                **dict(zip(names, row, strict=True)),
                "first_day": str(row[4]),
                "last_day": str(row[5]),
            }
            for row in rows
        ]

    def shown_source(self) -> str | None:
        """The one source whose amounts live metrics of AWS are, for two tell of the same money.

        That is `aws-ce` if it is stored, and otherwise the first by name of those all of whose
        rows are of AWS.

        Returns:
            Its name; None if there is none.
        """
        clouds, splits = sql.text_list(_AWS_CLOUDS), sql.text_list(_TELLS)
        with self.look(COSTS.name) as connection:
            rows = connection.execute(
                f"SELECT source FROM costs GROUP BY source HAVING bool_and("
                f"coalesce(cloud IN {clouds}, false) OR grouping IN {splits}) "
                f"ORDER BY source <> {sql.text(AWS)}, source LIMIT 1"
            ).fetchall()
        return rows[0][0] if rows else None

    def show(
        self,
        by: str = "service",
        *,
        days: int | None = None,
        start: dt.date | str | None = None,
        end: dt.date | str | None = None,
        source: str | None = None,
        basis: Basis = "billed",
        **chosen: Any,
    ) -> list[Document]:
        """What was paid for what: a document for each source and currency, never their sum.

        Args:
            by: One of `BY`.
            days: How many complete days; 30 if no range is given.
            start: The first day.
            end: The day after the last one.
            source: Only this source.
            basis: Which amounts.
            chosen: `services` and `accounts`.
        """
        known = self.sources()
        if source is not None and source not in {each["source"] for each in known}:
            raise _no_source(source, known)
        pairs = dict.fromkeys((each["source"], each["currency"]) for each in known)
        asked = {"days": days, "start": start, "end": end, "basis": basis, **chosen}
        return [
            self.split(name, by, currency=currency, **asked)
            for name, currency in pairs
            if source in (None, name)
        ]

    def split(
        self,
        source: str,
        by: str = "service",
        *,
        days: int | None = None,
        start: dt.date | str | None = None,
        end: dt.date | str | None = None,
        basis: Basis = "billed",
        currency: str | None = None,
        **chosen: Any,
    ) -> Document:
        """The same of one source and currency.

        Args:
            source: Which source.
            by: One of `BY`.
            days: How many complete days; 30 if no range is given.
            start: The first day.
            end: The day after the last one.
            basis: Which amounts.
            currency: Only this one; needed if the source has several.
            chosen: `services` and `accounts`.
        """
        if by not in BY:
            raise QueryError("costs cannot be told apart by this", got=by, allowed=", ".join(BY))
        _check_asked(basis, chosen)
        first, last = self.complete_days(days, start, end)
        mine = [each for each in self.sources() if each["source"] == source]
        currency = currency or _only_currency(source, {each["currency"] for each in mine})
        groupings = [each["grouping"] for each in mine if each["currency"] == currency]
        grouping = _grouping_for((by, *_needed(chosen)), groupings)
        document: Document = {
            "source": source,
            "grouping": grouping,
            "currency": currency,
            "basis": basis,
            "by": by,
            "start": first.isoformat(),
            "end": last.isoformat(),
            "total": None,
            "is_estimated": False,
            "rows": [],
            "reason": f"{source} is not split by {by}" if groupings else NO_COSTS,
        }
        if grouping is None or currency is None:
            return document
        where = rows_of(source, grouping, first, last, chosen, currency)
        rows = self.grouped(BY[by], where, basis, by_size=by not in ("day", "month"))
        costs = [row["cost"] for row in rows if row["cost"] is not None]
        return document | {
            "total": sum(costs, Decimal()) if costs else None,
            "is_estimated": any(row["is_estimated"] for row in rows),
            "rows": rows,
            "reason": None if costs else _why_none(rows, basis),
        }

    def daily(
        self,
        source: str,
        *,
        days: int | None = None,
        start: dt.date | str | None = None,
        end: dt.date | str | None = None,
        basis: Basis = "billed",
        currency: str | None = None,
        grouping: str | None = None,
        is_usage: bool = False,
        **chosen: Any,
    ) -> CostDays:
        """What each day has cost.

        Args:
            source: Which source.
            days: How many complete days; 30 if no range is given.
            start: The first day.
            end: The day after the last one.
            basis: Which amounts.
            currency: Only this one; needed if the source has several.
            grouping: Which way of splitting is added up; the first that has all costs if None.
            is_usage: Only what was used on the day, without what is charged once, for longer than a
                day, or as a tax or a credit; as far as the way of splitting tells.
            chosen: `services` and `accounts`.
        """
        _check_asked(basis, chosen)
        first, last = self.complete_days(days, start, end)
        mine = [each for each in self.sources() if each["source"] == source]
        groupings = [each["grouping"] for each in mine]
        if grouping is None:
            grouping = _grouping_for(("day", *_needed(chosen)), groupings)
        elif grouping not in groupings:
            grouping = None
        if grouping is not None:
            currencies = {each["currency"] for each in mine if each["grouping"] == grouping}
            currency = currency or _only_currency(source, currencies)
        if grouping is None or currency is None:
            return CostDays(source, grouping, currency, first, last, {}, frozenset())
        where = rows_of(source, grouping, first, last, chosen, currency)
        if is_usage:
            where += f" AND {_USAGE}"
        rows = self.grouped("time::DATE", where, basis, by_size=False)
        return CostDays(
            source,
            grouping,
            currency,
            first,
            last,
            {row["name"]: row["cost"] for row in rows if row["cost"] is not None},
            frozenset(row["name"] for row in rows if row["is_estimated"]),
        )

    def grouped(self, key: str, where: str, basis: Basis, *, by_size: bool) -> list[Document]:
        """The sums of groups of rows.

        Args:
            key: SQL for what the groups are told apart by.
            where: SQL from `rows_of`.
            basis: Which amounts.
            by_size: Whether the largest comes first, and not the smallest name.
        """
        order = "cost DESC NULLS LAST, name" if by_size else "name"
        with self.look(COSTS.name) as connection:
            rows = connection.execute(
                f"SELECT {key} AS name, sum({basis}_cost) AS cost, bool_or(is_estimated), count(*) "
                f"FROM costs WHERE {where} GROUP BY ALL ORDER BY {order}"
            ).fetchall()
        return [
            {"name": name, "cost": cost, "is_estimated": estimated, "rows": count}
            for name, cost, estimated, count in rows
        ]

    @contextmanager
    def look(self, table: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with a view of a table, for the length of a `with` block."""
        connection = self._engine.connect()
        try:
            with readable_errors(table):
                self._engine.view(connection, [table])
                yield connection
        finally:
            connection.close()

    @contextmanager
    def look_at_calls(self, start: dt.date, end: dt.date) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the view `calls` of days, each call with the price that holds for it.

        Args:
            start: The first day, UTC.
            end: The day after the last one.
        """
        connection = self._engine.connect()
        try:
            with readable_errors(LLM_CALLS.name):
                view_calls(self._engine, connection, TimeRange(_start_ns(start), _start_ns(end)))
                yield connection
        finally:
            connection.close()

    def complete_days(
        self, days: int | None, start: dt.date | str | None, end: dt.date | str | None
    ) -> tuple[dt.date, dt.date]:
        """The first day of a range, and the day after its last.

        Args:
            days: How many complete days; 30 if no range is given.
            start: The first day.
            end: The day after the last one; today if None.

        Raises:
            QueryError: They contradict each other.
        """
        last = self.today if end is None else _day(end)
        if start is not None:
            if days is not None:
                raise QueryError("time range is given twice", allowed="one of days, or start")
            first = _day(start)
        else:
            count = 30 if days is None else days
            if count.__class__ is not int or not 1 <= count <= _MOST_DAYS:
                raise QueryError("days cannot be used", got=count, allowed="a whole number from 1")
            first = last - count * _DAY
        if first >= last:
            raise QueryError(
                "time range is empty", got=(str(first), str(last)), allowed="start before end"
            )
        return first, last


def _why_none(rows: Sequence[Document], basis: str) -> str:
    return f"the source has no {basis} cost" if rows else NO_COSTS


def _needed(chosen: Mapping[str, Any]) -> Iterator[str]:
    """What costs must be told apart by to choose from them."""
    for name, by in (("services", "service"), ("accounts", "account")):
        if chosen.get(name):
            yield by


def _only_currency(source: str, currencies: AbstractSet[str]) -> str | None:
    """The one currency that there is; None if there is none."""
    if len(currencies) > 1:
        raise QueryError(
            "the source has several currencies, which have no sum",
            got=source,
            allowed=", ".join(sorted(currencies)),
            fix="Say which one with currency=….",
        )
    return next(iter(currencies), None)


def _grouping_for(by: Sequence[str], groupings: Sequence[str]) -> str | None:
    """The first way of splitting that tells costs apart so, and has all of them where it can."""
    fitting = [each for each in groupings if set(by) <= set(_TELLS.get(each, BY))]
    return min(fitting, key=lambda each: each not in _TELLS, default=None)


def rows_of(
    source: str,
    grouping: str,
    start: dt.date,
    end: dt.date,
    chosen: Mapping[str, Any],
    currency: str,
) -> str:
    """SQL that is true for the rows of one source, grouping and currency."""
    terms = [
        f"source = {sql.text(source)} AND grouping = {sql.text(grouping)}",
        f"currency = {sql.text(currency)}",
        # The partition, so that files of other days are not opened.
        f"date >= {date_sql(start)} AND date < {date_sql(end)}",
    ]
    for name, column in (("services", "cloud_service"), ("accounts", "account_id")):
        wanted = chosen.get(name)
        if wanted:
            texts = [wanted] if isinstance(wanted, str) else list(wanted)
            terms.append(f"{column} IN {sql.text_list(texts)}")
    return " AND ".join(terms)


def _check_asked(basis: str, chosen: Mapping[str, Any]) -> None:
    """Refuse what makes no sense, also where nothing is stored that it could be asked of."""
    if basis not in BASES:
        raise QueryError("there are no such amounts", got=basis, allowed=", ".join(BASES))
    if unknown := set(chosen) - {"services", "accounts"}:
        raise QueryError(
            "costs cannot be chosen by this", got=min(unknown), allowed="services, accounts"
        )


def _day(day: dt.date | str) -> dt.date:
    found = day.date() if isinstance(day, dt.datetime) else day
    if not isinstance(found, dt.date):
        try:
            found = dt.date.fromisoformat(found)
        except (TypeError, ValueError) as error:
            raise QueryError("this is no day", got=day, allowed="such as 2026-11-01") from error
    if not MIN_DAY <= found <= MAX_DAY:
        raise QueryError(
            "there are no costs of such a day", got=str(day), allowed=f"{MIN_DAY} to {MAX_DAY}"
        )
    return found


def _start_ns(day: dt.date) -> int:
    return (day - _EPOCH).days * 86_400 * 10**9


def date_sql(day: dt.date) -> str:
    """A day as a literal."""
    return f"DATE '{day.isoformat()}'"


def _no_source(source: str, known: Sequence[Document]) -> QueryError:
    names = sorted({each["source"] for each in known})
    return QueryError(
        "no costs of this source are stored",
        got=source,
        allowed=", ".join(names) or "none yet",
        fix=did_you_mean(source, names),
    )
