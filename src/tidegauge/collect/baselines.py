# SPDX-License-Identifier: Apache-2.0
"""Baselines: what a day, a month or a prediction cost before, kept with their dates and history.

What is saved is an estimate: nobody knows what would have been paid.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec

from tidegauge.model.amounts import read_amount
from tidegauge.model.errors import ConfigError, QueryError
from tidegauge.model.times import isoformat
from tidegauge.query.cost_ratios import per_prediction
from tidegauge.query.costs import Costs, Document
from tidegauge.store.store import Store

__all__ = ["Baseline", "Baselines", "Unit"]

#: What a baseline is the cost of.
Unit = Literal["day", "month", "prediction"]

_NAMESPACE = "cost_baselines"
_LONGEST_NAME = 100
_DAY = dt.timedelta(days=1)


class Baseline(msgspec.Struct, frozen=True):
    """What something cost at a time.

    Attributes:
        name: What it is called.
        amount: What one unit cost.
        unit: A day, a calendar month, or a prediction.
        currency: The currency.
        source: Where the costs are from that are compared with it.
        start: The first day it was measured over; None if it was given.
        end: The day after the last one.
        set_at: When it was set, ISO 8601.
    """

    name: str
    amount: Decimal
    unit: Unit
    currency: str
    source: str
    start: str | None
    end: str | None
    set_at: str


class Baselines:
    """Keeps baselines in the store's state, and tells what was saved against them.

    Args:
        store: The store.
        costs: Its read side.
    """

    def __init__(self, store: Store, costs: Costs) -> None:
        self._store = store
        self._costs = costs

    def set(
        self,
        name: str,
        *,
        unit: Unit,
        source: str,
        amount: object = None,
        currency: str = "USD",
        **asked: Any,
    ) -> Baseline:
        """Keep a baseline: an amount, or what it was in a time. An earlier one becomes history.

        Args:
            name: What it is called.
            unit: What the amount is of.
            source: Where the costs are from.
            amount: The amount; measured if None.
            currency: The currency of an amount that is given.
            asked: Over which days it is measured, as for `Costs.daily`; of a month, over the last
                one that is over if nothing is said.

        Raises:
            ConfigError: The name, the unit or the amount cannot be used.
            QueryError: It cannot be measured; the reason is told.
        """
        _check(name, unit)
        start = end = None
        if amount is None:
            if unit == "month" and not asked.keys() & {"days", "start", "end"}:
                after = self._costs.today.replace(day=1)
                asked = {**asked, "start": (after - _DAY).replace(day=1), "end": after}
            found = self._unit_cost(source, unit, asked)
            if found["unit_cost"] is None:
                raise QueryError("the baseline cannot be measured", got=name, fix=_sentence(found))
            given, currency = found["unit_cost"], found["currency"]
            start, end = found["start"], found["end"]
        else:
            given = _read(amount)
        baseline = Baseline(
            name=name,
            amount=given,
            unit=unit,
            currency=currency,
            source=source,
            start=start,
            end=end,
            set_at=isoformat(self._store.clock.wall_ns()),
        )
        with self._store.state.transaction() as transaction:
            rows = transaction.fetch(
                "select value from settings where namespace = ? and key = ?", (_NAMESPACE, name)
            )
            kept = _decoded(rows[0][0]) if rows else []
            transaction.set_value(_NAMESPACE, name, msgspec.json.encode([*kept, baseline]).decode())
        return baseline

    def listed(self) -> list[Baseline]:
        """The baselines in force, by name."""
        return [self.history(name)[-1] for name in sorted(self._store.state.values(_NAMESPACE))]

    def history(self, name: str) -> list[Baseline]:
        """All that a baseline has been, the newest last.

        Raises:
            QueryError: There is none of that name.
        """
        kept = self._store.state.value(_NAMESPACE, name)
        if kept is None:
            names = sorted(self._store.state.values(_NAMESPACE))
            raise QueryError(
                "there is no such baseline", got=name, allowed=", ".join(names) or "none yet"
            )
        return _decoded(kept)

    def savings(self, name: str, **asked: Any) -> Document:
        """What was saved: (baseline - cost of a unit) x units; negative if it costs more now.

        Args:
            name: The baseline.
            asked: Over which days, as for `Costs.daily`: the last 30 if nothing is said.
        """
        baseline = self.history(name)[-1]
        # Another currency is told only where this one has nothing.
        own = {"currency": baseline.currency, **asked}
        found = self._unit_cost(baseline.source, baseline.unit, own)
        if found["unit_cost"] is None and "currency" not in asked:
            found = self._unit_cost(baseline.source, baseline.unit, asked)
        document: Document = {
            "baseline": msgspec.structs.asdict(baseline),
            "kind": "estimated",
            **found,
            "saved": None,
            "saved_ratio": None,
        }
        if found["unit_cost"] is None:
            return document
        if found["currency"] != baseline.currency:
            said = f"the baseline is in {baseline.currency}, the costs are in {found['currency']}"
            return {**document, "reason": said}
        before = baseline.amount * found["units"]
        saved = before - found["cost"]
        ratio = saved / before if before > 0 else None
        reason = None if ratio is not None else "the baseline is not above 0"
        return {**document, "saved": saved, "saved_ratio": ratio, "reason": reason}

    def _unit_cost(self, source: str, unit: Unit, asked: Mapping[str, Any]) -> Document:
        """What a unit costs in some days: the sum of costs over the units in the same days."""
        if unit == "prediction":
            told = per_prediction(self._costs, source, **asked)
            return {
                **{key: told[key] for key in ("source", "currency", "start", "end", "cost")},
                "units": told["predictions"],
                "unit_cost": told["cost_per_prediction"],
                "reason": told["reason"],
            }
        found = self._costs.daily(source, **asked)
        days = dict(found.costs)
        if unit == "month":
            days = _whole_months(days)
        units = len({day.replace(day=1) for day in days} if unit == "month" else days)
        cost = sum(days.values(), Decimal()) if days else None
        return {
            "source": source,
            "currency": found.currency,
            "start": min(days, default=found.start).isoformat(),
            "end": (max(days) + _DAY if days else found.end).isoformat(),
            "cost": cost,
            "units": units,
            "unit_cost": None if cost is None else cost / units,
            "reason": None if days else f"no whole {unit} of these days has costs stored",
        }


def _whole_months(days: Mapping[dt.date, Decimal]) -> dict[dt.date, Decimal]:
    """The days of the months of which every day is there."""
    months: dict[dt.date, int] = {}
    for day in days:
        first = day.replace(day=1)
        months[first] = months.get(first, 0) + 1
    whole = {first for first, n in months.items() if n == _length(first)}
    return {day: cost for day, cost in days.items() if day.replace(day=1) in whole}


def _length(first: dt.date) -> int:
    return ((first + 31 * _DAY).replace(day=1) - first).days


def _decoded(kept: str) -> list[Baseline]:
    return msgspec.json.decode(kept, type=list[Baseline])


def _read(amount: object) -> Decimal:
    try:
        return read_amount(amount)
    except ValueError as error:
        raise ConfigError(
            "the amount of a baseline cannot be used", got=amount, allowed="a number"
        ) from error


def _check(name: str, unit: str) -> None:
    if not 1 <= len(name) <= _LONGEST_NAME:
        allowed = f"a text of up to {_LONGEST_NAME} characters"
        raise ConfigError("a baseline cannot be called so", got=name, allowed=allowed)
    if unit not in get_args(Unit):
        raise ConfigError(
            "a baseline cannot be of this", got=unit, allowed=", ".join(get_args(Unit))
        )


def _sentence(found: Document) -> str:
    reason = str(found["reason"])
    return f"{reason[:1].upper()}{reason[1:]}."
