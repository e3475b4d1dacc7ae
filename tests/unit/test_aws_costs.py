# SPDX-License-Identifier: Apache-2.0
"""What Cost Explorer is asked, and how its answers are read: botocore's own check of both."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tidegauge.collect.aws_costs import Bill, Charge, CostExplorer
from tidegauge.model.errors import DeliveryError

START, END = dt.date(2026, 10, 1), dt.date(2026, 11, 21)


class Asked:
    """A reader of Cost Explorer whose client answers as it is told.

    Attributes:
        stub: What answers, and checks requests as botocore does.
        explorer: The reader.
        requests: How many requests were counted.
        waits_s: For how long it waited, each time.
    """

    def __init__(self, client: Any) -> None:
        self.stub = Stubber(client)
        self.requests = 0
        self.waits_s: list[float] = []
        self.explorer = CostExplorer(
            client=client, on_request=self._count, sleep=self.waits_s.append, most_pages=3
        )

    def _count(self) -> None:
        self.requests += 1

    def answers(self, *results: dict[str, Any], token: str = "", **expected: Any) -> None:
        """Queue an answer, with what the request must be."""
        answer: dict[str, Any] = {"ResultsByTime": list(results)}
        if token:
            answer["NextPageToken"] = token
        self.stub.add_response("get_cost_and_usage", answer, expected or None)

    def fails(self, code: str) -> None:
        """Queue an error of AWS."""
        self.stub.add_client_error("get_cost_and_usage", code, "says AWS", 400)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """A reader that has not been told any answers."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("ce", region_name="us-east-1")
    found = Asked(client)
    with found.stub:
        yield found
    client.close()


def result(day: str, *groups: tuple[str, str, str], estimated: bool = False) -> dict[str, Any]:
    """A day of an answer: keys and the unblended cost; amortised, it is twice that."""
    return {
        "TimePeriod": {"Start": day, "End": day},
        "Total": {},
        "Groups": [
            {
                "Keys": [first, second],
                "Metrics": {
                    "UnblendedCost": {"Amount": amount, "Unit": "USD"},
                    "AmortizedCost": {"Amount": str(2 * Decimal(amount)), "Unit": "USD"},
                },
            }
            for first, second, amount in groups
        ],
        "Estimated": estimated,
    }


def test_a_request_asks_for_two_amounts_by_day_and_for_all_pages(asked: Asked) -> None:
    """The end is exclusive, amounts are exact, credits below 0, and days may be estimated."""
    first = {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-11-21"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost", "AmortizedCost"],
        "GroupBy": [
            {"Type": "DIMENSION", "Key": "SERVICE"},
            {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"},
        ],
    }
    asked.answers(result("2026-10-01", ("Amazon S3", "111", "0.0000012345")), token="t", **first)
    asked.answers(
        result("2026-10-02", ("Refund", "111", "-5.5"), estimated=True), **first, NextPageToken="t"
    )
    assert asked.explorer.fetch("service-account", START, END) == Bill(
        [
            Charge(
                dt.date(2026, 10, 1),
                ("Amazon S3", "111"),
                Decimal("0.0000012345"),
                Decimal("0.0000024690"),
                "USD",
                False,
            ),
            Charge(
                dt.date(2026, 10, 2),
                ("Refund", "111"),
                Decimal("-5.5"),
                Decimal("-11.0"),
                "USD",
                True,
            ),
        ],
        [dt.date(2026, 10, 1), dt.date(2026, 10, 2)],
    )
    asked.stub.assert_no_pending_responses()
    assert (asked.requests, asked.waits_s) == (2, [])


