# SPDX-License-Identifier: Apache-2.0
"""The budgets of a store, and which warnings were given of them, in its transactional state.

A warning is given by whoever writes its row: the row is written in the transaction that decides, so
of several processes one gives it, and a process that was killed does not give it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from tidegauge.model.budgets import SCOPES, Budget
from tidegauge.model.errors import StoreError
from tidegauge.model.personal import USER_COLUMN
from tidegauge.store.state import State, StateTransaction

__all__ = ["BudgetBook", "Passed"]

#: For so long it is known which warnings were given; longer than any period.
_KEPT_NS = 800 * 86_400 * 10**9


class Passed(NamedTuple):
    """That a share of a budget is spent.

    Attributes:
        budget: The budget.
        value: Whose share; empty if the budget is one for all.
        period: In which period.
        percent: The share.
    """

    budget: Budget
    value: str
    period: str
    percent: int


class BudgetBook:
    """Budgets by name. Safe for threads, processes and forks, as the state is.

    Args:
        state: The store's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def all(self) -> dict[str, Budget]:
        """Every budget by name, sorted. Reads one small table.

        Raises:
            StoreError: The state cannot be read.
        """
        # A store that this user may not write keeps the layout it has.
        if not self._state.rows("select 1 from sqlite_master where name = 'budgets'"):
            return {}
        rows = self._state.rows("select name, definition from budgets order by name")
        return {name: _read(name, text) for name, text in rows}

    def put(self, budget: Budget) -> Budget:
        """Keep a budget, in place of one of its name.

        One that changes is begun anew: what was warned of before may be warned of again. Setting
        the same once more changes nothing.

        Returns:
            The budget as it is kept now.

        Raises:
            StoreError: The state cannot be written.
        """
        with self._state.transaction() as transaction:
            if (before := _kept(transaction, budget.name)) is not None:
                budget = msgspec.structs.replace(budget, created_ns=before.created_ns)
                if budget == before:
                    return before
                _forget_warnings(transaction, budget.name)
            transaction.execute(
                "insert or replace into budgets values (?, ?)",
                (budget.name, msgspec.json.encode(budget).decode()),
            )
        return budget

    def remove(self, name: str) -> bool:
        """Drop a budget and what is known of its warnings; False if there is none of that name.

        Raises:
            StoreError: The state cannot be written.
        """
        with self._state.transaction() as transaction:
            gone = transaction.fetch("delete from budgets where name = ? returning 1", (name,))
            _forget_warnings(transaction, name)
        return bool(gone)

    def warned(self) -> dict[tuple[str, str, str], tuple[int, ...]]:
        """The percents that were warned of, by budget, value and period.

        Raises:
            StoreError: The state cannot be read.
        """
        if not self._state.rows("select 1 from sqlite_master where name = 'budget_warnings'"):
            return {}
        found: dict[tuple[str, str, str], tuple[int, ...]] = {}
        rows = self._state.rows(
            "select budget, value, period, percent from budget_warnings order by percent"
        )
        for budget, value, period, percent in rows:
            key = budget, value, period
            found[key] = (*found.get(key, ()), percent)
        return found

    def note(self, passed: Iterable[Passed], now_ns: int) -> list[Passed]:
        """Note that shares are spent, and tell which of them nobody has noted before.

        Those of a budget that was removed or changed meanwhile are left out.

        Args:
            passed: The shares.
            now_ns: The time.

        Returns:
            Those that the caller, and nobody else, is to warn of.

        Raises:
            StoreError: The state cannot be written; nothing was noted then.
        """
        new: list[Passed] = []
        with self._state.transaction() as transaction:
            present: dict[str, Budget | None] = {}
            for each in passed:
                name = each.budget.name
                if name not in present:
                    present[name] = _kept(transaction, name)
                if present[name] != each.budget:
                    continue
                row = (name, each.value, each.period, each.percent, now_ns)
                if transaction.fetch(
                    "insert or ignore into budget_warnings values (?, ?, ?, ?, ?) returning 1", row
                ):
                    new.append(each)
            if new:
                transaction.execute(
                    "delete from budget_warnings where time_ns < ?", (now_ns - _KEPT_NS,)
                )
        return new

    def forget_user(self, forms: Collection[str]) -> int:
        """Drop budgets of a user, and what was warned of them under budgets of each user.

        Args:
            forms: What the user is known as.

        Returns:
            How many budgets and warnings it was.

        Raises:
            StoreError: The state cannot be used.
        """
        count = 0
        for name, budget in self.all().items():
            if any(value in forms for what, value in budget.scope.items() if _is_user(what)):
                count += self.remove(name)
            elif budget.each is not None and _is_user(budget.each):
                with self._state.transaction() as transaction:
                    for form in forms:
                        gone = transaction.fetch(
                            "delete from budget_warnings where budget = ? and value = ? "
                            "returning 1",
                            (name, form),
                        )
                        count += len(gone)
        return count


def _is_user(scope: str) -> bool:
    return SCOPES[scope] == USER_COLUMN


def _kept(transaction: StateTransaction, name: str) -> Budget | None:
    rows = transaction.fetch("select definition from budgets where name = ?", (name,))
    return _read(name, rows[0][0]) if rows else None


def _forget_warnings(transaction: StateTransaction, name: str) -> None:
    transaction.execute("delete from budget_warnings where budget = ?", (name,))


def _read(name: str, text: str) -> Budget:
    try:
        return msgspec.json.decode(text, type=Budget)
    except msgspec.MsgspecError as error:
        raise StoreError(
            "a budget of the store cannot be read",
            got=name,
            fix="If a newer version wrote it, use that one; otherwise remove the budget.",
        ) from error
