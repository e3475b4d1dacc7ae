# SPDX-License-Identifier: Apache-2.0
"""`tidegauge cost show`, `cost import focus` and `cost sync aws`: what they print and return."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from moto import mock_aws

QUEUE = "http://motoapi.amazonaws.com/moto-api/static/ce/cost-and-usage-results"
NOTHING = (
    "No costs are stored. Read them with tidegauge cost sync aws, or from files with tidegauge "
    "cost import focus."
)
YESTERDAY = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
FOCUS = f"""\
BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ProviderName,ServiceName,ChargeCategory
1234.5,1000,USD,{YESTERDAY}T00:00:00Z,AWS,Amazon EC2,Usage
-0.00012345,0,USD,{YESTERDAY}T00:00:00Z,AWS,Amazon S3,Credit
"""

Write = Callable[[str, str], Path]


def test_a_focus_file_is_imported_and_shown(cli: Any, write: Write) -> None:
    """With sums by period, provider and category, and then by service."""
    done = cli("cost", "import", "focus", write("a.csv", FOCUS))
    assert done.code == 0, done.err
    assert done.lines[:2] == [
        "2 rows stored as focus:AWS, in USD.",
        "In the place of 0 rows; 1 days changed.",
    ]
    assert [each.split() for each in done.lines if "Usage" in each or "Credit" in each] == [
        ["Credit", "1", "-0.0001234", "0.00"],
        ["Usage", "1", "1,234.50", "1,000.00"],
    ]
    assert done.lines[-1] == "Total: 1,234.50 billed, 1,000.00 effective."
    month = dt.datetime.now(dt.UTC).date().replace(day=1)
    note = "estimated" if month <= YESTERDAY else ""
    shown = cli("cost", "show", "--days", 1)
    assert shown.code == 0, shown.err
    assert [each.split() for each in shown.lines[3:5]] == [
        ["Amazon", "EC2", "1,234.50", "100", "%", *note.split()],
        ["Amazon", "S3", "-0.0001234", "-1e-05", "%", *note.split()],
    ]


def test_what_is_shown_is_one_document(cli: Any, write: Write) -> None:
    """For programs; each source has its own."""
    cli("cost", "import", "focus", write("a.csv", FOCUS))
    cli("cost", "import", "focus", write("a.csv", FOCUS), "--source", "again")
    done = cli("cost", "show", "--by", "category", "--json")
    assert done.json["cost_explorer"] is None
    assert [(each["source"], each["total"]) for each in done.json["clouds"]] == [
        ("again", 1234.49987655),
        ("focus:AWS", 1234.49987655),
    ]
    one = cli("cost", "show", "--source", "again", "--basis", "effective", "--json").json["clouds"]
    assert [(each["basis"], each["total"]) for each in one] == [("effective", 1000.0)]
    told = cli("cost", "show").lines
    assert "These are different accounts of what may be the same money: do not add them." in told


def test_a_check_stores_nothing(cli: Any, write: Write) -> None:
    """And says so."""
    done = cli("cost", "import", "focus", write("a.csv", FOCUS), "--check", "--json")
    assert (done.json["checked_only"], done.json["rows"], done.json["billed_cost"]) == (
        True,
        2,
        1234.49987655,
    )
    assert not (cli.store / "tables").exists()


def test_nothing_to_show_is_a_problem(cli: Any, write: Write) -> None:
    """With what to do about it."""
    cli.record("custom:x", 1.0, at="2026-01-01")
    done = cli("cost", "show")
    assert (done.code, done.lines) == (
        1,
        [NOTHING],
    )
    assert cli("cost", "show", "--source", "aws").code == 2
    assert cli("cost", "import", "focus", "gone.csv").code == 2


def test_the_bill_of_aws_is_read_and_its_price_told(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three words name the command; every page is a request that AWS charges for."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    amount = {"Amount": "2.5", "Unit": "USD"}
    answer = {
        "ResultsByTime": [
            {
                "TimePeriod": {"Start": f"{YESTERDAY}", "End": f"{YESTERDAY}"},
                "Estimated": True,
                "Groups": [
                    {
                        "Keys": ["Amazon EC2", "111"],
                        "Metrics": {"UnblendedCost": amount, "AmortizedCost": amount},
                    }
                ],
            }
        ]
    }
    with mock_aws():
        requests.post(QUEUE, json={"results": [answer]}, timeout=10)
        done = cli("cost", "sync", "aws")
    assert done.code == 0, done.err
    assert done.out.endswith("1 changes of days. 3 requests, for 0.03 USD.\n")
    shown = cli("cost", "show", "--days", 2)
    assert shown.lines[-2:] == [
        "Total 2.50 USD, estimated: the provider may still change it.",
        "Cost Explorer was asked 3 times, for 0.03 USD.",
    ]
    page = cli("sql", "select sum(value) as n from points where metric like 'cost:cost_explorer%'")
    assert page.lines[-1].strip() == "3.03"
