# SPDX-License-Identifier: Apache-2.0
"""Budgets of a store: how they stand, what they will come to, and who is warned when."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tidegauge.catalog import builtin_catalog
from tidegauge.integrations.budgets import MOST_SHOWN, Budgets, hooks
from tidegauge.journal.writer import JournalWriter
from tidegauge.model.budgets import BudgetWarning
from tidegauge.model.errors import ConfigError
from tidegauge.model.times import parse_time_ns
from tidegauge.query.budgets import MOST_FORECASTS
from tidegauge.query.query import Query
from tidegauge.record.privacy import PRIVACY_KEY, Privacy
from tidegauge.store.maintenance import retire
from tidegauge.store.retention import Retention

UNKNOWN: dict[str, Any] = {"cost": None, "unpriced_reason": "unknown_model"}


class Bench:
    """Budgets of a store with calls.

    Attributes:
        calls: Records calls.
        query: Asks the store.
        budgets: Its budgets.
    """

    def __init__(self, calls: Any, *, user_ids: Any = "keep", time_zone: str = "UTC") -> None:
        self.calls = calls
        self.query = Query(calls.store, builtin_catalog(), calls.clock, time_zone=time_zone)
        root = calls.store.root
        self.privacy = Privacy("keep", user_ids, root / PRIVACY_KEY)
        self.budgets = Budgets(
            root,
            lambda: self.query.llm,
            privacy=self.privacy,
            writer=calls.recorder.writer,
            clock=calls.clock,
        )

    def shown(self, metric: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of what was recorded of a metric, in order."""
        rows = self.query.sql(
            "SELECT labels, value FROM points WHERE metric = $1 ORDER BY time, value", [metric]
        ).fetchall()
        return [(dict(labels), value) for labels, value in rows]

    def later(self, time: str) -> None:
        """Let time pass until then."""
        self.calls.clock.set_wall(parse_time_ns(time))


@pytest.fixture
def bench(calls: Any) -> Bench:
    """A store without budgets."""
    return Bench(calls)


