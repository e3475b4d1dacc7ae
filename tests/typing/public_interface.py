# SPDX-License-Identifier: Apache-2.0
"""What mypy accepts and refuses of the public interface. Checked, never run.

A line that must be refused has an ignore of exactly that error: if it were accepted, the ignore
would be unused, and unused ignores are errors.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, assert_type

import tidegauge as tg
from tidegauge import MetricLogger, MetricSpec


def records() -> None:
    tg.log_metric("model:accuracy", 0.94)
    tg.log_metric("accuracy", 1, step=3, model="fraud", region="eu")
    tg.log_metric("accuracy", "0.94")  # type: ignore[arg-type]
    tg.log_metric("accuracy", 0.94, 3)  # type: ignore[call-arg]
    tg.log_metric("accuracy", 0.94, step=0.5)  # type: ignore[arg-type]
    tg.log_metrics({"accuracy": 0.94, "f1_score": 0.9}, step=3)
    tg.log_metrics({"accuracy": "high"})  # type: ignore[dict-item]


def binds() -> None:
    latency = tg.metric("model:latency_ms", model="fraud")
    latency.record(12.3)
    latency.record(12.3, step=1)
    latency.record("12.3")  # type: ignore[arg-type]


@tg.timer("model:latency_ms", model="fraud")
def predict(features: list[float]) -> int:
    return len(features)


def keeps_the_types_of_what_it_wraps() -> None:
    assert_type(predict([0.5]), int)
    predict("features")  # type: ignore[arg-type]


@tg.track_feature("learning-engine", "recognize", severity="warning", impact_level="low")
async def recognize(data: bytes) -> str:
    async with tg.track_feature("learning-engine", "decode") as use:
        use.user, use.success = "u1", None
        use.recovered(ValueError(), severity="fatal")  # type: ignore[arg-type]
    return data.decode()


async def keeps_what_is_awaited() -> None:
    assert_type(await recognize(b""), str)
    await recognize("")  # type: ignore[arg-type]
    tg.track_feature("learning-engine")  # type: ignore[call-arg]
    tg.track_feature("learning-engine", "a", severity="fatal")  # type: ignore[arg-type]


def asks_the_tracker() -> None:
    advanced = tg.get_advanced_metrics()
    advanced.record_satisfaction("search", "speed", 4, scale="1-5", user="u1")
    advanced.record_satisfaction("search", "speed", "4")  # type: ignore[arg-type]
    dashboard = advanced.get_comprehensive_dashboard(feature="search", hours=24, product="web")
    assert_type(dashboard, dict[str, Any])
    assert_type(advanced.get_performance_metrics("search", "latency", hours=None), dict[str, Any])
    assert_type(advanced.get_trend("usage", every="week", by="action"), list[dict[str, Any]])
    advanced.get_trend("usage", every="month")  # type: ignore[arg-type]
    advanced.get_trend("usage", "search", "week")  # type: ignore[call-arg]
    advanced.compare_features("usage", "search")  # type: ignore[call-arg]
    assert_type(advanced.aggregate_daily_metrics("2025-12-14"), int)


def asks_the_collector() -> None:
    metrics = tg.get_metrics_collector()
    metrics.record_learning_metric("search", "accuracy", 0.92, {"training_samples": 1000})
    metrics.record_learning_metric("search", "accuracy", "0.92")  # type: ignore[arg-type]
    found = metrics.get_metric_statistics("search", "accuracy", hours=24)
    assert_type(found, dict[str, Any])
    metrics.get_metric_statistics("search", "accuracy", hours="24")  # type: ignore[arg-type]


def sets_budgets() -> None:
    assert_type(tg.set_budget("all", "99.90", period="week", each="user").amount, Decimal)
    tg.set_budget("all", 100, period="hour")  # type: ignore[arg-type]
    tg.set_budget("all", 100, "week")  # type: ignore[call-arg]
    tg.set_budget("all", 100, each="day")  # type: ignore[arg-type]
    assert_type(tg.budgets("all", forecast=False), list[dict[str, Any]])
    assert_type(tg.remove_budget("all"), bool)
    tg.on_budget_warning(lambda warning: print(warning.spent, warning.period))


def names_are_text(logger: MetricLogger, spec: MetricSpec) -> None:
    assert_type(spec.name, str)
    assert_type(tg.validate_metric_name("usage:reply_rate"), bool)
    logger.log_metric("accuracy", 0.94)
    logger.log_metric(spec, 0.94)  # type: ignore[arg-type]


def measures_impact() -> None:
    impact = tg.measure_impact([1.0, 2.0], [2.0, 3.0], direction="lower")
    assert_type(impact.p_value, float | None)
    assert_type(impact.difference.low, float | None)
    assert_type(impact.savings(units=10).amount, Decimal | None)
    tg.measure_impact("model:latency_ms", at="2026-01-15", by="week")  # type: ignore[arg-type]
    tg.record_impact(impact, "search")  # type: ignore[call-arg]
    assert_type(tg.sample_size(0.1, 0.02, kind="proportion"), int)
    assert_type(tg.minimum_detectable_effect(None, 64, std=10), float)
