# SPDX-License-Identifier: Apache-2.0
"""The code of the requirements document for features runs as printed, but for its import path.

The statements that create its tables are compared with an export in
`tests/unit/cli/test_sqlite_commands.py`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegauge.config import assemble

Run = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[[str], list[tuple[Any, ...]]]

BASIC = """
from shared.metrics import get_metrics_collector

metrics = get_metrics_collector()

# Record performance metric
metrics.record_performance_metric(
    'learning-engine',
    'response_time_ms',
    125.5,
    {'algorithm': 'pattern_recognition_v2'}
)

# Record learning metric
metrics.record_learning_metric(
    'learning-engine',
    'accuracy',
    0.92,
    {'training_samples': 1000}
)

# Get statistics
stats = metrics.get_metric_statistics(
    'learning-engine',
    'accuracy',
    hours=24
)
"""

ADVANCED = """
from shared.metrics import get_advanced_metrics

advanced = get_advanced_metrics()

# Record system performance
advanced.record_performance_metric(
    feature="learning-engine",
    metric_category="response_time",
    metric_name="pattern_recognition_ms",
    value=125.5,
    unit="milliseconds",
    context="production"
)

# Record user satisfaction
advanced.record_satisfaction(
    feature="learning-engine",
    satisfaction_type="accuracy",
    score=0.92,  # 0.0 to 1.0 or 1-5 scale
    feedback="Pattern recognition is very accurate",
    interaction_id="interaction_001"
)

# Record feature usage
advanced.record_feature_usage(
    feature="learning-engine",
    action="recognize_pattern",
    duration_ms=125.5,
    success=True,
    user_context="morning_session"
)

# Record learning effectiveness
advanced.record_learning_effectiveness(
    feature="learning-engine",
    learning_type="pattern_recognition",
    accuracy=0.92,
    confidence=0.88,
    sample_size=1000,
    improvement_rate=0.05
)

# Record optimization impact
advanced.record_optimization_impact(
    feature="process-optimization",
    optimization_id="opt_001",
    impact_category="task_completion_time",
    before_value=45.2,
    after_value=38.7,
    user_impact_score=0.85
)

# Record resource utilization
advanced.record_resource_utilization(
    resource_type="memory",
    resource_name="learning_engine_cache",
    utilization_percent=65.5,
    allocated=1024.0,
    used=670.0,
    unit="MB"
)

# Record errors
advanced.record_error(
    feature="learning-engine",
    error_type="PatternRecognitionError",
    error_severity="warning",
    error_message="Low confidence pattern detected",
    recovery_attempted=True,
    recovery_successful=True,
    impact_level="low"
)
"""

QUESTIONS = """
# Get performance metrics
perf_metrics = advanced.get_performance_metrics(
    feature="learning-engine",
    metric_category="response_time",
    hours=24,
    limit=1000
)

# Get satisfaction statistics
sat_stats = advanced.get_satisfaction_metrics(
    feature="learning-engine",
    satisfaction_type="accuracy",
    hours=24
)
print(f"Average satisfaction: {sat_stats['avg_score']:.2f}")
print(f"Satisfaction rate: {sat_stats['satisfaction_rate']:.2%}")

# Get feature usage stats
usage_stats = advanced.get_feature_usage_stats(
    feature="learning-engine",
    hours=24
)
print(f"Total usage: {usage_stats['total_usage']}")
print(f"Success rate: {usage_stats['success_rate']:.2%}")
print(f"Avg duration: {usage_stats['avg_duration_ms']:.2f}ms")

# Get error statistics
error_stats = advanced.get_error_stats(
    feature="learning-engine",
    hours=24
)
print(f"Total errors: {error_stats['total_errors']}")
print(f"Recovery rate: {error_stats['recovery_rate']:.2%}")
"""

DASHBOARD = """
# Get complete dashboard for a feature
dashboard = advanced.get_comprehensive_dashboard(
    feature="learning-engine",
    hours=24
)

print(json.dumps(dashboard, indent=2))

# Dashboard includes:
# - Performance metrics by category
# - User satisfaction statistics
# - Feature usage statistics
# - Error statistics
"""

AGGREGATION = """
# Aggregate metrics for analysis
advanced.aggregate_daily_metrics()  # Today
advanced.aggregate_daily_metrics(date="2025-12-14")  # Specific date
"""

LEARNING = """
from shared.metrics import get_advanced_metrics

metrics = get_advanced_metrics()

# Track pattern recognition
start = time.time()
pattern = recognize_pattern(data)
duration = (time.time() - start) * 1000

metrics.record_performance_metric(
    feature="learning-engine",
    metric_category="response_time",
    metric_name="pattern_recognition_ms",
    value=duration,
    unit="milliseconds"
)

metrics.record_learning_effectiveness(
    feature="learning-engine",
    learning_type="pattern_recognition",
    accuracy=pattern.accuracy,
    confidence=pattern.confidence,
    sample_size=len(data)
)
"""

OPTIMIZATION = """
# Before optimization
before_time = measure_task_time()

