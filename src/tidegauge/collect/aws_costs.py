# SPDX-License-Identifier: Apache-2.0
"""Asking AWS Cost Explorer what days have cost. AWS charges for each request, each page included.

What is asked is fixed: three ways of splitting the same days. boto3 is loaded when an object is
made; nothing is asked before `fetch`.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tidegauge.model.amounts import read_amount
from tidegauge.model.errors import DeliveryError, MissingExtraError

__all__ = ["BEDROCK_SINCE", "GROUPINGS", "REQUEST_USD", "Bill", "Charge", "CostExplorer"]

#: What AWS charges for a request.
REQUEST_USD = Decimal("0.01")

#: The first day of which AWS knows the models of Bedrock.
BEDROCK_SINCE = dt.date(2026, 9, 1)

#: How costs are split, with what `GroupBy` says. AWS takes two of them at most.
GROUPINGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "service-account": (
        {"Type": "DIMENSION", "Key": "SERVICE"},
        {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"},
    ),
    "service-record-type": (
        {"Type": "DIMENSION", "Key": "SERVICE"},
        {"Type": "DIMENSION", "Key": "RECORD_TYPE"},
    ),
    "bedrock-model": (
        {"Type": "PRODUCT_ATTRIBUTE", "Key": "model"},
        {"Type": "PRODUCT_ATTRIBUTE", "Key": "inferenceType"},
    ),
}

_METRICS = ["UnblendedCost", "AmortizedCost"]
_MOST_PAGES = 50
_ATTEMPTS = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0
_THROTTLED = ("LimitExceededException", "ThrottlingException", "Throttling", "TooManyRequests")
# What AWS writes where an amount is of nothing.
_NO_UNIT = "N/A"
_UNAVAILABLE = "DataUnavailableException"


class Charge(msgspec.Struct, frozen=True):
    """What a day of a group has cost.

    Attributes:
        day: The day, UTC.
        keys: What the group is of, as the grouping says; None where AWS says nothing.
        billed: What is on the bill, negative for credits.
        effective: The same with what was paid ahead spread out.
        currency: The currency of both.
        is_estimated: Whether AWS may still change it.
    """

    day: dt.date
    keys: tuple[str | None, str | None]
    billed: Decimal
    effective: Decimal
    currency: str
    is_estimated: bool


class Bill(msgspec.Struct, frozen=True):
    """What AWS said of some days, split in one way.

    Attributes:
        charges: What it cost.
        days: The days of which AWS said something.
        missing: Why there is nothing, if there is a reason; None otherwise.
    """

    charges: list[Charge] = []
    days: list[dt.date] = []
    missing: str | None = None


class CostExplorer:
    """Reads the costs of days from AWS Cost Explorer.

    Args:
        client: A client of boto3 for `ce` to use instead of one of its own.
        on_request: Called after each request that AWS has answered, failed ones included: it may
            charge for them.
        sleep: Waits for so many seconds, where AWS wants fewer requests.
        most_pages: Most pages of one answer.

    Raises:
        MissingExtraError: boto3 is not installed.
    """

    def __init__(
        self,
        *,
        client: Any = None,
        on_request: Callable[[], object] = lambda: None,
        sleep: Callable[[float], object] = time.sleep,
        most_pages: int = _MOST_PAGES,
    ) -> None:
        _boto3()
        self._client = client
        self._on_request = on_request
        self._sleep = sleep
        self._most_pages = most_pages

    def fetch(self, grouping: str, start: dt.date, end: dt.date) -> Bill:
        """What the days from `start` to before `end` have cost.

        Args:
            grouping: One of `GROUPINGS`.
            start: The first day.
            end: The day after the last one.

        Raises:
            DeliveryError: AWS cannot be asked, refuses, or says something that is not understood.
        """
        if grouping == "bedrock-model":
            start = max(start, BEDROCK_SINCE)
            if start >= end:
                return Bill(missing=f"AWS knows the models of Bedrock since {BEDROCK_SINCE}")
        charges: list[Charge] = []
        days: dict[dt.date, None] = {}
        try:
            for page in self._pages(grouping, start, end):
                for result in page["ResultsByTime"]:
                    day = dt.date.fromisoformat(result["TimePeriod"]["Start"][:10])
                    days[day] = None
                    charges += _charges(day, result, is_attribute=_is_attribute(grouping))
        except _Unavailable as error:
            return Bill(missing=str(error))
        except (KeyError, TypeError, ValueError) as error:
            raise DeliveryError(
                f"the answer of AWS Cost Explorer is not understood ({error!r})", got=grouping
            ) from error
        return Bill(charges, list(days))

    def _pages(self, grouping: str, start: dt.date, end: dt.date) -> Iterator[dict[str, Any]]:
        """The pages of an answer. boto3 has no paginator for it."""
        asked: dict[str, Any] = {
            "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
            "Granularity": "DAILY",
            "Metrics": _METRICS,
            "GroupBy": list(GROUPINGS[grouping]),
        }
        for _ in range(self._most_pages):
            page = self._ask(asked)
            yield page
            if not (token := page.get("NextPageToken")):
                return
            asked = {**asked, "NextPageToken": token}
        raise DeliveryError(
            "AWS Cost Explorer has more pages than are read",
            got=f"{self._most_pages} pages of {grouping}, {start} to {end}",
            fix="Each page costs money. Import files of AWS Data Exports (FOCUS) instead.",
        )

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import (  # type: ignore[import-untyped]
            BotoCoreError,
            ClientError,
        )

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                page: dict[str, Any] = self._ready().get_cost_and_usage(**asked)
            except ClientError as error:
                self._on_request()
                code = error.response.get("Error", {}).get("Code", "")
                if code == _UNAVAILABLE:
                    raise _Unavailable(f"AWS has no data: {error}") from error
                if code not in _THROTTLED or attempt == _ATTEMPTS:
                    raise _refused(error) from error
                self._sleep(_wait_s(attempt))
            except BotoCoreError as error:
                raise _refused(error) from error
            else:
                self._on_request()
                return page
        raise AssertionError("the last attempt returns or raises")

    def _ready(self) -> Any:
        if self._client is None:
            from botocore.config import Config  # type: ignore[import-untyped]

            # Repetitions are made here, where they are counted. There is one endpoint for all.
            config = Config(retries={"mode": "standard", "total_max_attempts": 1})
            session = _boto3().session.Session()
            self._client = session.client("ce", region_name="us-east-1", config=config)
        return self._client


class _Unavailable(Exception):
    """AWS has no such data."""


def _charges(day: dt.date, result: dict[str, Any], *, is_attribute: bool) -> Iterator[Charge]:
    for group in result["Groups"]:
        keys = _keys(group["Keys"], is_attribute=is_attribute)
        if is_attribute and keys[0] is None:  # what is not of Bedrock at all
            continue
        amounts = [group["Metrics"][name] for name in _METRICS]
        billed, effective = (read_amount(each["Amount"]) for each in amounts)
        units = {each["Unit"]: None for each in amounts if each["Unit"] != _NO_UNIT}
        currency = next(iter(units), _NO_UNIT)
        if currency == _NO_UNIT and not billed and not effective:
            continue
        yield Charge(day, keys, billed, effective, currency, bool(result.get("Estimated")))


def _keys(keys: Sequence[str], *, is_attribute: bool) -> tuple[str | None, str | None]:
    """The keys of a group; those of attributes come as `name$value`."""
    first, second = ((key.partition("$")[2] if is_attribute else key) or None for key in keys)
    return first, second


def _is_attribute(grouping: str) -> bool:
    return GROUPINGS[grouping][0]["Type"] == "PRODUCT_ATTRIBUTE"


def _wait_s(attempt: int) -> float:
    """Twice as long each time, and never the same for all who were refused together."""
    wait_s = min(_FIRST_WAIT_S * 2.0 ** (attempt - 1), _LONGEST_WAIT_S)
    return wait_s * (1 + random.random() / 4)


def _boto3() -> Any:
    try:
        import boto3  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("boto3", extra="aws") from error
    return boto3


def _refused(error: Exception) -> DeliveryError:
    return DeliveryError(
        f"AWS Cost Explorer did not answer: {error}",
        fix="See that the credentials are there, may use ce:GetCostAndUsage, and that Cost "
        "Explorer is switched on in the account that pays.",
    )
