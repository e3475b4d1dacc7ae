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
from tidegauge.query.calendar import step_sql
from tidegauge.query.engine import Engine
from tidegauge.query.kept_since import kept_since
from tidegauge.query.llm_calls import view_calls
from tidegauge.query.llm_rows import Document, share_of_money
from tidegauge.query.numbers import CONFIDENCE
from tidegauge.query.selection import about_value
from tidegauge.statistics.forecast import LEAST_DAYS, Ahead, forecast_total
from tidegauge.store.store import Store

__all__ = ["HISTORY_DAYS", "Forms", "budget_rows"]

#: Complete days that a forecast looks back on, if there are so many: eight weeks.
HISTORY_DAYS = 56

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
    """Calls of a budget on one day, in one currency or without a price for one reason."""

    value: str | None
    day: dt.date
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
        kept = kept_since(store, LLM_CALLS.name, TimeRange(span.start_ns, span.end_ns))
        sums = _sums(connection, budget, forms)
        by_value: dict[str | None, list[_Sum]] = {} if budget.each else {None: []}
        for each in sums:
            by_value.setdefault(each.value, []).append(each)
        found = []
        for value, of_value in by_value.items():
            row = _row(budget, span, value, of_value, kept.reason)
            if budget.each and not any(
                row[name] for name in ("priced", "unpriced", "other_currencies")
            ):
                continue
            if forecast:
                row |= _forecast(row, of_value, budget, span, today, zone, now_ns, first)
            found.append(row)
        rows += sorted(found, key=lambda row: (-(row["spent"] or 0), row["value"] or ""))
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


def _sums(connection: duckdb.DuckDBPyConnection, budget: Budget, forms: Forms) -> list[_Sum]:
    about = [f"source = '{budget.source}'"]
    for scope, value in budget.scope.items():
        wanted = list(forms(value)) if scope == "user" else value
        about.append(about_value(SCOPES[scope], scope, wanted))
    value = "NULL"
    if budget.each:
        value = SCOPES[budget.each]
        about.append(f"{value} IS NOT NULL")
    rows = connection.execute(
        f"SELECT {value} AS value, day, currency, reason, sum(calls)::BIGINT, sum(amount) "
        f"FROM spent WHERE {' AND '.join(about)} GROUP BY ALL"
    ).fetchall()
    return [_Sum(row[0], _EPOCH + row[1] * _DAY, *row[2:]) for row in rows]


def _row(
    budget: Budget, span: Span, value: str | None, sums: Sequence[_Sum], deleted: str | None
) -> Document:
    """What a budget, or the share of a value in it, is in its period, without a forecast."""
    now = [each for each in sums if span.first <= each.day < span.after]
    own = [each for each in now if each.amount is not None and each.currency == budget.currency]
    priced = sum(each.calls for each in own)
    reasons: dict[str, int] = {}
    elsewhere: dict[str, int] = {}
    for each in now:
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


def _forecast(
    row: Mapping[str, Any],
    sums: Sequence[_Sum],
    budget: Budget,
    span: Span,
    today: dt.date,
    zone: ZoneInfo,
    now_ns: int,
    first: dt.date,
) -> Document:
    """What it will come to, of the same calls: those without a price do not count here either."""
    if row["spent"] is None:
        return {"forecast": None, "forecast_reason": "no call has a price"}
    daily: dict[dt.date, Decimal] = {}
    for each in sums:
        if each.amount is not None and each.currency == budget.currency:
            daily[each.day] = daily.get(each.day, Decimal(0)) + each.amount
    begin = max(first + _DAY, today - HISTORY_DAYS * _DAY)
    if daily and min(daily) >= begin:
        # Of the day on which it began, only a part may have been recorded.
        begin = min(daily) + _DAY
    count = (today - begin).days if daily else 0
    history = [float(daily.get(begin + at * _DAY, 0)) for at in range(max(count, 0))]
    ahead = [Ahead(day.weekday(), share) for day, share in days_ahead(span, zone, now_ns)]
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
