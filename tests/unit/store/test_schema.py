# SPDX-License-Identifier: Apache-2.0
"""Arrow schemas of the tables."""

from __future__ import annotations

import pyarrow as pa

from tidegauge.model.tables import INTERVALS, POINTS, TABLES
from tidegauge.store.schema import arrow_schema, dictionary_schema


def test_points_have_the_common_columns_first() -> None:
    """The schema of points is what docs/format/store.md says, column by column."""
    text = pa.string()
    assert arrow_schema(POINTS) == pa.schema(
        [
            pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("date", pa.date32(), nullable=False),
            pa.field("slot", text, nullable=False),
            pa.field("service", text),
            pa.field("model", text),
            pa.field("model_version", text),
            pa.field("experiment", text),
            pa.field("run_id", text),
            pa.field("environment", text),
            pa.field("labels", pa.map_(text, text), nullable=False),
            pa.field("metadata", text),
            pa.field("metric", text, nullable=False),
            pa.field("value", pa.float64(), nullable=False),
            pa.field("step", pa.int64()),
        ]
    )


def test_every_kind_of_column_has_a_type() -> None:
    """Each table of the catalogue of tables has a schema with all its columns."""
    for table in TABLES.values():
        names = arrow_schema(table).names
        assert names[-len(table.columns) :] == [column.name for column in table.columns]
    assert arrow_schema(INTERVALS).field("positive_counts").type == pa.list_(pa.int64())


def test_text_that_comes_from_a_series_is_a_dictionary_in_memory() -> None:
    """Only what repeats from row to row is; metadata is not."""
    schema = dictionary_schema(POINTS)
    kept = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    assert kept == [
        *("slot", "service", "model", "model_version", "experiment", "run_id", "environment"),
        "metric",
    ]
