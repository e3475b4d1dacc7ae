# SPDX-License-Identifier: Apache-2.0
"""The built-in vocabulary keeps the rules at the head of usage.yaml and has what was promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tidegauge.catalog
from tidegauge.catalog import STANDARD_METRICS, MetricCategory, builtin_catalog
from tidegauge.catalog.load import BUILTIN_DIRECTORY
from tidegauge.catalog.yaml_file import read_yaml_catalog
from tidegauge.model.spec import Direction, Kind, MetricSpec

FILES = sorted(BUILTIN_DIRECTORY.glob("*.yaml"))
PERCENTILES = ("p50", "p95", "p99")

# What the product has promised from the first, word for word.
PROMISED = {
    "usage:reply_rate": "Rate of replies to messages",
    "usage:conversion_rate": "Conversion rate for actions",
    "usage:engagement_rate": "User engagement rate",
    "model:accuracy": "Model accuracy score",
    "model:f1_score": "F1 score",
    "model:latency_ms": "Inference latency in milliseconds",
    "pipeline:data_processed": "Amount of data processed",
    "pipeline:success_rate": "Pipeline success rate",
    "pipeline:duration_seconds": "Pipeline execution time",
}

# Metric, and what is asked of it: (statistic, comparison, bound).
TARGETS = {
    "model:latency_ms": [("p50", "<", 50), ("p95", "<", 100), ("p99", "<", 200)],
    "api:error_rate": [("mean", "<", 0.001)],
    "api:availability": [("mean", ">", 0.999)],
    "resource:cpu_percent": [("mean", "<", 70)],
    "resource:memory_percent": [("mean", "<", 80)],
    "resource:gpu_percent": [("mean", ">", 50)],
    "api:response_time_ms": [("mean", "<=", 1000)],
    "satisfaction:score": [("mean", ">=", 0.7)],
}

# Names that dashboards made from the guides ask Prometheus for.
EXPOSED = {
    "api:requests": "ml_api_requests_total",
    "api:request_duration_seconds": "ml_api_request_duration_seconds",
    "api:active_requests": "ml_api_active_requests",
    "model:predictions": "ml_model_predictions_total",
    "model:prediction_seconds": "ml_model_inference_seconds",
    "model:accuracy": "ml_model_accuracy",
    "cost:daily_usd": "aws_daily_cost_usd",
    "cost:per_prediction_usd": "aws_cost_per_prediction_usd",
    "cost:by_service_usd": "aws_cost_by_service_usd",
    "llm:calls": "llm_requests_total",
    "llm:tokens": "llm_tokens_total",
    "llm:inference_seconds": "llm_inference_seconds",
    "llm:cost_usd": "llm_cost_usd_total",
    "resource:cpu_percent": "system_cpu_usage_percent",
    "resource:memory_used_bytes": "system_memory_usage_bytes",
    "resource:memory_available_bytes": "system_memory_available_bytes",
}

# The tables of quality and business metrics, and the name each entry is found by.
FOUND = {
    "accuracy": "model:accuracy",
    "precision": "model:precision",
    "recall": "model:recall",
    "f1": "model:f1_score",
    "auc_roc": "model:auc_roc",
    "auc_pr": "model:auc_pr",
    "avg_precision": "model:auc_pr",
    "log_loss": "model:log_loss",
    "mae": "model:mae",
    "mse": "model:mse",
    "rmse": "model:rmse",
    "mape": "model:mape",
    "r2": "model:r2",
    "ndcg": "model:ndcg",
    "mrr": "model:mrr",
    "map": "model:map",
    "hit_rate": "model:hit_rate",
    "ctr": "business:click_through_rate",
    "conversion_rate": "usage:conversion_rate",
    "revenue_per_user": "business:revenue_per_user",
    "customer_lifetime_value": "business:customer_lifetime_value",
    "cost_savings": "business:cost_savings_usd",
    "time_saved": "business:time_saved_seconds",
    "latency": "model:latency_ms",
    "throughput": "api:throughput",
    "error_rate": "api:error_rate",
    "availability": "api:availability",
    "response_time": "api:response_time_ms",
    "cpu_usage": "resource:cpu_percent",
    "memory_usage": "resource:memory_percent",
    "gpu_utilization": "resource:gpu_percent",
    "disk_io": "resource:disk_operations",
    "disk": "resource:disk_percent",
    "network": "resource:network_bytes",
    "duration_ms": "feature:duration_ms",
    "improvement_rate": "learning:effectiveness.improvement_rate",
    "satisfaction": "satisfaction:score",
}


def metrics() -> list[MetricSpec]:
    """All metrics of the vocabulary."""
    return list(builtin_catalog().metrics.values())


def test_every_promised_metric_is_there_with_its_words() -> None:
    """STANDARD_METRICS has each entry of the first document, description and all."""
    assert {name: STANDARD_METRICS[name] for name in PROMISED} == PROMISED


def test_standard_metrics_are_derived() -> None:
    """STANDARD_METRICS is full name to description of the whole vocabulary, and read-only."""
    assert dict(STANDARD_METRICS) == {spec.name: spec.description for spec in metrics()}
    with pytest.raises(TypeError):
        STANDARD_METRICS["x"] = "x"  # type: ignore[index]


@pytest.mark.parametrize(("name", "full"), FOUND.items())
def test_every_metric_of_the_guides_is_found(name: str, full: str) -> None:
    """The guides' name for a metric, written as a name, leads to it."""
    assert builtin_catalog().canonical(name) == full
    assert builtin_catalog().declared(full) is not None


