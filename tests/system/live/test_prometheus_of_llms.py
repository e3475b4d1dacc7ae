# SPDX-License-Identifier: Apache-2.0
"""What people ask Prometheus of language models, costs and machines is what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tidegauge as tg
from tidegauge.prometheus import start_http_server
from tidegauge.testing import capture

pytestmark = pytest.mark.system


def ask(number: int, model: str = "o3", *, n_in: int = 1000, n_out: int = 100) -> None:
    """Record a call to a model."""
    with tg.track_llm(provider="openai", model=model) as call:
        call.response(
            {
                "id": f"{model}-{number}",
                "model": model,
                "choices": [],
                "usage": {"prompt_tokens": n_in, "completion_tokens": n_out},
            }
        )


@pytest.fixture(scope="module")
def prometheus(start_prometheus: Callable[..., Any]) -> Iterator[Any]:
    """A Prometheus that scrapes a program which asks models, before and while it does."""
    with capture(strict=True):
        for number in range(3):
            ask(number)
        tg.log_metric("cost:per_prediction_usd", 0.0023)
        tg.log_metric("cost:daily_usd", 15.0)
        cluster = "Amazon Elastic Container Service"
        tg.log_metric("cost:by_service_usd", 12.5, cloud_service=cluster)
        tg.update_resource_metrics()
        server = start_http_server()
        try:
            found = start_prometheus(server.port)
            found.wait_until(lambda: found.value("sum(llm_requests_total)") == 3)
            for number in range(3, 10):
                ask(number)
            ask(0, "gpt-unheard-of")
            tg.update_resource_metrics()
            found.wait_until(lambda: found.value("sum(llm_requests_total)") == 11)
            found.wait_until(
                lambda: (found.value("min(count_over_time(llm_tokens_total[5m]))") or 0) >= 4
            )
            yield found
        finally:
            server.stop()


def test_totals(prometheus: Any) -> None:
    """Requests, tokens and costs are the sums of what was recorded; unpriced calls cost nothing."""
    value = prometheus.value
    assert value("sum(llm_requests_total)") == 11
    assert value("sum(llm_tokens_total)") == 11 * 1100
    # Two dollars a million in, eight out.
    assert value("sum(llm_cost_usd)") == pytest.approx(10 * 0.0028)
    assert value("sum(llm_cost_usd_total)") == pytest.approx(10 * 0.0028)
    assert value("sum(llm_unpriced_requests_total)") == 1
    assert value('count(llm_cost_usd_total{model_name="gpt-unheard-of"})') is None


def test_tokens_of_a_day(prometheus: Any) -> None:
    """An increase counts what came between two scrapes, and what Prometheus extrapolates."""
    found = prometheus.value("sum(increase(llm_tokens_total[1d]))")
    assert 7 * 1100 <= found <= 7 * 1100 * 3


def test_average_latency(prometheus: Any) -> None:
    """Seconds per call."""
    found = prometheus.value(
        'rate(llm_inference_seconds_sum{model_name="o3"}[5m])'
        ' / rate(llm_inference_seconds_count{model_name="o3"}[5m])'
    )
    assert 0 < found < 1


def test_costs_of_the_cloud(prometheus: Any) -> None:
    """The service of a cost is the cloud's."""
    value = prometheus.value
    assert value("aws_daily_cost_usd") == 15
    assert value("aws_cost_per_prediction_usd") == 0.0023
    cluster = 'aws_cost_by_service_usd{service="Amazon Elastic Container Service"}'
    assert value(cluster) == 12.5


def test_the_machine(prometheus: Any) -> None:
    """Memory in bytes, and the CPU once there was a time to measure."""
    assert prometheus.value("system_memory_usage_bytes") > 0
    assert prometheus.value("system_memory_available_bytes") > 0
    assert 0 <= prometheus.value("system_cpu_usage_percent") <= 100
