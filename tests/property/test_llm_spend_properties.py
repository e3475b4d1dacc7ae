# SPDX-License-Identifier: Apache-2.0
"""Whatever calls there are: groups add up to the total exactly, and answers count once."""

from __future__ import annotations

import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegauge.catalog import builtin_catalog
from tidegauge.model.budgets import Budget
from tidegauge.model.times import parse_time_ns
from tidegauge.query.query import Query

_HOUR_NS = 3600 * 10**9
_START_NS = parse_time_ns("2026-01-01T00:00:00Z")
_WEEK_HOURS = 7 * 24

_calls = st.fixed_dictionaries(
    {
        "cost": st.none() | st.integers(0, 10**9).map(lambda units: Decimal(units).scaleb(-8)),
        "unpriced_reason": st.sampled_from([None, "unknown_model", "usage_missing"]),
        "model": st.sampled_from(["a", "b"]),
        "feature": st.sampled_from([None, "x", "y"]),
        "provider": st.sampled_from([None, "p", "q"]),
        "response_id": st.sampled_from([None, None, "", "r1", "r2"]),
        "currency": st.sampled_from(["USD", "USD", "EUR"]),
        "attempt": st.integers(1, 3),
        "hour": st.integers(0, 500),
        "input_tokens": st.sampled_from([None, 7, 10**6]),
    }
)
_BY = (["model"], ["feature", "provider"], ["day"], ["week", "model"], ["month"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_calls, max_size=25), st.integers(0, 25))
def test_groups_add_up_to_the_total(
    new_calls: Any, recorded: list[dict[str, Any]], stored: int
) -> None:
    """By whatever calls are told apart, and wherever they are; as a plain list would have it."""
    with tempfile.TemporaryDirectory() as directory:
        made = new_calls(Path(directory) / "store")
        rows = [_row(each) for each in recorded]
        for at, row in enumerate(rows):
            if at == stored:
                made.drain()
            given_row = {name: each for name, each in row.items() if name != "hour"}
            made.call(**given_row, at=(_START_NS + row["hour"] * _HOUR_NS) / 1e9)
        made.clock.set_wall(_START_NS + 400 * _HOUR_NS)
        query = Query(made.store, builtin_catalog(), made.clock, time_zone="Europe/Amsterdam")
        expected = [row for row in rows if not _is_repeated(row, rows)]
        cost = _costs(expected)
        for by in _BY:
            found = query.llm.spend(by=by)
            for of_whom in ("totals", "groups"):
                sums: dict[Any, Decimal] = {}
                for row in found[of_whom]:
                    sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + (
                        row["cost"] or 0
                    )
                assert {name: each for name, each in sums.items() if each} == cost
                assert _sum(found[of_whom], "attempts") == len(expected)
                assert _sum(found[of_whom], "calls") == sum(r["attempt"] == 1 for r in expected)
                reasons: Counter[str] = Counter()
                for row in found[of_whom]:
                    reasons.update(row["unpriced_reasons"])
                    assert (row["cost"] is None) == (row["unpriced"] > 0 == row["priced"])
                    assert row["is_floor"] or not row["unpriced"]
                assert reasons == Counter(
                    row["unpriced_reason"] for row in expected if row["unpriced_reason"]
                )
                tokens = sum(row["input_tokens"] or 0 for row in expected)
                assert _sum(found[of_whom], "input_tokens") == tokens
        _check_budgets(query, expected)
        query.close()
        made.close()


def _check_budgets(query: Query, expected: list[dict[str, Any]]) -> None:
    """The year's budget of each feature is what its calls of the year cost."""
    budget = Budget(name="b", amount=Decimal(1), period="year", each="feature")
    rows = query.llm.budgets([budget], lambda user: (user,), forecast=True)
    for row in rows:
        own = [each for each in expected if each["feature"] == row["value"]]
        spent = _costs(own).get("USD", Decimal(0))
        unpriced = sum(each["unpriced_reason"] is not None for each in own)
        has_price = any(r["cost"] is not None and r["currency"] == "USD" for r in own)
        assert row["spent"] == (spent if has_price or not unpriced else None)
        assert row["unpriced"] == unpriced
        if row["forecast"] is not None:
            forecast = row["forecast"]
            assert spent <= forecast["low"] <= forecast["expected"] <= forecast["high"]
    assert {row["value"] for row in rows} == {
        row["feature"]
        for row in expected
        if row["feature"] and (row["cost"] is not None or row["unpriced_reason"])
    }


def _row(drawn: dict[str, Any]) -> dict[str, Any]:
    """A call has a cost and a currency, or a reason why not, or neither."""
    if drawn["cost"] is not None:
        return {**drawn, "unpriced_reason": None}
    return {**drawn, "currency": None}


def _is_repeated(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether the same answer was recorded up to a week before; of one time the first counts."""
    if not row["response_id"]:
        return False
    same = [
        (each["hour"], at)
        for at, each in enumerate(rows)
        if each["response_id"] == row["response_id"]
        and each["provider"] == row["provider"]
        and each["input_tokens"] == row["input_tokens"]
    ]
    own = next(at for at, each in enumerate(rows) if each is row)
    before = [hour for hour, at in same if (hour, at) < (row["hour"], own)]
    return bool(before) and row["hour"] - max(before) <= _WEEK_HOURS


def _costs(rows: list[dict[str, Any]]) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = {}
    for row in rows:
        if row["cost"]:
            found[row["currency"]] = found.get(row["currency"], Decimal(0)) + row["cost"]
    return found


def _sum(rows: list[dict[str, Any]], name: str) -> int:
    return sum(row[name] or 0 for row in rows)
