# SPDX-License-Identifier: Apache-2.0
"""Usage and cost of language models: what counts, what it costs, and what is not known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.model.errors import QueryError
from tidegauge.query.llm import Llm
from tidegauge.query.query import Query
from tidegauge.store.maintenance import retire
from tidegauge.store.retention import Retention

FREE: dict[str, Any] = {"cost": None, "status": "error", "error_class": "rate_limit"}
UNKNOWN: dict[str, Any] = {"cost": None, "unpriced_reason": "unknown_model"}


@pytest.fixture
def llm(calls: Any) -> Llm:
    """Asks the store with calls; its days are those of Amsterdam."""
    clock = calls.clock
    return Query(calls.store, builtin_catalog(), clock, time_zone="Europe/Amsterdam").llm


@pytest.fixture
def total(llm: Llm) -> Callable[..., dict[str, Any]]:
    """The one row of all calls together."""

    def ask(**asked: Any) -> dict[str, Any]:
        [row] = llm.spend(**asked)["totals"]
        return row

    return ask


def test_nothing_was_recorded(llm: Llm) -> None:
    """There are no rows, and nothing is missing."""
    found = llm.spend(by="model")
    assert (found["totals"], found["groups"], found["is_complete"]) == ([], [], True)
    assert llm.top()["groups"] == []


def test_what_a_call_used_and_cost(calls: Any, total: Any) -> None:
    """Every number of a single call, amounts exact."""
    calls.call(
        "0.0123",
        input_tokens=1000,
        output_tokens=50,
        input_uncached_tokens=600,
        cache_read_tokens=400,
        output_text_tokens=30,
        reasoning_tokens=20,
        latency_s=2.0,
        is_stream=True,
        ttft_s=0.5,
        tpot_s=0.03,
        output_tokens_per_s=33.0,
        provider_cost=Decimal("0.0125"),
        provider_currency="USD",
    )
    row = total()
    assert {name: count for name, count in row.pop("tokens").items() if count} == {
        "input_uncached": 600,
        "cache_read": 400,
        "output_text": 30,
        "reasoning": 20,
    }
    assert row == {
        "calls": 1,
        "attempts": 1,
        "requests": 1,
        "failures": 0,
        "errors": {},
        "input_tokens": 1000,
        "output_tokens": 50,
        "usage_missing": 0,
        "cache_hit_ratio": 0.4,
        "cost": Decimal("0.0123"),
        "currency": "USD",
        "priced": 1,
        "unpriced": 0,
        "unpriced_reasons": {},
        "coverage": 1.0,
        "is_floor": False,
        "mean_cost": Decimal("0.0123"),
        "provider_cost": Decimal("0.0125"),
        "provider_currency": "USD",
        "provider_priced": 1,
        "latency_p50_s": 2.0,
        "latency_p95_s": 2.0,
        "ttft_p50_s": 0.5,
        "ttft_p95_s": 0.5,
        "tpot_s": 0.03,
        "output_tokens_per_s": pytest.approx(33.0),
        "reason": None,
    }


def test_an_operation_is_one_call_however_often_it_is_tried(calls: Any, total: Any) -> None:
    """Attempts are rows, requests are what went over the wire, calls are operations."""
    calls.call(**FREE, operation_id="a", attempt=1, wire_requests=3)
    calls.call(operation_id="a", attempt=2)
    row = total()
    assert (row["calls"], row["attempts"], row["requests"]) == (1, 2, 4)
    assert (row["failures"], row["errors"]) == (1, {"rate_limit": 1})


def test_an_answer_counts_once(calls: Any, llm: Llm) -> None:
    """The earliest row of an answer counts; other providers have ids of their own."""
    calls.call("0.02", feature="later", response_id="r1", at="2026-01-15T10:00:01Z")
    calls.call("0.02", feature="first", response_id="r1", at="2026-01-15T10:00:00Z")
    calls.call("0.02", feature="third", response_id="r1", at="2026-01-18T10:00:00Z")
    calls.call("0.02", feature="other", response_id="r1", provider="azure")
    calls.call("0.02", feature="none")
    calls.call("0.02", feature="none")
    calls.drain()
    found = llm.spend(by="feature")
    assert [(row["feature"], row["calls"]) for row in found["groups"]] == [
        ("first", 1),
        ("none", 2),
        ("other", 1),
    ]
    assert found["totals"][0]["cost"] == Decimal("0.08")


def test_whether_a_row_counts_does_not_depend_on_the_range(calls: Any, total: Any) -> None:
    """What is a repetition of a call before the range stays one; after a week an id is new."""
    calls.call("0.02", response_id="r1", at="2026-01-03T10:00:00Z")
    calls.call("0.02", response_id="r1", at="2026-01-05T10:00:00Z")
    calls.call("0.02", response_id="r2", at="2026-01-05T11:00:00Z")
    calls.call("0.02", response_id="r1", at="2026-01-14T10:00:00Z")
    assert total(start="2026-01-04", end="2026-01-06")["cost"] == Decimal("0.02")
    assert total(start="2026-01-04")["cost"] == Decimal("0.04")
    assert total()["cost"] == Decimal("0.06")


def test_a_cost_that_is_not_known_is_no_zero(calls: Any, llm: Llm) -> None:
    """It is None with a reason, and the total is the least that it can be."""
    calls.call("0.5")
    calls.call(**UNKNOWN, model="new")
    calls.call(cost=None, unpriced_reason="usage_missing", model="new")
    calls.call(**FREE)
    found = llm.spend(by="model")
    [whole] = found["totals"]
    assert (whole["cost"], whole["is_floor"]) == (Decimal("0.5"), True)
    assert (whole["priced"], whole["unpriced"], whole["coverage"]) == (1, 2, 1 / 3)
    assert whole["unpriced_reasons"] == {"unknown_model": 1, "usage_missing": 1}
    assert whole["mean_cost"] == Decimal("0.5")
    new, o3 = found["groups"]
    assert (new["model"], new["cost"], new["is_floor"]) == ("new", None, True)
    assert new["reason"]["cost"] == "no call has a price"
    assert (o3["model"], o3["cost"], o3["is_floor"]) == ("o3", Decimal("0.5"), False)


def test_what_failed_for_free_costs_nothing(calls: Any, total: Any) -> None:
    """A cost of 0 is known to be 0; a mean of nothing is not."""
    calls.call(**FREE)
    row = total()
    assert (row["cost"], row["is_floor"], row["coverage"], row["mean_cost"]) == (
        0,
        False,
        None,
        None,
    )
    assert row["reason"]["mean_cost"] == "no call may have cost something"


def test_currencies_are_never_added(calls: Any, llm: Llm) -> None:
    """Each has rows of its own; calls without a price may be in any of them."""
    calls.call("1", currency="USD")
    calls.call("2", currency="EUR")
    calls.call("3", currency="EUR", feature="a")
    calls.call(**UNKNOWN)
    found = llm.spend(by="feature")
    assert [(row["currency"], row["cost"], row["is_floor"]) for row in found["totals"]] == [
        ("EUR", 5, True),
        ("USD", 1, True),
        (None, None, True),
    ]
    groups = [(row["feature"], row["currency"], row["is_floor"]) for row in found["groups"]]
    assert groups == [
        ("a", "EUR", False),
        (None, "EUR", True),
        (None, "USD", True),
        (None, None, True),
    ]


def test_the_price_that_was_worked_out_last_holds(calls: Any, total: Any) -> None:
    """The first one can be asked for, and a price may be taken back."""
    dearer, gone = calls.call("0.10"), calls.call("0.01")
    calls.price(dearer, 2, "0.20")
    calls.price(dearer, 3, "0.15")
    calls.price(gone, 2, None)
    now = total()
    assert (now["cost"], now["unpriced_reasons"]) == (Decimal("0.15"), {"unknown_model": 1})
    then = total(prices="first")
    assert (then["cost"], then["unpriced"]) == (Decimal("0.11"), 0)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"model": "o3"}, 2),
        ({"model": ["o3", "haiku"]}, 3),
        ({"user": "h:1"}, 1),
        ({"key": None}, 2),
        ({"feature": "search", "model": "o3"}, 1),
        ({"labels": {"team": "red"}}, 1),
        ({"hours": 1}, 2),
        ({"start": "2026-01-14", "end": "2026-01-15"}, 1),
    ],
)
def test_calls_are_chosen(calls: Any, total: Any, asked: dict[str, Any], count: int) -> None:
    """By columns, dimensions, labels and time."""
    calls.call(model="o3", feature="search", user_id="h:1")
    calls.call(model="o3", labels={"team": "red"})
    calls.call(model="haiku", api_key="ci", at="2026-01-14T11:00:00Z")
    assert total(**asked)["calls"] == count


def test_pieces_of_time_are_of_the_time_zone(calls: Any, llm: Llm) -> None:
    """Half past eleven in the evening, UTC, is the next day, week and month in Amsterdam."""
    calls.call(at="2026-05-31T22:30:00Z")
    calls.call(at="2026-01-04T23:30:00Z")
    rows = llm.spend(by=["day", "week", "month", "hour"])["groups"]
    assert [(row["day"], row["week"], row["month"], row["hour"]) for row in rows] == [
        ("2026-01-05", "2026-01-05", "2026-01", "2026-01-04T23:00:00Z"),
        ("2026-06-01", "2026-06-01", "2026-06", "2026-05-31T22:00:00Z"),
    ]


def test_groups_of_labels(calls: Any, llm: Llm) -> None:
    """A label is named with `label.` in front."""
    calls.call("1", labels={"team": "red"})
    calls.call("2")
    found = llm.spend(by="label.team")
    assert [(row["label.team"], row["cost"]) for row in found["groups"]] == [("red", 1), (None, 2)]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("cost", ["dear", "cheap", "unknown"]),
        ("tokens", ["cheap", "unknown", "dear"]),
        ("calls", ["cheap", "dear", "unknown"]),
        ("latency", ["unknown", "dear", "cheap"]),
        ("errors", ["unknown", "cheap", "dear"]),
    ],
)
def test_who_is_most(calls: Any, llm: Llm, sort: str, names: list[str]) -> None:
    """In what is asked for; those of which it is not known come last."""
    calls.call("9", feature="dear", input_tokens=1, latency_s=2.0)
    for _ in range(2):
        calls.call("1", feature="cheap", input_tokens=50, output_tokens=50, latency_s=1.0)
    calls.call(**UNKNOWN, feature="unknown", input_tokens=99, latency_s=3.0)
    calls.call(**FREE, feature="unknown", operation_id="x", attempt=2)
    found = llm.top("feature", sort=sort)
    assert [row["feature"] for row in found["groups"]] == names


def test_the_top_is_cut(calls: Any, llm: Llm) -> None:
    """It says how many are left out, and which share of the whole each has."""
    for number in range(4):
        calls.call(number, feature=f"f{number}")
    found = llm.top("feature", limit=2)
    assert [(row["feature"], row["share"]) for row in found["groups"]] == [
        ("f3", 0.5),
        ("f2", 1 / 3),
    ]
    assert found["left_out"] == 2


def test_the_rate_of_tokens_is_a_ratio_of_sums(calls: Any, total: Any) -> None:
    """10 tokens in 1 s and 90 in 3 s are 25 per second, and not the mean of 10 and 30."""
    calls.call(output_tokens=10, output_tokens_per_s=10.0)
    calls.call(output_tokens=90, output_tokens_per_s=30.0)
    assert total()["output_tokens_per_s"] == 25.0


def test_calls_that_retention_deleted_are_missed(calls: Any, llm: Llm) -> None:
    """An answer about a time of which rows are gone says so; a later one is whole."""
    calls.call("1", at="2026-01-05T10:00:00Z")
    calls.call("2", at="2026-01-14T10:00:00Z")
    calls.drain()
    assert llm.spend()["is_complete"]
    retire(calls.store, "llm_calls", Retention(days=5))
    found = llm.spend(start="2026-01-01")
    assert (found["is_complete"], found["complete_from"]) == (False, "2026-01-14")
    assert found["reason"] == "rows of llm_calls were deleted; what it has begins on 2026-01-14"
    assert found["totals"][0]["cost"] == 2
    assert llm.spend(start="2026-01-14")["is_complete"]
    assert not llm.top()["is_complete"]


def test_all_calls_may_be_deleted(calls: Any, llm: Llm) -> None:
    """Then there is no first day, and still it is said."""
    calls.call("1", at="2026-01-05T10:00:00Z")
    calls.drain()
    retire(calls.store, "llm_calls", Retention(days=5))
    found = llm.spend()
    assert (found["totals"], found["is_complete"], found["complete_from"]) == ([], False, None)
    assert found["reason"] == "rows of llm_calls were deleted; it has none left"


@dataclasses.dataclass
class Refused:
    """A question and the error it gets."""

    asked: dict[str, Any]
    what: str
    fix: str = ""


@pytest.mark.parametrize(
    "case",
    [
        Refused({"by": "featur"}, "calls cannot be grouped by this", "Did you mean 'feature'?"),
        Refused({"by": 3}, "facts cannot be grouped by this"),
        Refused({"modle": "o3"}, "calls cannot be chosen by this", "Did you mean 'model'?"),
        Refused({"model": 1.5}, "value of label 'model' cannot be searched for"),
        Refused({"labels": "team"}, "labels are not a dict"),
        Refused({"prices": "best"}, "there are no such prices"),
        Refused({"hours": 1, "days": 1}, "time range is given twice", "Leave out all but one."),
    ],
)
def test_what_cannot_be_asked(llm: Llm, case: Refused) -> None:
    """The error names what was got and what is near."""
    with pytest.raises(QueryError) as caught:
        llm.spend(**case.asked)
    assert (caught.value.what, caught.value.fix) == (case.what, case.fix)


@pytest.mark.parametrize(
    ("asked", "what"),
    [({"sort": "name"}, "groups have no such order"), ({"limit": 0}, "limit cannot be used")],
)
def test_what_a_top_cannot_be(llm: Llm, asked: dict[str, Any], what: str) -> None:
    """Orders and limits are checked."""
    with pytest.raises(QueryError) as caught:
        llm.top(**asked)
    assert caught.value.what == what
