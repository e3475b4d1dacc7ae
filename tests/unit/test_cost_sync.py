# SPDX-License-Identifier: Apache-2.0
"""The bill of AWS in the store: read once a day, replaced until final, shown, set in relation."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
import requests
from moto import mock_aws

from tidegauge.catalog import builtin_catalog
from tidegauge.collect.baselines import Baselines
from tidegauge.collect.cost_sync import CostSync
from tidegauge.journal.writer import JournalWriter
from tidegauge.live.live import Live
from tidegauge.model.errors import ConfigError, DeliveryError, QueryError
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.query.cost_ratios import capture, per_prediction
from tidegauge.query.cost_trends import daily_document, monthly_document, trend_document
from tidegauge.query.query import Query
from tidegauge.record.recorder import Recorder
from tidegauge.serve.page import MetricsPage
from tidegauge.store.costs import replace_cost_days
from tidegauge.store.store import Store
from tidegauge.testing import FakeClock

NOW = "2026-11-21T09:00:00Z"
QUEUE = "http://motoapi.amazonaws.com/moto-api/static/ce/cost-and-usage-results"
DAY_S = 86_400.0


def page(*days: dict[str, Any], token: str = "") -> dict[str, Any]:
    """An answer of Cost Explorer."""
    more = {"NextPageToken": token} if token else {}
    return {"ResultsByTime": list(days), "DimensionValueAttributes": [], **more}


def day(date: str, *groups: tuple[str, str, str], estimated: bool = False) -> dict[str, Any]:
    """A day of an answer: keys, and the cost."""
    return {
        "TimePeriod": {"Start": date, "End": date},
        "Estimated": estimated,
        "Total": {},
        "Groups": [
            {
                "Keys": [first, second],
                "Metrics": {
                    "UnblendedCost": {"Amount": amount, "Unit": "USD"},
                    "AmortizedCost": {"Amount": amount, "Unit": "USD"},
                },
            }
            for first, second, amount in groups
        ],
    }


class Cloud:
    """A store, moto's Cost Explorer, and what reads the one into the other.

    Attributes:
        clock: The clock of all of them.
        store: The store.
        query: Its read side.
        sync: Reads the bill.
    """

    def __init__(self, root: Path, client: Any) -> None:
        self.clock = FakeClock(parse_time_ns(NOW))
        self.store = Store(root, clock=self.clock)
        self.query = Query(self.store, builtin_catalog(), self.clock)
        self.recorder = Recorder(root / "journal", clock=self.clock, defaults={"service": "shop"})
        self.sync = CostSync(
            self.store, self.query.costs, self.recorder, client=client, sleep=lambda _: None
        )
        self._writer = JournalWriter(root / "journal", clock=self.clock)

    def answers(self, *pages: dict[str, Any]) -> None:
        """Queue answers, the first one first."""
        assert requests.post(QUEUE, json={"results": list(pages)}, timeout=10).status_code == 201

    def put(self, *rows: tuple[str, str, str], source: str = "aws-ce", **more: Any) -> None:
        """Store what services have cost on days."""
        wanted = [self.row(*row, source=source, **more) for row in rows]
        grouping = more.get("grouping", "service-account")
        replace_cost_days(self.store, source, grouping, wanted)

    def row(self, date: str, service: str, cost: str, **more: Any) -> dict[str, Any]:
        """What a service has cost on a day."""
        return {
            "time": dt.datetime.fromisoformat(f"{date}T00:00:00+00:00"),
            "grouping": "service-account",
            "billing_period": date[:7],
            "cloud_service": service,
            "billed_cost": Decimal(cost),
            "currency": "USD",
            "is_estimated": False,
            **more,
        }

    def each_day(self, first: str, cost: str, n: int) -> None:
        """Store so many days that have all cost the same."""
        start = dt.date.fromisoformat(first)
        days = [(start + dt.timedelta(days=each)).isoformat() for each in range(n)]
        self.put(*((each, "S3", cost) for each in days))

    def predict(self, date: str, n: int) -> None:
        """Record predictions of a day."""
        key = SeriesKey.of("", {"model": "churn"})
        for _ in range(n):
            columns = {"status": "success", "prediction": 1.0}
            self._writer.put_event("predictions", key, parse_time_ns(f"{date}T12:00:00Z"), columns)

    def call(self, date: str, response: str | None, units: int | None, call: str) -> None:
        """Record a call to Bedrock whose cost is in units of 10⁻⁸."""
        columns = {
            "provider": "aws.bedrock",
            "operation": "chat",
            "status": "success",
            "is_stream": False,
            "usage": "provider",
            "call_id": call,
            "operation_id": call,
            "attempt": 1,
            "wire_requests": 1,
            "response_id": response,
            "cost": units,
            "currency": None if units is None else "USD",
            "unpriced_reason": "unknown_model" if units is None else None,
        }
        given = {name: value for name, value in columns.items() if value is not None}
        key = SeriesKey("", (), ())
        self._writer.put_event("llm_calls", key, parse_time_ns(f"{date}T12:00:00Z"), given)

    def price(self, date: str, call: str, units: int) -> None:
        """Price a call anew, in units of 10⁻⁸."""
        columns = {"call_id": call, "version": 2, "cost": units, "currency": "USD"}
        time_ns = parse_time_ns(f"{date}T12:00:00Z")
        self._writer.put_event("llm_prices", SeriesKey("", (), ()), time_ns, columns)

    def shown(self, beginning: str) -> list[str]:
        """The lines of the page of live metrics that begin so."""
        live = Live(self.store, builtin_catalog())
        body = MetricsPage(live.read, clock=self.clock).respond("", "").body.decode()
        return sorted(each for each in body.splitlines() if each.startswith(beginning))


@pytest.fixture
def cloud(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A cloud that has said nothing yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Cloud(store_dir, boto3.client("ce", region_name="us-east-1"))


def bill(ecs: str = "10.5", *, estimated: bool = False) -> list[dict[str, Any]]:
    """What AWS says to the three questions, to the first one on two pages."""
    ecs_name = "Amazon Elastic Container Service"
    return [
        page(day("2026-11-19", (ecs_name, "111", "7"), ("Tax", "111", "1")), token="2"),
        page(day("2026-11-20", (ecs_name, "111", ecs), ("S3", "222", "-0.5"), estimated=estimated)),
        page(day("2026-11-20", (ecs_name, "Usage", ecs), ("S3", "Credit", "-0.5"))),
        page(day("2026-11-20", ("model$claude", "inferenceType$input", "4"))),
    ]


def test_the_bill_is_read_page_by_page_and_split_in_three_ways(cloud: Cloud) -> None:
    """From the first of the previous month up to yesterday; each page is a request."""
    cloud.answers(*bill())
    done = cloud.sync.sync()
    assert done is not None
    assert (done.start, done.end, done.requests, done.rows) == ("2026-10-01", "2026-11-21", 4, 7)
    assert (done.missing, done.error, done.days_changed) == ({}, None, 4)
    found = cloud.query.sql(
        "SELECT grouping, date::VARCHAR, cloud_service, account_id, charge_category, model, "
        "usage_type, billed_cost, billing_period, cloud FROM costs ORDER BY ALL"
    ).fetchall()
    ecs = "Amazon Elastic Container Service"
    month = ("2026-11", "AWS")
    assert found == [
        ("bedrock-model", "2026-11-20", "Amazon Bedrock", None, None, "claude", "input", 4, *month),
        ("service-account", "2026-11-19", ecs, "111", None, None, None, 7, *month),
        ("service-account", "2026-11-19", "Tax", "111", None, None, None, 1, *month),
        ("service-account", "2026-11-20", ecs, "111", None, None, None, Decimal("10.5"), *month),
        ("service-account", "2026-11-20", "S3", "222", None, None, None, Decimal("-0.5"), *month),
        ("service-record-type", "2026-11-20", ecs, None, "Usage", None, None, 10.5, *month),
        ("service-record-type", "2026-11-20", "S3", None, "Credit", None, None, -0.5, *month),
    ]


def test_what_monitoring_shows_comes_from_the_store(cloud: Cloud) -> None:
    """Under the names that people know, and without the labels of the program that reads."""
    cloud.predict("2026-11-19", 5)
    cloud.predict("2026-11-20", 15)
    cloud.answers(*bill())
    cloud.sync.update()
    assert cloud.shown("aws_") == [
        "aws_bill_age_seconds 0.0",
        "aws_ce_cost_usd_total 0.04",
        "aws_ce_requests_total 4.0",
        'aws_cost_by_service_usd{service="Amazon Elastic Container Service"} 17.5',
        'aws_cost_by_service_usd{service="S3"} -0.5',
        'aws_cost_by_service_usd{service="Tax"} 1.0',
        "aws_cost_per_prediction_usd 0.9",
        "aws_daily_cost_usd 10.0",
        "aws_monthly_cost_usd 18.0",
    ]
    # 18 dollars of the 19th and 20th over 20 predictions of the same days.
    assert per_prediction(cloud.query.costs, "aws-ce")["cost_per_prediction"] == Decimal("0.9")


def test_an_hourly_loop_asks_once_a_day(cloud: Cloud) -> None:
    """However many processes loop; what it costs to ask is counted."""
    cloud.answers(*bill(), *bill("11"))
    for _ in range(24):
        cloud.sync.update()
        cloud.clock.advance(3600)
    assert cloud.shown("aws_ce_requests_total") == ["aws_ce_requests_total 4.0"]
    other = CostSync(cloud.store, cloud.query.costs, cloud.recorder, client=None)
    assert other.is_due()
    cloud.clock.advance(-1)
    assert not other.is_due()


def test_what_was_estimated_becomes_final(cloud: Cloud) -> None:
    """The day is replaced, and no other row is left of it."""
    cloud.answers(*bill("9", estimated=True))
    cloud.sync.sync()
    assert cloud.query.costs.daily("aws-ce").estimated == {dt.date(2026, 11, 20)}
    cloud.clock.advance(DAY_S)
    cloud.answers(*bill("10.5"))
    done = cloud.sync.sync()
    assert done is not None
    assert done.days_changed == 2  # the day in two groupings; the 19th is as it was
    found = cloud.query.costs.daily("aws-ce")
    assert (found.costs[dt.date(2026, 11, 20)], found.estimated) == (Decimal("10.00000000"), set())


def test_a_day_of_which_aws_says_nothing_stays(cloud: Cloud) -> None:
    """What is missing from an answer is no deletion."""
    cloud.answers(*bill())
    cloud.sync.sync()
    cloud.clock.advance(DAY_S)
    cloud.answers(page(day("2026-11-19"), day("2026-11-20")), page(), page())
    cloud.sync.sync()
    assert cloud.query.costs.daily("aws-ce").total == Decimal("18.00000000")


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-01-01T00:00:00Z", "2025-12-01", "2026-01-01"),
        ("2026-03-31T23:59:59Z", "2026-02-01", "2026-03-31"),
        ("2026-03-01T00:00:01Z", "2026-02-01", "2026-03-01"),
    ],
)
def test_months_are_read_from_their_first_day_on(
    cloud: Cloud, now: str, start: str, end: str
) -> None:
    """The previous one and this one, without today."""
    cloud.clock.advance((parse_time_ns(now) - parse_time_ns(NOW)) / 1e9)
    done = cloud.sync.sync()
    assert done is not None
    assert (done.start, done.end) == (start, end)


def test_after_a_long_pause_more_is_read(cloud: Cloud) -> None:
    """From the first of the month before the last reading on."""
    cloud.sync.sync()
    cloud.clock.advance(70 * DAY_S)
    done = cloud.sync.sync()
    assert done is not None
    assert (done.start, done.end) == ("2026-10-01", "2027-01-30")


def test_no_more_is_asked_for_than_aws_knows(cloud: Cloud) -> None:
    """After a pause of years too; and a day that is not over is refused before it is paid for."""
    cloud.sync.sync()
    cloud.clock.advance(500 * DAY_S)
    done = cloud.sync.sync()
    assert done is not None
    assert (done.start, done.end) == ("2027-03-01", "2028-04-04")
    with pytest.raises(QueryError, match="no day from this one on is over; got '2028-04-04'"):
        cloud.sync.sync(start=dt.date(2028, 4, 4))


class Killed(BaseException):
    """What a process that is killed has no time to handle."""


def test_who_is_killed_in_the_middle_does_not_pay_again_at_each_start(cloud: Cloud) -> None:
    """It is tried again an hour later, as after a failure; what was known before still is."""

    class Client:
        requests = 0

        def get_cost_and_usage(self, **_: Any) -> None:
            self.requests += 1
            raise Killed

    client = Client()
    sync = CostSync(cloud.store, cloud.query.costs, cloud.recorder, client=client)
    with pytest.raises(Killed):
        sync.update()
    assert (sync.is_due(), sync.last.error) == (False, None)
    sync.update()
    assert client.requests == 1
    cloud.clock.advance(3601)
    assert sync.is_due()
    cloud.answers(*bill())
    cloud.sync.update()
    assert cloud.sync.last.begun_ns == 0


def test_a_page_that_was_paid_for_is_kept_though_it_cannot_be_counted(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """A journal that is full loses metrics, and not the bill."""
    (cloud.store.root.parent / "file").write_text("no directory")
    recorder = Recorder(cloud.store.root.parent / "file" / "journal", clock=cloud.clock)
    client = boto3.client("ce", region_name="us-east-1")
    cloud.answers(*bill())
    done = CostSync(cloud.store, cloud.query.costs, recorder, client=client).sync()
    assert done is not None
    assert (done.rows, done.requests) == (7, 4)
    assert "cost:cost_explorer_requests could not be recorded" in caplog.text


def test_a_bill_that_cannot_be_read_is_told_and_tried_an_hour_later(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """What is stored is shown all the same; nothing is asked in between."""
    cloud.put(("2026-11-20", "S3", "3"))
    cloud.answers({"ResultsByTime": [{"Groups": []}]})
    with caplog.at_level(logging.WARNING, "tidegauge"):
        told = cloud.sync.update()
    assert told.error is not None
    assert "is not understood" in told.error
    assert "the bill of AWS could not be read" in caplog.text
    assert cloud.shown("aws_daily_cost_usd") == ["aws_daily_cost_usd 3.0"]
    assert not cloud.sync.is_due()
    cloud.clock.advance(3601)
    assert cloud.sync.is_due()
    with pytest.raises(DeliveryError):
        cloud.sync.sync()


def test_files_are_never_asked_for(cloud: Cloud) -> None:
    """Only what is stored of them is shown."""
    cloud.put(("2026-11-20", "S3", "3"), source="focus:AWS", grouping="charge", cloud="AWS")
    CostSync(cloud.store, cloud.query.costs, cloud.recorder, source="focus:AWS").update()
    assert cloud.shown("aws_") == [
        'aws_cost_by_service_usd{service="S3"} 3.0',
        "aws_daily_cost_usd 3.0",
        "aws_monthly_cost_usd 3.0",
    ]


@pytest.mark.parametrize("source", ["azure-shop", "focus:AWS"])
def test_what_files_say_is_never_written_over(cloud: Cloud, source: str) -> None:
    """A name that files have is refused before AWS is asked, and is never due."""
    cloud.put(("2026-11-20", "Azure VM", "7"), source=source, grouping="charge")
    sync = CostSync(cloud.store, cloud.query.costs, cloud.recorder, source=source)
    with pytest.raises(ConfigError, match="this source is of imported files"):
        sync.sync()
    assert not sync.is_due()
    assert sync.last.tried_ns == 0
    assert cloud.query.costs.daily(source).total == Decimal("7.00000000")


def test_monitoring_shows_one_source(cloud: Cloud) -> None:
    """What Cost Explorer says, if there is that; never money twice, nor another cloud's."""

    def publish(source: str) -> None:
        CostSync(cloud.store, cloud.query.costs, cloud.recorder, source=source).publish()

    cloud.put(("2026-11-20", "VM", "7"), source="azure-shop", grouping="charge", cloud="Azure")
    publish("azure-shop")
    assert cloud.shown("aws_") == []
    cloud.put(("2026-11-20", "EC2", "9"), source="focus:AWS", grouping="charge", cloud="AWS")
    publish("focus:AWS")
    assert cloud.shown("aws_daily") == ["aws_daily_cost_usd 9.0"]
    cloud.put(("2026-11-20", "S3", "3"))
    publish("aws-ce")
    publish("focus:AWS")
    assert cloud.shown("aws_daily") == ["aws_daily_cost_usd 3.0"]


