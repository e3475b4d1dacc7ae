# SPDX-License-Identifier: Apache-2.0
"""How much of budgets is spent, and what they will come to.

One look at the calls answers for all budgets: they are summed up by day and by what budgets are of,
and everything else is made of those sums, which are exact.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from tidegauge.model.budgets import SCOPES, Budget
from tidegauge.model.llm_tables import LLM_CALLS
from tidegauge.model.periods import Span, day_start_ns, days_ahead, local_day, span_of
from tidegauge.model.times import TimeRange, isoformat
from tidegauge.query import sql
from tidegauge.query.calendar import step_sql
from tidegauge.query.engine import Engine
from tidegauge.query.kept_since import kept_since
from tidegauge.query.llm_calls import view_calls
from tidegauge.query.llm_rows import Document, share_of_money
from tidegauge.query.numbers import CONFIDENCE
from tidegauge.query.selection import about_value
from tidegauge.statistics.forecast import LEAST_DAYS, Ahead, forecast_total
from tidegauge.store.store import Store

__all__ = ["HISTORY_DAYS", "MOST_FORECASTS", "Forms", "budget_rows"]

#: Complete days that a forecast looks back on, if there are so many: eight weeks.
HISTORY_DAYS = 56

#: Of a budget that each value has for itself, forecasts are told of those that spent most.
MOST_FORECASTS = 100

#: Everything that a user may be known as in the store.
Forms = Callable[[str], Sequence[str]]

_DAY = dt.timedelta(days=1)
_EPOCH = dt.date(1970, 1, 1)
_MONEY = Decimal(1).scaleb(-8)
#: Why a call has no cost where it is the provider who is to say it.
_NOT_SAID = "not_said"
#: By source of cost: its columns, why there is none, and what calls may have cost something.
_SOURCES = {
    "price_list": ("cost", "currency", "unpriced_reason", "cost IS NOT NULL"),
    "provider": (
        "provider_cost",
        "provider_currency",
        f"'{_NOT_SAID}'",
        "cost IS NOT NULL OR provider_cost IS NOT NULL",
    ),
}


class _Sum(NamedTuple):
    """Calls of a budget in its period, in one currency or without a price for one reason."""

    value: str | None
    currency: str | None
    reason: str | None
    calls: int
    amount: Decimal | None


def budget_rows(
    store: Store,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    budgets: Sequence[Budget],
    *,
    zone: ZoneInfo,
    now_ns: int,
    forms: Forms,
    forecast: bool,
) -> list[Document]:
    """Tell how much of budgets is spent in their present periods.

    Args:
        store: The store.
        engine: Made the connection.
        connection: From `Engine.connect`.
        budgets: The budgets, at least one.
        zone: Whose days, weeks and so on periods are.
        now_ns: The time.
        forms: What a user may be known as.
        forecast: Whether to tell what they will come to; it takes a look at the weeks before.

    Returns:
        A row for each budget, in their order; of one that each value has for itself, a row for each
        value that has spent something in the period, those that spent most first.

    Raises:
        StoreError: The store cannot be read.
        QueryError: DuckDB cannot answer.
    """
    today = local_day(zone, now_ns)
    spans = {budget.name: span_of(budget.period, zone, now_ns) for budget in budgets}
    first = min(span.first for span in spans.values())
    if forecast:
        # A day more shows whether the first of them was complete.
        first = min(first, today - (HISTORY_DAYS + 1) * _DAY)
    looked_at = TimeRange(
        max(0, day_start_ns(first, zone)), max(span.end_ns for span in spans.values())
    )
    view_calls(engine, connection, looked_at)
    connection.execute(_sums_sql(budgets, zone, looked_at))
    rows: list[Document] = []
    for budget in budgets:
        span = spans[budget.name]
        about = _about(budget, forms)
        kept = kept_since(store, LLM_CALLS.name, TimeRange(span.start_ns, span.end_ns))
        by_value: dict[str | None, list[_Sum]] = {} if budget.each else {None: []}
        for each in _sums(connection, budget, span, about):
            by_value.setdefault(each.value, []).append(each)
        found = [_row(budget, span, value, sums, kept.reason) for value, sums in by_value.items()]
        found.sort(key=lambda row: (-(row["spent"] or 0), row["value"] or ""))
        if forecast:
            _add_forecasts(connection, found, budget, about, span, zone, now_ns, first)
        rows += found
    return rows


def _sums_sql(budgets: Sequence[Budget], zone: ZoneInfo, looked_at: TimeRange) -> str:
    """A table of what was spent by day, source, currency, and what budgets are of."""
    needed = {scope for budget in budgets for scope in (*budget.scope, budget.each) if scope}
    by = "".join(f"{SCOPES[scope]}, " for scope in SCOPES if scope in needed)
    parts = []
    for source in sorted({budget.source for budget in budgets}):
        cost, currency, reason, has_cost = _SOURCES[source]
        parts.append(
            f"SELECT '{source}' AS source, {step_sql('day', zone, looked_at)} AS day, {by}"
            f"{currency} AS currency, CASE WHEN {cost} IS NULL THEN {reason} END AS reason, "
            f"count(*) AS calls, sum({cost}) AS amount FROM calls "
            f"WHERE {has_cost} OR unpriced_reason IS NOT NULL GROUP BY ALL"
        )
    return f"CREATE TEMP TABLE spent AS {' UNION ALL '.join(parts)}"


def _about(budget: Budget, forms: Forms) -> str:
    """SQL that is true for what was spent of a budget, whenever it was."""
    about = [f"source = '{budget.source}'"]
    for scope, value in budget.scope.items():
        wanted = list(forms(value)) if scope == "user" else value
        about.append(about_value(SCOPES[scope], scope, wanted))
    if budget.each:
        about.append(f"{SCOPES[budget.each]} IS NOT NULL")
    return " AND ".join(about)


def _sums(
    connection: duckdb.DuckDBPyConnection, budget: Budget, span: Span, about: str
) -> list[_Sum]:
    rows = connection.execute(
        f"SELECT {_value(budget)}, currency, reason, sum(calls)::BIGINT, sum(amount) FROM spent "
        f"WHERE {about} AND day >= {_number(span.first)} AND day < {_number(span.after)} "
        "GROUP BY ALL"
    ).fetchall()
    return [_Sum(*row) for row in rows]


def _value(budget: Budget) -> str:
    """SQL for whose share something is of."""
    return SCOPES[budget.each] if budget.each else "NULL"


def _number(day: dt.date) -> int:
    return (day - _EPOCH).days


def _row(
    budget: Budget, span: Span, value: str | None, sums: Sequence[_Sum], deleted: str | None
) -> Document:
    """What a budget, or the share of a value in it, is in its period, without a forecast."""
    own = [each for each in sums if each.amount is not None and each.currency == budget.currency]
    priced = sum(each.calls for each in own)
    reasons: dict[str, int] = {}
    elsewhere: dict[str, int] = {}
    for each in sums:
        if each.amount is None:
            told = each.reason or _NOT_SAID
            reasons[told] = reasons.get(told, 0) + each.calls
        elif each.currency != budget.currency:
            name = each.currency or "?"
            elsewhere[name] = elsewhere.get(name, 0) + each.calls
    unpriced = sum(reasons.values())
    is_known = bool(priced) or not unpriced
    spent = sum((each.amount for each in own if each.amount), Decimal(0)) if is_known else None
    why = []
    if unpriced:
        why.append(f"{unpriced} calls have no price")
    if elsewhere:
        why.append(f"calls with cost in {', '.join(sorted(elsewhere))} do not count")
    if deleted:
        why.append(deleted)
    return {
        "budget": budget.name,
        "value": value,
        "each": budget.each,
        "scope": dict(budget.scope),
        "source": budget.source,
        "currency": budget.currency,
        "period": span.label,
        "every": budget.period,
        "period_start": isoformat(span.start_ns),
        "period_end": isoformat(span.end_ns),
        "max": budget.amount,
        "spent": spent,
        "remaining": None if spent is None else budget.amount - spent,
        "share": None if spent is None else float(spent / budget.amount),
        "priced": priced,
        "unpriced": unpriced,
        "unpriced_reasons": dict(sorted(reasons.items())),
        "other_currencies": dict(sorted(elsewhere.items())),
        "coverage": share_of_money(priced, unpriced),
        "is_floor": bool(why),
        "reason": "; ".join(why) or None,
    }


def _add_forecasts(
    connection: duckdb.DuckDBPyConnection,
    rows: Sequence[Document],
    budget: Budget,
    about: str,
    span: Span,
    zone: ZoneInfo,
    now_ns: int,
    first: dt.date,
) -> None:
    """Say of rows what they will come to."""
    today = local_day(zone, now_ns)
    told = rows[:MOST_FORECASTS]
    if budget.each:
        about += f" AND {_value(budget)} IN {sql.text_list(row['value'] for row in told)}"
    found = (
        connection.execute(
            f"SELECT {_value(budget)}, day, sum(amount) FROM spent WHERE {about} "
            f"AND amount IS NOT NULL AND currency = '{budget.currency}' "
            f"AND day < {_number(today)} GROUP BY ALL"
        ).fetchall()
        if told
        else []
    )
    daily: dict[str | None, dict[dt.date, Decimal]] = {}
    for value, day, amount in found:
        daily.setdefault(value, {})[_EPOCH + day * _DAY] = amount
    ahead = [Ahead(day.weekday(), share) for day, share in days_ahead(span, zone, now_ns)]
    for row in told:
        row.update(_forecast(row, daily.get(row["value"], {}), ahead, today, first))
    for row in rows[MOST_FORECASTS:]:
        why = f"only the {MOST_FORECASTS} that spent most have one"
        row.update(forecast=None, forecast_reason=why)


def _forecast(
    row: Mapping[str, Any],
    daily: Mapping[dt.date, Decimal],
    ahead: Sequence[Ahead],
    today: dt.date,
    first: dt.date,
) -> Document:
    """What it will come to, of the same calls: those without a price do not count here either."""
    if row["spent"] is None:
        return {"forecast": None, "forecast_reason": "no call has a price"}
    begin = max(first + _DAY, today - HISTORY_DAYS * _DAY)
    if daily and min(daily) >= begin:
        # Of the day on which it began, only a part may have been recorded.
        begin = min(daily) + _DAY
    count = (today - begin).days if daily else 0
    history = [float(daily.get(begin + at * _DAY, 0)) for at in range(count)]
    found = forecast_total(
        float(row["spent"]), history, begin.weekday(), ahead, confidence=CONFIDENCE
    )
    if found is None:
        why = f"needs {LEAST_DAYS} complete days, and there are {len(history)}"
        return {"forecast": None, "forecast_reason": why}
    return {
        "forecast": {
            "expected": max(_money(found.expected), row["spent"]),
            "low": max(_money(found.low), row["spent"]),
            "high": _money(found.high),
            "confidence": CONFIDENCE,
            "method": found.method,
            "days": found.n_days,
        },
        "forecast_reason": None,
    }


def _money(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(_MONEY)