# Apply optimization
apply_optimization(opt_id)

# After optimization
after_time = measure_task_time()

metrics.record_optimization_impact(
    feature="process-optimization",
    optimization_id=opt_id,
    impact_category="task_completion_time",
    before_value=before_time,
    after_value=after_time,
    user_impact_score=calculate_user_impact()
)
"""

MONITORING = """
# Get dashboard periodically
import schedule

def monitor_system():
    dashboard = advanced.get_comprehensive_dashboard(hours=1)
    
    # Check thresholds
    if dashboard['errors']['total_errors'] > 10:
        send_alert("High error rate detected")
    
    if dashboard['satisfaction']['avg_score'] < 0.7:
        send_alert("Low user satisfaction")
    
    if dashboard['performance']['categories'].get('response_time', {}).get('avg', 0) > 1000:
        send_alert("High response times")

schedule.every(5).minutes.do(monitor_system)
"""  # noqa: W293

# What the document leaves to its reader.
BEFORE = """
import json
import time
from types import SimpleNamespace

data = [3, 1, 2]
opt_id = "opt_002"
times = iter([45.2, 38.7])

def recognize_pattern(data):
    return SimpleNamespace(accuracy=0.9, confidence=0.8)

def measure_task_time():
    return next(times)

def apply_optimization(opt_id):
    pass

def calculate_user_impact():
    return 0.85

def send_alert(text):
    print("ALERT", text)
"""

# The columns that the document prints.
COLUMNS = {
    "system_performance": "id timestamp feature metric_category metric_name value unit context "
    "metadata created_at",
    "user_satisfaction": "id timestamp feature satisfaction_type score feedback interaction_id "
    "metadata created_at",
    "feature_usage": "id timestamp feature action duration_ms success error_type user_context "
    "metadata created_at",
    "daily_aggregates": "id date feature metric_type metric_name avg_value min_value max_value "
    "stddev count percentile_50 percentile_95 percentile_99 created_at",
}


@pytest.fixture
def run_document(run_program: Run, store_dir: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs blocks of the document as one program, and gives back what they printed."""

    def run(*blocks: str) -> str:
        program = "\n".join([BEFORE, *blocks])
        program = program.replace("from shared.metrics import", "from tidegauge import")
        assert "shared" not in program
        done = run_program(program, tmp_path, TIDEGAUGE_STORE=str(store_dir))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def ask(store_dir: Path) -> Ask:
    """Answers SQL about the store, in a process that ran none of the programs."""
    return lambda statement: assemble(store=str(store_dir)).query.sql(statement).fetchall()


def test_the_basic_collector(run_document: Callable[..., str], ask: Ask) -> None:
    """Its numbers are points with the feature as a label, and their statistics are told."""
    stats = json.loads(run_document(BASIC, "print(json.dumps(stats))"))
    told = {name: stats[name] for name in ("feature", "metric", "count", "avg", "p95", "stddev")}
    assert told == {
        "feature": "learning-engine",
        "metric": "learning:accuracy",
        "count": 1,
        "avg": 0.92,
        "p95": 0.92,
        "stddev": None,
    }
    assert ask("SELECT metric, labels['feature'], value, metadata FROM points ORDER BY time") == [
        (
            "feature:response_time_ms",
            "learning-engine",
            125.5,
            '{"algorithm":"pattern_recognition_v2"}',
        ),
        ("learning:accuracy", "learning-engine", 0.92, '{"training_samples":1000}'),
    ]


def test_each_call_is_a_row(run_document: Callable[..., str], ask: Ask) -> None:
    """The advanced calls and the integration examples: what was given stands in the tables."""
    run_document(ADVANCED, LEARNING, OPTIMIZATION)
    assert ask(
        "SELECT metric_category, metric_name, unit, context, value > 0 FROM system_performance "
        "ORDER BY time"
    ) == [
        ("response_time", "pattern_recognition_ms", "milliseconds", "production", True),
        ("response_time", "pattern_recognition_ms", "milliseconds", None, True),
    ]
    assert ask(
        "SELECT satisfaction_type, score, score_scale, feedback, interaction_id "
        "FROM user_satisfaction"
    ) == [("accuracy", 0.92, "0-1", "Pattern recognition is very accurate", "interaction_001")]
    assert ask("SELECT action, duration_ms, success, user_context FROM feature_usage") == [
        ("recognize_pattern", 125.5, True, "morning_session")
    ]
    assert ask(
        "SELECT learning_type, accuracy, confidence, sample_size, improvement_rate "
        "FROM learning_effectiveness ORDER BY time"
    ) == [
        ("pattern_recognition", 0.92, 0.88, 1000, 0.05),
        ("pattern_recognition", 0.9, 0.8, 3, None),
    ]
    assert ask(
        "SELECT feature, optimization_id, impact_category, before_value, after_value, "
        "user_impact_score, round(relative_change, 3) FROM optimization_impact ORDER BY time"
    ) == [
        ("process-optimization", name, "task_completion_time", 45.2, 38.7, 0.85, -0.144)
        for name in ("opt_001", "opt_002")
    ]
    assert ask(
        "SELECT resource_type, resource_name, utilization_percent, allocated, used, unit "
        "FROM resource_utilization"
    ) == [("memory", "learning_engine_cache", 65.5, 1024.0, 670.0, "MB")]
    assert ask(
        "SELECT error_type, error_severity, error_message, recovery_attempted, "
        "recovery_successful, impact_level FROM errors"
    ) == [
        (
            "PatternRecognitionError",
            "warning",
            "Low confidence pattern detected",
            True,
            True,
            "low",
        )
    ]


