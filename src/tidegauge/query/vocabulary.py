# SPDX-License-Identifier: Apache-2.0
"""The catalogue as a table that SQL can join: one row per declared metric."""

from __future__ import annotations

import pyarrow as pa

from tidegauge.catalog import Catalog
from tidegauge.store.arrays import from_rows

__all__ = ["METRICS_COLUMNS", "metrics_table"]

#: Column, type and meaning, in the order of the table `metrics`.
METRICS_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("metric", pa.string(), "full name"),
    ("category", pa.string(), "the part of the name before the colon"),
    ("kind", pa.string(), "`gauge`, `counter` or `distribution`"),
    ("unit", pa.string(), "UCUM code of the values' unit"),
    ("description", pa.string(), "one line for people"),
    ("direction", pa.string(), "which way is better: `higher`, `lower` or `none`"),
    ("min", pa.float64(), "smallest value accepted"),
    ("max", pa.float64(), "largest value accepted"),
    ("combined_by", pa.string(), "how values combine: `sum`, `last`, `mean` or `max`"),
    ("ratio_of", pa.string(), "the counter on top, of a metric that is a ratio"),
    ("ratio_per", pa.string(), "the counter below"),
    ("labels", pa.list_(pa.string()), "labels that are declared"),
    ("aliases", pa.list_(pa.string()), "other names that mean this metric"),
    ("owner", pa.string(), "a team or person"),
    ("deprecated_since", pa.string(), "version or date from which the name is given up"),
    ("renamed_to", pa.string(), "the name that replaces it"),
)


def metrics_table(catalog: Catalog) -> pa.Table:
    """One row per declared metric, given-up names among them, sorted by name."""
    rows = [
        {
            "metric": spec.name,
            "category": spec.category,
            "kind": str(spec.kind),
            "unit": spec.unit,
            "description": spec.description,
            "direction": str(spec.direction),
            "min": spec.min,
            "max": spec.max,
            "combined_by": str(spec.combined_by),
            "ratio_of": spec.ratio.of if spec.ratio else None,
            "ratio_per": spec.ratio.per if spec.ratio else None,
            "labels": sorted(spec.labels),
            "aliases": sorted(spec.aliases),
            "owner": spec.owner,
            "deprecated_since": spec.deprecated.since if spec.deprecated else None,
            "renamed_to": spec.deprecated.renamed_to if spec.deprecated else None,
        }
        for spec in catalog.metrics.values()
    ]
    return from_rows(rows, pa.schema([(name, kind) for name, kind, _ in METRICS_COLUMNS]))
