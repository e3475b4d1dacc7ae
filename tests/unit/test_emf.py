# SPDX-License-Identifier: Apache-2.0
"""Lines of CloudWatch's embedded metric format."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tidegauge.export.emf import EmfSender
from tidegauge.live.families import Histograms, Reading, counter, gauge
from tidegauge.model.clock import SYSTEM_CLOCK
from tidegauge.model.errors import DeliveryError
from tidegauge.statistics.histogram import ExponentialHistogram


@pytest.fixture
def stream() -> io.StringIO:
    """Where lines go."""
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO) -> Callable[..., list[dict[str, Any]]]:
    """Sends families, and reads what was written."""

    def send(*families: Any, **options: Any) -> list[dict[str, Any]]:
        reading = Reading(families, SYSTEM_CLOCK.wall_ns(), 0)
        EmfSender("Shop", stream=stream, **options).send(reading)
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return send


def test_a_line_says_what_the_format_wants(stream: io.StringIO) -> None:
    """The directive names the metrics and dimensions, whose values are beside it."""
    now_ns = SYSTEM_CLOCK.wall_ns()
    requests = replace(
        counter("requests_total", "", {(("model", "a"),): 7.0}),
        otlp_name="api.requests",
        otlp_unit="{request}",
    )
    sender = EmfSender("Shop", stream=stream, dimensions={"service": "web"}, resolution_s=1)
    assert sender.send(Reading([requests], now_ns, 0)) == {"sent": 1}
    assert json.loads(stream.getvalue()) == {
        "_aws": {
            "Timestamp": now_ns // 1_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Shop",
                    "Dimensions": [["model", "service"]],
                    "Metrics": [{"Name": "api.requests", "Unit": "Count", "StorageResolution": 1}],
                }
            ],
        },
        "model": "a",
        "service": "web",
        "api.requests": 7.0,
    }


def test_series_with_the_same_dimensions_share_a_line(
    lines: Callable[..., list[dict[str, Any]]],
) -> None:
    """Each set of values of dimensions has a line."""
    a, b = (("model", "a"),), (("model", "b"),)
    found = lines(counter("x_total", "", {a: 1.0, b: 2.0}), counter("y_total", "", {a: 3.0}))
    assert [{k: v for k, v in line.items() if k != "_aws"} for line in found] == [
        {"model": "a", "x": 1.0, "y": 3.0},
        {"model": "b", "x": 2.0},
    ]


def test_a_histogram_is_at_most_100_values_with_counts(
    lines: Callable[..., list[dict[str, Any]]],
) -> None:
    """Buckets are joined until there are few enough; sum and count are exact."""
    exponential = ExponentialHistogram()
    values = [1.03**n for n in range(300)]
    exponential.add_many(values)
    family = Histograms(
        name="h",
        otlp_name="h",
        otlp_unit="s",
        labels=[()],
        bounds=[],
        counts=[[300]],
        sums=[sum(values)],
        exponential=lambda _: exponential,
    )
    (line,) = lines(family)
    target = line["h"]
    assert 50 <= len(target["Values"]) == len(target["Counts"]) <= 100
    assert (target["Count"], sum(target["Counts"])) == (300, 300)
    assert target["Sum"] == pytest.approx(sum(values))
    assert (target["Min"], target["Max"]) == (target["Values"][0], target["Values"][-1])


def test_a_line_has_at_most_100_metrics(lines: Callable[..., list[dict[str, Any]]]) -> None:
    """More of them have more lines."""
    found = lines(*(gauge(f"g{n:03d}", "", float(n)) for n in range(250)))
    sizes = [len(line["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in found]
    assert sizes == [100, 100, 50]
    assert found[2]["g249"] == 249.0


def test_nothing_is_written_when_nothing_happened(stream: io.StringIO) -> None:
    """Not even an empty line."""
    reading = Reading([], SYSTEM_CLOCK.wall_ns(), 0)
    assert EmfSender("Shop", stream=stream).send(reading) == {"sent": 0}
    assert stream.getvalue() == ""


def test_what_cannot_be_written_is_counted(stream: io.StringIO) -> None:
    """A metric that is called like a dimension would take its place; NaN is no JSON."""
    taken = gauge("model", "", {(("model", "a"),): 1.0})
    bad = gauge("bad", "", float("nan"))
    reading = Reading([bad, taken, gauge("good", "", 1.0)], SYSTEM_CLOCK.wall_ns(), 0)
    assert EmfSender("Shop", stream=stream).send(reading) == {
        "sent": 1,
        "refused/bad_name": 1,
        "refused/bad_value": 1,
    }
    assert json.loads(stream.getvalue())["good"] == 1.0


def test_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """To what it is when the line is written, as Lambda replaces it."""
    sender = EmfSender("Shop")
    sender.send(Reading([gauge("g", "", 1.0)], SYSTEM_CLOCK.wall_ns(), 0))
    assert json.loads(capsys.readouterr().out)["g"] == 1.0


def test_a_stream_that_is_closed_is_an_error(stream: io.StringIO) -> None:
    """Nothing was written, so it is tried again."""
    stream.close()
    with pytest.raises(DeliveryError, match="could not be written: I/O operation on closed file"):
        EmfSender("Shop", stream=stream).send(
            Reading([gauge("g", "", 1.0)], SYSTEM_CLOCK.wall_ns(), 0)
        )
