# SPDX-License-Identifier: Apache-2.0
"""What two versions of a model can be measured by, and where the facts of each measure are.

A measure is SQL for rows of `version`, `time`, `top` and `bottom`: its value is the sum of `top`
over the sum of `bottom`, such as errors over predictions, or a percentile of `top`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import duckdb

from tidegauge.model.spec import Combine, Direction, Kind, MetricSpec
from tidegauge.query import sql
from tidegauge.query.accuracy import IS_CLASSES, IS_RIGHT, JUDGED
from tidegauge.query.selection import Vocabulary

__all__ = ["TABLES_OF_VERSIONS", "Measure", "measures_of"]

#: Where versions of models are known; `calls` is of `view_calls`.
TABLES_OF_VERSIONS = ("points", "intervals", "predictions", "calls", "user_satisfaction")

_VERSION = "model_version AS version, time"

Statistic = Literal["mean", "share", "ratio", "p50", "p95"]


class Measure(NamedTuple):
    """Something that versions are compared by.

    Attributes:
        name: A metric, or a table with what is measured of its rows.
        statistic: What is told of it.
        unit: Unit of the value.
        direction: Which way is better.
        facts: SQL for the rows.
        quantile: Of which share of `top` the percentile is; None if it is a ratio of sums.
        reason: Why there is no telling; None if there is.
        per: What `bottom` counts. Rows of counters have either `top` or `bottom`, so that none of
            them tells anything alone.
    """

    name: str
    statistic: Statistic
    unit: str
    direction: Direction
    facts: str
    quantile: float | None = None
    reason: str | None = None
    per: str = "facts"

    @property
    def is_of_counters(self) -> bool:
        """Whether it is a ratio of two counters."""
        return self.per != "facts"


def measures_of(
    connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, where: str
) -> Iterator[Measure]:
    """All measures that versions could be compared by; some may be without facts.

    Args:
        connection: With views of `TABLES_OF_VERSIONS` and of `ground_truths`.
        vocabulary: What is declared.
        where: SQL that is true for facts of the versions.
    """
    direction = {
        name: vocabulary.spec(name).direction
        for name in (
            "model:accuracy",
            "model:mae",
            "model:prediction_errors",
            "model:prediction_seconds",
            "llm:failures",
            "llm:inference_seconds",
            "llm:cost_usd",
            "satisfaction:score",
        )
    }
    yield from _judged(connection, direction, where)
    yield from _of_metrics(connection, vocabulary, where)
    for table, seconds, failed in (
        ("predictions", "model:prediction_seconds", "model:prediction_errors"),
        ("calls", "llm:inference_seconds", "llm:failures"),
    ):
        shown = "llm_calls" if table == "calls" else table
        facts = _rows(table, "(status = 'error')::DOUBLE", where)
        yield Measure(f"{shown}.error", "share", "1", direction[failed], facts)
        facts = _rows(
            table, "latency_s", f"{where} AND latency_s IS NOT NULL AND status = 'success'"
        )
        better = direction[seconds]
        yield Measure(f"{shown}.latency_s", "p50", "s", better, facts, 0.5)
        yield Measure(f"{shown}.latency_s", "p95", "s", better, facts, 0.95)
    yield _cost(connection, direction["llm:cost_usd"], where)
    facts = _rows("user_satisfaction", "normalized_score", where)
    name = "user_satisfaction.normalized_score"
    yield Measure(name, "mean", "1", direction["satisfaction:score"], facts)


def _judged(
    connection: duckdb.DuckDBPyConnection, direction: dict[str, Direction], where: str
) -> Iterator[Measure]:
    """How often predictions were right, or how far off they were."""
    [(is_classes,)] = connection.execute(
        f"SELECT {IS_CLASSES} FROM (FROM {JUDGED}) WHERE {where}"
    ).fetchall()
    if is_classes:
        facts = _rows(f"(FROM {JUDGED})", f"({IS_RIGHT})::DOUBLE", where)
        yield Measure("predictions.accuracy", "share", "1", direction["model:accuracy"], facts)
    elif is_classes is not None:
        where = f"{where} AND prediction IS NOT NULL AND truth.n IS NOT NULL"
        facts = _rows(f"(FROM {JUDGED})", "abs(prediction - truth.n)", where)
        yield Measure("predictions.absolute_error", "mean", "", direction["model:mae"], facts)


def _of_metrics(
    connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, where: str
) -> Iterator[Measure]:
    """Metrics that are averaged, and ratios of counters. A total says more of traffic."""
    found = connection.execute(
        f"SELECT DISTINCT metric FROM points WHERE {where} "
        f"UNION SELECT DISTINCT metric FROM intervals WHERE {where} ORDER BY 1"
    ).fetchall()
    names = [name for (name,) in found]
    for name in names:
        spec = vocabulary.spec(name)
        if spec.kind is not Kind.COUNTER and spec.combined_by in (Combine.MEAN, Combine.LAST):
            about = f"{where} AND metric = {sql.text(name)}"
            facts = (
                f"SELECT {_VERSION}, value AS top, 1.0 AS bottom FROM points WHERE {about} "
                f'UNION ALL SELECT {_VERSION}, "sum", "count" FROM intervals WHERE {about}'
            )
            yield Measure(name, "mean", spec.unit, spec.direction, facts)
    for spec in vocabulary.catalog.metrics.values():
        if spec.ratio is not None and spec.ratio.per in names and spec.name not in names:
            yield _of_counters(spec, spec.ratio.of, spec.ratio.per, where)


def _of_counters(spec: MetricSpec, of: str, per: str, where: str) -> Measure:
    parts = ", ".join(
        f"CASE WHEN metric = {sql.text(name)} THEN counted ELSE 0 END AS {side}"
        for name, side in ((of, "top"), (per, "bottom"))
    )
    about = f"{where} AND metric IN {sql.text_list((of, per))}"
    facts = (
        f"SELECT version, time, {parts} FROM ("
        f"SELECT {_VERSION}, metric, value AS counted FROM points WHERE {about} "
        f'UNION ALL SELECT {_VERSION}, metric, "sum" FROM intervals WHERE {about})'
    )
    statistic: Statistic = "share" if (spec.min, spec.max) == (0, 1) else "ratio"
    return Measure(spec.name, statistic, spec.unit, spec.direction, facts, per=per)


def _cost(connection: duckdb.DuckDBPyConnection, better: Direction, where: str) -> Measure:
    where = f"{where} AND cost IS NOT NULL"
    found = connection.execute(
        f"SELECT DISTINCT currency FROM calls WHERE {where} ORDER BY 1"
    ).fetchall()
    currencies = [currency for (currency,) in found]
    reason = f"in several currencies: {', '.join(currencies)}" if len(currencies) > 1 else None
    unit = f"{currencies[0]}/{{request}}" if len(currencies) == 1 else ""
    facts = _rows("calls", "cost::DOUBLE", where)
    return Measure("llm_calls.cost", "mean", unit, better, facts, None, reason)


def _rows(table: str, top: str, where: str) -> str:
    return f"SELECT {_VERSION}, {top} AS top, 1.0 AS bottom FROM {table} WHERE {where}"
