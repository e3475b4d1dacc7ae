# SPDX-License-Identifier: Apache-2.0
"""Costs set against what they were for: predictions, calls to language models, services."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tidegauge.model.llm_tables import LLM_CALLS
from tidegauge.model.tables import PREDICTIONS
from tidegauge.query import sql
from tidegauge.query.costs import NO_COSTS, CostDays, Costs, Document, date_sql, rows_of

__all__ = ["capture", "per_prediction", "services_of"]

_BEDROCK_GROUPING = "bedrock-model"
_BEDROCK = "aws.bedrock"
_DAY = dt.timedelta(days=1)


def per_prediction(costs: Costs, source: str, **asked: Any) -> Document:
    """What a prediction has cost: the sum of costs over the number of predictions, same days.

    Days before the first prediction that is stored do not count, nor days before the first and
    after the last cost: there the other half is missing, and not 0. Nor does yesterday while the
    provider fills it.

    Args:
        costs: Asks the store.
        source: Which source.
        asked: As for `Costs.daily`.
    """
    found = costs.daily(source, **asked).without_partial(costs.today)
    document: Document = {
        **_told(found, asked.get("basis", "billed")),
        "cost": None,
        "predictions": 0,
        "cost_per_prediction": None,
        "reason": NO_COSTS,
    }
    if not found.costs:
        return document
    with costs.look(PREDICTIONS.name) as connection:
        counted = dict(
            connection.execute(
                "SELECT time::DATE, count(*) FROM predictions WHERE "
                f"time::DATE >= {date_sql(min(found.costs))} AND time::DATE <= "
                f"{date_sql(max(found.costs))} GROUP BY ALL"
            ).fetchall()
        )
        ((began,),) = connection.execute("SELECT min(time)::DATE FROM predictions").fetchall()
    if not counted:
        return {**document, "reason": "no predictions of these days are stored"}
    first = max(min(found.costs), began)
    cost = sum((each for day, each in found.costs.items() if day >= first), Decimal())
    n = sum(counted.values())
    return {
        **document,
        "start": first.isoformat(),
        "end": (max(found.costs) + _DAY).isoformat(),
        "cost": cost,
        "predictions": n,
        "cost_per_prediction": cost / n,
        "reason": None,
    }


def capture(costs: Costs, source: str, **asked: Any) -> Document:
    """Which share of what Bedrock has billed was recorded as calls, by the price list.

    Below 1 there are calls that nobody records, or prices are wrong. A response that was
    recorded twice counts once, each call with the price that was worked out last. Days before the
    first call that is stored do not count, nor days before the first and after the last of the
    bill: there the other half is missing.

    Args:
        costs: Asks the store.
        source: Where the bill is from; it must tell models apart.
        asked: As for `Costs.daily`.
    """
    bill = costs.daily(source, **{**asked, "grouping": _BEDROCK_GROUPING})
    document: Document = {
        "provider": _BEDROCK,
        **_told(bill, asked.get("basis", "billed")),
        "captured": None,
        "billed": None,
        "calls": 0,
        "unpriced_calls": 0,
        "ratio": None,
        "reason": f"{source} has no bill of Bedrock's models for these days",
    }
    if not bill.costs:
        return document
    with costs.look(LLM_CALLS.name) as connection:
        ((began,),) = connection.execute(
            f"SELECT min(time)::DATE FROM llm_calls WHERE provider = {sql.text(_BEDROCK)}"
        ).fetchall()
    first, end = min(bill.costs), max(bill.costs) + _DAY
    if began is not None:
        first = max(first, began)
    if first >= end:
        return {**document, "reason": "the first call to Bedrock that is stored is of a later day"}
    with costs.look_at_calls(first, end) as connection:
        ((calls, unpriced, captured),) = connection.execute(
            "SELECT count(*), count(*) FILTER (cost IS NULL AND unpriced_reason IS NOT NULL), "
            f"sum(cost) FILTER (currency = {sql.text(bill.currency or '')}) FROM calls "
            f"WHERE provider = {sql.text(_BEDROCK)}"
        ).fetchall()
    billed = sum((each for day, each in bill.costs.items() if day >= first), Decimal())
    document |= {
        "start": first.isoformat(),
        "end": end.isoformat(),
        "captured": captured or Decimal(),
        "billed": billed,
        "calls": calls,
        "unpriced_calls": unpriced,
    }
    if billed <= 0:
        return {**document, "reason": "the bill of Bedrock's models is not above 0"}
    return {**document, "ratio": (captured or Decimal()) / billed, "reason": None}


def services_of(costs: Costs, source: str, **asked: Any) -> dict[str, Decimal]:
    """What each service has cost; services of the 30 days before that cost nothing are 0.

    Args:
        costs: Asks the store.
        source: Which source.
        asked: As for `Costs.daily`.
    """
    found = costs.daily(source, **asked)
    if found.grouping is None or found.currency is None:
        return {}
    basis = asked.get("basis", "billed")
    amounts: dict[str, Decimal] = {}
    for first, last in ((found.start - 30 * _DAY, found.start), (found.start, found.end)):
        where = rows_of(source, found.grouping, first, last, {}, found.currency)
        rows = costs.grouped("cloud_service", where, basis, by_size=True)
        amounts |= {
            row["name"]: (row["cost"] or Decimal()) if first == found.start else Decimal()
            for row in rows
            if row["name"] is not None
        }
    return amounts


def _told(found: CostDays, basis: str) -> Document:
    return {
        "source": found.source,
        "grouping": found.grouping,
        "currency": found.currency,
        "basis": basis,
        "start": found.start.isoformat(),
        "end": found.end.isoformat(),
    }