def test_of_several_currencies_dollars_are_shown(cloud: Cloud) -> None:
    """What has no sum is no reason to show nothing."""
    files = {"source": "focus:AWS", "grouping": "charge", "cloud": "AWS"}
    euros = {**cloud.row("2026-11-19", "S3", "5", **files), "currency": "EUR"}
    dollars = cloud.row("2026-11-20", "S3", "3", **files)
    replace_cost_days(cloud.store, "focus:AWS", "charge", [euros, dollars])
    CostSync(cloud.store, cloud.query.costs, cloud.recorder, source="focus:AWS").publish()
    assert cloud.shown("aws_daily") == ["aws_daily_cost_usd 3.0"]


def test_a_service_that_costs_nothing_any_more_is_shown_as_0(cloud: Cloud) -> None:
    """Or its last cost would be shown for ever."""
    cloud.put(("2026-10-10", "Old", "5"), ("2026-11-20", "New", "1"))
    cloud.sync.publish()
    assert cloud.shown("aws_cost_by_service_usd") == [
        'aws_cost_by_service_usd{service="New"} 1.0',
        'aws_cost_by_service_usd{service="Old"} 0.0',
    ]


def test_sources_and_groupings_are_never_added(cloud: Cloud) -> None:
    """Each is told by itself, though all of them are about the same money."""
    cloud.answers(*bill())
    cloud.sync.sync()
    cloud.put(("2026-11-20", "S3", "100"), source="focus:AWS", grouping="charge")
    totals = {each["source"]: each["total"] for each in cloud.query.costs.show("service")}
    assert totals == {"aws-ce": Decimal("18.00000000"), "focus:AWS": Decimal("100.00000000")}
    by_category = cloud.query.costs.split("aws-ce", "category")
    assert (by_category["grouping"], by_category["total"]) == ("service-record-type", Decimal(10))
    assert cloud.query.costs.split("aws-ce", "model")["total"] == Decimal(4)
    assert cloud.query.costs.split("aws-ce", "region") | {"reason": None} == {
        "source": "aws-ce",
        "grouping": None,
        "currency": "USD",
        "basis": "billed",
        "by": "region",
        "start": "2026-10-22",
        "end": "2026-11-21",
        "total": None,
        "is_estimated": False,
        "rows": [],
        "reason": None,
    }


