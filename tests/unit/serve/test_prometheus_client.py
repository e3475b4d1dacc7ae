# SPDX-License-Identifier: Apache-2.0
"""Our metrics on the page of prometheus_client, and its metrics on ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Summary,
    generate_latest,
)
from prometheus_client.core import (
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    Metric,
    Timestamp,
    UnknownMetricFamily,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tidegauge.live.families import Reading, Sample, Samples, gauge
from tidegauge.serve.prometheus_client import TidegaugeCollector, families_of

Render = Callable[..., str]
Run = Callable[..., Any]


class Collected:
    """A collector that gives what it was given."""

    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        yield from self.metrics


@pytest.fixture
def registry() -> CollectorRegistry:
    """One metric of each type."""
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests.", ["code"], registry=registry)
    requests.labels("200").inc(3, exemplar={"trace_id": "abc"})
    Gauge("depth", "Depth.", registry=registry).set(math.nan)
    seconds = Histogram(
        "wait_seconds", "Wait.", ["route"], registry=registry, buckets=[0.1, 1], unit="seconds"
    )
    seconds.labels("/a").observe(0.5, exemplar={"trace_id": "xyz"})
    Summary("size", "Size.", registry=registry).observe(4)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Enum("mode", "Mode.", states=["on", "off"], registry=registry).state("off")
    registry.register(
        Collected(
            UnknownMetricFamily("thing", "Thing.", 1.5),
            GaugeHistogramMetricFamily("queue", "Queue.", [("1.0", 1), ("+Inf", 2)], gsum_value=3),
        )
    )
    return registry


def test_our_metrics_on_their_page(ordinary: Reading, text: Render, openmetrics: Render) -> None:
    """A registry with our collector shows the numbers that our own page shows."""
    registry = CollectorRegistry()
    registry.register(TidegaugeCollector(lambda: ordinary))
    theirs = list(parse_text(generate_latest(registry).decode()))
    assert by_line(theirs) == by_line(parse_text(text(*ordinary.families)))
    theirs = list(parse_openmetrics(generate_openmetrics(registry).decode()))
    ours = list(parse_openmetrics(openmetrics(*ordinary.families)))
    assert by_line(theirs) == by_line(ours)
    assert [(m.name, m.type, m.unit) for m in theirs] == [(m.name, m.type, m.unit) for m in ours]


def test_to_register_does_not_read() -> None:
    """A registry that describes its collectors does not make a reading for that."""

    def read() -> Reading:
        raise AssertionError

    CollectorRegistry(auto_describe=True).register(TidegaugeCollector(read))


def test_what_their_page_could_not_show_is_left_out(
    reading_of: Callable[..., Reading], caplog: pytest.LogCaptureFixture
) -> None:
    """Names that are not valid, surrogates, and what is for OTLP alone do no harm there."""
    reading = reading_of(
        gauge("not a name", "", 1.0),
        gauge("g", "\udcff", {(("a", "\udcff"), ("b c", "x")): 1.0}, unit="bytes"),
        Samples(name="o", kind="gauge", samples=[Sample("", (), 1.0)], only="otlp"),
        Samples(name="s", kind="gauge", samples=[Sample("", (), 1.0, time_ns=1_500_000_000)]),
    )
    registry = CollectorRegistry()
    registry.register(TidegaugeCollector(lambda: reading))
    for _ in range(2):
        assert generate_latest(registry).decode() == (
            "# HELP g \ufffd\n# TYPE g gauge\n"
            'g{a="\ufffd"} 1.0\n'
            "# HELP s \n# TYPE s gauge\ns 1.0 1500\n"
        )
    assert len(caplog.records) == 2


def test_their_metrics_on_our_page(
    registry: CollectorRegistry, text: Render, openmetrics: Render
) -> None:
    """Every type of metric arrives with its lines, labels, values and exemplars."""
    families = families_of(registry)
    ours = parse_openmetrics(openmetrics(*families))
    theirs = parse_openmetrics(generate_openmetrics(registry).decode())
    assert by_line(ours) == by_line(theirs, without="_created")
    ours = parse_text(text(*families))
    theirs = parse_text(generate_latest(registry).decode())
    assert by_line(ours) == by_line(theirs, without="_created")


def test_families_are_sorted_and_typed(registry: CollectorRegistry) -> None:
    """Families come by name; a counter's ends in `_total`."""
    assert [(family.name, family.kind) for family in families_of(registry)] == [
        ("build", "info"),
        ("depth", "gauge"),
        ("mode", "stateset"),
        ("queue", "gaugehistogram"),
        ("requests_total", "counter"),
        ("size", "summary"),
        ("thing", "unknown"),
        ("wait_seconds", "histogram"),
    ]


def test_times_are_nanoseconds() -> None:
    """Times in seconds, whole or not, and exact ones become nanoseconds."""
    family = GaugeMetricFamily("g", "", labels=["a"])
    for number, time in enumerate((None, 1, 1.5, Timestamp(1_700_000_000, 123_456_789))):
        family.add_metric([str(number)], 1.0, timestamp=time)
    (found,) = families_of(Collected(family))
    assert [sample.time_ns for sample in found.samples] == [
        None,
        1_000_000_000,
        1_500_000_000,
        1_700_000_000_123_456_789,
    ]


def test_odd_collectors(text: Render) -> None:
    """Two families of one name are one, and a line with another name is a family of its own."""
    first, second = (GaugeMetricFamily("g", "G.", labels=["a"]) for _ in range(2))
    first.add_metric(["1"], 1.0)
    second.add_metric(["2"], 2.0)
    second.add_sample("other", {}, 3.0)
    assert text(*families_of(Collected(first, second))) == (
        '# HELP g G.\n# TYPE g gauge\ng{a="1"} 1.0\ng{a="2"} 2.0\n'
        "# HELP other G.\n# TYPE other untyped\nother 3.0\n"
    )


def test_without_the_library(tmp_path: Path, run_program: Run) -> None:
    """Where prometheus_client is not installed, the collector says how to install it."""
    program = """
import sys
sys.modules["prometheus_client"] = None
from tidegauge.model.errors import MissingExtraError
from tidegauge.serve.prometheus_client import TidegaugeCollector

try:
    TidegaugeCollector(lambda: None)
except MissingExtraError as error:
    print(error)
"""
    assert run_program(program, tmp_path).stdout == (
        "the package 'prometheus_client' is not installed."
        " Install it with: pip install 'tidegauge[prometheus]'\n"
    )


def test_serving_does_not_load_the_library(tmp_path: Path, run_program: Run) -> None:
    """Our own page needs no prometheus_client, and importing the adapter does not load it."""
    program = """
import sys
import tidegauge.serve.asgi, tidegauge.serve.http, tidegauge.serve.wsgi
import tidegauge.serve.prometheus_client
print("prometheus_client" in sys.modules)
"""
    assert run_program(program, tmp_path).stdout == "False\n"


def by_line(families: Any, *, without: str = "nothing") -> dict[Any, Any]:
    """Values and exemplars by name and labels; NaN as text, times to the millisecond."""
    return {
        (line.name, *sorted(line.labels.items())): (
            str(float(line.value)),
            line.exemplar
            and (
                line.exemplar.labels,
                line.exemplar.value,
                f"{float(line.exemplar.timestamp):.3f}",
            ),
        )
        for family in families
        for line in family.samples
        if not line.name.endswith(without)
    }
