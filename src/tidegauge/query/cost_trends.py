# SPDX-License-Identifier: Apache-2.0
"""How costs go on: by month, against the days before, and what a month will come to."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import Any

from tidegauge.model.errors import QueryError
from tidegauge.query.costs import MAX_DAY, MIN_DAY, CostDays, Costs, Document

__all__ = ["daily_document", "month_of", "monthly_document", "trend_document"]

_DAY = dt.timedelta(days=1)
#: Days that are compared with as many before them: whole weeks, for weekends cost less.
_COMPARED = 7


def daily_document(found: CostDays, basis: str) -> Document:
    """Days with what they have cost; a day without rows is None, and not 0."""
    n = (found.end - found.start).days
    days = [found.start + number * _DAY for number in range(n)]
    return {
        "source": found.source,
        "grouping": found.grouping,
        "currency": found.currency,
        "basis": basis,
        "start": found.start.isoformat(),
        "end": found.end.isoformat(),
        "total": found.total,
        "days": [
            {
                "day": day.isoformat(),
                "cost": found.costs.get(day),
                "is_estimated": day in found.estimated,
            }
            for day in days
        ],
        "reason": None if found.costs else "no costs of these days are stored",
    }


def month_of(text: str | dt.date | None, today: dt.date) -> tuple[dt.date, dt.date]:
    """The first day of a month, and of the next; of the month of yesterday if None.

    Raises:
        QueryError: It is no month.
    """
    if text is None:
        first = (today - _DAY).replace(day=1)
    elif isinstance(text, dt.date):
        first = text.replace(day=1)
    else:
        try:
            first = dt.date.fromisoformat(f"{text}-01" if len(text) == 7 else text).replace(day=1)
        except (TypeError, ValueError) as error:
            raise QueryError("this is no month", got=text, allowed="such as 2026-11") from error
    if not MIN_DAY <= first <= MAX_DAY:
        raise QueryError(
            "there are no costs of such a month", got=str(text), allowed=f"{MIN_DAY} to {MAX_DAY}"
        )
    return first, first + calendar.monthrange(first.year, first.month)[1] * _DAY


def monthly_document(
    costs: Costs, source: str, month: str | dt.date | None = None, **asked: Any
) -> Document:
    """What a month has cost so far, and what it will come to if it goes on as the last 7 days.

    What was charged once does not go on: of files only usage counts, and days that cost more than
    twice the median, or less than 0, are left out. So is yesterday while the provider fills it.

    Args:
        costs: Asks the store.
        source: Which source.
        month: The month, such as 2026-11; that of yesterday if None.
        asked: As for `Costs.daily`, without a range.
    """
    today = costs.today
    first, after = month_of(month, today)
    if first >= today:
        raise QueryError("no day of this month is over", got=str(month or first))
    end = min(after, today)
    found = costs.daily(source, start=first, end=end, **asked)
    document: Document = {
        "source": source,
        "currency": found.currency,
        "basis": asked.get("basis", "billed"),
        "month": f"{first:%Y-%m}",
        "cost": found.total,
        "days": len(found.costs),
        "days_of_month": (after - first).days,
        "is_estimated": bool(found.estimated),
        "projected": None,
        "reason": None if found.costs else "no costs of this month are stored",
    }
    if found.total is None or found.currency is None:
        return document
    whole = found.without_partial(today)
    left = (after - first).days - len(whole.costs)
    if not left:
        return {**document, "projected": found.total}
    if after <= today and whole is found:
        return {**document, "reason": f"costs of {left} days of this month are not stored"}
    if whole is not found:
        end -= _DAY
    known = {**asked, "currency": found.currency, "start": end - _COMPARED * _DAY, "end": end}
    recent = costs.daily(source, **known).costs
    if len(recent) < _COMPARED:
        return {**document, "reason": f"needs costs of the last {_COMPARED} days"}
    used = costs.daily(source, is_usage=True, **known).costs
    usual = _usual([used.get(day, Decimal()) for day in recent])
    return {**document, "projected": (whole.total or Decimal()) + usual * left}


def _usual(costs: Sequence[Decimal]) -> Decimal:
    """What a day costs on the average, without days on which there was something else."""
    middle = median(costs)
    usual = [each for each in costs if 0 <= each <= 2 * middle]
    return sum(usual, Decimal()) / len(usual) if usual else middle


def trend_document(costs: Costs, source: str, **asked: Any) -> Document:
    """The days, and the last 7 of them against the 7 before.

    Yesterday is not compared while the provider fills it.

    Args:
        costs: Asks the store.
        source: Which source.
        asked: As for `Costs.daily`; two weeks are needed for the comparison.
    """
    found = costs.daily(source, **asked)
    document = daily_document(found, asked.get("basis", "billed"))
    found = found.without_partial(costs.today)
    end = max(found.costs, default=found.start) + _DAY
    sides = []
    for number in (2, 1):
        first = end - number * _COMPARED * _DAY
        days = [first + each * _DAY for each in range(_COMPARED)]
        sides.append([found.costs[day] for day in days if day in found.costs])
    document |= {
        "before_per_day": None,
        "recent_per_day": None,
        "change": None,
        "change_ratio": None,
    }
    if any(len(side) < _COMPARED for side in sides):
        if document["reason"] is None:
            document["reason"] = f"needs costs of {2 * _COMPARED} days in a row"
        return document
    before, recent = (sum(side, Decimal()) / _COMPARED for side in sides)
    return document | {
        "before_per_day": before,
        "recent_per_day": recent,
        "change": recent - before,
        "change_ratio": (recent - before) / before if before > 0 else None,
        "reason": None if before > 0 else "the days before have cost nothing",
    }
