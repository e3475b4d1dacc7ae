# SPDX-License-Identifier: Apache-2.0
"""The tracker and the collector of the process: what is recorded is told at once."""

from __future__ import annotations

import json
import time

import pytest

import tidegauge as tg
from tidegauge.model.errors import QueryError
from tidegauge.testing import capture


def test_the_dashboard_tells_what_was_just_recorded() -> None:
    """By the keys of the document, ready to be written as JSON; nothing is stored yet."""
    with capture():
        advanced = tg.get_advanced_metrics()
        advanced.record_performance_metric(
            "learning-engine", "response_time", "recognition_ms", 125.5, "milliseconds"
        )
        advanced.record_satisfaction("learning-engine", "accuracy", 0.92)
        advanced.record_feature_usage("learning-engine", "recognize", 125.5, user="u1")
        advanced.record_error(
            "learning-engine",
            "PatternError",
            "warning",
            recovery_attempted=True,
            recovery_successful=True,
        )
        found = advanced.get_comprehensive_dashboard(feature="learning-engine", hours=24)
        json.dumps(found, allow_nan=False)
        assert found["performance"]["categories"]["response_time"]["avg"] == 125.5
        assert found["satisfaction"]["avg_score"] == 0.92
        assert found["usage"]["success_rate"] == 1.0
        assert (found["errors"]["total_errors"], found["errors"]["recovery_rate"]) == (1, 1.0)
        assert found["errors"]["errors_per_use"] == 1.0
        performance = advanced.get_performance_metrics("learning-engine", "response_time")
        assert [row["value"] for row in performance["records"]] == [125.5]
        assert [row["feature"] for row in advanced.get_features()] == ["learning-engine"]
        assert sum(row["count"] for row in advanced.get_trend("usage", days=1)) == 1


def test_the_collector_tells_what_was_just_recorded() -> None:
    """Under the name it was recorded by; another feature has nothing, with a reason."""
    with capture():
        metrics = tg.get_metrics_collector()
        metrics.record_learning_metric(
            "learning-engine", "accuracy", 0.92, {"training_samples": 1000}
        )
        found = metrics.get_metric_statistics("learning-engine", "accuracy", hours=24)
        assert (found["count"], found["avg"], found["metric"]) == (1, 0.92, "learning:accuracy")
        nothing = metrics.get_metric_statistics("other", "accuracy")
        assert (nothing["count"], nothing["avg"]) == (0, None)
        assert nothing["reason"] == "no values in this time"


def test_another_range_replaces_the_usual_hours() -> None:
    """`days` or `start` do; `end` ends the hours; hours that were asked for contradict them."""
    with capture():
        advanced = tg.get_advanced_metrics()
        now_s = time.time()
        for days in (0, 2, 40):
            advanced.record_feature_usage("a", "go", time=now_s - days * 86_400)

        def count(**asked: float) -> int:
            return int(advanced.get_feature_usage_stats(**asked)["total_usage"])  # type: ignore[arg-type]

        assert count() == 1
        assert count(days=3) == 2
        assert count(start=now_s - 41 * 86_400) == 3
        assert count(end=now_s - 86_400 * 1.5) == 1
        assert int(advanced.get_feature_usage_stats(hours=None)["total_usage"]) == 3
        with pytest.raises(QueryError, match="time range is given twice"):
            count(hours=5, days=3)
        with pytest.raises(QueryError, match="Did you mean 'feature'"):
            advanced.get_feature_usage_stats(featur="a")