@pytest.fixture(autouse=True)
def told() -> Iterator[list[BudgetWarning]]:
    """What is told to hooks of this process."""
    heard: list[BudgetWarning] = []
    hooks.append(heard.append)
    yield heard
    hooks.clear()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings of the log so far."""
    return lambda: [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_without_budgets_nothing_is_looked_at(calls: Any) -> None:
    """Neither the calls are read nor anything recorded."""

    def find() -> Any:
        raise AssertionError("nobody asks")

    privacy = Privacy("keep", "keep")
    writer = calls.recorder.writer
    budgets = Budgets(calls.store.root, find, privacy=privacy, writer=writer)
    assert (budgets.watch(), budgets.rows(), budgets.names()) == (None, [], [])
    assert not (calls.store.root / "state.db").exists()


def test_how_a_budget_stands(bench: Bench) -> None:
    """Amounts are exact, and everything that a reader needs is beside them."""
    bench.calls.call("12.50", at="2026-01-03T10:00:00Z")
    bench.calls.call("27.51", at="2026-01-14T10:00:00Z")
    bench.calls.call("99", at="2025-12-31T23:59:59Z")
    bench.budgets.put("all", "100")
    [row] = bench.budgets.rows(forecast=False)
    assert row == {
        "budget": "all",
        "value": None,
        "each": None,
        "scope": {},
        "source": "price_list",
        "currency": "USD",
        "period": "2026-01",
        "every": "month",
        "period_start": "2026-01-01T00:00:00+00:00",
        "period_end": "2026-02-01T00:00:00+00:00",
        "max": Decimal(100),
        "spent": Decimal("40.01"),
        "remaining": Decimal("59.99"),
        "share": 0.4001,
        "priced": 2,
        "unpriced": 0,
        "unpriced_reasons": {},
        "other_currencies": {},
        "coverage": 1.0,
        "is_floor": False,
        "reason": None,
        "warned_percent": [],
    }


def test_nothing_spent_is_zero(bench: Bench) -> None:
    """A budget without calls has all of it left."""
    bench.budgets.put("all", 100)
    [row] = bench.budgets.rows()
    assert (row["spent"], row["share"], row["is_floor"]) == (0, 0.0, False)
    assert row["forecast_reason"] == "needs 3 complete days, and there are 0"


def test_what_a_budget_is_of(bench: Bench) -> None:
    """Every condition must hold."""
    bench.calls.call("1", model="o3", provider="openai", feature="search", api_key="ci")
    bench.calls.call("2", model="o3", provider="azure", feature="search")
    bench.calls.call("4", model="haiku", provider="anthropic", feature="chat", api_key="ci")
    budgets = bench.budgets
    budgets.put("a-model", 10, model="o3")
    budgets.put("b-provider", 10, provider="azure")
    budgets.put("c-feature", 10, feature="search", model="o3")
    budgets.put("d-key", 10, key="ci")
    assert [row["spent"] for row in budgets.rows(forecast=False)] == [3, 2, 3, 5]
    [row] = budgets.rows("d-key", forecast=False)
    assert (row["budget"], row["scope"]) == ("d-key", {"key": "ci"})


def test_each_value_has_its_own(bench: Bench) -> None:
    """Those that spent most come first; calls without a value are of none."""
    bench.calls.call("1", feature="search")
    bench.calls.call("3", feature="chat")
    bench.calls.call("9")
    bench.calls.call("5", feature="old", at="2025-12-01T00:00:00Z")
    bench.budgets.put("features", 10, each="feature")
    rows = bench.budgets.rows()
    assert [(row["value"], row["spent"]) for row in rows] == [("chat", 3), ("search", 1)]


def test_cost_that_is_not_known(bench: Bench) -> None:
    """It is no zero: the amount is the least that it can be, or is not known at all."""
    bench.calls.call(**UNKNOWN, feature="a")
    bench.calls.call("3", feature="b")
    bench.budgets.put("a", 10, feature="a")
    bench.budgets.put("all", 10)
    of_a, of_all = bench.budgets.rows()
    assert (of_a["spent"], of_a["share"], of_a["forecast"]) == (None, None, None)
    assert of_a["forecast_reason"] == "no call has a price"
    assert (of_all["spent"], of_all["is_floor"], of_all["coverage"]) == (3, True, 0.5)
    assert of_all["reason"] == "1 calls have no price"
    assert of_all["unpriced_reasons"] == {"unknown_model": 1}


def test_other_currencies_are_told_and_not_added(bench: Bench) -> None:
    """A budget in euros counts euros; its live metrics would be in USD, so it has none."""
    bench.calls.call("3", currency="EUR")
    bench.calls.call("4")
    bench.budgets.put("euros", 10, currency="EUR")
    [row] = bench.budgets.rows()
    assert (row["spent"], row["is_floor"], row["other_currencies"]) == (3, True, {"USD": 1})
    assert row["reason"] == "calls with cost in USD do not count"
    bench.budgets.watch()
    assert bench.shown("cost:budget_max_usd") == []


def test_what_providers_said_is_another_budget(bench: Bench) -> None:
    """It is never added to the cost by the price list."""
    bench.calls.call("3", provider_cost=Decimal("3.5"), provider_currency="USD")
    bench.calls.call("4")
    bench.budgets.put("a", 10, source="provider")
    bench.budgets.put("b", 10)
    said, listed = bench.budgets.rows(forecast=False)
    assert (said["spent"], said["unpriced_reasons"]) == (Decimal("3.5"), {"not_said": 1})
    assert (listed["spent"], listed["is_floor"]) == (7, False)


def test_an_answer_counts_once_and_at_its_latest_price(bench: Bench) -> None:
    """As for all questions about cost."""
    bench.calls.call("1", response_id="r")
    bench.calls.call("1", response_id="r")
    bench.calls.price(bench.calls.call("5"), 2, "2")
    bench.budgets.put("all", 10)
    assert bench.budgets.rows()[0]["spent"] == 3


def test_a_forecast(bench: Bench) -> None:
    """Complete days before today tell of those to come; half of today is over."""
    for day in range(1, 15):
        bench.calls.call("2", at=f"2026-01-{day:02}T09:00:00Z")
    bench.calls.call("1", at="2026-01-15T09:00:00Z")
    bench.budgets.put("all", 100)
    [row] = bench.budgets.rows()
    assert row["spent"] == 29
    # Of the first day it is not known whether it is complete. 16.5 days are to come.
    assert row["forecast"] == {
        "expected": 62,
        "low": 62,
        "high": 62,
        "confidence": 0.95,
        "method": "mean",
        "days": 13,
    }


def test_a_forecast_knows_days_without_calls(bench: Bench) -> None:
    """They are days of 0, and not left out."""
    for day in ("05", "06", "08", "10", "12"):
        bench.calls.call("7", at=f"2026-01-{day}T09:00:00Z")
    bench.budgets.put("week", 100, period="week")
    found = bench.budgets.rows()[0]["forecast"]
    assert (found["days"], found["method"]) == (9, "mean")
    assert found["expected"] == Decimal(7) + Decimal("17.11111111") - Decimal("6.22222222")
    assert found["low"] == 7


def test_a_forecast_by_day_of_the_week(bench: Bench) -> None:
    """Three weeks are enough to tell weekends apart."""
    for day in range(21, 32):
        bench.calls.call("1" if day in (27, 28) else "5", at=f"2025-12-{day}T09:00:00Z")
    for day in range(1, 15):
        cost = "1" if day in (3, 4, 10, 11) else "5"
        bench.calls.call(cost, at=f"2026-01-{day:02}T09:00:00Z")
    bench.budgets.put("week", 100, period="week")
    found = bench.budgets.rows()[0]["forecast"]
    # Spent from Monday on: 15. Half of Thursday, Friday, and the weekend are to come.
    assert (found["method"], found["days"], found["expected"]) == ("weekday", 24, Decimal("24.5"))


def test_days_are_of_the_time_zone(calls: Any) -> None:
    """A call in the last hour of the year, UTC, is of the new year in Amsterdam."""
    bench = Bench(calls, time_zone="Europe/Amsterdam")
    calls.call("5", at="2025-12-31T23:30:00Z")
    bench.budgets.put("all", 10)
    [row] = bench.budgets.rows()
    assert (row["spent"], row["period_start"]) == (5, "2025-12-31T23:00:00+00:00")


def test_deleted_calls_are_missed(bench: Bench) -> None:
    """A budget whose period is older than what is kept says that it is a floor."""
    bench.calls.call("1", at="2026-01-02T10:00:00Z")
    bench.calls.call("2", at="2026-01-14T10:00:00Z")
    bench.calls.drain()
    retire(bench.calls.store, "llm_calls", Retention(days=5))
    bench.budgets.put("month", 10)
    bench.budgets.put("week", 10, period="week")
    month, week = bench.budgets.rows(forecast=False)
    assert (month["spent"], month["is_floor"]) == (2, True)
    assert month["reason"] == "rows of llm_calls were deleted; what it has begins on 2026-01-14"
    assert (week["spent"], week["is_floor"]) == (2, True)


def test_a_warning_is_given_once_per_period(
    bench: Bench, told: list[BudgetWarning], logged: Callable[[], list[str]]
) -> None:
    """Of several shares passed at once the highest is told, and all are counted."""
    bench.budgets.put("all", 100)
    bench.calls.call("49.99")
    assert bench.budgets.watch() == "budgets: 1"
    bench.calls.call("30.01")
    assert bench.budgets.watch() == "budgets: 1, warnings: 2"
    assert bench.budgets.watch() == "budgets: 1"
    assert told == [
        BudgetWarning(
            budget="all",
            value=None,
            threshold_percent=80,
            max=Decimal(100),
            spent=Decimal(80),
            currency="USD",
            period="2026-01",
            is_floor=False,
        )
    ]
    assert logged() == ["budget 'all': 80 of 100 USD are spent in 2026-01, 80.0% (warning at 80 %)"]
    assert bench.shown("cost:budget_warnings") == [
        ({"budget": "all", "threshold_percent": "50"}, 1.0),
        ({"budget": "all", "threshold_percent": "80"}, 1.0),
    ]
    assert bench.budgets.rows()[0]["warned_percent"] == [50, 80]
    bench.calls.call("15", at="2026-01-15T11:00:00Z")
    bench.budgets.watch()
    bench.calls.call("6")
    bench.budgets.watch()
    assert [each.threshold_percent for each in told] == [80, 95, 100]


def test_a_new_period_warns_anew(bench: Bench, told: list[BudgetWarning]) -> None:
    """And what was spent in the one before is over."""
    bench.budgets.put("all", 100)
    bench.calls.call("60")
    bench.budgets.watch()
    bench.later("2026-02-01T00:00:00Z")
    bench.budgets.watch()
    assert bench.budgets.rows()[0]["spent"] == 0
    bench.calls.call("51")
    bench.budgets.watch()
    assert [(each.period, each.threshold_percent) for each in told] == [
        ("2026-01", 50),
        ("2026-02", 50),
    ]


def test_another_process_does_not_warn_again(bench: Bench, told: list[BudgetWarning]) -> None:
    """Not even one that begins later, with nothing in its memory."""
    bench.budgets.put("all", 100)
    bench.calls.call("60")
    bench.budgets.watch()
    assert Bench(bench.calls).budgets.watch() == "budgets: 1"
    assert len(told) == 1


def test_a_changed_budget_is_begun_anew(bench: Bench, told: list[BudgetWarning]) -> None:
    """Setting the same again changes nothing; a larger amount may be warned of again."""
    first = bench.budgets.put("all", 100)
    bench.calls.call("60")
    bench.budgets.watch()
    bench.calls.clock.advance(60)
    assert bench.budgets.put("all", "100.00") == first
    bench.budgets.watch()
    assert len(told) == 1
    assert bench.budgets.put("all", 110).created_ns == first.created_ns
    bench.budgets.watch()
    assert [each.max for each in told] == [100, 110]


def test_a_removed_budget_is_gone(bench: Bench) -> None:
    """It is not watched, and one of its name begins anew."""
    bench.budgets.put("all", 100)
    bench.calls.call("60")
    bench.budgets.watch()
    assert bench.budgets.remove("all")
    assert not bench.budgets.remove("all")
    assert bench.budgets.watch() is None
    bench.budgets.put("all", 100)
    assert bench.budgets.watch() == "budgets: 1, warnings: 1"


def test_a_hook_that_fails_is_logged(
    bench: Bench, told: list[BudgetWarning], caplog: pytest.LogCaptureFixture
) -> None:
    """The others hear of the warning, and the job goes on."""

    def fail(warning: BudgetWarning) -> None:
        raise RuntimeError("no network")

    hooks.insert(0, fail)
    bench.budgets.put("all", 100)
    bench.calls.call("100")
    bench.budgets.watch()
    assert [each.threshold_percent for each in told] == [100]
    assert "a function given to on_budget_warning failed" in caplog.text
    assert "no network" in caplog.text


def test_a_spent_that_is_a_floor_is_warned_of_as_such(
    bench: Bench, told: list[BudgetWarning], logged: Callable[[], list[str]]
) -> None:
    """Whoever is told knows that it is more."""
    bench.budgets.put("all", 100)
    bench.calls.call("100")
    bench.calls.call(**UNKNOWN)
    bench.budgets.watch()
    assert told[0].is_floor
    assert logged() == [
        "budget 'all': at least 100 of 100 USD are spent in 2026-01, 100.0% (warning at 100 %)"
    ]


def test_gauges(bench: Bench) -> None:
    """They are recorded when they change, and again before they would be thought gone."""
    bench.budgets.put("all", 100)
    bench.calls.call("20")
    bench.budgets.watch()
    bench.calls.clock.advance(60)
    bench.budgets.watch()
    assert bench.shown("cost:budget_max_usd") == [({"budget": "all"}, 100.0)]
    bench.calls.call("1")
    bench.budgets.watch()
    assert bench.shown("cost:budget_spent_usd") == [
        ({"budget": "all"}, 20.0),
        ({"budget": "all"}, 21.0),
    ]
    bench.calls.clock.advance(200)
    bench.budgets.watch()
    assert len(bench.shown("cost:budget_max_usd")) == 2


def test_a_value_that_spends_nothing_any_more_is_shown_with_0(bench: Bench) -> None:
    """Otherwise the gauge would stay at what it was in the period before."""
    bench.budgets.put("day", 10, period="day", each="feature")
    bench.calls.call("3", feature="search")
    bench.calls.call("2", feature="chat")
    bench.budgets.watch()
    bench.later("2026-01-16T08:00:00Z")
    bench.calls.call("1", feature="chat")
    bench.budgets.watch()
    assert bench.shown("cost:budget_spent_usd") == [
        ({"budget": "day/chat"}, 2.0),
        ({"budget": "day/search"}, 3.0),
        ({"budget": "day/search"}, 0.0),
        ({"budget": "day/chat"}, 1.0),
    ]


def test_all_values_are_shown_with_0_once_when_a_period_begins(bench: Bench) -> None:
    """Also if nobody has spent anything yet; a removed budget is left alone."""
    bench.budgets.put("day", 10, period="day", each="feature")
    bench.budgets.put("gone", 10, period="day", each="feature")
    bench.calls.call("3", feature="search")
    bench.budgets.watch()
    bench.budgets.remove("gone")
    bench.later("2026-01-16T00:00:00Z")
    for _ in range(3):
        bench.budgets.watch()
        bench.calls.clock.advance(300)
    assert bench.shown("cost:budget_spent_usd") == [
        ({"budget": "day/search"}, 3.0),
        ({"budget": "gone/search"}, 3.0),
        ({"budget": "day/search"}, 0.0),
    ]


def test_spent_that_is_not_known_is_not_shown(bench: Bench) -> None:
    """A gauge of 0 would say that all is left."""
    bench.budgets.put("all", 10)
    bench.calls.call(**UNKNOWN)
    bench.budgets.watch()
    assert bench.shown("cost:budget_max_usd") == [({"budget": "all"}, 10.0)]
    assert bench.shown("cost:budget_spent_usd") == []


def test_of_many_values_those_that_spend_most_are_shown(
    bench: Bench, told: list[BudgetWarning], logged: Callable[[], list[str]]
) -> None:
    """All are warned of, in one line of the log."""
    bench.budgets.put("keys", "0.01", each="key")
    for number in range(MOST_SHOWN + 20):
        bench.calls.call("1" if number < MOST_SHOWN else "0.5", api_key=f"key-{number:03}")
    bench.budgets.watch()
    values = [value for _, value in bench.shown("cost:budget_spent_usd")]
    assert values == [1.0] * MOST_SHOWN
    assert len(told) == MOST_SHOWN + 20
    assert logged() == [
        (
            "budget 'keys': 120 keys have each spent 100 % or more of 0.01 USD in 2026-01: "
            "'key-000', 'key-001', 'key-002', 'key-003', 'key-004', …"
        )
    ]


def test_what_was_shown_once_does_not_go_on_without_bound(bench: Bench) -> None:
    """Of keys that come and go those that have spent most are shown, and as many from before."""
    bench.budgets.put("keys", "1000", each="key")
    for wave in range(3):
        for number in range(MOST_SHOWN):
            bench.calls.call(str(wave + 1), api_key=f"key-{wave}-{number:03}")
        bench.budgets.watch()
        bench.calls.clock.advance(201)
    before = len(bench.shown("cost:budget_spent_usd"))
    bench.budgets.watch()
    values = [value for _, value in bench.shown("cost:budget_spent_usd")[before:]]
    assert sorted(set(values)) == [2.0, 3.0]
    assert len(values) == 2 * MOST_SHOWN


def test_forecasts_are_of_those_that_spend_most(bench: Bench) -> None:
    """Of thousands of values nobody reads them all, and each takes a while."""
    for day in range(10, 16):
        for number in range(MOST_FORECASTS + 1):
            cost = "2" if number < MOST_FORECASTS else "1"
            bench.calls.call(cost, api_key=f"{number:03}", at=f"2026-01-{day}T06:00:00Z")
    bench.budgets.put("keys", 100, each="key")
    *most, last = bench.budgets.rows()
    assert {row["forecast"]["expected"] for row in most} == {Decimal(12 + 33)}
    assert (last["value"], last["spent"], last["forecast"]) == ("100", 6, None)
    assert last["forecast_reason"] == "only the 100 that spent most have one"


def test_users_are_known_as_they_are_kept(
    calls: Any, told: list[BudgetWarning], logged: Callable[[], list[str]]
) -> None:
    """A budget of a user finds their hash, and neither the budget nor the log names them."""
    bench = Bench(calls, user_ids="hash")
    hashed = bench.privacy.user("alice")
    calls.call("3", user_id=hashed)
    calls.call("5", user_id=bench.privacy.user("bob"))
    kept = bench.budgets.put("alice", 2, user="alice")
    bench.budgets.put("users", 4, each="user")
    assert kept.scope == {"user": hashed}
    assert [row["spent"] for row in bench.budgets.rows(forecast=False)] == [3, 5, 3]
    bench.budgets.watch()
    assert [(each.budget, each.value) for each in told] == [
        ("alice", None),
        ("users", bench.privacy.user("bob")),
        ("users", hashed),
    ]
    assert [text for text in logged() if "alice'" not in text] == [
        "budget 'users' of a user: 5 of 4 USD are spent in 2026-01, 125.0% (warning at 100 %)",
        "budget 'users' of a user: 3 of 4 USD are spent in 2026-01, 75.0% (warning at 50 %)",
    ]
    assert ({"budget": "users", "user": hashed}, 3.0) in bench.shown("cost:budget_spent_usd")
    assert {tuple(labels) for labels, _ in bench.shown("cost:budget_warnings")} == {
        ("budget", "threshold_percent")
    }


def test_calls_from_before_users_were_hashed(calls: Any) -> None:
    """A budget that was set with plain users finds hashes as well, once the store has a key."""
    bench = Bench(calls)
    bench.budgets.put("alice", 10, user="alice")
    calls.call("3", user_id="alice")
    hashed = Privacy("keep", "hash", calls.store.root / PRIVACY_KEY).user("alice")
    calls.call("4", user_id=hashed)
    assert bench.budgets.rows()[0]["spent"] == 7


@pytest.mark.parametrize("of", [{"user": "alice"}, {"each": "user"}])
def test_users_who_are_not_kept_have_no_budgets(calls: Any, of: Any) -> None:
    """The error says what to do."""
    with pytest.raises(ConfigError) as caught:
        Bench(calls, user_ids="drop").budgets.put("u", 1, **of)
    assert str(caught.value) == (
        "the budget 'u' is of users, and who they are is not kept; got \"user_ids='drop'\"; "
        "allowed: user_ids='keep' or 'hash'. "
        "Give features or keys a budget instead, or change the setting."
    )


def test_a_budget_nobody_set(bench: Bench) -> None:
    """The error names those that there are."""
    bench.budgets.put("all", 1)
    with pytest.raises(ConfigError) as caught:
        bench.budgets.rows("some")
    assert str(caught.value) == "there is no budget of this name; got 'some'; allowed: all."


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"name": "a b"},
            (
                "the name of a budget cannot be used; got 'a b'; allowed: up to 100 letters, "
                "digits, '_', '-' and '.', first no '-' or '.'."
            ),
        ),
        (
            {"amount": 0},
            (
                "the amount of a budget cannot be used; got 0; "
                "allowed: a number from 0.00000001 to 92233720368.54775807."
            ),
        ),
        (
            {"amount": "much"},
            (
                "the amount of a budget cannot be used; got 'much'; "
                "allowed: a number above 0, such as 100 or '99.50'."
            ),
        ),
        (
            {"amount": float("nan")},
            (
                "the amount of a budget cannot be used; got nan; "
                "allowed: a number above 0, such as 100 or '99.50'."
            ),
        ),
        (
            {"period": "hour"},
            (
                "the period of a budget cannot be used; got 'hour'; "
                "allowed: day, week, month, quarter, year."
            ),
        ),
        (
            {"source": "bill"},
            "the source of a budget cannot be used; got 'bill'; allowed: price_list, provider.",
        ),
        (
            {"currency": "dollars"},
            (
                "the currency of a budget cannot be used; got 'dollars'; "
                "allowed: three capital letters, such as USD."
            ),
        ),
        (
            {"each": "day"},
            (
                "the each of a budget cannot be used; got 'day'; "
                "allowed: model, provider, feature, user, key."
            ),
        ),
        (
            {"feature": ""},
            (
                "the feature of a budget cannot be used; got ''; "
                "allowed: a text of 1 to 800 characters."
            ),
        ),
        (
            {"each": "model", "model": "o3"},
            (
                "the budget is of one model and of each model at the same time; got 'o3'. "
                "Leave out one of the two."
            ),
        ),
    ],
)
def test_what_no_budget_can_be(bench: Bench, given: dict[str, Any], text: str) -> None:
    """Nothing is kept of it."""
    with pytest.raises(ConfigError) as caught:
        bench.budgets.put(**{"name": "all", "amount": 1, **given})
    assert str(caught.value) == text
    assert bench.budgets.names() == []


@pytest.mark.parametrize(
    ("amount", "kept"), [(100, "100"), (0.1, "0.1"), ("99.50", "99.5"), (Decimal("1e3"), "1000")]
)
def test_amounts_are_kept_exactly(bench: Bench, amount: Any, kept: str) -> None:
    """A float counts as what it is printed as."""
    assert str(bench.budgets.put("all", amount).amount) == kept


def test_a_journal_that_is_full_loses_no_warning(
    bench: Bench, told: list[BudgetWarning], logged: Callable[[], list[str]]
) -> None:
    """What is noted as told has been told; only the metrics are missing."""
    (bench.calls.store.root.parent / "file").write_text("no directory")
    budgets = Budgets(
        bench.calls.store.root,
        lambda: bench.query.llm,
        privacy=bench.privacy,
        writer=JournalWriter(bench.calls.store.root.parent / "file" / "journal"),
        clock=bench.calls.clock,
    )
    budgets.put("all", "1")
    bench.calls.call("2", at="2026-01-14T10:00:00Z")
    budgets.watch()
    assert [each.threshold_percent for each in told] == [100]
    assert logged()[0].startswith("budget 'all': 2 of 1 USD are spent in ")
    assert logged()[1].startswith("how budgets stand could not be recorded: ")
    budgets.watch()
    assert len(told) == 1
