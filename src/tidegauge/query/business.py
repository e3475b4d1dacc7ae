# SPDX-License-Identifier: Apache-2.0
"""What it was worth: rates worked out from counters, money by currency, users and what they bring.

What is stored are numerators and denominators. A rate is a ratio of their sums over the range.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, NamedTuple

import duckdb

from tidegauge.catalog.units import CURRENCIES
from tidegauge.model.errors import QueryError
from tidegauge.model.spec import MetricSpec
from tidegauge.model.tables import FEATURE_USAGE
from tidegauge.model.times import TimeRange
from tidegauge.query.feature_facts import Chosen
from tidegauge.query.features import Features
from tidegauge.query.selection import Selection, Vocabulary
from tidegauge.query.summary import Summary, summarise
from tidegauge.statistics.bounds import check_confidence, check_number
from tidegauge.statistics.business import check_worth, lifetime_value
from tidegauge.statistics.estimate import CONFIDENCE, Estimate, unknown
from tidegauge.statistics.ratios import Sums, ratio, share

__all__ = ["FEWEST_DAYS", "MONEY", "Business", "BusinessMetric"]

#: Metrics of money, without the currency at their end, such as `_usd`.
MONEY = ("business:revenue", "business:cost_savings")

#: From fewer days nobody can tell how much days differ.
FEWEST_DAYS = 8

_PLACES = Decimal(1).scaleb(-8)

# The largest float has 309 digits before the point.
_EXACT = Context(prec=320)
_PER_USER = "business:revenue_per_user"
_WORTH = "business:customer_lifetime_value"
_RETENTION = "business:retention_rate"
_COHORTS = "business:cohort_users"
_TIME_SAVED = "business:time_saved_seconds"
_NO_USERS = "no users: no use of a feature with a user id was recorded, and no number was given"

#: Totals by metric and day.
_Days = Mapping[str, Mapping[dt.date, float]]


@dataclass(frozen=True, slots=True)
class BusinessMetric:
    """One number of a range or day.

    Attributes:
        metric: Its name in the catalogue.
        day: The day, UTC; None for the whole range.
        estimate: The number, in `unit`.
        unit: Code of the unit.
        currency: Of an amount of money, ISO 4217.
        numerator: What was counted on top; a `Decimal` if it is money.
        denominator: What was counted below; None if the number is no ratio.
    """

    metric: str
    day: dt.date | None
    estimate: Estimate
    unit: str
    currency: str | None = None
    numerator: Decimal | float | None = None
    denominator: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As a flat dictionary; `day` is text."""
        return {
            "metric": self.metric,
            "day": None if self.day is None else self.day.isoformat(),
            **self.estimate.as_dict(),
            "unit": self.unit,
            "currency": self.currency,
            "numerator": self.numerator,
            "denominator": self.denominator,
        }


class _Users(NamedTuple):
    """Distinct users.

    Attributes:
        known: How many in the range; None if nobody knows.
        before: In as much time before; None if that is not known.
        retained: In both.
    """

    known: float | None
    before: int | None
    retained: int


