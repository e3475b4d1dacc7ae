# SPDX-License-Identifier: Apache-2.0
"""Budgets in the state of a store, and who may warn of them."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from tidegauge.model.budgets import Budget
from tidegauge.store.budgets import BudgetBook, Passed
from tidegauge.store.state import State

DAY_NS = 86_400 * 10**9


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state that is not there yet."""
    return State(tmp_path / "state.db")


def test_a_budget_is_kept_as_it_is(state: State) -> None:
    """Amounts to the last digit, conditions and all."""
    budget = Budget(
        name="b",
        amount=Decimal("0.00000001"),
        period="quarter",
        currency="EUR",
        source="provider",
        each="key",
        scope={"feature": "search", "user": "h:1"},
        created_ns=5,
    )
    BudgetBook(state).put(budget)
    assert BudgetBook(State(state.path)).all() == {"b": budget}


def test_reading_creates_nothing(state: State) -> None:
    """Neither budgets nor warnings are there, and no file."""
    book = BudgetBook(state)
    assert (book.all(), book.warned()) == ({}, {})
    assert not state.path.exists()


def test_a_state_without_the_tables(state: State) -> None:
    """Such as one of an older version, read by somebody who may not write it: there are none."""
    state.register_follower("any")
    connection = sqlite3.connect(state.path)
    connection.executescript("drop table budgets; drop table budget_warnings")
    connection.close()
    book = BudgetBook(state)
    assert (book.all(), book.warned()) == ({}, {})


def test_a_share_is_noted_once(state: State) -> None:
    """Whoever notes it first is to warn; of another value or period it is another share."""
    book = BudgetBook(state)
    budget = book.put(Budget(name="b", amount=Decimal(1)))
    first = [Passed(budget, "", "2026-01", 50), Passed(budget, "", "2026-01", 80)]
    assert book.note(first, 1) == first
    more = [*first, Passed(budget, "", "2026-01", 95), Passed(budget, "", "2026-02", 50)]
    assert book.note([*more, Passed(budget, "x", "2026-01", 50)], 2) == [
        *more[2:],
        Passed(budget, "x", "2026-01", 50),
    ]
    assert book.warned() == {
        ("b", "", "2026-01"): (50, 80, 95),
        ("b", "", "2026-02"): (50,),
        ("b", "x", "2026-01"): (50,),
    }


def test_shares_of_a_budget_that_is_another_by_now_are_not_noted(state: State) -> None:
    """Between the look and the note somebody may have changed or removed it."""
    book = BudgetBook(state)
    before = book.put(Budget(name="b", amount=Decimal(1)))
    book.put(Budget(name="b", amount=Decimal(100)))
    assert book.note([Passed(before, "", "2026-01", 50)], 1) == []
    book.remove("b")
    assert book.note([Passed(before, "", "2026-01", 50)], 1) == []
    assert book.warned() == {}


def test_warnings_of_long_ago_go(state: State) -> None:
    """Those of two years and more before the newest."""
    book = BudgetBook(state)
    budget = book.put(Budget(name="b", amount=Decimal(1)))
    for day, period in ((0, "2024"), (400, "2025"), (801, "2026")):
        book.note([Passed(budget, "", period, 50)], day * DAY_NS)
    assert sorted(period for _, _, period in book.warned()) == ["2025", "2026"]


def test_a_user_is_forgotten(state: State) -> None:
    """Budgets of theirs go, and what names them under those of each user; others stay."""
    book = BudgetBook(state)
    book.put(Budget(name="theirs", amount=Decimal(1), scope={"user": "h:1"}))
    book.put(Budget(name="feature", amount=Decimal(1), scope={"feature": "h:1"}))
    users = book.put(Budget(name="users", amount=Decimal(1), each="user"))
    keys = book.put(Budget(name="keys", amount=Decimal(1), each="key"))
    book.note([Passed(each, "h:1", "2026", 50) for each in (users, keys)], 1)
    book.note([Passed(users, "h:2", "2026", 50)], 1)
    assert book.forget_user({"alice", "h:1"}) == 2
    assert list(book.all()) == ["feature", "keys", "users"]
    assert sorted(book.warned()) == [("keys", "h:1", "2026"), ("users", "h:2", "2026")]
