# SPDX-License-Identifier: Apache-2.0
"""Readings, and pages of them in both formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidegauge.live.families import Exemplar, Histograms, Numbers, Reading, counter, gauge
from tidegauge.serve.exposition import Exposition
from tidegauge.serve.page import MetricsPage
from tidegauge.serve.spelling import Omissions
from tidegauge.statistics.histogram import ExponentialHistogram


@pytest.fixture
def reading_of() -> Callable[..., Reading]:
    """A reading of the given families."""
    return _reading


@pytest.fixture
def latency() -> Histograms:
    """A histogram of milliseconds that is shown in seconds, with two series."""
    return Histograms(
        name="request_duration_seconds",
        help="How long requests take.",
        unit="seconds",
        scale=0.001,
        labels=[(("route", "/a"),), (("route", "/b"),)],
        bounds=[75, 500],
        counts=[[1, 2, 3], [0, 1, 0]],
        sums=[4_000.0, 300.0],
        exponential=lambda _: ExponentialHistogram(),
        exemplars={(0, 1): Exemplar((("trace_id", "abc"),), 300.0, 1_700_000_000_123_456_789)},
    )


@pytest.fixture
def ordinary(latency: Histograms) -> Reading:
    """A counter with an exemplar, a histogram and a gauge, as services have them."""
    requests = Numbers(
        name="requests_total",
        help="Requests.",
        kind="counter",
        labels=[(("method", "GET"), ("status", "200")), (("method", "POST"), ("status", "500"))],
        values=[3.0, 1.0],
        exemplars={1: Exemplar((("trace_id", "xyz"),), 1.0, 1_700_000_000_000_000_000)},
    )
    return _reading(gauge("queue_length", "Waiting requests.", 7.0), latency, requests)


@pytest.fixture
def page(ordinary: Reading) -> MetricsPage:
    """The page of the ordinary reading."""
    return MetricsPage(lambda: ordinary)


@pytest.fixture
def text() -> Callable[..., str]:
    """Renders families in the text format."""
    exposition = Exposition(openmetrics=False, omissions=Omissions())
    return lambda *families: exposition.render(_reading(*families)).decode()


@pytest.fixture
def openmetrics() -> Callable[..., str]:
    """Renders families in OpenMetrics."""
    exposition = Exposition(openmetrics=True, omissions=Omissions())
    return lambda *families: exposition.render(_reading(*families)).decode()


@pytest.fixture
def broken_page() -> MetricsPage:
    """A page whose reading fails for a reason that nobody foresaw."""

    def read() -> Reading:
        raise ZeroDivisionError("the collector is broken")

    return MetricsPage(read)


def _reading(*families: Any) -> Reading:
    return Reading(list(families), time_ns=1_700_000_000_000_000_000, start_ns=0)


# A module that only needs a counter should not have to know how one is built.
@pytest.fixture
def small_page() -> MetricsPage:
    """A page of one counter."""
    return MetricsPage(lambda: _reading(counter("hits_total", "Hits.", 2.0)))
