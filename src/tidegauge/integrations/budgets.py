# SPDX-License-Identifier: Apache-2.0
"""Budgets of a store: setting them, telling what is spent of them, and warning in time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.budgets import (
    SCOPES,
    Budget,
    BudgetWarning,
    CostSource,
    Scope,
    checked_budget,
    passed_percents,
)
from tidegauge.model.clock import SYSTEM_CLOCK, Clock
from tidegauge.model.errors import ConfigError, JournalError
from tidegauge.model.periods import Period
from tidegauge.model.personal import USER_COLUMN
from tidegauge.model.series import SeriesKey
from tidegauge.record.privacy import Privacy
from tidegauge.store.budgets import BudgetBook, Passed
from tidegauge.store.state import State

if TYPE_CHECKING:
    from tidegauge.query.llm import Llm

__all__ = ["MOST_SHOWN", "Budgets", "Hook", "hooks"]

#: Of a budget that each value has for itself, so many values are live metrics: those that have
#: spent most. All of them are warned of.
MOST_SHOWN = 100

#: What is called with a warning.
Hook = Callable[[BudgetWarning], object]

#: Those of this process.
hooks: list[Hook] = []

_MAX = "cost:budget_max_usd"
_SPENT = "cost:budget_spent_usd"
_WARNINGS = "cost:budget_warnings"
_PUBLISHED = "USD"
#: Recorded again after this long, for the gauge of a process that ended is shown 5 minutes only.
_AGAIN_NS = 200 * 10**9
_MOST_NAMED = 5
_log = logging.getLogger("tidegauge")

#: Name of a budget, value or empty text, and percent.
_Share = tuple[str, str, int]


class Budgets:
    """The budgets of one store.

    Setting, removing and telling are safe to share between threads; `watch` is for one at a time.

    Args:
        root: The store's directory. It may not exist yet.
        find_llm: Finds what answers for calls. Not called where there is no budget.
        privacy: What becomes of who users are.
        writer: Records live metrics of this store.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        root: Path,
        find_llm: Callable[[], Llm],
        *,
        privacy: Privacy,
        writer: JournalWriter,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._state = State(root / "state.db", clock=clock)
        self._book = BudgetBook(self._state)
        self._find_llm = find_llm
        self._privacy = privacy
        self._writer = writer
        self._clock = clock
        # By series, what was recorded last and when.
        self._shown: dict[SeriesKey, tuple[float, int]] = {}

    def put(
        self,
        name: str,
        amount: Decimal | float | str,
        *,
        period: Period = "month",
        model: str | None = None,
        provider: str | None = None,
        feature: str | None = None,
        user: str | None = None,
        key: str | None = None,
        each: Scope | None = None,
        currency: str = "USD",
        source: CostSource = "price_list",
    ) -> Budget:
        """Set a budget; see `tidegauge.set_budget`.

        Raises:
            ConfigError: Something of it cannot be used.
            StoreError: The store cannot be written.
        """
        budget = checked_budget(
            name,
            amount,
            period=period,
            currency=currency,
            source=source,
            each=each,
            scope={
                "model": model,
                "provider": provider,
                "feature": feature,
                "user": user,
                "key": key,
            },
            created_ns=self._clock.wall_ns(),
        )
        if user is not None or each == "user":
            budget = self._of_users(budget)
        return self._book.put(budget)

    def remove(self, name: str) -> bool:
        """Drop a budget; False if there is none of that name.

        Raises:
            StoreError: The store cannot be written.
        """
        return self._book.remove(name)

    def names(self) -> list[str]:
        """The names of all budgets, sorted.

        Raises:
            StoreError: The store cannot be read.
        """
        return list(self._book.all())

    def rows(self, name: str | None = None, *, forecast: bool = True) -> list[dict[str, Any]]:
        """How budgets stand; see `tidegauge.budgets`.

        Raises:
            ConfigError: There is no budget of that name.
            StoreError: The store cannot be read.
        """
        kept = self._book.all()
        if name is not None:
            if name not in kept:
                raise _no_budget(name, kept)
            kept = {name: kept[name]}
        if not kept:
            return []
        found = self._find_llm().budgets(
            list(kept.values()), self._privacy.forms, forecast=forecast
        )
        warned = self._book.warned()
        for row in found:
            warned_key = row["budget"], row["value"] or "", row["period"]
            row["warned_percent"] = list(warned.get(warned_key, ()))
        return found

    def watch(self) -> str | None:
        """Record how budgets stand, and warn where a share is spent for the first time.

        Where there is no budget, this reads one small table and loads nothing.

        Returns:
            What was done, for people; None if there is no budget.

        Raises:
            StoreError: The store cannot be used.
        """
        kept = self._book.all()
        if not kept:
            self._shown.clear()
            return None
        rows = self._find_llm().budgets(list(kept.values()), self._privacy.forms, forecast=False)
        now_ns = self._clock.wall_ns()
        known = self._book.warned()
        passed: dict[_Share, Mapping[str, Any]] = {}
        new: list[Passed] = []
        for row in rows:
            name, value, period = row["budget"], row["value"] or "", row["period"]
            if row["spent"] is None:
                continue
            for percent in passed_percents(row["spent"], row["max"]):
                if percent not in known.get((name, value, period), ()):
                    passed[name, value, percent] = row
                    new.append(Passed(kept[name], value, period, percent))
        given = self._book.note(new, now_ns) if new else []
        # A share that is noted is never told of again: no journal that is full may come between.
        self._warn(given, passed)
        try:
            self._count(given, passed, now_ns)
            self._show(rows, kept, now_ns)
        except (JournalError, OSError) as error:
            _log.warning("how budgets stand could not be recorded: %s", error)
        return f"budgets: {len(kept)}" + (f", warnings: {len(given)}" if given else "")

    def close(self) -> None:
        """Close the state; the next call opens it again."""
        self._state.close()

    def _of_users(self, budget: Budget) -> Budget:
        """The same with the user as the settings let them be kept."""
        if self._privacy.user("anybody") is None:
            raise ConfigError(
                f"the budget {budget.name!r} is of users, and who they are is not kept",
                got="user_ids='drop'",
                allowed="user_ids='keep' or 'hash'",
                fix="Give features or keys a budget instead, or change the setting.",
            )
        scope = dict(budget.scope)
        if (kept := self._privacy.user(scope.get("user"))) is not None:
            scope["user"] = kept
        return msgspec.structs.replace(budget, scope=scope)

    def _show(self, rows: Iterable[Mapping[str, Any]], kept: Container[str], now_ns: int) -> None:
        """Record the gauges."""
        values: dict[SeriesKey, float] = {}
        counts: dict[str, int] = {}
        going_on: dict[str, int] = {}
        crowded_out: set[SeriesKey] = set()
        for row in rows:
            name = row["budget"]
            counts[name] = counts.get(name, 0) + 1
            labels = _labels(row)
            spent = SeriesKey.of(_SPENT, labels)
            is_shown = counts[name] <= MOST_SHOWN
            if not is_shown and spent in self._shown:
                # What was shown once goes on, though others have spent more by now; but not all of
                # what ever was.
                going_on[name] = going_on.get(name, 0) + 1
                is_shown = going_on[name] <= MOST_SHOWN
                if not is_shown:
                    crowded_out.add(spent)
            if row["currency"] != _PUBLISHED or not is_shown:
                continue
            values[SeriesKey.of(_MAX, labels)] = float(row["max"])
            if row["spent"] is not None:
                values[spent] = float(row["spent"])
        for key in self._shown.keys() - values.keys():
            value, _ = self._shown.pop(key)
            # Who has spent nothing in a new period: what was shown of the one before must not stay.
            is_over = key.metric == _SPENT and key not in crowded_out
            if is_over and value and _budget_of(key) in kept:
                values[key] = 0.0
        for key, value in values.items():
            before, at_ns = self._shown.get(key, (None, 0))
            if value != before or not 0 <= now_ns - at_ns < _AGAIN_NS:
                self._writer.put_point(key, value, time_ns=now_ns)
                self._shown[key] = value, now_ns

    def _count(
        self, given: Iterable[Passed], rows: Mapping[_Share, Mapping[str, Any]], now_ns: int
    ) -> None:
        for each in given:
            row = rows[each.budget.name, each.value, each.percent]
            labels = {**_labels(row), "threshold_percent": str(each.percent)}
            labels.pop("user", None)  # a counter is not to shrink when a user is forgotten
            self._writer.put_point(SeriesKey.of(_WARNINGS, labels), 1.0, time_ns=now_ns)

    def _warn(self, given: Iterable[Passed], rows: Mapping[_Share, Mapping[str, Any]]) -> None:
        # They come rising.
        highest = {(each.budget.name, each.value): each.percent for each in given}
        together: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for (name, value), percent in highest.items():
            together.setdefault((name, percent), []).append(rows[name, value, percent])
        for (_, percent), of_share in together.items():
            _log.warning("%s", _text(of_share, percent))
            for row in of_share:
                _tell(_warning(row, percent))


