# SPDX-License-Identifier: Apache-2.0
"""`tidegauge cost budget`, `… set`, `… list` and `… remove`."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from typing import Any

import pytest


def test_budgets_are_set_shown_and_removed(cli: Any, calls: Any) -> None:
    """In a table with what is spent of each."""
    calls.call("30", feature="search", at=time.time() - 1)
    calls.call("5", feature="chat", at=time.time() - 1)
    done = cli("cost", "budget", "set", "all", "--amount", "140", "--period", "year")
    assert (done.code, done.lines) == (0, ["Budget all: 140.00 USD a year."])
    done = cli(
        *("cost", "budget", "set", "parts", "--amount", "40.5", "--period", "year"),
        *("--each", "feature", "--model", "o3"),
    )
    assert done.lines == ["Budget parts: 40.50 USD a year for model o3, for each feature."]
    year = f"{dt.datetime.now(dt.UTC):%Y}"
    for command in (("cost", "budget"), ("cost", "budget", "list")):
        done = cli(*command)
        assert done.code == 0
        assert [line.split() for line in done.lines[2:5]] == [
            ["all", year, "140.00", "35.00", "USD", "25", "%", "██▌", "-"],
            ["parts/search", year, "40.50", "30.00", "USD", "74.07", "%", "███████▍", "-"],
            ["parts/chat", year, "40.50", "5.00", "USD", "12.35", "%", "█▎", "-"],
        ]
    assert cli("cost", "budget", "remove", "all").lines == ["Removed all."]
    done = cli("cost", "budget", "remove", "all")
    assert (done.code, done.lines) == (1, ["There is no budget all."])
    assert [row["budget"] for row in cli("cost", "budget", "--json").json] == ["parts", "parts"]


def test_a_budget_as_json(cli: Any, calls: Any) -> None:
    """With a forecast that reaches from what is spent upwards."""
    now_s = time.time()
    for days in range(6):
        calls.call("2", at=now_s - 1 - days * 86_400)
    cli("cost", "budget", "set", "all", "--amount", "10000", "--period", "year")
    [row] = cli("cost", "budget", "--json").json
    assert (row["max"], row["currency"], row["is_floor"]) == (10_000, "USD", False)
    forecast = row["forecast"]
    assert row["spent"] <= forecast["low"] <= forecast["expected"] <= forecast["high"]
    assert (forecast["method"], forecast["days"]) == ("mean", 4)


def test_a_budget_that_is_spent_ends_with_1(cli: Any, calls: Any) -> None:
    """So that a script notices."""
    calls.call("10", at=time.time() - 1)
    cli("cost", "budget", "set", "all", "--amount", "10", "--period", "year")
    assert cli("cost", "budget").code == 1


def test_many_values_are_cut(cli: Any, calls: Any) -> None:
    """Those that spend most are shown, and how many are not."""
    for number in range(4):
        calls.call(number + 1, api_key=f"k{number}", at=time.time() - 1)
    cli("cost", "budget", "set", "keys", "--amount", "100", "--each", "key", "--period", "year")
    done = cli("cost", "budget", "--limit", "2")
    assert [line.split()[0] for line in done.lines[2:]] == ["keys/k3", "keys/k2", "2"]
    assert done.lines[-1] == "2 more; --limit shows them."


def test_no_budgets(cli: Any) -> None:
    """It says how to set one, and makes no store."""
    done = cli("cost", "budget")
    assert done.lines == ["No budget is set. Set one with tidegauge cost budget set."]
    assert (done.code, cli.store.exists()) == (0, False)


def test_budgets_of_which_nothing_is_spent(cli: Any) -> None:
    """Those that each value has for itself have no row then, and are named."""
    cli("cost", "budget", "set", "keys", "--amount", "100", "--each", "key")
    done = cli("cost", "budget")
    assert done.lines == [
        "No budget is set, or nothing was spent.",
        "Nothing was spent of: keys.",
    ]


def test_other_currencies_have_no_live_metrics(cli: Any) -> None:
    """Which is said when one is set."""
    done = cli("cost", "budget", "set", "eu", "--amount", "9", "--currency", "EUR")
    assert done.lines == [
        "Budget eu: 9.00 EUR a month.",
        "It has no live metrics, which are in USD.",
    ]


def test_what_cannot_be_set(cli: Any) -> None:
    """Exit code 2, and nothing is kept."""
    done = cli("cost", "budget", "set", "all", "--amount", "-5")
    assert done.code == 2
    assert "The amount of a budget cannot be used." in done.err
    assert cli("cost", "budget", "--json").json == []


def test_the_job_warns(cli: Any, calls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run by hand, it records into the store that it was given, and not into the usual place."""
    monkeypatch.delenv("TIDEGAUGE_STORE", raising=False)
    calls.call("10", at=time.time() - 1)
    calls.drain()
    cli("cost", "budget", "set", "all", "--amount", "10", "--period", "year")
    done = cli("jobs", "run", "budgets", "--store", cli.store, "--json")
    assert (done.code, done.json["result"]) == (0, "budgets: 1, warnings: 4")
    stats = cli("stats", "cost:budget_spent_usd", "--by", "budget", "--json").json
    assert [(row["budget"], row["last"]) for row in stats] == [("all", 10.0)]
    [row] = cli("cost", "budget", "--json").json
    assert row["warned_percent"] == [50, 80, 95, 100]
    again = cli("jobs", "run", "budgets", "--json")
    assert again.json["result"] == "budgets: 1"


def test_a_budget_that_cannot_be_read(cli: Any) -> None:
    """It is named, with what to do."""
    cli("cost", "budget", "set", "all", "--amount", "10")
    connection = sqlite3.connect(cli.store / "state.db")
    connection.execute("update budgets set definition = '{}'")
    connection.commit()
    connection.close()
    done = cli("cost", "budget")
    assert done.code == 1
    assert "A budget of the store cannot be read." in done.err
    assert "Got: all" in done.err
    assert cli("cost", "budget", "remove", "all").code == 0