def test_currencies_are_never_added(cloud: Cloud) -> None:
    """Whoever has two says which one."""
    cloud.put(("2026-11-20", "S3", "1"))
    cloud.put(("2026-11-19", "S3", "2"), currency="EUR")
    with pytest.raises(QueryError, match="several currencies, which have no sum; got 'aws-ce'"):
        cloud.query.costs.daily("aws-ce")
    assert cloud.query.costs.daily("aws-ce", currency="EUR").total == Decimal(2)
    assert [each["total"] for each in cloud.query.costs.show("day")] == [Decimal(2), Decimal(1)]


def test_a_cost_per_prediction_needs_both_of_the_same_days(cloud: Cloud) -> None:
    """Days before the first prediction and after the last cost have only one of them."""
    costs = cloud.query.costs
    assert per_prediction(costs, "aws-ce")["reason"] == "no costs of these days are stored"
    cloud.each_day("2026-11-01", "2", 15)
    told = per_prediction(costs, "aws-ce")
    assert (told["cost_per_prediction"], told["reason"]) == (
        None,
        "no predictions of these days are stored",
    )
    cloud.predict("2026-11-14", 3)
    cloud.predict("2026-11-18", 100)
    told = per_prediction(costs, "aws-ce")
    assert (told["cost"], told["predictions"], told["start"], told["end"]) == (
        Decimal(4),
        3,
        "2026-11-14",
        "2026-11-16",
    )
    assert round(told["cost_per_prediction"], 6) == Decimal("1.333333")


