# SPDX-License-Identifier: Apache-2.0
"""The vocabulary: names, the registry, validation, and what each metric is called elsewhere.

This module only re-exports. It reads no file until the vocabulary is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegauge.catalog.abroad import ExportedNames, export_names
from tidegauge.catalog.categories import MetricCategory
from tidegauge.catalog.diff import Change, diff_catalogs
from tidegauge.catalog.grammar import (
    METRIC_NAME_PATTERN,
    MetricName,
    check_metric_name,
    fix_metric_name,
    format_metric_name,
    parse_metric_name,
    validate_metric_name,
)
from tidegauge.catalog.load import builtin_catalog, load_catalog, standard_metrics
from tidegauge.catalog.migrate import migrate_metric_name
from tidegauge.catalog.mlflow_names import MlflowStyle, check_mlflow_name, mlflow_name
from tidegauge.catalog.registry import Catalog
from tidegauge.catalog.validation import (
    check_label,
    check_labels,
    check_step,
    check_unit,
    check_value,
)
from tidegauge.model.errors import CatalogError, MetricValidationError

__all__ = [
    "METRIC_NAME_PATTERN",
    "STANDARD_METRICS",
    "Catalog",
    "CatalogError",
    "Change",
    "ExportedNames",
    "MetricCategory",
    "MetricName",
    "MetricValidationError",
    "MlflowStyle",
    "builtin_catalog",
    "check_label",
    "check_labels",
    "check_metric_name",
    "check_mlflow_name",
    "check_step",
    "check_unit",
    "check_value",
    "diff_catalogs",
    "export_names",
    "fix_metric_name",
    "format_metric_name",
    "load_catalog",
    "migrate_metric_name",
    "mlflow_name",
    "parse_metric_name",
    "validate_metric_name",
]

#: Full name to description of every metric of the built-in vocabulary; read at first use.
STANDARD_METRICS: Mapping[str, str]


def __getattr__(name: str) -> Any:
    if name == "STANDARD_METRICS":
        return standard_metrics()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
