# SPDX-License-Identifier: Apache-2.0
"""What CloudWatch gets, from moto's CloudWatch and from botocore's own check of requests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tidegauge.export.cloudwatch import CloudWatchSender
from tidegauge.export.cloudwatch_rules import datums
from tidegauge.export.deltas import PartlyDelivered
from tidegauge.live.families import Histograms, Labels, Reading, Samples, counter, gauge
from tidegauge.model.errors import ConfigError, DeliveryError
from tidegauge.statistics.histogram import ExponentialHistogram

NOW_NS = 1_790_000_000 * 10**9
DAY_NS = 86_400 * 10**9


class Noon:
    """A clock that stands still."""

    def wall_ns(self) -> int:
        """The time that readings have here."""
        return NOW_NS

    def monotonic_s(self) -> float:
        """Never asked for."""
        return 0.0


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    """The CloudWatch of moto, empty."""
    with mock_aws():
        yield boto3.client("cloudwatch")


@pytest.fixture
def stub() -> Iterator[tuple[CloudWatchSender, Stubber]]:
    """A sender whose client answers as it is told, and checks requests as botocore does."""
    client = boto3.client("cloudwatch")
    with Stubber(client) as stubber:
        yield CloudWatchSender("Shop", client=client, clock=Noon()), stubber
    client.close()


@pytest.fixture
def distribution() -> Callable[..., Histograms]:
    """Makes a histogram of one series."""

    def make(values: list[float], *, unit: str = "s", labels: Labels = ()) -> Histograms:
        exponential = ExponentialHistogram()
        exponential.add_many(values)
        return Histograms(
            name="latency_seconds",
            otlp_name="model.latency",
            otlp_unit=unit,
            labels=[labels],
            bounds=[1.0],
            counts=[[sum(v <= 1 for v in values), sum(v > 1 for v in values)]],
            sums=[sum(values)],
            exponential=lambda _: exponential,
        )

    return make


@pytest.fixture
def refusals() -> Callable[..., Mapping[str, int]]:
    """Tells what of a gauge cannot be sent, and why."""

    def find(labels: Labels, value: float = 1.0, *, name: str = "g", age_ns: int = 0) -> Any:
        reading = Reading([gauge(name, "", {labels: value})], NOW_NS - age_ns, NOW_NS - DAY_NS)
        return dict(datums(reading, dimensions={}, most_values=150, now_ns=NOW_NS)[1])

    return find


def _statistics(client: Any, name: str, unit: str, dimensions: Mapping[str, str]) -> Any:
    answer = client.get_metric_statistics(
        Namespace="Shop",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.fromtimestamp(NOW_NS / 1e9, UTC) - timedelta(minutes=5),
        EndTime=datetime.fromtimestamp(NOW_NS / 1e9, UTC) + timedelta(minutes=5),
        Period=60,
        Statistics=["SampleCount", "Sum", "Minimum", "Maximum"],
        Unit=unit,
    )
    (point,) = answer["Datapoints"]
    return point


def test_a_reading_arrives_in_cloudwatch(
    cloudwatch: Any, distribution: Callable[..., Histograms]
) -> None:
    """A counter is a count, a gauge its value, and a histogram all its values."""
    requests = replace(
        counter("requests_total", "", {(("model", "a"),): 7.0}),
        otlp_name="api.requests",
        otlp_unit="{request}",
    )
    memory = replace(gauge("rss_bytes", "", 2.0), otlp_name="process.memory", otlp_unit="MiBy")
    reading = Reading([distribution([0.5] * 9 + [4.0]), memory, requests], NOW_NS, 0)
    sender = CloudWatchSender("Shop", dimensions={"service": "web"}, clock=Noon())
    assert sender.send(reading) == {"sent": 3}
    sender.close()
    names = {each["MetricName"] for each in cloudwatch.list_metrics(Namespace="Shop")["Metrics"]}
    assert names == {"api.requests", "model.latency", "process.memory"}
    both = {"model": "a", "service": "web"}
    assert _statistics(cloudwatch, "api.requests", "Count", both)["Sum"] == 7
    web = {"service": "web"}
    assert _statistics(cloudwatch, "process.memory", "Bytes", web)["Maximum"] == 2 * 2**20
    latency = _statistics(cloudwatch, "model.latency", "Seconds", web)
    assert latency["SampleCount"] == 10
    assert latency["Sum"] == pytest.approx(8.5)  # exact, whatever the buckets
    assert latency["Minimum"] == pytest.approx(0.5, rel=0.03)
    assert latency["Maximum"] == pytest.approx(4.0, rel=0.03)


def test_the_request_is_as_documented(
    stub: tuple[CloudWatchSender, Stubber], distribution: Callable[..., Histograms]
) -> None:
    """Values and counts, the time, the unit and the resolution are where botocore wants them."""
    sender, stubber = stub
    values = distribution([1.0, 1.0, 1.0], unit="ms", labels=(("model", "a"),))
    stubber.add_response(
        "put_metric_data",
        {},
        {
            "Namespace": "Shop",
            "MetricData": [
                {
                    "MetricName": "model.latency",
                    "Dimensions": [{"Name": "model", "Value": "a"}],
                    "Timestamp": datetime.fromtimestamp(NOW_NS / 1e9, UTC),
                    "Unit": "Milliseconds",
                    "StorageResolution": 60,
                    "Values": [pytest.approx(1.0)],
                    "Counts": [3.0],
                }
            ],
        },
    )
    sender.send(Reading([values], NOW_NS, 0))
    stubber.assert_no_pending_responses()


def test_throttling_is_an_error_that_can_be_tried_again(
    stub: tuple[CloudWatchSender, Stubber],
) -> None:
    """Nothing arrived, and the next try delivers."""
    sender, stubber = stub
    reading = Reading([gauge("a", "", 1.0)], NOW_NS, 0)
    stubber.add_client_error("put_metric_data", "Throttling", "Rate exceeded", 400)
    stubber.add_response("put_metric_data", {})
    with pytest.raises(DeliveryError, match=r"did not take 1 metrics: .*Rate exceeded"):
        sender.send(reading)
    assert sender.send(reading) == {"sent": 1}


def test_a_call_has_at_most_a_thousand_metrics_and_a_failure_tells_what_arrived(
    stub: tuple[CloudWatchSender, Stubber],
) -> None:
    """The series of the calls before the failed one need not be sent again."""
    sender, stubber = stub
    values = {(("model", f"{n:04d}"),): 1.0 for n in range(1500)}
    stubber.add_response("put_metric_data", {})
    stubber.add_client_error("put_metric_data", "Throttling", "Rate exceeded", 400)
    with pytest.raises(PartlyDelivered) as caught:
        sender.send(Reading([counter("a_total", "", values)], NOW_NS, 0))
    assert len(caught.value.arrived) == 1000
    assert caught.value.arrived[-1] == ("a_total", (("model", "0999"),))  # type: ignore[index]


def test_a_call_has_at_most_a_megabyte(
    stub: tuple[CloudWatchSender, Stubber],
) -> None:
    """Long dimensions need more calls than a thousand metrics would."""
    sender, stubber = stub
    values = {(("a", "x" * 1000), ("b", f"{n:04d}" * 250)): 1.0 for n in range(600)}
    for _ in range(2):
        stubber.add_response("put_metric_data", {})
    assert sender.send(Reading([counter("a_total", "", values)], NOW_NS, 0)) == {"sent": 600}
    stubber.assert_no_pending_responses()


def test_a_datum_has_at_most_150_values(distribution: Callable[..., Histograms]) -> None:
    """Buckets are joined until there are few enough; no value is lost, and the sum is exact."""
    values = [1.03**n for n in range(400)]
    reading = Reading([distribution(values)], NOW_NS, 0)
    ((datum,), refused) = datums(reading, dimensions={}, most_values=150, now_ns=NOW_NS)
    assert not refused
    assert 75 <= len(datum.values) <= 150
    assert sum(datum.counts) == 400
    assert datum.values == sorted(set(datum.values))
    total = sum(value * n for value, n in zip(datum.values, datum.counts, strict=True))
    assert total == pytest.approx(sum(values))


def test_values_of_a_histogram_are_clipped_to_what_cloudwatch_takes(
    distribution: Callable[..., Histograms],
) -> None:
    """A value out of range does not hold up the others."""
    reading = Reading([distribution([1e-200, 0.0, 1e200])], NOW_NS, 0)
    ((datum,), _) = datums(reading, dimensions={}, most_values=150, now_ns=NOW_NS)
    assert datum.values == [0.0, 1.174271e108]
    assert datum.counts == [2, 1]


@pytest.mark.parametrize(
    ("labels", "value", "reason"),
    [
        pytest.param((("café", "x"),), 1.0, "bad_dimension", id="name not ASCII"),
        pytest.param(((":a", "x"),), 1.0, "bad_dimension", id="name with colon"),
        pytest.param((("a" * 256, "x"),), 1.0, "bad_dimension", id="name too long"),
        pytest.param((("a", "x\ty"),), 1.0, "bad_dimension", id="control character"),
        pytest.param((("a", "  "),), 1.0, "bad_dimension", id="only spaces"),
        pytest.param((("a", "x" * 1025),), 1.0, "bad_dimension", id="value too long"),
        pytest.param((("a", "x\n"),), 1.0, "bad_dimension", id="newline at the end"),
        pytest.param(
            tuple((f"d{n:02d}", "x") for n in range(31)), 1.0, "too_many_dimensions", id="too many"
        ),
        pytest.param((), float("nan"), "bad_value", id="NaN"),
        pytest.param((), float("inf"), "bad_value", id="infinite"),
        pytest.param((), 1.2e108, "bad_value", id="too large"),
        pytest.param((), 8e-109, "bad_value", id="too small"),
    ],
)
def test_what_cloudwatch_does_not_take_is_counted_by_reason(
    refusals: Callable[..., Mapping[str, int]], labels: Labels, value: float, reason: str
) -> None:
    """One bad series is left out of the request, which would be refused as a whole."""
    assert refusals(labels, value) == {reason: 1}


@pytest.mark.parametrize("value", [0.0, -5.0, 1.17e108, -8.6e-109])
def test_every_other_value_is_taken(
    refusals: Callable[..., Mapping[str, int]], value: float
) -> None:
    """Zero, negative numbers and the bounds of the range."""
    assert refusals((("a", "x" * 1024), ("b", "")), value) == {}


@pytest.mark.parametrize(
    ("age_ns", "reason"),
    [(13 * DAY_NS, {}), (15 * DAY_NS, {"bad_time": 1}), (-DAY_NS // 4, {"bad_time": 1})],
)
def test_a_reading_must_be_of_the_last_two_weeks(
    refusals: Callable[..., Mapping[str, int]], age_ns: int, reason: Mapping[str, int]
) -> None:
    """Nor may it be of more than two hours from now."""
    assert refusals((), age_ns=age_ns) == reason


def test_the_rest_goes_when_something_is_refused(
    stub: tuple[CloudWatchSender, Stubber],
) -> None:
    """The counts say what became of everything; an empty label is no dimension."""
    sender, stubber = stub
    stubber.add_response("put_metric_data", {})
    values = {(("a", "é"),): 1.0, (("a", ""),): 2.0}
    lines = Samples(name="s", kind="info", samples=[])
    hidden = replace(gauge("h", "", 1.0), only="prometheus")
    assert sender.send(Reading([gauge("g", "", values), lines, hidden], NOW_NS, 0)) == {
        "sent": 1,
        "refused/bad_dimension": 1,
        "refused/unsupported_kind": 0,
    }


@pytest.mark.parametrize(
    ("code", "unit", "value"),
    [
        ("s", "Seconds", 2.0),
        ("us", "Microseconds", 2.0),
        ("ns", "Seconds", 2e-9),
        ("min", "Seconds", 120.0),
        ("KiBy", "Bytes", 2048.0),
        ("%", "Percent", 2.0),
        ("{token}", "Count", 2.0),
        ("{request}/s", "Count/Second", 2.0),
        ("By/s", "Bytes/Second", 2.0),
        ("{USD}", "None", 2.0),
        ("1", "None", 2.0),
        ("Cel", "None", 2.0),
        ("nonsense", "None", 2.0),
    ],
)
def test_units_are_those_of_cloudwatch(code: str, unit: str, value: float) -> None:
    """What it has no word for is converted to what it has, or has no unit."""
    family = replace(gauge("g", "", 2.0), otlp_unit=code)
    reading = Reading([family], NOW_NS, 0)
    ((datum,), _) = datums(reading, dimensions={}, most_values=150, now_ns=NOW_NS)
    assert (datum.unit, datum.values) == (unit, [pytest.approx(value)])


def test_what_is_a_ratio_in_otlp_is_in_percent_here() -> None:
    """CloudWatch has a unit for what was recorded."""
    family = replace(gauge("g", "", 45.0), otlp_unit="1", otlp_scale=0.01, recorded_unit="%")
    reading = Reading([family], NOW_NS, 0)
    ((datum,), _) = datums(reading, dimensions={}, most_values=150, now_ns=NOW_NS)
    assert (datum.unit, datum.values) == ("Percent", [45.0])


@pytest.mark.parametrize("namespace", ["", "AWS/Lambda", ":x", "n" * 256, "a\n"])
def test_a_namespace_must_be_one_of_cloudwatchs(namespace: str) -> None:
    """The error says what is allowed."""
    with pytest.raises(ConfigError, match="allowed: 1 to 255 printable ASCII characters"):
        CloudWatchSender(namespace)


def test_a_resolution_must_be_one_of_cloudwatchs() -> None:
    """There are two of them."""
    with pytest.raises(ConfigError, match="got 5; allowed: 1 or 60 seconds"):
        CloudWatchSender("Shop", resolution_s=5)


def test_without_boto3_the_error_says_what_to_install(
    run_program: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The extra is named."""
    program = (
        "import sys; sys.modules['boto3'] = None\n"
        "from tidegauge.export.cloudwatch import CloudWatchSender; CloudWatchSender('Shop')"
    )
    assert "pip install 'tidegauge[aws]'" in run_program(program, tmp_path).stderr