def test_a_month_is_told_with_what_it_will_come_to(cloud: Cloud) -> None:
    """As the last 7 days were; a month that is over comes to what it was."""
    cloud.each_day("2026-10-01", "1", 31)
    cloud.each_day("2026-11-01", "2", 20)
    now = monthly_document(cloud.query.costs, "aws-ce")
    assert (now["month"], now["cost"], now["days"], now["projected"]) == (
        "2026-11",
        Decimal(40),
        20,
        Decimal(60),
    )
    before = monthly_document(cloud.query.costs, "aws-ce", "2026-10")
    assert (before["cost"], before["projected"], before["days_of_month"]) == (31, 31, 31)
    for odd in ("9999-12", "0001-01"):
        with pytest.raises(QueryError, match="there are no costs of such a month"):
            monthly_document(cloud.query.costs, "aws-ce", odd)
    with pytest.raises(QueryError, match="no day of this month is over"):
        monthly_document(cloud.query.costs, "aws-ce", "2026-12")


def test_what_is_charged_once_does_not_go_on(cloud: Cloud) -> None:
    """Neither by what it says of itself, nor by what it comes to."""
    cloud.clock.advance(-13 * DAY_S)
    cloud.each_day("2026-11-02", "10", 6)
    cloud.put(("2026-11-01", "S3", "1010"))
    told = monthly_document(cloud.query.costs, "aws-ce")
    assert (told["cost"], told["projected"]) == (1070, 1070 + 23 * 10)
    files = {"source": "focus:AWS", "grouping": "charge"}
    rows = [cloud.row(f"2026-11-{number:02}", "EC2", "10", **files) for number in range(1, 8)]
    rows.append(cloud.row("2026-11-01", "EC2", "5", **files, charge_category="Tax"))
    rows.append(cloud.row("2026-11-01", "EC2", "3", **files, period_s=30 * DAY_S))
    replace_cost_days(cloud.store, "focus:AWS", "charge", rows)
    told = monthly_document(cloud.query.costs, "focus:AWS")
    assert (told["cost"], told["projected"]) == (78, 78 + 23 * 10)


