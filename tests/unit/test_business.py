# SPDX-License-Identifier: Apache-2.0
"""Business metrics as a program records and asks for them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

import tidegauge as tg
from tidegauge.business import (
    customer_lifetime_value,
    mean_per_unit,
    ratio_by_user,
    saved,
)
from tidegauge.model.errors import MetricValidationError, QueryError
from tidegauge.record.front import recorder
from tidegauge.statistics.estimate import Estimate
from tidegauge.testing import capture


def test_what_is_given_is_recorded_each_in_its_metric() -> None:
    """With time and labels; what is not given is not recorded as 0."""
    with capture(strict=True) as captured:
        tg.log_business(
            impressions=100, clicks=7, time_saved_s=30, time="2026-01-01", model="ranker"
        )
    assert [(fact.metric, fact.columns["value"], fact.labels) for fact in captured.facts] == [
        ("business:impressions", 100, {"model": "ranker"}),
        ("business:clicks", 7, {"model": "ranker"}),
        ("business:time_saved_seconds", 30, {"model": "ranker"}),
    ]


def test_money_is_recorded_in_its_currency() -> None:
    """Each currency has a metric whose unit it is, declared when it is first needed."""
    with capture(strict=True):
        tg.log_business(revenue=Decimal("19.99"))
        tg.log_business(revenue="5.50", currency="EUR", cost_savings=0.1)
        tg.log_business(revenue=1, currency="EUR")
        found = {
            row.metric: (row.numerator, row.unit)
            for row in tg.business_metrics()
            if row.unit in ("USD", "EUR")
        }
        spec = recorder.catalog.resolve("business:revenue_eur")
    assert (spec.unit, spec.combined_by, spec.direction) == ("EUR", "sum", "higher")
    assert found == {
        "business:cost_savings_eur": (Decimal("0.1"), "EUR"),
        "business:revenue_eur": (Decimal("6.5"), "EUR"),
        "business:revenue_usd": (Decimal("19.99"), "USD"),
    }


@pytest.mark.parametrize(
    ("given", "reason", "what"),
    [
        ({"revenue": 1, "currency": "EURO"}, "bad_unit", "this is no currency"),
        ({"revenue": 1, "currency": "usd"}, "bad_unit", "this is no currency"),
        ({"revenue": 1, "currency": ["USD"]}, "bad_unit", "this is no currency"),
        ({"revenue": "lots"}, "bad_value", "this is no amount of money"),
    ],
)
def test_what_is_no_money_is_refused(given: dict[str, Any], reason: str, what: str) -> None:
    """An error in strict mode; in lenient mode it is dropped and counted."""
    with capture(strict=True), pytest.raises(MetricValidationError, match=what):
        tg.log_business(**given)
    with capture(strict=False) as captured:
        tg.log_business(**given)
    assert captured.dropped[reason] == 1
    assert captured.facts == []


def test_a_ratio_of_a_data_frame_knows_its_users() -> None:
    """Rows of a user belong together; a user with more on top makes it no share."""
    frame = pd.DataFrame(
        {
            "user": ["a", "a", "b", "c", None],
            "clicks": [1, 0, 2, 0, 1],
            "impressions": [3, 4, 5, 6, 2],
        }
    )
    found = ratio_by_user(frame, "clicks", "impressions")
    assert (found.value, found.method) == (0.2, "wilson with design effect")
    spent = frame.rename(columns={"clicks": "revenue"}).assign(revenue=[9.5, 0, 0, 3, 0.5])
    found = ratio_by_user(spent, "revenue", "impressions")
    assert (found.value, found.method, found.n) == (0.65, "delta method", 4)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ({"clicks": [1], "impressions": [2]}, "no such column"),
        ({"user": [1], "clicks": ["x"], "impressions": [2]}, "no such column of numbers"),
        ({"user": [1], "clicks": [1.0], "impressions": [-2.0]}, "is below 0"),
        ({"user": [1, 2], "clicks": [1.0, None], "impressions": [2.0, 3.0]}, "is missing"),
    ],
    ids=["user", "text", "negative", "missing"],
)
def test_a_data_frame_without_the_numbers_is_refused(frame: Any, problem: str) -> None:
    """The error names the column."""
    with pytest.raises(QueryError, match=problem):
        ratio_by_user(frame, "clicks", "impressions")


def test_amounts_are_no_trials_and_one_user_no_many() -> None:
    """A cost per request is a ratio however small it is; of one user there is no interval."""
    frame = {"user": list("abc"), "cost": [0.001, 0.002, 0.003], "requests": [1, 1, 1]}
    found = ratio_by_user(frame, "cost", "requests")
    assert (found.value, found.method) == (pytest.approx(0.002), "delta method")
    assert found.high == pytest.approx(0.002 + 4.302653 * 0.001 / 3**0.5)
    alone = ratio_by_user({"user": ["a"] * 9, "of": [1] * 9, "per": [2] * 9}, "of", "per")
    assert (alone.value, alone.low, alone.n) == (0.5, None, 1)
    assert alone.reason == "one cluster: how much clusters differ is not known"


def test_a_mean_takes_what_are_numbers() -> None:
    """Decimals and numbers of numpy, far from 0 as well."""
    assert mean_per_unit([Decimal("1.5"), Decimal("2.5")]).value == 2
    assert mean_per_unit(pd.Series([1, 2, 3])).value == 2
    far = mean_per_unit([1e8, 1e8 + 1, 1e8 + 2])
    assert far.high is not None
    assert far.high - 1e8 == pytest.approx(1 + 4.302653 * 0.5773503)


def test_what_is_no_number_within_its_bounds_is_refused() -> None:
    """The error says what was given and what may be."""
    two, one = Estimate(2, 1, 3), Estimate(1, 0, 2)
    frame = {"user": [1], "of": [1], "per": [1]}
    asked: list[tuple[Callable[..., object], tuple[object, ...], dict[str, object]]] = [
        (mean_per_unit, ([1, 2],), {"confidence": 2}),
        (mean_per_unit, ([1, float("nan")],), {}),
        (mean_per_unit, (["1"],), {}),
        (mean_per_unit, ([True],), {}),
        (mean_per_unit, ([10**400],), {}),
        (mean_per_unit, (5,), {}),
        (ratio_by_user, (frame, "of", "per"), {"confidence": 1}),
        (saved, (two, one, float("nan")), {}),
        (saved, (two, one, -5), {}),
        (tg.business_metrics, (), {"margin": "0.6"}),
        (tg.business_metrics, (), {"users": "6"}),
        (tg.business_metrics, (), {"users": 0}),
        (tg.business_metrics, (), {"discount": "x"}),
        (tg.compare_versions, ("m", 1, 2), {"margin": "x"}),
        (tg.compare_versions, ("m", 1, 2), {"confidence": "x"}),
    ]
    with capture(strict=True):
        for function, given, named in asked:
            with pytest.raises(QueryError) as caught:
                function(*given, **named)
            assert caught.value.allowed


def test_savings_and_worth_come_from_estimates() -> None:
    """Seconds of tasks before and after, times tasks; revenue and retention, times margin."""
    before, after = mean_per_unit([60, 70, 80]), mean_per_unit([20, 30, 40])
    found = saved(before, after, 1000)
    assert found.value == 40_000
    assert found.low is not None
    assert 0 < found.low < 40_000
    share = ratio_by_user({"user": [1, 2, 3, 4], "of": [1, 1, 0, 0], "per": [1] * 4}, "of", "per")
    worth = customer_lifetime_value(before, share, margin=0.5, discount=0.5)
    assert worth.value == pytest.approx(0.5 * 70 * 0.5 / 1.0)
    with pytest.raises(QueryError, match="a margin cannot be this"):
        customer_lifetime_value(before, share, margin=2)
