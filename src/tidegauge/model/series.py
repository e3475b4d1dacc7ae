# SPDX-License-Identifier: Apache-2.0
"""What a fact is about: a metric with its dimensions and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

__all__ = ["DIMENSIONS", "RowContent", "SeriesKey", "split_labels"]

#: The labels that have a column of their own in every table.
DIMENSIONS = ("service", "model", "model_version", "experiment", "run_id", "environment")


class SeriesKey(msgspec.Struct, frozen=True, array_like=True):
    """Identity of a series. Equal keys are the same series everywhere.

    Attributes:
        metric: Full metric name; empty for records of tables that have no metric column.
        dimensions: Pairs from `DIMENSIONS`, sorted by name; absent means unknown.
        labels: All other pairs, sorted by name.
    """

    metric: str
    dimensions: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, metric: str, labels: Mapping[str, str]) -> SeriesKey:
        """Build a key from a metric and all its labels, dimensions among them."""
        return cls(metric, *split_labels(labels))


class RowContent(NamedTuple):
    """All that a row of a table says. Rows that say the same are equal.

    Attributes:
        key: What it is about.
        time_us: When it happened, microseconds since 1970.
        values: The table's own columns, in order.
        metadata: JSON text.
    """

    key: SeriesKey
    time_us: int
    values: tuple[object, ...]
    metadata: str | None


def split_labels(
    labels: Mapping[str, str],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Separate the pairs that are dimensions from the rest, both sorted by name."""
    pairs = sorted(labels.items())
    return (
        tuple(pair for pair in pairs if pair[0] in DIMENSIONS),
        tuple(pair for pair in pairs if pair[0] not in DIMENSIONS),
    )