def test_a_month_of_which_days_are_missing_comes_to_nothing_known(cloud: Cloud) -> None:
    """And it says what is missing."""
    cloud.put(("2026-10-30", "S3", "10"))
    told = monthly_document(cloud.query.costs, "aws-ce", "2026-10")
    assert (told["cost"], told["projected"], told["reason"]) == (
        10,
        None,
        "costs of 30 days of this month are not stored",
    )
    cloud.put(("2026-11-20", "S3", "10"))
    told = monthly_document(cloud.query.costs, "aws-ce")
    assert (told["projected"], told["reason"]) == (None, "needs costs of the last 7 days")


def test_a_day_that_is_being_filled_is_left_out(cloud: Cloud) -> None:
    """An estimate of yesterday is part of a day: nothing has become cheaper."""
    cloud.each_day("2026-11-01", "10", 19)
    cloud.put(("2026-11-20", "S3", "0.2"), is_estimated=True)
    cloud.predict("2026-11-19", 5)
    cloud.predict("2026-11-20", 5)
    cloud.sync.publish()
    assert cloud.shown("aws_daily") == ["aws_daily_cost_usd 10.0"]
    assert cloud.shown("aws_cost_per") == ["aws_cost_per_prediction_usd 2.0"]
    costs = cloud.query.costs
    assert trend_document(costs, "aws-ce", days=15)["change_ratio"] == 0
    told = monthly_document(costs, "aws-ce")
    assert (told["cost"], told["projected"]) == (Decimal("190.2"), 300)


