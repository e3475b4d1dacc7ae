# SPDX-License-Identifier: Apache-2.0
"""`tidegauge business`."""

from __future__ import annotations

import time
from typing import Any

import pytest


@pytest.fixture
def filled(cli: Any) -> Any:
    """Impressions, clicks and revenue of an hour ago."""
    at = time.time() - 3600
    cli.record("business:impressions", 1000, at=at, model="ranker")
    cli.record("business:clicks", 50, at=at, model="ranker")
    cli.record("business:revenue_eur", 12.5, at=at)
    return cli


def test_rates_and_money_as_a_table(filled: Any) -> None:
    """What cannot be told has a reason; a total has none."""
    done = filled("business", "--days", "2", "--users", "5")
    assert done.code == 0
    lines = [" ".join(line.split()) for line in done.lines]
    assert lines[0] == "metric value 95 % between unit made of why not"
    assert "business:click_through_rate 0.05 0.03813 to 0.065314 50 / 1,000" in lines
    assert "business:revenue_eur 12.5 EUR" in lines
    assert "usage:conversion_rate - no business:visits" in lines
    assert (
        "business:revenue_per_user 2.5 EUR/{user} 12.5 / 5 "
        "fewer than 8 days: how much days differ is not known" in lines
    )


def test_days_and_json(filled: Any) -> None:
    """One document, a row for each metric and, where asked for, day."""
    rows = filled("business", "--by", "day", "--where", "model=ranker", "--json").json
    found = [row for row in rows if row["metric"] == "business:click_through_rate"]
    assert [row["value"] for row in found] == [0.05, 0.05]
    assert [row["day"] is None for row in found] == [True, False]
    assert not any(row["metric"] == "business:revenue_eur" for row in rows)


def test_nothing_known_is_a_problem(cli: Any) -> None:
    """Exit code 1; what makes no sense is exit code 2."""
    cli.record("model:accuracy", 0.5, at=time.time() - 60)
    assert cli("business").code == 1
    assert cli("business", "--by", "week").code == 2
