# SPDX-License-Identifier: Apache-2.0
"""What it was worth, from a store."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tidegauge.model.errors import QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.business import BusinessMetric

CTR = "business:click_through_rate"


def row_of(rows: list[BusinessMetric], metric: str, **fields: Any) -> BusinessMetric:
    """The one row of a metric that has such fields."""
    [found] = [
        each
        for each in rows
        if each.metric == metric
        and all(getattr(each, name) == value for name, value in ({"day": None} | fields).items())
    ]
    return found


def use(facts: Any, user: str, at: str) -> None:
    """Record that somebody used a feature."""
    row = {"feature": "search", "action": "query", "user_id": user}
    facts.writer.put_event("feature_usage", SeriesKey("", (), ()), parse_time_ns(at), row)


def test_nothing_recorded_is_nothing_known(facts: Any) -> None:
    """Each rate is there with the reason why it is not known, and none is 0."""
    rows = facts.query.business.metrics(days=30, margin=0.5)
    assert {row.estimate.value for row in rows} == {None}
    assert row_of(rows, CTR).estimate.reason == "no business:impressions"
    assert row_of(rows, "business:revenue_per_user").estimate.reason == "no revenue was recorded"
    assert (
        row_of(rows, "business:retention_rate").estimate.reason
        == "no business:cohort_users, and no use with a user id in as much time before"
    )


def test_a_rate_is_a_ratio_of_sums(facts: Any) -> None:
    """10 % of a thousand and 50 % of ten are 105 of 1010; counts of intervals are in."""
    facts.record("business:impressions", 1000, at="2025-12-30T08:00:00Z", model="a")
    facts.record("business:clicks", 100, at="2025-12-30T09:00:00Z", model="a")
    facts.interval("business:impressions", 4, 6, at="2025-12-31T08:00:00Z", model="a")
    facts.record("business:clicks", 5, at="2025-12-31T09:00:00Z", model="a")
    facts.record("business:clicks", 7, at="2025-12-31T09:00:00Z", model="b")
    rows = facts.query.business.metrics(days=30, by="day", model="a")
    whole = row_of(rows, CTR)
    assert (whole.numerator, whole.denominator) == (105, 1010)
    assert whole.estimate.value == 105 / 1010
    assert (whole.estimate.method, whole.estimate.n) == ("wilson", 1010)
    last = row_of(rows, CTR, day=dt.date(2025, 12, 31))
    assert last.estimate.value == 0.5
    assert last.as_dict()["day"] == "2025-12-31"


def test_from_eight_days_on_the_interval_knows_how_much_they_differ(facts: Any) -> None:
    """Days of 10 % and of 30 % are no sixteen hundred independent trials."""
    for day in range(10, 26):
        facts.record("business:impressions", 100, at=f"2025-12-{day}T08:00:00Z")
        facts.record("business:clicks", 10 + 20 * (day % 2), at=f"2025-12-{day}T09:00:00Z")
    found = row_of(facts.query.business.metrics(days=30), CTR).estimate
    assert found.value == 0.2
    assert found.method == "wilson with design effect"
    assert found.n == pytest.approx(202, abs=3)


def test_more_clicks_than_impressions_are_no_rate(facts: Any) -> None:
    """They were not counted of the same; the reason says so."""
    facts.record("business:impressions", 1)
    facts.record("business:clicks", 2)
    found = row_of(facts.query.business.metrics(days=1), CTR)
    assert found.estimate.value is None
    assert found.estimate.reason == (
        "more successes than business:impressions: they were not counted of the same"
    )


def test_currencies_have_rows_of_their_own(facts: Any) -> None:
    """Nothing adds dollars and euros, and amounts are decimals."""
    facts.record("business:revenue_usd", 0.1, 0.2)
    facts.record("business:revenue_eur", 5)
    facts.record("business:cost_savings_eur", 3)
    rows = facts.query.business.metrics(days=30, users=4)
    assert [
        (row.metric, row.currency, row.numerator) for row in rows if row.unit in ("USD", "EUR")
    ] == [
        ("business:cost_savings_eur", "EUR", Decimal(3)),
        ("business:revenue_eur", "EUR", Decimal(5)),
        ("business:revenue_usd", "USD", Decimal("0.3")),
    ]
    per_user = row_of(rows, "business:revenue_per_user", currency="EUR")
    assert (per_user.estimate.value, per_user.unit, per_user.denominator) == (1.25, "EUR/{user}", 4)
    assert per_user.estimate.low is None
    assert per_user.estimate.reason == "fewer than 8 days: how much days differ is not known"


def test_large_amounts_have_all_their_digits(facts: Any) -> None:
    """However large; and a hundred is 100, not 1E+2."""
    facts.record("business:revenue_usd", 1e20)
    facts.record("business:revenue_eur", 1e300)
    facts.record("business:cost_savings_usd", 100)
    rows = facts.query.business.metrics(days=30)
    assert str(row_of(rows, "business:revenue_usd").numerator) == "100000000000000000000"
    assert row_of(rows, "business:revenue_eur").numerator == Decimal("1e300")
    assert str(row_of(rows, "business:cost_savings_usd").numerator) == "100"


def test_users_are_counted_once_however_many_days_they_came(facts: Any) -> None:
    """Two users on three days are two; and both are of the time before as well, or not."""
    for user, at in (
        ("a", "2025-12-10T08:00:00Z"),
        ("b", "2025-12-10T08:00:00Z"),
        ("c", "2025-12-11T08:00:00Z"),
        ("d", "2025-12-11T08:00:00Z"),
        ("a", "2025-12-30T08:00:00Z"),
        ("a", "2025-12-31T08:00:00Z"),
        ("e", "2025-12-31T08:00:00Z"),
    ):
        use(facts, user, at)
    for day in range(20, 30):
        facts.record("business:revenue_usd", 2, at=f"2025-12-{day}T08:00:00Z")
    rows = facts.query.business.metrics(days=14, margin=0.5, discount=0.25)
    per_user = row_of(rows, "business:revenue_per_user")
    assert (per_user.estimate.value, per_user.denominator) == (10, 2)
    assert (per_user.estimate.low, per_user.estimate.high) == (10, 10)
    retention = row_of(rows, "business:retention_rate")
    assert (retention.numerator, retention.denominator) == (1, 4)
    worth = row_of(rows, "business:customer_lifetime_value")
    assert worth.estimate.value == pytest.approx(0.5 * 10 * 0.25 / 1.0)
    assert worth.currency == "USD"


def test_cohorts_count_before_user_ids(facts: Any) -> None:
    """What the program says of its cohorts is retention; their period is not known."""
    facts.record("business:cohort_users", 200, 100)
    facts.record("business:retained_users", 50, 40)
    facts.record("business:revenue_usd", 9)
    rows = facts.query.business.metrics(days=30, margin=1, users=3)
    retention = row_of(rows, "business:retention_rate")
    assert retention.estimate.value == 0.3
    worth = row_of(rows, "business:customer_lifetime_value").estimate
    assert worth.reason == (
        "retention: that cohorts came back after as long as the range is not known"
    )


@pytest.mark.parametrize(
    "asked",
    [{"by": "week"}, {"margin": 0}, {"discount": -1}, {"users": 0}, {"confidence": 1}],
    ids=str,
)
def test_what_makes_no_sense_is_refused(facts: Any, asked: dict[str, Any]) -> None:
    """The error says what was got."""
    with pytest.raises(QueryError) as caught:
        facts.query.business.metrics(days=1, **asked)
    assert caught.value.got == next(iter(asked.values()))