def test_what_cannot_be_told_any_more_is_not_shown_for_ever(cloud: Cloud) -> None:
    """A gauge of a process that lives goes two days after its last value; the bill's age tells."""
    cloud.predict("2026-11-19", 5)
    cloud.answers(*bill())
    cloud.sync.update()
    assert cloud.shown("aws_cost_per") == ["aws_cost_per_prediction_usd 3.6"]
    cloud.clock.advance(2 * DAY_S - 1)
    assert cloud.shown("aws_cost_per") == ["aws_cost_per_prediction_usd 3.6"]
    cloud.clock.advance(2)
    assert cloud.shown("aws_cost_per") == []
    cloud.sync.publish()
    assert cloud.shown("aws_bill_age") == ["aws_bill_age_seconds 172801.0"]


def test_a_trend_compares_whole_weeks(cloud: Cloud) -> None:
    """And says what it needs if there are none."""
    cloud.each_day("2026-11-07", "2", 7)
    assert (
        trend_document(cloud.query.costs, "aws-ce")["reason"] == "needs costs of 14 days in a row"
    )
    cloud.each_day("2026-11-14", "3", 7)
    told = trend_document(cloud.query.costs, "aws-ce", days=14)
    assert (told["before_per_day"], told["recent_per_day"], told["change_ratio"]) == (
        2,
        3,
        Decimal("0.5"),
    )
    days = daily_document(cloud.query.costs.daily("aws-ce", days=15), "billed")["days"]
    assert [each["cost"] for each in days] == [None] + 7 * [Decimal(2)] + 7 * [Decimal(3)]


