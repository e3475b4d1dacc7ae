# SPDX-License-Identifier: Apache-2.0
"""Which column of somebody else's table holds what: time, metric, value, labels.

A table is long (one row per value, with columns for the metric and the value) or wide (one column
per metric).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import msgspec

from tidegauge.model.errors import QueryError
from tidegauge.model.series import DIMENSIONS

__all__ = ["ColumnMap", "Layout", "Source"]

#: What a column can be, apart from a label of its own or, in a wide table, a metric.
TARGETS = ("time", "metric", "value", "step", "labels", "metadata", *DIMENSIONS)

# Columns that a table exported from here has and that are computed anew.
_COMPUTED = ("date", "slot")


class ColumnMap(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns of a table mean. A column named as its target needs no entry.

    Attributes:
        columns: Target, of `TARGETS`, to column.
        labels: Label to column.
        constants: Target or label to the text that holds for every row.
        metrics: Metric to column; if there are any, the table is wide.
    """

    columns: dict[str, str] = {}
    labels: dict[str, str] = {}
    constants: dict[str, str] = {}
    metrics: dict[str, str] = {}


class Source(msgspec.Struct, frozen=True):
    """Where something comes from: a place in the row, or the same for all.

    Attributes:
        at: Index in the row; None for a constant.
        constant: The constant; None with `at` None means that there is nothing.
    """

    at: int | None = None
    constant: str | None = None


class Layout(msgspec.Struct, frozen=True):
    """A `ColumnMap` applied to the columns of one table.

    Attributes:
        columns: The columns to be read; rows have their cells in this order.
        ignored: Columns of the table that are not used.
        values: For each fact of a row: where its metric and its value are.
        time: Where the time is.
        step: Where the step is.
        metadata: Where the metadata, JSON text, is.
        label_names: The labels and dimensions that have columns.
        labels_at: Index of the cell of each.
        more_labels_at: Index of the cell that holds a map of labels.
        constant_labels: The labels that are the same for all rows.
        wide: Whether an empty value means that there is no fact, and not a bad one.
    """

    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    values: tuple[tuple[Source, Source], ...]
    time: Source
    step: Source
    metadata: Source
    label_names: tuple[str, ...]
    labels_at: tuple[int, ...]
    more_labels_at: int | None
    constant_labels: dict[str, str]
    wide: bool

    @classmethod
    def of(cls, present: Sequence[str], meaning: ColumnMap) -> Layout:
        """Apply a map to a table.

        Args:
            present: The table's columns.
            meaning: What they mean.

        Raises:
            QueryError: A column is not there, is there twice, or what a fact needs is missing.
        """
        for target in meaning.columns:
            if target not in TARGETS:
                raise _unknown_target(target)
        twice = sorted({name for name in present if present.count(name) > 1})
        if twice:
            raise QueryError("two columns have the same name", got=twice[0], fix="Rename one.")
        used: list[str] = []

        def place(column: str) -> int:
            if column not in present:
                raise _no_column(column, present)
            if column not in used:
                used.append(column)
            return used.index(column)

        def source(target: str) -> Source:
            if target in meaning.constants:
                return Source(constant=meaning.constants[target])
            column = meaning.columns.get(target)
            if column is None and target in present and target not in taken:
                column = target
            return Source(None if column is None else place(column))

        taken = {*meaning.labels.values(), *meaning.metrics.values()}
        wide = bool(meaning.metrics)
        values = tuple(
            (Source(constant=metric), Source(place(column)))
            for metric, column in meaning.metrics.items()
        ) or ((source("metric"), source("value")),)
        time, step, metadata = source("time"), source("step"), source("metadata")
        _need(present, time=time, metric=values[0][0], value=values[0][1])
        labels = {name: place(column) for name, column in meaning.labels.items()}
        for dimension in DIMENSIONS:
            if dimension not in labels and (at := source(dimension).at) is not None:
                labels[dimension] = at
        more_labels_at = source("labels").at
        return cls(
            columns=tuple(used),
            ignored=tuple(name for name in present if name not in {*used, *_COMPUTED}),
            values=values,
            time=time,
            step=step,
            metadata=metadata,
            label_names=tuple(labels),
            labels_at=tuple(labels.values()),
            more_labels_at=more_labels_at,
            constant_labels={
                name: text
                for name, text in meaning.constants.items()
                if name in DIMENSIONS or name not in TARGETS
            },
            wide=wide,
        )


def _need(present: Sequence[str], **sources: Source) -> None:
    for target, source in sources.items():
        if source == Source():
            raise QueryError(
                f"nothing says which column is the {target}",
                got=", ".join(present),
                allowed=f"a column named {target!r}, a column mapped to it, or a constant",
                fix=f"Map a column with --column {target}=NAME, or give --set {target}=VALUE.",
            )


def _no_column(column: str, present: Sequence[str]) -> QueryError:
    near = difflib.get_close_matches(column, present, n=1)
    return QueryError(
        "the table has no such column",
        got=column,
        allowed=", ".join(present),
        fix=f"Did you mean {near[0]!r}?" if near else "",
    )


def _unknown_target(target: str) -> QueryError:
    return QueryError(
        "a column cannot be that",
        got=target,
        allowed=", ".join(TARGETS),
        fix=f"For a label of this name: --label {target}=COLUMN.",
    )