class Business:
    """The question what it was worth. Safe to share between threads.

    Args:
        select: Reads which facts are asked for, as `Query` does.
        ask: Does work on facts as they are now.
        vocabulary: What is declared.
        features: Knows who used what.
    """

    def __init__(
        self,
        select: Callable[..., Selection],
        ask: Callable[..., Any],
        vocabulary: Vocabulary,
        features: Features,
    ) -> None:
        self._select = select
        self._ask = ask
        self._vocabulary = vocabulary
        self._features = features

    def metrics(
        self,
        *,
        by: str | None = None,
        users: float | None = None,
        margin: float | None = None,
        discount: float = 0.0,
        confidence: float = CONFIDENCE,
        labels: Mapping[str, object] | None = None,
        hours: float | None = None,
        days: float | None = None,
        start: Any = None,
        end: Any = None,
        **more_labels: object,
    ) -> list[BusinessMetric]:
        """Every business metric of a range; see `tidegauge.business_metrics`."""
        if by not in (None, "day"):
            raise QueryError("business metrics are not told apart by this", got=by, allowed="day")
        check_confidence(confidence)
        check_worth(margin, discount)
        if users is not None:
            users = check_number("a number of users cannot be this", users, "above 0", above=0)
        specs = [each for each in self._vocabulary.catalog.metrics.values() if each.ratio]
        patterns = [f"{name}_*" for name in MONEY]
        chosen = self._select(
            [*_parts_of(specs), _TIME_SAVED, *patterns],
            labels,
            more_labels,
            hours=hours,
            days=days,
            start=start,
            end=end,
        )
        found = self._totals(chosen)
        active = self._users(chosen)
        if users is not None:
            active = active._replace(known=users)
        rows = [_ratio_row(spec, found, None, confidence) for spec in specs]
        rows = [_retention(row, active, confidence) for row in rows]
        rows += _total_rows(found, None, confidence)
        rows += _per_user(rows, found, active, confidence)
        has_cohorts = _COHORTS in found
        rows += _worth(rows, margin, discount, confidence, has_cohorts=has_cohorts)
        if by == "day":
            for day in sorted({day for each in found.values() for day in each}):
                rows += [_ratio_row(spec, found, day, confidence) for spec in specs]
                rows += _total_rows(found, day, confidence)
        return rows

    def _totals(self, chosen: Selection) -> _Days:
        def work(connection: duckdb.DuckDBPyConnection) -> list[Summary]:
            return summarise(connection, chosen.where, [chosen.metric, '"date"'], quantiles=False)

        totals: dict[str, dict[dt.date, float]] = {}
        for summary in self._ask("business_metrics", chosen, work):
            metric, day = summary.key
            if summary.total is not None:
                totals.setdefault(metric, {})[day] = summary.total
        return totals

    def _users(self, chosen: Selection) -> _Users:
        """Who used a feature, in the range and in as much time before it."""
        time_range, start_ns = chosen.time_range, chosen.time_range.start_ns
        end_ns = time_range.end_ns or self._features.now_ns()
        earlier = time_range
        if start_ns is not None:
            earlier = TimeRange(max(0, 2 * start_ns - end_ns), time_range.end_ns)
        is_now = "true" if start_ns is None else f"epoch_us(time) >= {start_ns // 1000}"
        wanted = Chosen(time_range=earlier, about_labels=chosen.about_labels)
        with self._features.facts.rows(FEATURE_USAGE, wanted) as (connection, where):
            [(now, before, both)] = connection.execute(
                f"SELECT count_if(now), count_if(before), count_if(now AND before) FROM ("
                f"SELECT bool_or({is_now}) AS now, bool_or(NOT ({is_now})) AS before "
                f"FROM {FEATURE_USAGE.name} WHERE {where} AND user_id IS NOT NULL GROUP BY user_id)"
            ).fetchall()
        return _Users(now or None, None if start_ns is None else before, both)


def _parts_of(specs: list[MetricSpec]) -> list[str]:
    return sorted(
        {part for spec in specs if spec.ratio for part in (spec.ratio.of, spec.ratio.per)}
    )


def _ratio_row(
    spec: MetricSpec, found: _Days, day: dt.date | None, confidence: float
) -> BusinessMetric:
    assert spec.ratio is not None
    tops, bottoms = found.get(spec.ratio.of, {}), found.get(spec.ratio.per, {})
    days = sorted(tops.keys() | bottoms.keys()) if day is None else [day]
    clusters = Sums.of((tops.get(each, 0.0), bottoms.get(each, 0.0)) for each in days)
    name = spec.ratio.per
    if (spec.min, spec.max) == (0, 1):
        known = clusters if clusters.n >= FEWEST_DAYS else None
        estimate = share(
            clusters.top, clusters.bottom, clusters=known, confidence=confidence, what=name
        )
    else:
        estimate = ratio(clusters, confidence=confidence, what=name)
    return BusinessMetric(spec.name, day, estimate, spec.unit, None, clusters.top, clusters.bottom)


def _retention(row: BusinessMetric, active: _Users, confidence: float) -> BusinessMetric:
    """The share of users who came back, of cohorts if some were recorded and else of user ids."""
    if row.metric != _RETENTION or row.denominator:
        return row
    if not active.before:
        reason = f"{row.estimate.reason}, and no use with a user id in as much time before"
        return BusinessMetric(row.metric, None, unknown(reason, confidence=confidence), row.unit)
    estimate = share(active.retained, active.before, confidence=confidence)
    return BusinessMetric(
        row.metric, None, estimate, row.unit, None, active.retained, active.before
    )