def test_models_of_bedrock_are_asked_for_from_the_day_on_that_aws_knows(asked: Asked) -> None:
    """Values come with the name of the attribute; what is of no model is not of Bedrock."""
    asked.answers(
        result(
            "2026-09-01",
            ("model$claude", "inferenceType$input", "1"),
            ("model$claude", "inferenceType$", "2"),
            ("model$", "inferenceType$", "99"),
        ),
        TimePeriod={"Start": "2026-09-01", "End": "2026-11-21"},
        Granularity="DAILY",
        Metrics=["UnblendedCost", "AmortizedCost"],
        GroupBy=[
            {"Type": "PRODUCT_ATTRIBUTE", "Key": "model"},
            {"Type": "PRODUCT_ATTRIBUTE", "Key": "inferenceType"},
        ],
    )
    bill = asked.explorer.fetch("bedrock-model", dt.date(2026, 7, 1), END)
    assert [(each.keys, each.billed) for each in bill.charges] == [
        (("claude", "input"), Decimal(1)),
        (("claude", None), Decimal(2)),
    ]
    early = asked.explorer.fetch("bedrock-model", dt.date(2026, 7, 1), dt.date(2026, 9, 1))
    assert early == Bill(missing="AWS knows the models of Bedrock since 2026-09-01")
    assert asked.requests == 1


def test_what_aws_has_no_data_of_is_left_out_with_a_word(asked: Asked) -> None:
    """The request is counted, for it may be charged."""
    asked.fails("DataUnavailableException")
    bill = asked.explorer.fetch("bedrock-model", START, END)
    assert bill.charges == []
    assert bill.missing is not None
    assert "AWS has no data" in bill.missing
    assert asked.requests == 1


def test_when_aws_wants_fewer_requests_it_is_asked_again_later(asked: Asked) -> None:
    """After waits that grow; each request is counted."""
    for _ in range(3):
        asked.fails("LimitExceededException")
    asked.answers(result("2026-10-01"))
    assert asked.explorer.fetch("service-account", START, END).days == [dt.date(2026, 10, 1)]
    assert asked.requests == 4
    assert [1.0 <= asked.waits_s[0] <= 1.25, 2.0 <= asked.waits_s[1] <= 2.5] == [True, True]
    assert (len(asked.waits_s), 4.0 <= asked.waits_s[2] <= 5.0) == (3, True)


def test_it_is_not_asked_for_ever(asked: Asked) -> None:
    """Five times, as each may cost something."""
    for _ in range(5):
        asked.fails("LimitExceededException")
    with pytest.raises(DeliveryError, match="LimitExceededException"):
        asked.explorer.fetch("service-account", START, END)
    assert (asked.requests, len(asked.waits_s)) == (5, 4)


def test_what_is_forbidden_is_not_asked_again(asked: Asked) -> None:
    """The error says what is needed."""
    asked.fails("AccessDeniedException")
    with pytest.raises(DeliveryError, match="ce:GetCostAndUsage"):
        asked.explorer.fetch("service-account", START, END)
    assert (asked.requests, asked.waits_s) == (1, [])


def test_pages_end(asked: Asked) -> None:
    """Each costs money; the error says what to do instead."""
    for token in "abc":
        asked.answers(result("2026-10-01"), token=token)
    with pytest.raises(DeliveryError, match="more pages than are read; got '3 pages"):
        asked.explorer.fetch("service-account", START, END)


def test_an_answer_that_is_none_is_an_error(asked: Asked) -> None:
    """And nothing is stored of it."""
    asked.answers(result("2026-10-01", ("S3", "1", "NaN")))
    with pytest.raises(DeliveryError, match="is not understood"):
        asked.explorer.fetch("service-account", START, END)


def test_without_boto3_the_error_says_what_to_install(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Importing the module does not need it."""
    program = """
import sys
sys.modules["boto3"] = None
from tidegauge import CostTracker
try:
    CostTracker().update_metrics()
except ImportError as error:
    print(error)
"""
    done = run_program(program, tmp_path)
    assert done.stdout == (
        "the package 'boto3' is not installed. Install it with: pip install 'tidegauge[aws]'\\n"
    ).replace("\\n", "\n"), done.stderr


def test_an_amount_of_nothing_has_no_unit(asked: Asked) -> None:
    """The currency is that of the other amount."""
    found = result("2026-11-01", ("Refund", "111", "0"))
    found["Groups"][0]["Metrics"] = {
        "UnblendedCost": {"Amount": "0", "Unit": "N/A"},
        "AmortizedCost": {"Amount": "3", "Unit": "USD"},
    }
    asked.answers(found)
    bill = asked.explorer.fetch("service-account", dt.date(2026, 11, 1), dt.date(2026, 11, 2))
    assert [(each.effective, each.currency) for each in bill.charges] == [(3, "USD")]
