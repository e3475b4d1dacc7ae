# SPDX-License-Identifier: Apache-2.0
"""The questions about calls to language models: what they used, what they cost, who spends most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import duckdb

from tidegauge.model.budgets import SCOPES, Budget
from tidegauge.model.clock import Clock
from tidegauge.model.errors import QueryError
from tidegauge.model.llm_tables import LLM_CALLS
from tidegauge.model.series import DIMENSIONS
from tidegauge.model.times import TimeRange, isoformat
from tidegauge.model.zones import zone_of
from tidegauge.query import sql
from tidegauge.query.asked import TIMES, names_of, within
from tidegauge.query.budgets import Forms, budget_rows
from tidegauge.query.calendar import step_sql
from tidegauge.query.engine import Engine
from tidegauge.query.kept_since import kept_since
from tidegauge.query.llm_calls import Prices, view_calls
from tidegauge.query.llm_rows import Document, groups_of
from tidegauge.query.llm_to_price import CallToPrice, calls_to_price
from tidegauge.query.running import run
from tidegauge.query.selection import about_value, check_label_name, check_limit
from tidegauge.store.store import Store

__all__ = ["GROUPS", "SORTS", "Llm", "chosen_by"]

#: What calls can be told apart and chosen by, with the column it is in.
_COLUMNS = {
    **SCOPES,
    "operation": "operation",
    "response_model": "response_model",
    "service_tier": "service_tier",
    "status": "status",
    "price_source": "price_source",
    **{name: name for name in DIMENSIONS},
}

#: Pieces of time, in the time zone of the settings, with the form of their names.
_PIECES = ("hour", "day", "week", "month")

#: What calls can be grouped by, besides labels.
GROUPS = (*_COLUMNS, *_PIECES)

#: What the groups that are most can be most in.
SORTS: dict[str, Callable[[Document], Any]] = {
    "cost": lambda row: row["cost"],
    "tokens": lambda row: _sum_of(row["input_tokens"], row["output_tokens"]),
    "calls": lambda row: row["calls"],
    "latency": lambda row: row["latency_p95_s"],
    "errors": lambda row: row["failures"],
}

_LABEL = "label."
_HOUR_US = 3600 * 10**6
_Result = TypeVar("_Result")


class Llm:
    """Usage and cost of language models. Each answer counts once, however often it was recorded.

    What the methods have in common:

    - They look at the last `hours`, at `days`, or from `start` to `end`; at everything if none of
      them is given.
    - `model`, `provider`, `feature`, `user`, `key`, `operation` and the dimensions choose calls: a
      text, a list of texts of which any may be, or None for calls without. Labels are in `labels`.
      A user is as the store has them.
    - Answers are dictionaries with amounts as `Decimal`. A number that cannot be told is None, and
      `reason` says why. Cost of calls without a price is not 0: `is_floor` says that a cost is the
      least that it can be. Currencies are never added, nor is cost by the price list and what the
      provider said.
    - `is_complete` is False if retention has deleted calls that may belong to the range.
    - They raise `QueryError` for a question that makes no sense, and `StoreError` if the store
      cannot be read.

    Safe to share between threads.

    Args:
        store: The store.
        engine: Opens connections to it.
        clock: What `hours` and `days` count back from.
        time_zone: Whose days, weeks and months there are.
    """

    def __init__(self, store: Store, engine: Engine, clock: Clock, *, time_zone: str) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._time_zone = time_zone

    def spend(
        self, *, by: str | Sequence[str] = (), prices: Prices = "latest", **asked: Any
    ) -> Document:
        """Usage and cost, in all and by group.

        Args:
            by: `model`, `provider`, `feature`, `user`, `key`, `operation`, …, a dimension,
                `label.<name>`, `hour`, `day`, `week` or `month`; or several of them.
            prices: `latest` is what was worked out last, `first` what calls were recorded with.
            asked: A range, and what to choose calls by.

        Returns:
            `totals` with a row, or none if there are no calls; and `groups` with a row for each
            group, in the order of their names. Where there are several currencies, each has rows of
            its own.
        """
        names = names_of(by)
        chosen, where = self._chosen(asked)

        def look(connection: duckdb.DuckDBPyConnection) -> Document:
            view_calls(self._engine, connection, chosen, prices)
            keys = self._keys(connection, names, chosen)
            totals = groups_of(connection, {}, where)
            return {
                **self._about(chosen),
                "by": names,
                "prices": prices,
                "totals": totals,
                "groups": groups_of(connection, keys, where) if names and totals else [],
            }

        return self._ask(look)

    def top(
        self,
        by: str = "model",
        *,
        limit: int = 10,
        sort: str = "cost",
        prices: Prices = "latest",
        **asked: Any,
    ) -> Document:
        """The groups that are most.

        Args:
            by: As for `spend`.
            limit: Most groups; of each currency, where there are several.
            sort: What they are most in: `cost`, `tokens`, `calls`, `latency` (the 95th percentile)
                or `errors`. Those of which it is not known come last.
            prices: As for `spend`.
            asked: As for `spend`.

        Returns:
            What `spend` does, with `groups` so ordered and cut, how many were `left_out`, and
            `share` of each group in the cost that is known in its currency.
        """
        check_limit(limit)
        if sort not in SORTS:
            raise QueryError("groups have no such order", got=sort, allowed=", ".join(SORTS))
        found = self.spend(by=by, prices=prices, **asked)
        whole = {row["currency"]: row["cost"] for row in found["totals"] if row["cost"]}
        by_currency: dict[str | None, list[Document]] = {}
        for row in found["groups"]:
            by_currency.setdefault(row["currency"], []).append(row)
        kept: list[Document] = []
        for currency, rows in sorted(by_currency.items(), key=_none_last):
            rows.sort(key=lambda row: _falling(SORTS[sort](row)))
            for row in rows[:limit]:
                known = row["cost"] is not None and currency in whole
                kept.append(
                    {**row, "share": float(row["cost"] / whole[currency]) if known else None}
                )
        return {
            **found,
            "sort": sort,
            "groups": kept,
            "left_out": len(found["groups"]) - len(kept),
        }

    def to_price(self, *, unpriced: bool = False, **asked: Any) -> Iterator[list[CallToPrice]]:
        """The calls whose tokens are known, each with the price that holds, in batches.

        Args:
            unpriced: Only those without a price.
            asked: As for `spend`.
        """
        chosen, where = self._chosen(asked)
        connection = self._engine.connect()

        def look() -> Iterator[list[CallToPrice]]:
            view_calls(self._engine, connection, chosen)
            return calls_to_price(self._engine, connection, chosen, where, unpriced=unpriced)

        return run(connection, LLM_CALLS.name, look)

    def budgets(
        self, budgets: Sequence[Budget], forms: Forms, *, forecast: bool = True
    ) -> list[Document]:
        """How much of budgets is spent in their present periods, and what they will come to.

        Args:
            budgets: The budgets.
            forms: Everything that a user may be known as in the store.
            forecast: Whether to tell what they will come to.

        Returns:
            A row for each budget; of one that each value has for itself, a row for each value that
            has spent something in the period, those that spent most first.
        """
        if not budgets:
            return []
        return self._ask(
            lambda connection: budget_rows(
                self._store,
                self._engine,
                connection,
                budgets,
                zone=zone_of(self._time_zone),
                now_ns=self._clock.wall_ns(),
                forms=forms,
                forecast=forecast,
            )
        )

    def _chosen(self, asked: Mapping[str, Any]) -> tuple[TimeRange, str]:
        """The range, and SQL that is true for the calls."""
        about = []
        for name, value in asked.items():
            if name in (*TIMES, "labels"):
                continue
            if name not in _COLUMNS:
                raise _no_such(
                    name, "calls cannot be chosen by this", (*_COLUMNS, *TIMES, "labels")
                )
            about.append(about_value(sql.quoted(_COLUMNS[name]), name, value))
        labels = asked.get("labels") or {}
        if not isinstance(labels, Mapping):
            raise QueryError(
                "labels are not a dict", got=labels, allowed="a dict of names to values"
            )
        for name, value in labels.items():
            check_label_name(name)
            about.append(about_value(sql.label(name), name, value))
        return within(asked, self._clock.wall_ns()), " AND ".join(about) or "true"

    def _keys(
        self, connection: duckdb.DuckDBPyConnection, names: Sequence[str], chosen: TimeRange
    ) -> dict[str, str]:
        """SQL for what groups are told apart by, by name."""
        keys: dict[str, str] = {}
        for name in names:
            if name in _COLUMNS:
                keys[name] = sql.quoted(_COLUMNS[name])
            elif name in _PIECES:
                keys[name] = self._piece(name, self._bounded(connection, chosen))
            elif name.startswith(_LABEL):
                check_label_name(name.removeprefix(_LABEL))
                keys[name] = sql.label(name.removeprefix(_LABEL))
            else:
                allowed = (*GROUPS, f"{_LABEL}<name>")
                raise _no_such(name, "calls cannot be grouped by this", allowed)
        return keys

    def _piece(self, name: str, chosen: TimeRange) -> str:
        """SQL for the name of the hour, or of the first day of a week or month."""
        if name == "hour":
            start_us = f"epoch_us(time) // {_HOUR_US} * {_HOUR_US}"
            return f"strftime(make_timestamp({start_us}), '%Y-%m-%dT%H:00:00Z')"
        zone = zone_of(self._time_zone)
        if name == "week":
            days = f"({step_sql('week', zone, chosen)}) * 7 - 3"
        else:
            days = step_sql("day", zone, chosen)
        form = "%Y-%m" if name == "month" else "%Y-%m-%d"
        return f"strftime(DATE '1970-01-01' + CAST({days} AS INTEGER), '{form}')"

    def _bounded(self, connection: duckdb.DuckDBPyConnection, chosen: TimeRange) -> TimeRange:
        """The range with the times of the first and the last call for open ends."""
        if chosen.start_ns is not None and chosen.end_ns is not None:
            return chosen
        first_us, last_us = connection.execute(
            "SELECT epoch_us(min(time)), epoch_us(max(time)) FROM calls"
        ).fetchall()[0]
        now_ns = self._clock.wall_ns()
        start_ns = now_ns if first_us is None else first_us * 1000
        end_ns = now_ns if last_us is None else (last_us + 1) * 1000
        return TimeRange(
            start_ns if chosen.start_ns is None else chosen.start_ns,
            end_ns if chosen.end_ns is None else chosen.end_ns,
        )

    def _about(self, chosen: TimeRange) -> Document:
        kept = kept_since(self._store, LLM_CALLS.name, chosen)
        return {
            "start": None if chosen.start_ns is None else isoformat(chosen.start_ns),
            "end": None if chosen.end_ns is None else isoformat(chosen.end_ns),
            "is_complete": kept.is_complete,
            "complete_from": kept.since,
            "reason": kept.reason,
        }

    def _ask(self, look: Callable[[duckdb.DuckDBPyConnection], _Result]) -> _Result:
        connection = self._engine.connect()
        try:
            return run(connection, "calls to language models", lambda: look(connection))
        finally:
            connection.close()


def chosen_by(pairs: Mapping[str, str]) -> dict[str, Any]:
    """Pairs that somebody typed, as arguments of `Llm.spend`: what is no column is a label."""
    columns = {name: value for name, value in pairs.items() if name in _COLUMNS}
    labels = {name: value for name, value in pairs.items() if name not in _COLUMNS}
    return {**columns, "labels": labels}


def _none_last(item: tuple[str | None, object]) -> tuple[bool, str]:
    return item[0] is None, item[0] or ""


def _falling(value: Any) -> tuple[bool, Any]:
    """Sorts large ones first and None last."""
    return (True, 0) if value is None else (False, -value)


def _sum_of(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _no_such(name: str, what: str, allowed: Sequence[str]) -> QueryError:
    near = get_close_matches(name, allowed, n=1)
    return QueryError(
        what,
        got=name,
        allowed=", ".join(dict.fromkeys(allowed)),
        fix=f"Did you mean {near[0]!r}?" if near else "",
    )