def _total_rows(found: _Days, day: dt.date | None, confidence: float) -> Iterator[BusinessMetric]:
    """What was recorded as an amount, by currency, and the time that was saved."""
    for metric in sorted(found):
        currency = _currency(metric)
        if metric != _TIME_SAVED and currency is None:
            continue
        values = found[metric]
        if day is not None and day not in values:
            continue
        total = math.fsum(values.values()) if day is None else values[day]
        reason = "a total of what was recorded: nothing is estimated"
        estimate = Estimate(total, confidence=confidence, reason=reason)
        numerator = total if currency is None else _money(total)
        yield BusinessMetric(metric, day, estimate, currency or "s", currency, numerator)


def _per_user(
    rows: list[BusinessMetric],
    found: _Days,
    active: _Users,
    confidence: float,
) -> Iterator[BusinessMetric]:
    revenues = [row for row in rows if row.metric.startswith(f"{MONEY[0]}_")]
    if not revenues:
        reason = unknown("no revenue was recorded", confidence=confidence)
        yield BusinessMetric(_PER_USER, None, reason, "USD/{user}", None, None, active.known)
    for row in revenues:
        estimate = unknown(_NO_USERS, confidence=confidence)
        if active.known:
            daily = _every_day(found[row.metric])
            estimate = _of_users(daily, active.known, confidence)
        unit = f"{row.currency}/{{user}}"
        yield BusinessMetric(
            _PER_USER, None, estimate, unit, row.currency, row.numerator, active.known
        )


def _of_users(daily: list[float], users: float, confidence: float) -> Estimate:
    """Revenue per user; its uncertainty is how much days differ, the users being known."""
    total = math.fsum(daily)
    if len(daily) < FEWEST_DAYS:
        reason = f"fewer than {FEWEST_DAYS} days: how much days differ is not known"
        return Estimate(total / users, confidence=confidence, n=len(daily), reason=reason)
    mean = ratio(Sums.of((each, 1.0) for each in daily), confidence=confidence)
    assert mean.low is not None
    assert mean.high is not None
    scale = len(daily) / users
    return Estimate(
        total / users, mean.low * scale, mean.high * scale, confidence, "days", len(daily)
    )


def _every_day(totals: Mapping[dt.date, float]) -> list[float]:
    """The total of each day from the first with one to the last, 0 of those between without."""
    first = min(totals)
    count = (max(totals) - first).days + 1
    return [totals.get(first + dt.timedelta(days=at), 0.0) for at in range(count)]


def _worth(
    rows: list[BusinessMetric],
    margin: float | None,
    discount: float,
    confidence: float,
    *,
    has_cohorts: bool,
) -> Iterator[BusinessMetric]:
    retention = next(row for row in rows if row.metric == _RETENTION)
    for row in [each for each in rows if each.metric == _PER_USER]:
        if margin is None:
            estimate = unknown("no margin was given", confidence=confidence)
        elif has_cohorts:
            reason = "retention: that cohorts came back after as long as the range is not known"
            estimate = unknown(reason, confidence=confidence)
        else:
            estimate = lifetime_value(
                row.estimate, retention.estimate, margin=margin, discount=discount
            )
        unit = f"{row.currency or 'USD'}/{{customer}}"
        yield BusinessMetric(_WORTH, None, estimate, unit, row.currency)


def _currency(metric: str) -> str | None:
    """The currency of a metric of money; None if it is none."""
    for name in MONEY:
        code = metric.removeprefix(f"{name}_").upper()
        if metric.startswith(f"{name}_") and code in CURRENCIES:
            return code
    return None


def _money(amount: float) -> Decimal:
    """The amount without zeros at its end, all of its digits written out."""
    exact = Decimal(repr(amount)).quantize(_PLACES, context=_EXACT).normalize(_EXACT)
    return exact.quantize(Decimal(1), context=_EXACT) if exact == exact.to_integral() else exact