def _labels(row: Mapping[str, Any]) -> dict[str, str]:
    """What tells the series of a budget apart.

    A user has a label of their own, in which whoever forgets users finds them.
    """
    name, value = row["budget"], row["value"]
    if value is None:
        return {"budget": name}
    if SCOPES[row["each"]] == USER_COLUMN:
        return {"budget": name, "user": value}
    return {"budget": f"{name}/{value}"}


def _budget_of(key: SeriesKey) -> str:
    return dict(key.labels)["budget"].partition("/")[0]


def _warning(row: Mapping[str, Any], percent: int) -> BudgetWarning:
    return BudgetWarning(
        budget=row["budget"],
        value=row["value"],
        threshold_percent=percent,
        max=row["max"],
        spent=row["spent"],
        currency=row["currency"],
        period=row["period"],
        is_floor=row["is_floor"],
    )


def _tell(warning: BudgetWarning) -> None:
    for hook in hooks.copy():  # one may register another
        try:
            hook(warning)
        except Exception:  # noqa: BLE001  (a program's own; others are to hear of it as well)
            _log.exception("a function given to on_budget_warning failed")


def _text(rows: Sequence[Mapping[str, Any]], percent: int) -> str:
    """The line of the log about those who have passed the same share of a budget.

    Who a user is stands in the store, and not in logs.
    """
    row = rows[0]
    is_of_user = row["each"] == "user"
    if len(rows) > 1:
        named = ", ".join(repr(each["value"]) for each in rows[:_MOST_NAMED])
        more = ", …" if len(rows) > _MOST_NAMED else ""
        return (
            f"budget {row['budget']!r}: {len(rows)} {row['each']}s have each spent {percent} % or "
            f"more of {row['max']:f} {row['currency']} in {row['period']}"
            f"{'' if is_of_user else f': {named}{more}'}"
        )
    whose = ""
    if row["value"] is not None:
        whose = " of a user" if is_of_user else f" of {row['value']!r}"
    least = "at least " if row["is_floor"] else ""
    return (
        f"budget {row['budget']!r}{whose}: {least}{row['spent'].normalize():f} of "
        f"{row['max']:f} {row['currency']} are spent in {row['period']}, {row['share']:.1%} "
        f"(warning at {percent} %)"
    )


def _no_budget(name: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(
        "there is no budget of this name",
        got=name,
        allowed=", ".join(known) or "none is set",
    )