def test_the_questions_print_what_was_recorded(run_document: Callable[..., str]) -> None:
    """Every printed format takes the numbers, which are those of the calls before."""
    *printed, perf_metrics = run_document(
        ADVANCED, QUESTIONS, "print(json.dumps(perf_metrics))"
    ).splitlines()
    assert printed == [
        "Average satisfaction: 0.92",
        "Satisfaction rate: 100.00%",
        "Total usage: 1",
        "Success rate: 100.00%",
        "Avg duration: 125.50ms",
        "Total errors: 1",
        "Recovery rate: 100.00%",
    ]
    found = json.loads(perf_metrics)
    assert found["categories"]["response_time"]["avg"] == 125.5
    assert [row["metric_name"] for row in found["records"]] == ["pattern_recognition_ms"]


def test_the_dashboard_is_json(run_document: Callable[..., str]) -> None:
    """It holds what the document says: performance, satisfaction, usage and errors."""
    dashboard = json.loads(run_document(ADVANCED, DASHBOARD))
    assert dashboard["feature"] == "learning-engine"
    assert dashboard["performance"]["categories"]["response_time"]["p99"] == 125.5
    assert dashboard["satisfaction"]["avg_score"] == 0.92
    assert dashboard["usage"]["actions"]["recognize_pattern"]["total_usage"] == 1
    assert dashboard["errors"]["by_severity"] == {"warning": 1}
    assert dashboard["learning"]["by_type"]["pattern_recognition"]["accuracy"]["avg"] == 0.92


def test_the_day_is_aggregated(run_document: Callable[..., str], ask: Ask) -> None:
    """Today has a row for each number of the calls; a day without facts has none."""
    run_document(ADVANCED, AGGREGATION)
    assert ask(
        "SELECT feature, metric_type, metric_name, avg_value, count, percentile_95 "
        "FROM daily_aggregates WHERE feature = 'learning-engine' AND metric_type <> 'learning' "
        "ORDER BY ALL"
    ) == [
        ("learning-engine", "error", "PatternRecognitionError.errors", 1.0, 1, 1.0),
        ("learning-engine", "error", "PatternRecognitionError.recovery_attempted", 1.0, 1, 1.0),
        ("learning-engine", "error", "PatternRecognitionError.recovery_successful", 1.0, 1, 1.0),
        ("learning-engine", "performance", "response_time.pattern_recognition_ms", 125.5, 1, 125.5),
        ("learning-engine", "satisfaction", "accuracy", 0.92, 1, 0.92),
        ("learning-engine", "usage", "recognize_pattern.duration_ms", 125.5, 1, 125.5),
        ("learning-engine", "usage", "recognize_pattern.success", 1.0, 1, 1.0),
        ("learning-engine", "usage", "recognize_pattern.uses", 1.0, 1, 1.0),
    ]
    assert ask("SELECT count(DISTINCT date) FROM daily_aggregates") == [(1,)]


@pytest.mark.parametrize("table", COLUMNS)
def test_the_printed_columns_can_be_selected(
    table: str, run_document: Callable[..., str], ask: Ask
) -> None:
    """Also those that no table holds: id, timestamp and created_at."""
    run_document(ADVANCED, AGGREGATION)
    rows = ask(f"SELECT {', '.join(COLUMNS[table].split())} FROM {table} ORDER BY id")
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows
    assert all(row[1] is not None and row[-1] is not None for row in rows)


def test_the_monitor_sends_the_alerts_that_data_deserve(run_document: Callable[..., str]) -> None:
    """The job as `schedule` runs it: silent while all is well, and each threshold has its alert."""
    worse = """
schedule.run_all()
print("well")
for _ in range(11):
    advanced.record_error(
        feature="search", error_type="Timeout", error_severity="error"
    )
    advanced.record_satisfaction(feature="search", satisfaction_type="speed", score=0.1)
    advanced.record_performance_metric(
        feature="search", metric_category="response_time", metric_name="query_ms", value=1600,
        unit="milliseconds",
    )
schedule.run_all()
"""
    assert run_document(ADVANCED, MONITORING, worse).splitlines() == [
        "well",
        "ALERT High error rate detected",
        "ALERT Low user satisfaction",
        "ALERT High response times",
    ]
