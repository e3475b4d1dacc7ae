# SPDX-License-Identifier: Apache-2.0
"""Pricing calls anew: a new version beside the first, each call at the price of its own time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.testing import capture

OWN = """
[[price]]
model = "tides-1"
input = 1
output = 1

[[price]]
model = "o3"
input = 1
output = 1
start = 2026-11-01
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A file with prices that a program did not have when it made its calls."""
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store with three calls, of which one has no price."""
    root = tmp_path / "store"
    tg.configure(store=root, follower="off", strict=True)
    for number, model in enumerate(("o3", "o3", "tides-1")):
        with tg.track_llm(provider="openai", model=model, user_id=f"u{number}") as call:
            call.response(
                {
                    "id": f"r{number}",
                    "model": model,
                    "choices": [],
                    "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
                }
            )
    yield root
    tg.shutdown()


def again(store: Path, prices: Path | None, **asked: Any) -> Any:
    """Price calls anew in a process with these prices."""
    tg.configure(store=store, follower="off", strict=True, llm_prices=prices)
    return tg.reprice_llm_calls(**asked)


def test_a_new_price_is_a_new_version(store: Path, prices: Path) -> None:
    """The latest price holds, and the first one is still there."""
    done = again(store, prices)
    assert (done.calls, done.changed, done.found, done.lost) == (3, 3, 1, 0)
    assert done.before == {"USD": Decimal("0.0056")}
    assert done.after == {"USD": Decimal("0.0033")}
    rows = tg.sql(
        "SELECT c.cost, p.cost, p.version, p.price_model, p.time = c.time FROM llm_calls c "
        "JOIN llm_prices p USING (call_id) ORDER BY c.response_id"
    ).fetchall()
    of_o3 = (Decimal("0.0028"), Decimal("0.0011"), 2, "any/o3", True)
    assert rows == [of_o3, of_o3, (None, Decimal("0.0011"), 2, "any/tides-1", True)]
    [latest] = tg.llm_usage()["totals"]
    [first] = tg.llm_usage(prices="first")["totals"]
    assert (latest["cost"], latest["is_floor"]) == (Decimal("0.0033"), False)
    assert (first["cost"], first["is_floor"]) == (Decimal("0.0056"), True)


def test_the_same_price_is_no_new_version(store: Path, prices: Path) -> None:
    """Whoever was killed at it runs it again, and nothing is there twice."""
    again(store, prices)
    done = again(store, prices)
    assert (done.calls, done.changed) == (3, 0)
    assert len(tg.sql("SELECT 1 FROM llm_prices").fetchall()) == 3
    back = again(store, None)
    assert (back.changed, back.lost) == (3, 1)
    versions = tg.sql("SELECT version, unpriced_reason FROM llm_prices ORDER BY ALL").fetchall()
    assert versions == [(2, None)] * 3 + [(3, "unknown_model"), (3, None), (3, None)]


def test_only_what_is_asked_for(store: Path, prices: Path) -> None:
    """Calls without a price, of a user, of a time; and nothing at all in a dry run."""
    assert again(store, prices, unpriced=True, dry_run=True).found == 1
    assert again(store, prices, user="u0", dry_run=True).calls == 1
    assert again(store, prices, end="2026-01-01", dry_run=True).calls == 0
    assert tg.sql("SELECT 1 FROM llm_prices").fetchall() == []
    assert again(store, prices, unpriced=True).changed == 1


def test_a_call_is_priced_for_its_own_time() -> None:
    """What was cheaper later costs what it did then."""
    with capture(strict=True):
        from tidegauge.integrations.llm.repricing import reprice
        from tidegauge.integrations.llm.rows import pricer
        from tidegauge.query.llm_to_price import CallToPrice
        from tidegauge.record.front import recorder

        tokens = (1_000_000, *[0] * 7, 1_000_000, *[0] * 4)
        spring, summer = 1_746_057_600 * 10**9, 1_751_328_000 * 10**9
        calls = [
            CallToPrice(
                str(time_ns), time_ns, "openai", "o3", None, None, 1, None, None, None, tokens
            )
            for time_ns in (spring, summer)
        ]
        done = reprice(recorder, pricer(), [calls])
        assert done.after == {"USD": Decimal(60)}
        rows = tg.sql("SELECT cost FROM llm_prices ORDER BY time").fetchall()
        assert rows == [(Decimal(50),), (Decimal(10),)]