def test_savings_are_against_a_baseline_with_a_date(cloud: Cloud) -> None:
    """(baseline - cost of a unit) x units, and the label says that it is an estimate."""
    cloud.each_day("2026-10-01", "5", 31)
    cloud.each_day("2026-11-01", "2", 20)
    kept = Baselines(cloud.store, cloud.query.costs)
    first = kept.set(
        "before caching", unit="day", source="aws-ce", start="2026-10-01", end="2026-11-01"
    )
    assert msgspec.structs.asdict(first) == {
        "name": "before caching",
        "amount": Decimal(5),
        "unit": "day",
        "currency": "USD",
        "source": "aws-ce",
        "start": "2026-10-01",
        "end": "2026-11-01",
        "set_at": "2026-11-21T09:00:00+00:00",
    }
    told = kept.savings("before caching", days=20)
    assert (told["kind"], told["saved"], told["saved_ratio"], told["units"]) == (
        "estimated",
        Decimal(60),
        Decimal("0.6"),
        20,
    )
    cloud.clock.advance(60)
    kept.set("before caching", unit="month", source="aws-ce", amount="100.12345678")
    assert [each.amount for each in kept.history("before caching")] == [5, Decimal("100.12345678")]
    told = kept.savings("before caching", days=51)
    assert (told["units"], told["cost"], told["saved"]) == (1, 155, Decimal("-54.87654322"))
    assert [each.unit for each in kept.listed()] == ["month"]


def test_a_baseline_of_nothing_is_none(cloud: Cloud) -> None:
    """What cannot be measured, read or found is an error that says so."""
    kept = Baselines(cloud.store, cloud.query.costs)
    with pytest.raises(QueryError, match="No costs of these days are stored"):
        kept.set("a", unit="prediction", source="aws-ce")
    with pytest.raises(ConfigError, match="allowed: day, month, prediction"):
        kept.set("a", unit="year", source="aws-ce", amount=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="the amount of a baseline cannot be used"):
        kept.set("a", unit="day", source="aws-ce", amount="much")
    with pytest.raises(QueryError, match="there is no such baseline; got 'a'; allowed: none yet"):
        kept.savings("a")
    kept.set("a", unit="prediction", source="aws-ce", amount=1)
    told = kept.savings("a")
    assert (told["saved"], told["reason"]) == (None, "no costs of these days are stored")
    kept.set("b", unit="day", source="aws-ce", amount=1, currency="EUR")
    cloud.each_day("2026-11-01", "2", 20)
    assert kept.savings("b")["reason"] == "the baseline is in EUR, the costs are in USD"


def test_a_baseline_of_a_month_is_of_the_last_one_that_is_over(cloud: Cloud) -> None:
    """And what was saved is told in its currency, though the source has others."""
    cloud.each_day("2026-09-01", "1", 30)
    cloud.each_day("2026-10-01", "5", 31)
    cloud.each_day("2026-11-01", "2", 20)
    kept = Baselines(cloud.store, cloud.query.costs)
    found = kept.set("b", unit="month", source="aws-ce")
    assert (found.amount, found.start, found.end) == (155, "2026-10-01", "2026-11-01")
    kept.set("c", unit="day", source="aws-ce", amount=3)
    euros = cloud.row("2026-11-20", "S3", "9", currency="EUR", source="aws-ce")
    dollars = cloud.row("2026-11-20", "S3", "2", source="aws-ce")
    replace_cost_days(cloud.store, "aws-ce", "service-account", [euros, dollars])
    told = kept.savings("c", days=10)
    assert (told["currency"], told["saved"]) == ("USD", 10)


def test_a_question_that_is_misspelled_is_refused_in_an_empty_store(cloud: Cloud) -> None:
    """Nothing stored is no answer to it."""
    costs = cloud.query.costs
    for ask in (costs.daily, costs.split):
        with pytest.raises(QueryError, match="costs cannot be chosen by this; got 'servics'"):
            ask("aws-ce", servics=["x"])
        with pytest.raises(QueryError, match="there are no such amounts; got 'lst'"):
            ask("aws-ce", basis="lst")  # type: ignore[arg-type]