@pytest.mark.parametrize("name", TARGETS)
def test_targets(name: str) -> None:
    """The goals of the guides are the metrics' targets, in the metrics' units."""
    targets = builtin_catalog().metrics[name].targets
    assert [(t.stat, t.op, t.value) for t in targets] == TARGETS[name]


def test_no_other_metric_has_targets() -> None:
    """A target that nobody asked for would raise alarms."""
    assert {spec.name for spec in metrics() if spec.targets} == set(TARGETS)


@pytest.mark.parametrize("name", EXPOSED)
def test_names_that_dashboards_rely_on(name: str) -> None:
    """The names in the guides' dashboards are exposed exactly."""
    assert builtin_catalog().prometheus_name(name) == EXPOSED[name]


def test_satisfaction_has_its_types() -> None:
    """A satisfaction score says what was asked about, from a closed list."""
    labels = builtin_catalog().metrics["satisfaction:score"].labels
    assert labels["satisfaction_type"].values == (
        "task_completion",
        "ease_of_use",
        "accuracy",
        "speed",
        "overall",
    )


def test_errors_have_severity_and_impact() -> None:
    """Errors are counted by severity and impact, from closed lists."""
    labels = builtin_catalog().metrics["error:occurrences"].labels
    assert labels["error_severity"].values == ("critical", "error", "warning", "info")
    assert labels["impact_level"].values == ("high", "medium", "low")


