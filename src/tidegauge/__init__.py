# SPDX-License-Identifier: Apache-2.0
"""Tidegauge: a metrics layer for machine-learning systems.

This module only re-exports. Importing it loads none of the libraries that store or query.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tidegauge.catalog import (
    METRIC_NAME_PATTERN,
    MetricCategory,
    format_metric_name,
    migrate_metric_name,
    parse_metric_name,
    validate_metric_name,
)
from tidegauge.config import configure, flush, shutdown
from tidegauge.model.errors import MetricValidationError, TidegaugeError
from tidegauge.model.loading import loading
from tidegauge.model.spec import MetricSpec
from tidegauge.query.front import compare, history, search, sql, stats
from tidegauge.record.context import context
from tidegauge.record.front import (
    log_metric,
    log_metric_with_metadata,
    log_metrics,
    log_model_metrics,
    log_pipeline_metrics,
    log_usage_metrics,
    metric,
    timer,
)
from tidegauge.record.logger import MetricLogger

if TYPE_CHECKING:
    from tidegauge.amending import correct as correct
    from tidegauge.amending import forget as forget
    from tidegauge.budgeting import budgets as budgets
    from tidegauge.budgeting import on_budget_warning as on_budget_warning
    from tidegauge.budgeting import remove_budget as remove_budget
    from tidegauge.budgeting import set_budget as set_budget
    from tidegauge.business import business_metrics as business_metrics
    from tidegauge.business import log_business as log_business
    from tidegauge.catalog import STANDARD_METRICS as STANDARD_METRICS
    from tidegauge.costs import CostTracker as CostTracker
    from tidegauge.detecting import detect as detect
    from tidegauge.detecting import drift as drift
    from tidegauge.detecting import segments as segments
    from tidegauge.features import get_advanced_metrics as get_advanced_metrics
    from tidegauge.features import get_metrics_collector as get_metrics_collector
    from tidegauge.impacts import measure_impact as measure_impact
    from tidegauge.impacts import minimum_detectable_effect as minimum_detectable_effect
    from tidegauge.impacts import record_impact as record_impact
    from tidegauge.impacts import sample_size as sample_size
    from tidegauge.integrations.feature_tracking import track_feature as track_feature
    from tidegauge.integrations.llm.generate import calculate_llm_cost as calculate_llm_cost
    from tidegauge.integrations.llm.generate import generate_with_metrics as generate_with_metrics
    from tidegauge.integrations.llm.generate import price_llm_call as price_llm_call
    from tidegauge.integrations.llm.tracking import track_llm as track_llm
    from tidegauge.integrations.predictions import MLMetrics as MLMetrics
    from tidegauge.integrations.predictions import predict_with_metrics as predict_with_metrics
    from tidegauge.integrations.predictions import record_ground_truth as record_ground_truth
    from tidegauge.integrations.tracking import track_prediction as track_prediction
    from tidegauge.jobs import every as every
    from tidegauge.quality import ModelMetricsCalculator as ModelMetricsCalculator
    from tidegauge.quality import compare_models as compare_models
    from tidegauge.quality import evaluate_model_performance as evaluate_model_performance
    from tidegauge.ranked import evaluate_ranking as evaluate_ranking
    from tidegauge.ranked import evaluate_retrieval as evaluate_retrieval
    from tidegauge.relations import correlate as correlate
    from tidegauge.relations import correlate_ml_business_metrics as correlate_ml_business_metrics
    from tidegauge.resources import update_resource_metrics as update_resource_metrics
    from tidegauge.spending import llm_top as llm_top
    from tidegauge.spending import llm_usage as llm_usage
    from tidegauge.spending import reprice_llm_calls as reprice_llm_calls
    from tidegauge.sqlite import export_sqlite as export_sqlite
    from tidegauge.sqlite import import_sqlite as import_sqlite
    from tidegauge.versions import compare_versions as compare_versions

__all__ = [
    "METRIC_NAME_PATTERN",
    "STANDARD_METRICS",
    "CostTracker",
    "MLMetrics",
    "MetricCategory",
    "MetricLogger",
    "MetricSpec",
    "MetricValidationError",
    "ModelMetricsCalculator",
    "TidegaugeError",
    "__version__",
    "budgets",
    "business_metrics",
    "calculate_llm_cost",
    "compare",
    "compare_models",
    "compare_versions",
    "configure",
    "context",
    "correct",
    "correlate",
    "correlate_ml_business_metrics",
    "detect",
    "drift",
    "evaluate_model_performance",
    "evaluate_ranking",
    "evaluate_retrieval",
    "every",
    "export_sqlite",
    "flush",
    "forget",
    "format_metric_name",
    "generate_with_metrics",
    "get_advanced_metrics",
    "get_metrics_collector",
    "history",
    "import_sqlite",
    "llm_top",
    "llm_usage",
    "log_business",
    "log_metric",
    "log_metric_with_metadata",
    "log_metrics",
    "log_model_metrics",
    "log_pipeline_metrics",
    "log_usage_metrics",
    "measure_impact",
    "metric",
    "migrate_metric_name",
    "minimum_detectable_effect",
    "on_budget_warning",
    "parse_metric_name",
    "predict_with_metrics",
    "price_llm_call",
    "record_ground_truth",
    "record_impact",
    "remove_budget",
    "reprice_llm_calls",
    "sample_size",
    "search",
    "segments",
    "set_budget",
    "shutdown",
    "sql",
    "stats",
    "timer",
    "track_feature",
    "track_llm",
    "track_prediction",
    "update_resource_metrics",
    "validate_metric_name",
]

__version__ = "0.1.0"


#: What is loaded when it is asked for, and where it is.
_LATE = {
    "measure_impact": "tidegauge.impacts",
    "minimum_detectable_effect": "tidegauge.impacts",
    "record_impact": "tidegauge.impacts",
    "sample_size": "tidegauge.impacts",
    "STANDARD_METRICS": "tidegauge.catalog",
    "get_advanced_metrics": "tidegauge.features",
    "get_metrics_collector": "tidegauge.features",
    "CostTracker": "tidegauge.costs",
    "business_metrics": "tidegauge.business",
    "log_business": "tidegauge.business",
    "correct": "tidegauge.amending",
    "forget": "tidegauge.amending",
    "detect": "tidegauge.detecting",
    "drift": "tidegauge.detecting",
    "segments": "tidegauge.detecting",
    "budgets": "tidegauge.budgeting",
    "on_budget_warning": "tidegauge.budgeting",
    "remove_budget": "tidegauge.budgeting",
    "set_budget": "tidegauge.budgeting",
    "MLMetrics": "tidegauge.integrations.predictions",
    "calculate_llm_cost": "tidegauge.integrations.llm.generate",
    "generate_with_metrics": "tidegauge.integrations.llm.generate",
    "price_llm_call": "tidegauge.integrations.llm.generate",
    "track_llm": "tidegauge.integrations.llm.tracking",
    "every": "tidegauge.jobs",
    "evaluate_ranking": "tidegauge.ranked",
    "evaluate_retrieval": "tidegauge.ranked",
    "ModelMetricsCalculator": "tidegauge.quality",
    "compare_models": "tidegauge.quality",
    "evaluate_model_performance": "tidegauge.quality",
    "correlate": "tidegauge.relations",
    "correlate_ml_business_metrics": "tidegauge.relations",
    "llm_top": "tidegauge.spending",
    "llm_usage": "tidegauge.spending",
    "reprice_llm_calls": "tidegauge.spending",
    "update_resource_metrics": "tidegauge.resources",
    "predict_with_metrics": "tidegauge.integrations.predictions",
    "record_ground_truth": "tidegauge.integrations.predictions",
    "track_feature": "tidegauge.integrations.feature_tracking",
    "track_prediction": "tidegauge.integrations.tracking",
    "export_sqlite": "tidegauge.sqlite",
    "import_sqlite": "tidegauge.sqlite",
    "compare_versions": "tidegauge.versions",
}


def __getattr__(name: str) -> Any:
    """Load what is not needed by everybody."""
    if name in _LATE:
        # The background thread may be loading the same; packages cannot bear two at once.
        with loading():
            module = importlib.import_module(_LATE[name])
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
