# SPDX-License-Identifier: Apache-2.0
"""What people ask Prometheus of a service is what was really sent to it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = pytest.mark.system

BOUNDS_S = [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0]
WAIT_S = 0.12
SCRAPE_MS = 250


@dataclass(frozen=True)
class Scene:
    """A Prometheus that has seen requests, and what these were.

    Attributes:
        prometheus: It.
        first: What was sent before the first scrape.
        then: What was sent between scrapes.
    """

    prometheus: Any
    first: Any
    then: Any

    def sent(self, path: str, *statuses: int) -> int:
        """How many requests to a path were answered so, in all."""
        return self.first.count(path, *statuses) + self.then.count(path, *statuses)

    def most_extrapolated(self, selector: str) -> float:
        """How much too large a rate of counters can be, as a factor.

        Prometheus adds at either end of the samples at most 1.1 times their average distance.
        """
        counts = self.prometheus.query(f"count_over_time({selector}[5m])").values()
        return 1 + 2.2 / (min(counts) - 1)


@pytest.fixture(scope="module")
def scene(
    start_service: Callable[..., Any],
    start_prometheus: Callable[..., Any],
    send: Callable[..., Any],
    request_of: Callable[..., Any],
) -> Scene:
    """Four workers, requests of every kind, and scrapes before, between and after them."""
    service = start_service()
    customers = [
        request_of("/api/predict", {"months": months, "complaints": 2, "version": version})
        for months, version in ((3, "1"), (40, "2"), (7, "2"))
    ]
    others = [
        request_of("/api/fail"),
        request_of(f"/api/wait?seconds={WAIT_S}"),
        request_of("/api/nothing/here/1"),
    ]
    first = send(service, [*customers, *others])
    first.wait()
    prometheus = start_prometheus(service.port, f"{SCRAPE_MS}ms")
    # The first page of a worker takes longer than scrapes so close to each other have time.
    service.pages()
    prometheus.wait_until(lambda: prometheus.query("ml_model_predictions_total"))
    then = send(service, [*customers, *others], connections=3, times=20)
    then.wait()
    prometheus.wait_until(
        lambda: (
            prometheus.value("sum(ml_model_predictions_total)") == 63
            and prometheus.value("sum(ml_api_requests_total)") == 126
            and (prometheus.value("max(count_over_time(ml_model_predictions_total[5m]))") or 0) >= 8
        )
    )
    return Scene(prometheus, first, then)


def test_totals_are_exactly_what_was_sent(scene: Scene) -> None:
    """Sums of counters are the numbers of requests and predictions, over all workers."""
    value = scene.prometheus.value
    assert scene.sent("/api/predict", 200) == scene.sent("/api/predict") == 63
    assert value('sum(ml_api_requests_total{endpoint="/api/predict"})') == 63
    assert value("sum(ml_model_predictions_total)") == 63
    assert scene.prometheus.query("sum by (model_version) (ml_model_predictions_total)") == {
        (("model_version", "1"),): 21,
        (("model_version", "2"),): 42,
    }
    assert value("sum(ml_api_requests_total)") == 126
    assert value('sum(ml_api_requests_total{endpoint="__unmatched__", status="404"})') == 21


def test_requests_per_second_are_those_that_were_sent(scene: Scene) -> None:
    """A rate is what was sent between scrapes, less nothing and plus what is extrapolated."""
    selector = 'ml_api_requests_total{endpoint="/api/predict"}'
    sent = scene.then.count("/api/predict")
    most = scene.most_extrapolated(selector)
    assert sent <= scene.prometheus.value(f"sum(rate({selector}[5m]))") * 300 <= sent * most


def test_predictions_of_a_day_are_those_that_were_sent(scene: Scene) -> None:
    """An increase counts what came between scrapes, plus what is extrapolated."""
    sent = scene.then.count("/api/predict")
    most = scene.most_extrapolated("ml_model_predictions_total")
    found = scene.prometheus.value("sum(increase(ml_model_predictions_total[1d]))")
    assert sent <= found <= sent * most


@pytest.mark.parametrize(
    ("path", "least_s"), [("/api/predict", 0.0), ("/api/wait", WAIT_S), ("/api/fail", 0.0)]
)
def test_average_latency_lies_between_what_is_possible(
    scene: Scene, path: str, least_s: float
) -> None:
    """It is at least what the handler waited, and at most the longest that a client waited."""
    query = (
        "rate(ml_api_request_duration_seconds_sum[5m])"
        " / rate(ml_api_request_duration_seconds_count[5m])"
    )
    found = dict(scene.prometheus.query(query).items())
    averages = {dict(labels)["endpoint"]: value for labels, value in found.items()}
    most = scene.most_extrapolated(f'ml_api_request_duration_seconds_count{{endpoint="{path}"}}')
    assert least_s / most < averages[path] < scene.then.longest_s(path) * most


def test_average_inference_time_is_part_of_the_latency(scene: Scene) -> None:
    """A model takes more than nothing, and less than the request that it is asked in."""
    query = "rate(ml_model_inference_seconds_sum[5m]) / rate(ml_model_inference_seconds_count[5m])"
    most = scene.most_extrapolated("ml_model_inference_seconds_count")
    assert 0 < scene.prometheus.value(query) < scene.then.longest_s("/api/predict") * most
    assert scene.prometheus.value("ml_model_inference_seconds_count") == 63


@pytest.mark.parametrize(("path", "least_s"), [("/api/predict", 0.0), ("/api/wait", WAIT_S)])
def test_p95_lies_in_a_bucket_that_is_possible(scene: Scene, path: str, least_s: float) -> None:
    """It is in a bucket between the least that the handler waited and the most of a client."""
    query = "histogram_quantile(0.95, rate(ml_api_request_duration_seconds_bucket[5m]))"
    found = {
        dict(labels)["endpoint"]: value for labels, value in scene.prometheus.query(query).items()
    }
    lowest = bisect_left(BOUNDS_S, least_s)
    longest_s = scene.then.longest_s(path)
    assert [0.0, *BOUNDS_S][lowest] < found[path] <= BOUNDS_S[bisect_left(BOUNDS_S, longest_s)]


def test_error_rate_is_by_series_and_in_all(scene: Scene) -> None:
    """As series by series a series of errors is all errors; the sums give the share of errors."""
    by_series = scene.prometheus.query(
        'rate(ml_api_requests_total{status=~"5.."}[5m]) / rate(ml_api_requests_total[5m])'
    )
    assert {dict(labels)["endpoint"]: value for labels, value in by_series.items()} == {
        "/api/fail": 1.0
    }
    share = scene.prometheus.value(
        'sum(rate(ml_api_requests_total{status=~"5.."}[5m])) / sum(rate(ml_api_requests_total[5m]))'
    )
    most = scene.most_extrapolated("ml_api_requests_total")
    assert 1 / 6 / most <= share <= 1 / 6 * most


def test_prometheus_has_nothing_to_complain_about(scene: Scene) -> None:
    """No scrape failed, and neither it nor storing its samples was worth a warning.

    One that a busy machine could not answer in time is not one that failed.
    """
    failed = f"up == 0 and scrape_duration_seconds < {SCRAPE_MS / 1000}"
    assert scene.prometheus.query(f"count_over_time(({failed})[5m:{SCRAPE_MS}ms])") == {}
    assert scene.prometheus.value("max_over_time(up[5m])") == 1
    assert scene.prometheus.log.read_text() == ""