def test_categories_and_enum_agree() -> None:
    """Every member of MetricCategory has a file that describes it, and there are no others."""
    assert sorted(path.stem for path in FILES) == sorted(MetricCategory)
    assert set(builtin_catalog().categories) == set(MetricCategory)
    assert all(builtin_catalog().categories.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_declares_its_own_category(path: Path) -> None:
    """Rule 1: one category per file, and only metrics of it."""
    specs, categories, closed = read_yaml_catalog(path.read_text(), path.name)
    assert list(categories) == [path.stem]
    assert {spec.category for spec in specs} <= {path.stem}
    assert closed is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_where_its_rules_are(path: Path) -> None:
    """Every file has the licence, and the rules or the way to them."""
    lines = path.read_text().splitlines()
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0"
    head = "\n".join(lines[:5])
    assert "at the head of usage.yaml" in head or path.stem == "usage"


def test_no_bare_name_is_ambiguous() -> None:
    """Rule 3: each metric's name without category, and each alias, leads to one metric."""
    for spec in metrics():
        for name in (spec.name.partition(":")[2], *spec.aliases):
            assert builtin_catalog().canonical(name) == spec.name


def test_descriptions() -> None:
    """Rule 5: one line, a capital at the start, no full stop at the end."""
    for spec in metrics():
        assert spec.description[0].isupper(), spec.name
        assert not spec.description.endswith("."), spec.name


def test_rates_and_percentages() -> None:
    """Rule 7: `_rate` is a fraction of unit 1; `_percent` has unit %, and nothing else has."""
    for spec in metrics():
        if spec.name.endswith("_rate"):
            assert spec.unit == "1", spec.name
        assert spec.name.endswith("_percent") == (spec.unit == "%"), spec.name


def test_names_say_their_unit() -> None:
    """Rule 8: durations, sizes and money end in the unit, unless they are per something.

    `pipeline:processing_time` is an example of the convention itself and keeps its name.
    """
    endings = {"s": "_seconds", "ms": "_ms", "By": "_bytes", "USD": "_usd"}
    for spec in metrics():
        ending = endings.get(spec.unit)
        if ending is not None and spec.name != "pipeline:processing_time":
            assert spec.name.endswith(ending), spec.name


def test_a_target_has_its_bucket() -> None:
    """Rule 12: a percentile's target can be told exactly, because a bucket ends there."""
    for spec in metrics():
        for target in spec.targets:
            if target.stat in PERCENTILES and spec.kind is Kind.DISTRIBUTION:
                assert target.value in spec.buckets, spec.name


def test_distributions_have_buckets() -> None:
    """Every distribution can be exposed as a histogram."""
    assert [s.name for s in metrics() if s.kind is Kind.DISTRIBUTION and not s.buckets] == []


def test_ratios_stay_between_zero_and_one() -> None:
    """A rate that is a share refuses 15.2, which is how percentages passed by mistake show."""
    shares = [
        spec
        for spec in metrics()
        if spec.name.endswith("_rate") and spec.name != "learning:effectiveness.improvement_rate"
    ]
    assert {(spec.min, spec.max) for spec in shares} == {(0.0, 1.0)}


def test_no_history_is_under_another_name_but_one() -> None:
    """Queries over all metrics translate names; the vocabulary gives them next to nothing to do."""
    catalog = builtin_catalog()
    others = {name: names[1:] for name in catalog.metrics if (names := catalog.stored_names(name))}
    assert {name: names for name, names in others.items() if names} == {
        "usage:conversion_rate": ("business:conversion_rate",)
    }


def test_directions_of_what_is_compared() -> None:
    """Accuracy is better higher, loss and latency lower."""
    directions = {name: builtin_catalog().metrics[name].direction for name in PROMISED}
    assert directions["model:accuracy"] is Direction.HIGHER
    assert directions["model:latency_ms"] is Direction.LOWER
    assert builtin_catalog().metrics["model:val_loss"].direction is Direction.LOWER


def test_the_vocabulary_is_read_once() -> None:
    """The catalogue is the same object every time."""
    assert builtin_catalog() is builtin_catalog()


def test_importing_reads_nothing() -> None:
    """Importing the package imports no yaml and builds no catalogue; asking for it does."""
    code = (
        "import sys, tidegauge.catalog as c; from tidegauge.catalog.load import builtin_catalog\n"
        "print('yaml' in sys.modules, builtin_catalog.cache_info().currsize)\n"
        "len(c.STANDARD_METRICS)\n"
        "print('yaml' in sys.modules, builtin_catalog.cache_info().currsize)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["False 0", "True 1"]


def test_there_is_nothing_else_to_import() -> None:
    """A name that the package does not have is an ordinary error."""
    with pytest.raises(AttributeError, match=r"'tidegauge\.catalog' has no attribute 'NOTHING'"):
        tidegauge.catalog.NOTHING  # noqa: B018
