# SPDX-License-Identifier: Apache-2.0
"""`tidegauge llm top` and `llm show`."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tidegauge.cli.llm import money_text
from tidegauge.record.privacy import PRIVACY_KEY, Privacy
from tidegauge.store.maintenance import retire
from tidegauge.store.retention import Retention

UNKNOWN: dict[str, Any] = {"cost": None, "unpriced_reason": "unknown_model"}


@pytest.fixture
def filled(cli: Any, calls: Any) -> Any:
    """Calls of the last minute, one of which has no price."""
    now_s = time.time() - 60
    calls.call("1.50", feature="search", input_tokens=900, output_tokens=100, at=now_s)
    calls.call("0.0025", feature="chat", latency_s=1.25, at=now_s)
    calls.call(**UNKNOWN, model="new", feature="chat", at=now_s)
    calls.call("7", feature="old", at=now_s - 40 * 86_400)
    return cli


def test_the_top_as_a_table(filled: Any) -> None:
    """Of the last 30 days; what has no price is named below."""
    done = filled("llm", "top", "--by", "feature")
    assert done.code == 0
    assert [" ".join(line.split()) for line in done.lines if "─" not in line] == [
        "Most in cost, by feature",
        "feature calls tokens cost currency share per call errors p95 s unpriced",
        "search 1 1,000 1.50 USD 99.83 % 1.50 0 - 0",
        "chat 2 - ≥ 0.0025 USD 0.1664 % 0.0025 0 1.25 1",
        "Calls without a price: unknown_model 1. They are in no cost.",
    ]


def test_a_cost_in_two_currencies_is_a_floor_in_both(cli: Any, calls: Any) -> None:
    """Nobody knows in which one a call without a price was charged."""
    at = time.time() - 60
    calls.call("2", currency="USD", at=at)
    calls.call("3", currency="EUR", at=at)
    calls.call(**UNKNOWN, at=at)
    rows = [" ".join(line.split()) for line in cli("llm", "top", "--by", "feature").lines]
    assert sum("≥ 2.00 USD" in row or "≥ 3.00 EUR" in row for row in rows) == 2


def test_the_top_as_json(filled: Any) -> None:
    """With everything that is known of each."""
    done = filled("llm", "top", "--sort", "calls", "--limit", "1", "--days", "60", "--json")
    assert done.code == 0
    assert done.json["left_out"] == 1
    [row] = done.json["groups"]
    assert (row["model"], row["calls"], row["cost"], row["is_floor"]) == ("o3", 3, 8.5025, False)
    assert done.json["totals"][0]["is_floor"] is True


def test_calls_are_chosen(filled: Any) -> None:
    """By columns; what is none is a label."""
    done = filled("llm", "top", "--where", "feature=search", "--json")
    assert [row["cost"] for row in done.json["totals"]] == [1.5]
    done = filled("llm", "top", "-w", "team=red", "--json")
    assert (done.code, done.json["totals"]) == (1, [])


def test_a_user_is_named_as_programs_do(cli: Any, calls: Any) -> None:
    """Where the store has hashes, the user of that name is found."""
    hashed = Privacy("keep", "hash", calls.store.root / PRIVACY_KEY).user("alice")
    calls.call("2", user_id=hashed, at=time.time() - 60)
    done = cli("llm", "top", "--by", "user", "--where", "user=alice", "--json")
    assert [(row["user"], row["cost"]) for row in done.json["groups"]] == [(hashed, 2.0)]


def test_first_prices(cli: Any, calls: Any) -> None:
    """History as it was priced at the time."""
    at = time.time() - 60
    calls.price(calls.call("1", at=at), 2, "3", at=at)
    for options, cost in (([], 3.0), (["--first-prices"], 1.0)):
        assert cli("llm", "show", *options, "--json").json["totals"][0]["cost"] == cost


def test_all_calls_together(filled: Any) -> None:
    """What is not known is '-'."""
    done = filled("llm", "show")
    assert done.code == 0
    shown = dict(line.split("  ", 1) for line in done.lines if "  " in line.strip())
    assert {name: value.strip() for name, value in shown.items()} == {
        "calls": "3",
        "requests": "3",
        "errors": "0",
        "input tokens": "900",
        "output tokens": "100",
        "cache hit ratio": "0",
        "cost": "≥ 1.50 USD",
        "per call with a price": "0.7512 USD",
        "share of calls with a price": "0.66667",
        "cost as providers said": "-",
        "latency p50, p95 (s)": "1.25, 1.25",
        "time to first token p50, p95 (s)": "-",
        "output tokens per s": "-",
    }
    assert done.lines[-1] == "Calls without a price: unknown_model 1. They are in no cost."


def test_no_calls(cli: Any, calls: Any) -> None:
    """Exit code 1, in words and as JSON."""
    calls.call("1", at=time.time() - 60 * 86_400)
    for command in ("top", "show"):
        done = cli("llm", command)
        assert (done.code, done.lines[-1]) == (1, "No call is like that.")


def test_deleted_calls_are_missed(cli: Any, calls: Any) -> None:
    """The answer ends with what is not there."""
    now_s = time.time()
    calls.call("1", at=now_s - 9 * 86_400)
    calls.call("1", at=now_s - 60)
    calls.drain()
    calls.clock.set_wall(time.time_ns())
    retire(calls.store, "llm_calls", Retention(days=5))
    done = cli("llm", "top")
    assert done.lines[-1].startswith("Not everything is there: rows of llm_calls were deleted; ")
    assert done.code == 0


def test_what_cannot_be_asked(filled: Any) -> None:
    """Exit code 2, and what is near."""
    done = filled("llm", "top", "--by", "modle")
    assert done.code == 2
    assert "Did you mean 'model'?" in done.err


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("1234.5", "1,234.50"),
        ("1.005", "1.00"),
        ("0.5", "0.50"),
        ("0.12345678", "0.1235"),
        ("0.00000123", "0.00000123"),
        ("-0.25", "-0.25"),
    ],
)
def test_amounts(amount: str, text: str) -> None:
    """Cents, or four digits of less than one."""
    from decimal import Decimal

    assert money_text(Decimal(amount)) == text