def test_the_capture_rate_is_recorded_over_billed(cloud: Cloud) -> None:
    """A response counts once, and calls without a price are told."""
    costs = cloud.query.costs
    assert capture(costs, "aws-ce")["reason"] == (
        "aws-ce has no bill of Bedrock's models for these days"
    )
    bedrock = {"grouping": "bedrock-model", "model": "claude"}
    cloud.put(("2026-11-18", "Amazon Bedrock", "50"), **bedrock)
    cloud.put(
        ("2026-11-19", "Amazon Bedrock", "6"), ("2026-11-20", "Amazon Bedrock", "4"), **bedrock
    )
    cloud.call("2026-11-19", "r1", 300_000_000, "c1")
    cloud.call("2026-11-19", "r1", 300_000_000, "c2")
    cloud.call("2026-11-20", None, 500_000_000, "c3")
    cloud.call("2026-11-20", "r4", None, "c4")
    cloud.call("2026-11-21", "r5", 900_000_000, "c5")
    told = capture(costs, "aws-ce")
    assert (told["captured"], told["billed"], told["ratio"]) == (8, 10, Decimal("0.8"))
    assert (told["calls"], told["unpriced_calls"], told["start"]) == (3, 1, "2026-11-19")
    cloud.put(("2026-11-20", "Amazon Bedrock", "4"))
    cloud.sync.publish()
    assert cloud.shown("cost_llm_capture_ratio") == [
        'cost_llm_capture_ratio{provider="aws.bedrock"} 0.8'
    ]


def test_calls_of_days_without_a_bill_are_not_captured(cloud: Cloud) -> None:
    """Of days before the first of the bill there is nothing to set them against."""
    cloud.put(("2026-11-19", "Amazon Bedrock", "10"), grouping="bedrock-model", model="claude")
    for number in range(1, 21):
        cloud.call(f"2026-11-{number:02}", f"r{number}", 10 * 10**8, f"c{number}")
    told = capture(cloud.query.costs, "aws-ce")
    assert (told["calls"], told["captured"], told["ratio"]) == (1, 10, 1)
    assert (told["start"], told["end"]) == ("2026-11-19", "2026-11-20")
    assert capture(cloud.query.costs, "aws-ce", end="2026-11-20")["ratio"] == 1


def test_a_bill_before_the_first_call_says_nothing_of_calls(cloud: Cloud) -> None:
    """Nobody recorded calls then, so none is missing."""
    cloud.put(("2026-11-10", "Amazon Bedrock", "10"), grouping="bedrock-model", model="claude")
    cloud.call("2026-11-19", "r1", 2 * 10**8, "c1")
    told = capture(cloud.query.costs, "aws-ce")
    assert (told["ratio"], told["reason"]) == (
        None,
        "the first call to Bedrock that is stored is of a later day",
    )


def test_a_call_is_captured_with_the_price_that_holds(cloud: Cloud) -> None:
    """As everywhere else where calls are added up."""
    cloud.put(("2026-11-19", "Amazon Bedrock", "10"), grouping="bedrock-model", model="claude")
    cloud.call("2026-11-19", "r1", None, "c1")
    cloud.call("2026-11-19", "r2", 2 * 10**8, "c2")
    cloud.price("2026-11-19", "c1", 8 * 10**8)
    told = capture(cloud.query.costs, "aws-ce")
    assert (told["captured"], told["ratio"], told["unpriced_calls"]) == (10, 1, 0)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"days": 0}, "days cannot be used"),
        ({"days": 3, "start": "2026-11-01"}, "time range is given twice"),
        ({"start": "2026-11-22"}, "time range is empty"),
        ({"start": "yesterday"}, "this is no day"),
        ({"end": "0001-01-10"}, "there are no costs of such a day"),
        ({"start": "2026-11-01", "end": "9999-12-31"}, "there are no costs of such a day"),
        ({"basis": "list"}, "there are no such amounts"),
        ({"services": ["S3"], "flavour": "x"}, "costs cannot be chosen by this"),
    ],
)
def test_questions_that_make_no_sense_are_refused(
    cloud: Cloud, asked: dict[str, Any], problem: str
) -> None:
    """With what would make sense."""
    cloud.put(("2026-11-20", "S3", "1"))
    with pytest.raises(QueryError, match=problem):
        cloud.query.costs.daily("aws-ce", **asked)


def test_costs_are_chosen_by_service_and_account(cloud: Cloud) -> None:
    """As the guide's two services are."""
    cloud.answers(*bill())
    cloud.sync.sync()
    costs = cloud.query.costs
    assert costs.daily("aws-ce", services="S3").total == Decimal("-0.5")
    assert costs.daily("aws-ce", accounts=["111"]).total == Decimal("18.5")
    assert costs.daily("aws-ce", basis="effective").total == Decimal(18)
    with pytest.raises(QueryError, match="no costs of this source are stored; got 'aws'"):
        costs.show(source="aws")
